//! The probe plan: which programs, on which tracepoints, and which of them observation cannot do without.

use glasshouse_common::state;

/// One probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Name of the program in the eBPF object; with `_raw` appended, of a typed one, the one for `raw_tp`.
    pub name: &'static str,
    /// Where it is attached.
    pub hook: Hook,
    /// What it does takes arguments whose types the kernel knows (`tp_btf`); with `raw_tp`, which every kernel takes and which
    /// costs the verifier less, it does less.
    pub typed: bool,
    /// It counts what others tell of, and so is detached before them: nothing is counted of which nobody could tell.
    pub counts: bool,
    /// Observation cannot do without it.
    pub required: bool,
    /// What it is for.
    pub purpose: &'static str,
}

/// Where a probe is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint, by its names, the present one first.
    Tracepoint(&'static [&'static str]),
    /// None: programs of tracepoints go on with it, those of the names among them. It lies in the map, under the number.
    GoingOn(&'static [&'static str], &'static str, u32),
    /// The workload's control group.
    Group(GroupHook),
}

/// What happens in a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupHook {
    /// A socket is made.
    SocketCreate,
    /// The last descriptor of a socket is closed.
    SocketRelease,
    /// A packet is sent or received.
    Packets,
}

impl Probe {
    /// Another one does the same: of the two one runs while the other is interrupted, so that neither is missed.
    pub fn has_twin(&self) -> bool {
        PROBES.iter().any(|other| other.hook == self.hook && other.name != self.name)
    }

    /// The names of its tracepoint, the present one first; none if it has none.
    pub fn tracepoints(&self) -> &'static [&'static str] {
        match self.hook {
            Hook::Tracepoint(names) | Hook::GoingOn(names, ..) => names,
            Hook::Group(_) => &[],
        }
    }

    /// What it is attached to, in a word.
    pub fn place(&self) -> &'static str {
        match self.hook {
            Hook::Tracepoint(names) | Hook::GoingOn(names, ..) => names.first().copied().unwrap_or_default(),
            Hook::Group(GroupHook::SocketCreate) => "sock_create",
            Hook::Group(GroupHook::SocketRelease) => "sock_release",
            Hook::Group(GroupHook::Packets) => "packets",
        }
    }
}

/// Every probe, in the order in which they are attached: what ends a process before what begins one, so that
/// nothing is put in scope that would not be taken out.
pub const PROBES: &[Probe] = &[
    Probe {
        name: "exit",
        hook: Hook::Tracepoint(&["sched_process_exit"]),
        typed: false,
        counts: false,
        required: true,
        purpose: "ends of processes",
    },
    Probe {
        name: "sys_exit",
        hook: Hook::Tracepoint(&["sys_exit"]),
        typed: false,
        counts: true,
        required: true,
        purpose: "system calls",
    },
    Probe {
        name: "sys_exit_files",
        hook: Hook::GoingOn(&["sys_exit"], "GOING_ON", state::FILES),
        typed: false,
        counts: false,
        required: true,
        purpose: "files, credentials, execs and new processes",
    },
    Probe {
        name: "sys_exit_sockets",
        hook: Hook::GoingOn(&["sys_exit"], "GOING_ON", state::SOCKETS),
        typed: false,
        counts: false,
        required: true,
        purpose: "calls and requests that have to do with sockets",
    },
    Probe {
        name: "fork",
        hook: Hook::Tracepoint(&["task_newtask"]),
        typed: false,
        counts: false,
        required: true,
        purpose: "new processes and threads",
    },
    Probe {
        name: "prepare_exec",
        hook: Hook::Tracepoint(&["sched_prepare_exec"]),
        typed: false,
        counts: false,
        required: false,
        purpose: "which exec call it was (Linux 6.10; inferred without)",
    },
    Probe {
        name: "ring_complete",
        hook: Hook::Tracepoint(&["io_uring_complete"]),
        typed: false,
        counts: false,
        required: false,
        purpose: "results of requests through a ring (io_uring)",
    },
    Probe {
        name: "ring_submit",
        hook: Hook::Tracepoint(&["io_uring_submit_req", "io_uring_submit_sqe"]),
        typed: false,
        counts: false,
        required: false,
        purpose: "requests through a ring (io_uring)",
    },
    Probe {
        name: "sock_state_change",
        hook: Hook::GoingOn(&["inet_sock_set_state"], "STATE_CHANGE", 0),
        typed: true,
        counts: false,
        required: false,
        purpose: "what follows from a change of a connection's state",
    },
    Probe {
        name: "sock_state",
        hook: Hook::Tracepoint(&["inet_sock_set_state"]),
        typed: true,
        counts: false,
        required: false,
        purpose: "states and results of connections",
    },
    Probe {
        name: "sock_state_again",
        hook: Hook::Tracepoint(&["inet_sock_set_state"]),
        typed: true,
        counts: false,
        required: false,
        purpose: "the same, where the other is interrupted by itself",
    },
    Probe {
        name: "sock_release",
        hook: Hook::Group(GroupHook::SocketRelease),
        typed: false,
        counts: false,
        required: false,
        purpose: "ends of sockets",
    },
    Probe {
        name: "packet",
        hook: Hook::Group(GroupHook::Packets),
        typed: false,
        counts: false,
        required: false,
        purpose: "packets: addresses, bytes, names",
    },
    Probe {
        name: "sock_create",
        hook: Hook::Group(GroupHook::SocketCreate),
        typed: false,
        counts: false,
        required: false,
        purpose: "whose a socket is",
    },
    Probe {
        name: "exec",
        hook: Hook::Tracepoint(&["sched_process_exec"]),
        typed: false,
        counts: false,
        required: true,
        purpose: "new process images",
    },
];
