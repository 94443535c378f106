//! Facts of a run that is not one, for benchmarks and for what is replayed.

use glasshouse::facts::{
    CommandFacts, ExecutionFacts, HostFacts, ObservationFacts, Outcome, OutcomeStatus, RunFacts, ToolFacts,
    UserFacts,
};

/// Facts of a run of which nothing else is known.
pub(crate) fn facts() -> RunFacts {
    RunFacts {
        receipt_id: "00000000-0000-0000-0000-000000000000".into(),
        tool: ToolFacts { name: "glasshouse".into(), version: "0.0.0".into(), bpf_object_sha256: [0; 32] },
        command: CommandFacts {
            argv: Vec::new(),
            cwd: b"/".to_vec(),
            user: UserFacts { uid: 0, gid: 0, name: None },
            executable: None,
            environment: Vec::new(),
        },
        host: HostFacts {
            kernel: "replayed".into(),
            architecture: "x86_64".into(),
            os: None,
            hostname: None,
            boot_id: None,
            lsm: None,
            virtualization: None,
        },
        execution: ExecutionFacts {
            backend: "replay".into(),
            isolation: "none".into(),
            root_pid: None,
            started_at: 0,
            finished_at: 0,
            outcome: Outcome {
                status: OutcomeStatus::Exited,
                exit_code: None,
                signal: None,
                core_dumped: false,
                error: None,
            },
            resources: None,
        },
        observation: ObservationFacts::default(),
        artifacts: Vec::new(),
        boot_to_unix_ns: 0,
    }
}
