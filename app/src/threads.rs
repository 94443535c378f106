//! Threads that take no signals: those are for the main thread.

use std::{
    io,
    thread::{Builder, JoinHandle},
};

use nix::sys::signal::{SigSet, SigmaskHow};

/// Starts a thread, in which all signals are blocked from its beginning.
///
/// # Errors
/// There is none to be had.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    // A thread begins with the mask of the one that starts it.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let thread = Builder::new().name(name.into()).spawn(work);
    if let Ok(before) = before {
        // What was set a moment ago can be set again.
        let _ = before.thread_set_mask();
    }
    thread
}
