//! What is known of a run beside its events: filled in by the runner, read by the receipt and the summary.

use std::{borrow::Cow, sync::Arc};

use crate::event::{BootNs, Unreadable};

/// Everything about a run that is not an event.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Random UUID of the receipt.
    pub receipt_id: String,
    /// The program that observed.
    pub tool: ToolFacts,
    /// What was asked for.
    pub command: CommandFacts,
    /// Where it ran.
    pub host: HostFacts,
    /// How it ran and ended.
    pub execution: ExecutionFacts,
    /// How well it was observed.
    pub observation: ObservationFacts,
    /// What was found of the files that the run should have left behind, in the order in which the session lists them.
    pub artifacts: Vec<ArtifactFacts>,
    /// Nanoseconds to add to a boot time to get nanoseconds of the Unix epoch, taken when observation began.
    pub boot_to_unix_ns: i64,
}

/// The program that observed.
#[derive(Clone, Debug)]
pub struct ToolFacts {
    /// Always `glasshouse`.
    pub name: Cow<'static, str>,
    /// Its version.
    pub version: Cow<'static, str>,
    /// SHA-256 of the embedded eBPF object.
    pub bpf_object_sha256: [u8; 32],
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct CommandFacts {
    /// The command and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Working directory that it was started in.
    pub cwd: Vec<u8>,
    /// User that it was started as.
    pub user: UserFacts,
    /// The file that PATH resolution found; absent when it found none.
    pub executable: Option<Vec<u8>>,
    /// Environment strings (`NAME=value`) that it was started with.
    pub environment: Vec<Vec<u8>>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct UserFacts {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Login name, where the user database has one.
    pub name: Option<String>,
}

/// Where it ran.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Kernel release and version, as `uname -rv` gives them.
    pub kernel: String,
    /// Machine, as `uname -m` gives it.
    pub architecture: String,
    /// `PRETTY_NAME` of os-release.
    pub os: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Option<String>,
    /// Active security modules, as `/sys/kernel/security/lsm` lists them; absent when it cannot be read.
    pub lsm: Option<Vec<String>>,
    /// Hypervisor or container, where one can be told: `kvm`, `firecracker`, `docker`, …
    pub virtualization: Option<String>,
}

/// How it ran and ended.
#[derive(Clone, Debug)]
pub struct ExecutionFacts {
    /// Name of the backend.
    pub backend: Cow<'static, str>,
    /// Isolation that it gives: `none` or `vm`.
    pub isolation: Cow<'static, str>,
    /// Pid of the root process as glasshouse sees it; absent when none was made.
    pub root_pid: Option<u32>,
    /// When the command was released (or, when it never was, when that was decided).
    pub started_at: BootNs,
    /// When the outcome was known.
    pub finished_at: BootNs,
    /// The end.
    pub outcome: Outcome,
    /// Resources of the root and of the children that it waited for, from `wait4`.
    pub resources: Option<Resources>,
}

/// CPU time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// User CPU time, ns.
    pub user_ns: u64,
    /// System CPU time, ns.
    pub system_ns: u64,
    /// Peak resident set, bytes.
    pub max_rss_bytes: u64,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which end.
    pub status: OutcomeStatus,
    /// Exit code of the root process.
    pub exit_code: Option<i32>,
    /// Signal that ended the root process.
    pub signal: Option<i32>,
    /// It dumped core.
    pub core_dumped: bool,
    /// What went wrong, in words, for the states that are failures, and where others than the root had to be ended.
    pub error: Option<String>,
}

/// Which end a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeStatus {
    /// The root process exited.
    Exited,
    /// A signal ended it.
    Signaled,
    /// It was never run: not found, not executable, refused.
    FailedToStart,
    /// `--timeout` was reached.
    TimedOut,
    /// Observation ended before the root process did.
    Interrupted,
    /// glasshouse failed.
    ObserverFailed,
}

/// How well it was observed.
#[derive(Clone, Debug, Default)]
pub struct ObservationFacts {
    /// Every probe of the plan, attached or not.
    pub probes: Vec<ProbeFacts>,
    /// Loss accounting.
    pub families: Vec<FamilyFacts>,
    /// Delays that observation imposed.
    pub backpressure: BackpressureFacts,
    /// Lists that were capped.
    pub limits: Vec<LimitFacts>,
    /// Facts that are missing and probes, scopes or sections that are.
    pub gaps: Vec<Gap>,
    /// What this observation could not have seen.
    pub blind_spots: Vec<BlindSpot>,
}

/// One probe of the plan.
#[derive(Clone, Debug)]
pub struct ProbeFacts {
    /// Its name: `sys_exit`.
    pub name: String,
    /// How it is attached: `tp_btf`, `raw_tp`.
    pub kind: String,
    /// It is.
    pub attached: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

/// Loss accounting of one family: `emitted = received + dropped`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyFacts {
    /// `process`, `syscalls`, …
    pub name: String,
    /// Records the kernel side wanted to send.
    pub emitted: u64,
    /// Records that arrived.
    pub received: u64,
    /// Records that found no room.
    pub dropped: u64,
    /// Dropped records whose facts a final sweep recovered.
    pub recovered: u64,
}

/// Delays that observation imposed on the workload.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackpressureFacts {
    /// Bounded waits in the kernel.
    pub waits: u64,
    /// Their total, ns.
    pub waited_ns: u64,
    /// Freezes of the workload.
    pub freezes: u64,
    /// Their total, ns.
    pub frozen_ns: u64,
}

/// What was found, when the run had ended, of a file that it should have left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactFacts {
    /// Where it should be, as the session says.
    pub path: Arc<[u8]>,
    /// Device (major, minor) and inode, as the session says.
    pub identity: Option<((u32, u32), u64)>,
    /// What was there.
    pub state: ArtifactState,
}

/// What was found where a file should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactState {
    /// Nothing.
    Gone,
    /// Another file.
    Replaced,
    /// Something that is no regular file.
    NotRegular,
    /// It.
    Present(PresentArtifact),
    /// It, which the limit on the bytes that are hashed had no room for.
    OverLimit {
        /// Its size, bytes.
        size_bytes: u64,
        /// Its permissions.
        mode: u32,
    },
    /// That could not be found out.
    Unreadable(Unreadable),
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentArtifact {
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its permissions: the lower 12 bits of the mode.
    pub mode: u32,
    /// The SHA-256 of its content, or why there is none: [`Unreadable::Changed`] if it changed meanwhile.
    pub sha256: Result<[u8; 32], Unreadable>,
    /// What its content looks like, where it looks like something.
    pub media_type: Option<Arc<str>>,
}

/// A list that was capped.
#[derive(Clone, Debug)]
pub struct LimitFacts {
    /// Name of the list.
    pub list: String,
    /// How many there were.
    pub total: u64,
    /// How many were kept.
    pub kept: u64,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Facts, or a part of the observation.
    pub kind: GapKind,
    /// A stable code: `records_dropped`, `cgroup_unavailable`, …
    pub code: Cow<'static, str>,
    /// The same in words, with numbers.
    pub detail: String,
}

/// What a gap makes of the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// Facts are missing: the receipt is lossy.
    Loss,
    /// A probe, a scope or a section is missing: the receipt is partial.
    Partial,
}

/// Something that this observation could not have seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlindSpot {
    /// A stable code.
    pub code: Cow<'static, str>,
    /// The same in words.
    pub detail: String,
}
