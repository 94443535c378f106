//! Threads that take no signals: those are for the main thread.

use std::{
    io,
    thread::{self, Builder, JoinHandle},
};

use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::sync::mpsc;

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

/// Waits for a thread to end, and takes what it sends until then: it may be waiting for room.
///
/// # Errors
/// It has panicked.
pub(crate) fn join<T, R>(
    thread: JoinHandle<R>,
    sent: &mut mpsc::Receiver<T>,
    mut take: impl FnMut(T),
) -> thread::Result<R> {
    // Until nothing can be sent any more, for it has ended.
    while let Some(one) = sent.blocking_recv() {
        take(one);
    }
    thread.join()
}
