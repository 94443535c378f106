//! Threads: those that live on take no signals, which are for the main thread, and those that share work with the one that
//! starts them begin at once, on another CPU.

use std::{
    io,
    thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle},
};

use nix::{
    sched,
    sys::signal::{SigSet, SigmaskHow},
    unistd::Pid,
};
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

/// Starts a thread of a scope that shares the work of the one that starts it: on another CPU, if there is one. It takes signals.
///
/// # Errors
/// There is none to be had.
pub(crate) fn spawn_beside<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    let here = sched::sched_getcpu();
    let thread = Builder::new().spawn_scoped(scope, move || {
        leave_cpu(here);
        work()
    });
    let_begin();
    thread
}

/// Lets a thread begin that was just started. It may have been put behind the one that has started it while another CPU lies
/// idle, and would wait there for a time slice of milliseconds, the length of a start.
pub(crate) fn let_begin() {
    thread::yield_now();
}

/// Has the calling thread run on another CPU, if there is one.
fn leave_cpu(cpu: nix::Result<usize>) {
    let this = Pid::from_raw(0);
    if let (Ok(cpu), Ok(mut allowed)) = (cpu, sched::sched_getaffinity(this)) {
        // Refused where it was the only one.
        let _ = allowed.unset(cpu).and_then(|()| sched::sched_setaffinity(this, &allowed));
    }
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
