//! What runs the command.
//!
//! The runner knows only this trait. Every backend must pass the contract of `contract.rs`.

#[cfg(test)]
pub(crate) mod contract;
mod process;

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

pub use process::ProcessBackend;

use crate::{
    event::BootNs,
    facts::Gap,
    launch::{Ended, LaunchError, signals::SignalNumber},
    observe::Target,
};

/// Prepare → start → wait → cleanup. Cleanup may come at any time and more than once; dropping cleans up too.
pub trait Backend {
    /// Creates the root process and holds it: it exists, and has done nothing.
    ///
    /// # Errors
    /// It could not be created.
    fn prepare(&mut self) -> Result<Target, LaunchError>;

    /// Lets it go; returns when it has executed the command. If `give_up` becomes readable before that, the backend
    /// may give up after a moment.
    ///
    /// # Errors
    /// What kept it from executing. Nothing was run then.
    fn start(&mut self, give_up: Option<BorrowedFd<'_>>) -> Result<RootProcess, LaunchError>;

    /// Waits for the root's end; does not block when the descriptor in [`RootProcess`] is readable.
    ///
    /// # Errors
    /// It was not started, or somebody else has waited for it.
    fn wait(&mut self) -> io::Result<Ended>;

    /// Sends a signal. Nothing happens to whoever has ended.
    ///
    /// # Errors
    /// Somebody could not be signalled.
    fn kill(&mut self, signal: SignalNumber, reach: Reach) -> io::Result<()>;

    /// [`Reach::Everything`] leads further than to the root.
    fn reaches_everything(&self) -> bool;

    /// There is somebody that [`Reach::Everything`] would reach.
    fn is_populated(&self) -> bool;

    /// Freezes the whole workload, or lets it go on. What is frozen is let go by [`Backend::cleanup`] at the latest.
    ///
    /// # Errors
    /// It cannot be done, and why.
    fn freeze(&mut self, frozen: bool) -> io::Result<()>;

    /// What the caller's terminal sends to its foreground process group reaches the root without our doing.
    fn shares_terminal(&self) -> bool;

    /// Leaves nothing behind: no held or stopped child, no control group. Survivors go on running outside.
    ///
    /// # Errors
    /// Something was left behind.
    fn cleanup(&mut self) -> io::Result<()>;

    /// What the receipt says of it.
    fn metadata(&self) -> ExecutionMetadata;
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The root process.
    Root,
    /// The whole workload, as far as it can be reached.
    Everything,
}

/// The command, running.
#[derive(Debug)]
pub struct RootProcess {
    /// Its pid, as glasshouse sees it.
    pub pid: u32,
    /// The file that it executed, absolute.
    pub executable: Option<Vec<u8>>,
    /// When it was released.
    pub released_at: BootNs,
    /// Becomes readable when it has ended.
    pub ended: OwnedFd,
}

/// What the receipt says of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionMetadata {
    /// Its name.
    pub backend: &'static str,
    /// What separates the workload from the host: `none` or `vm`.
    pub isolation: &'static str,
    /// What could not be had.
    pub gaps: Vec<Gap>,
}
