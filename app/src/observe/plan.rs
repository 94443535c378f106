//! The probe plan: which programs, on which tracepoints, and which of them observation cannot do without.

/// One probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Name of the program in the eBPF object; with `_raw` appended the one for `raw_tp`.
    pub name: &'static str,
    /// Tracepoint.
    pub tracepoint: &'static str,
    /// Its name on older kernels.
    pub formerly: Option<&'static str>,
    /// Observation cannot do without it.
    pub required: bool,
    /// What it is for.
    pub purpose: &'static str,
}

impl Probe {
    /// The tracepoint's names, the present one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.tracepoint).chain(self.formerly)
    }
}

/// Every probe, in the order in which they are attached: what ends a process before what begins one, so that
/// nothing is put in scope that would not be taken out.
pub const PROBES: &[Probe] = &[
    Probe {
        name: "exit",
        tracepoint: "sched_process_exit",
        formerly: None,
        required: true,
        purpose: "ends of processes",
    },
    Probe {
        name: "sys_exit",
        tracepoint: "sys_exit",
        formerly: None,
        required: true,
        purpose: "system calls",
    },
    Probe {
        name: "fork",
        tracepoint: "task_newtask",
        formerly: None,
        required: true,
        purpose: "new processes and threads",
    },
    Probe {
        name: "prepare_exec",
        tracepoint: "sched_prepare_exec",
        formerly: None,
        required: false,
        purpose: "which exec call it was (Linux 6.10; inferred without)",
    },
    Probe {
        name: "ring_complete",
        tracepoint: "io_uring_complete",
        formerly: None,
        required: false,
        purpose: "results of requests through a ring (io_uring)",
    },
    Probe {
        name: "ring_submit",
        tracepoint: "io_uring_submit_req",
        formerly: Some("io_uring_submit_sqe"),
        required: false,
        purpose: "requests through a ring (io_uring)",
    },
    Probe {
        name: "exec",
        tracepoint: "sched_process_exec",
        formerly: None,
        required: true,
        purpose: "new process images",
    },
];
