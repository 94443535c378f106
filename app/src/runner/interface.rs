//! What the runner needs of an interface; without one a run is headless.

use std::path::PathBuf;

use crate::{
    event::{BootNs, CallsSoFar, Event},
    launch::pty::ChildTerminal,
    session::Session,
};

/// Somebody who looks on, and may interfere. While the run's own thread has work to do, another one calls it.
pub trait Interface: Send {
    /// The terminal that the command is to have.
    fn terminal(&self) -> Option<ChildTerminal>;

    /// The command runs: takes the screen, if it can be had. From now on messages are held back until it is given back.
    fn enter(&mut self);

    /// It has the screen.
    fn has_screen(&self) -> bool;

    /// Shows an event that the session has taken in.
    fn observed(&mut self, event: &Event, session: &Session);

    /// Resolves when [`Interface::turn`] is to be called. Cancel safe.
    fn ready(&mut self) -> impl Future<Output = ()>;

    /// Reads keys, draws, and says what is wanted of the runner.
    fn turn(&mut self, session: &Session, progress: &Progress) -> Option<Request>;

    /// Takes what [`Request::Count`] asked for.
    fn counted(&mut self, calls: CallsSoFar);

    /// Shows a message of the runner's.
    fn message(&mut self, message: &str);

    /// The terminal is gone.
    fn hung_up(&mut self);

    /// Gives the screen back, for good.
    fn leave(&mut self);
}

/// What is wanted of the runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Freeze the command and all that it started, or let them go on.
    Freeze(bool),
    /// End the command and all that it started.
    End,
    /// Count the system calls that were denied by now, and those that were made if they are wanted.
    Count {
        /// They are.
        made: bool,
    },
    /// Write the receipt of what is known by now.
    WriteReceipt,
    /// Go on without an interface.
    Detach,
    /// The user has seen enough.
    Leave,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// When the command was released.
    pub started_at: BootNs,
    /// When its end was known.
    pub finished_at: Option<BootNs>,
    /// Now.
    pub now: BootNs,
    /// Records that the kernel side could not send.
    pub lost: u64,
    /// How it ended, in words: `exited 0`.
    pub outcome: Option<String>,
    /// It ended by itself and said that it went well.
    pub succeeded: bool,
    /// Where the receipt is and its SHA-256, or why it is not written.
    pub receipt: Option<Result<(Option<PathBuf>, String), String>>,
}

/// A stage of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The command runs.
    #[default]
    Running,
    /// It is frozen.
    Frozen,
    /// It is being ended.
    Ending,
    /// It has ended: what was observed last is taken in.
    Concluding,
    /// Files that were executed or left behind are hashed.
    Hashing,
    /// The receipt is written.
    Writing,
    /// Everything is known and written.
    Finished,
}

impl Stage {
    /// There is no command any more that could be frozen or ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Concluding | Self::Hashing | Self::Writing | Self::Finished)
    }
}

/// Nobody.
#[derive(Debug)]
pub struct Headless;

impl Interface for Headless {
    fn terminal(&self) -> Option<ChildTerminal> {
        None
    }

    fn enter(&mut self) {}

    fn has_screen(&self) -> bool {
        false
    }

    fn observed(&mut self, _event: &Event, _session: &Session) {}

    async fn ready(&mut self) {
        std::future::pending().await
    }

    fn turn(&mut self, _session: &Session, _progress: &Progress) -> Option<Request> {
        None
    }

    fn counted(&mut self, _calls: CallsSoFar) {}

    fn message(&mut self, message: &str) {
        super::say(message);
    }

    fn hung_up(&mut self) {}

    fn leave(&mut self) {}
}
