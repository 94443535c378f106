//! The probe plan: which programs, on which tracepoints, and which of them observation cannot do without.

/// One probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Name of the program in the eBPF object; with `_raw` appended the one for `raw_tp`.
    pub name: &'static str,
    /// Tracepoint.
    pub tracepoint: &'static str,
    /// Observation cannot do without it.
    pub required: bool,
    /// What it is for.
    pub purpose: &'static str,
}

/// Every probe, in the order in which they are attached: what ends a process before what begins one, so that
/// nothing is put in scope that would not be taken out.
pub const PROBES: &[Probe] = &[
    Probe { name: "exit", tracepoint: "sched_process_exit", required: true, purpose: "ends of processes" },
    Probe { name: "sys_exit", tracepoint: "sys_exit", required: true, purpose: "system calls" },
    Probe { name: "fork", tracepoint: "task_newtask", required: true, purpose: "new processes and threads" },
    Probe {
        name: "prepare_exec",
        tracepoint: "sched_prepare_exec",
        required: false,
        purpose: "which exec call it was (Linux 6.10; inferred without)",
    },
    Probe { name: "exec", tracepoint: "sched_process_exec", required: true, purpose: "new process images" },
];
