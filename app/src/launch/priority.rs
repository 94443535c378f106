//! Threads that others wait for.

/// The nice value of threads that are preferred.
const NICE: i32 = -10;

/// Threads that run before others as soon as they have something to do, the later ones before the earlier ones.
#[derive(Clone, Copy)]
pub(crate) enum First {
    /// Keys are answered also while the command takes all CPUs. It does little at a time.
    Interface = 1,
    /// What is not collected in time is lost.
    Collector = 2,
}

/// Lets the calling thread run before others as soon as it has something to do, where that is allowed, and not what it
/// starts. Among ordinary threads, even the nicest gets a CPU milliseconds late, while the workload fills a ring in less.
pub(crate) fn run_first(rank: First) {
    if !schedule(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, rank as i32) {
        prefer();
    }
}

/// The same for the calling thread and for the threads that `start` starts.
pub(crate) fn run_first_with<T>(rank: First, start: impl FnOnce() -> T) -> T {
    schedule(libc::SCHED_FIFO, rank as i32);
    let started = start();
    run_first(rank);
    started
}

/// Lets the calling thread have more of the CPUs than others, where that is allowed, and not what it starts.
pub(crate) fn prefer() {
    if schedule(libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, 0) {
        // SAFETY: changes nothing but the nice value of the calling thread, whose id 0 stands for.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    }
}

/// Gives the calling thread a policy, which what it starts inherits, or does not.
fn schedule(policy: i32, sched_priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: changes nothing but the policy of the calling thread, whose id 0 stands for.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) == 0 }
}
