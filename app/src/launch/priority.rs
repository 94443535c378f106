//! Threads that others wait for.

/// The nice value of threads that are preferred.
const NICE: i32 = -10;

/// Lets the calling thread run before others as soon as it has something to do, where that is allowed, and not what it
/// starts. Among ordinary threads, even the nicest gets a CPU milliseconds late, while the workload fills a ring in less.
pub(crate) fn run_first() {
    if !schedule(libc::SCHED_FIFO, 1) {
        prefer();
    }
}

/// Lets the calling thread have more of the CPUs than others, where that is allowed, and not what it starts.
pub(crate) fn prefer() {
    if schedule(libc::SCHED_OTHER, 0) {
        // SAFETY: changes nothing but the nice value of the calling thread, whose id 0 stands for.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    }
}

/// Gives the calling thread a policy that what it starts does not inherit.
fn schedule(policy: i32, sched_priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: changes nothing but the policy of the calling thread, whose id 0 stands for.
    unsafe { libc::sched_setscheduler(0, policy | libc::SCHED_RESET_ON_FORK, &raw const parameters) == 0 }
}
