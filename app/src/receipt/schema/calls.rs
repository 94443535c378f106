//! Calls that matter by themselves, in the receipt.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Name, OptionalText, Reason, Timestamp};

/// Calls of one process that matter by themselves and are alike: same call, same arguments, same target, same error.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct NotableCall {
    /// Position in this list, from 1; findings refer to it.
    pub id: u64,
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// Name of the call.
    pub call: Arc<str>,
    /// What it does.
    pub action: CallAction,
    /// What exactly: "SIGKILL", "PTRACE_ATTACH", "BPF_PROG_LOAD", "PR_SET_DUMPABLE", or a number; left out where the call
    /// has no such argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<Name>,
    /// A second number: flags, a length, the value of an option; left out where none is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// Whom it is about; left out where the call is about nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<CallTarget>,
    /// The name of a thread or of a module; left out where the call has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: OptionalText,
    /// Why `text` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_reason: Option<Reason>,
    /// Name of the error; null if the calls succeeded.
    pub errno: Option<Arc<str>>,
    /// How often.
    pub count: u64,
    /// Bytes that they read or wrote in the memory of another process; left out where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallAction {
    /// Sends a signal.
    Signal,
    /// Traces a process.
    Trace,
    /// Reads the memory of a process.
    ReadMemory,
    /// Writes to the memory of a process.
    WriteMemory,
    /// Opens a descriptor of a process.
    OpenProcess,
    /// Loads a module into the kernel.
    LoadModule,
    /// Takes one out of it.
    RemoveModule,
    /// Loads another kernel.
    LoadKernel,
    /// Loads or changes programs and maps of the kernel.
    KernelProgram,
    /// Counts or samples events.
    PerfEvent,
    /// Changes the name of a thread.
    Rename,
    /// Sets another option of a process.
    SetOption,
    /// Filters system calls.
    Filter,
    /// Handles page faults.
    HandleFaults,
    /// Watches what others do with files.
    WatchFiles,
    /// Restarts or stops the machine.
    Reboot,
    /// Uses the machine's ports.
    UsePorts,
    /// Sets the clock.
    SetClock,
    /// Makes a ring for requests.
    MakeRing,
    /// Reads or clears the kernel's log.
    ReadLog,
}

/// Whom a call is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CallTarget {
    /// The number that the caller gave: of a process or thread in its own pid namespace, 0 or less for groups. Where it gave
    /// a descriptor of a process, that process's number in the initial pid namespace.
    pub pid: i64,
    /// Who that was.
    pub is: TargetKind,
    /// Id of the process, if it is one of the run's; left out if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u64>,
}

/// Who the target of a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// The caller.
    Itself,
    /// Another process of the run.
    Process,
    /// glasshouse.
    Observer,
    /// A process that is none of the run's.
    Outside,
    /// A process group.
    Group,
    /// Whoever the caller may reach.
    Everyone,
    /// It cannot be told: a thread, a process that had ended, or a number in another pid namespace.
    Unknown,
}
