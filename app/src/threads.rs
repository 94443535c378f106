//! Threads that take no signals: those are for the main thread.

use std::{
    io,
    thread::{self, Builder, JoinHandle},
    time::Duration,
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

/// Waits for a thread to end, and takes what it sends until then: it may be waiting for room. Also within a runtime.
///
/// # Errors
/// It has panicked.
pub(crate) fn join<T, R>(
    thread: JoinHandle<R>,
    sent: &mut mpsc::Receiver<T>,
    mut take: impl FnMut(T),
) -> thread::Result<R> {
    while !thread.is_finished() {
        match sent.try_recv() {
            Ok(one) => take(one),
            Err(_) => thread::sleep(Duration::from_micros(50)),
        }
    }
    let ended = thread.join();
    while let Ok(one) = sent.try_recv() {
        take(one);
    }
    ended
}
