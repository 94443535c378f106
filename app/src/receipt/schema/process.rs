//! Processes in the receipt.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::{
    Bytes, CallCounts, CapabilitySet, Device, EnvironmentVariable, Listed, Milliseconds, Reason, Sha256,
    Timestamp, Value,
};

/// One process: a thread group. Threads are not processes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Process {
    /// Id that the rest of the document refers to: from 1, in the order of this list. Pids are reused, ids are not.
    pub id: u64,
    /// Pid in the initial pid namespace.
    pub pid: u32,
    /// Pid in the innermost pid namespace of the process.
    pub namespace_pid: Option<u32>,
    /// Why `namespace_pid` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_pid_reason: Option<Reason>,
    /// Inode number of that namespace, as in /proc/PID/ns/pid.
    pub pid_namespace: Option<u32>,
    /// Why `pid_namespace` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_namespace_reason: Option<Reason>,
    /// Id of the process that the kernel made its parent when it was created. It stays so when the parent ends.
    pub parent_id: Option<u64>,
    /// Why `parent_id` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id_reason: Option<Reason>,
    /// Pid of that parent.
    pub parent_pid: Option<u32>,
    /// Why `parent_pid` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_pid_reason: Option<Reason>,
    /// Id of the process that created it: another than the parent after a clone with CLONE_PARENT.
    pub created_by: Option<u64>,
    /// Why `created_by` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by_reason: Option<Reason>,
    /// Its last known name (comm): at most 15 bytes, and the process can choose them.
    pub name: Option<Bytes>,
    /// Why `name` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_reason: Option<Reason>,
    /// When it was created; of the command, when it was executed, since it is held until then.
    pub started_at: Timestamp,
    /// When its last thread ended.
    pub ended_at: Option<Timestamp>,
    /// Why `ended_at` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at_reason: Option<Reason>,
    /// It was alive when observation ended.
    pub still_running: bool,
    /// From `started_at` to `ended_at`, milliseconds.
    pub duration_ms: Option<Milliseconds>,
    /// Why `duration_ms` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms_reason: Option<Reason>,
    /// Successful execs, in order.
    pub executions: Vec<Execution>,
    /// Failed execs, in order of the first of each kind. A search of PATH makes many.
    pub failed_executions: Vec<FailedExecution>,
    /// Credentials and namespaces that it began with.
    pub credentials: Option<Arc<Credentials>>,
    /// Why `credentials` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_reason: Option<Reason>,
    /// Changes of them, in order.
    pub credential_changes: Vec<CredentialChange>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Why `exit` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_reason: Option<Reason>,
    /// What it used, without its children.
    pub resources: Option<ProcessResources>,
    /// Why `resources` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources_reason: Option<Reason>,
    /// System calls that it made.
    pub syscalls: ProcessSyscalls,
}

/// System calls of one process.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProcessSyscalls {
    /// All of them.
    pub total: u64,
    /// How often each was made.
    pub by_name: CallCounts,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exit {
    /// Exit code; null when a signal ended it.
    pub code: Option<u8>,
    /// Number of the signal that ended it; null when it exited by itself.
    pub signal: Option<u8>,
    /// Name of that signal.
    pub signal_name: Option<String>,
    /// A core was dumped.
    pub core_dumped: bool,
}

/// What a process used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessResources {
    /// User CPU time, milliseconds.
    pub user_ms: Milliseconds,
    /// System CPU time, milliseconds.
    pub system_ms: Milliseconds,
    /// Peak resident set, bytes.
    pub max_rss_bytes: u64,
    /// Threads started beside the first.
    pub threads_started: u32,
}

/// A successful exec.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Execution {
    /// When.
    pub at: Timestamp,
    /// Name of the system call.
    pub call: Arc<str>,
    /// Path of the file that was executed, from the root of the mount namespace: of a script, the script.
    pub path: Option<Value<Bytes>>,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// The same path as the process sees it; absent where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_in_root: Option<Value<Bytes>>,
    /// Where `path` comes from.
    pub path_source: PathSource,
    /// The file name given to exec.
    pub filename: Option<Value<Bytes>>,
    /// Why `filename` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename_reason: Option<Reason>,
    /// Arguments, from the memory of the new image before it ran: of a script, as the kernel rewrote them.
    pub argv: Option<Value<Arc<[Listed]>>>,
    /// Why `argv` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv_reason: Option<Reason>,
    /// True number of arguments.
    pub argv_count: Option<u64>,
    /// Why `argv_count` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv_count_reason: Option<Reason>,
    /// True length of all arguments with the NUL after each, bytes.
    pub argv_bytes: u64,
    /// Where `argv` comes from.
    pub argv_source: ArgvSource,
    /// Working directory.
    pub cwd: Option<Value<Bytes>>,
    /// Why `cwd` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd_reason: Option<Reason>,
    /// The same directory as the process sees it; absent where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd_in_root: Option<Value<Bytes>>,
    /// The image that was loaded to run a script; null where `path` is itself the image.
    pub interpreter: Option<Box<Interpreter>>,
    /// The content of `path`.
    #[serde(flatten)]
    pub file: File,
    /// A file of this exec could not be reached by a name: unlinked, a memfd, on a detached mount.
    pub fileless: bool,
    /// No name led to `path` any more.
    pub unlinked: bool,
    /// The call was made by a thread other than the first.
    pub from_thread: bool,
    /// Environment, from the memory of the new image before it ran; null where `environment_same_as` is given.
    pub environment: Option<Value<Arc<[Arc<EnvironmentVariable>]>>>,
    /// Why `environment` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_reason: Option<Reason>,
    /// JSON pointer to the equal environment of an execution that stands before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_same_as: Option<EnvironmentPointer>,
    /// True number of environment strings.
    pub environment_count: Option<u64>,
    /// Why `environment_count` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_count_reason: Option<Reason>,
    /// True length of all environment strings with the NUL after each, bytes.
    pub environment_bytes: u64,
}

/// The content and identity of an executed file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct File {
    /// SHA-256 of its content, read after the exec from the same device and inode.
    pub sha256: Option<Sha256>,
    /// Why `sha256` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_reason: Option<Reason>,
    /// True if the times of the file, which prove that what was read is what was executed, would not have shown a change in
    /// between: it was changed less than 10 ms before the exec, or is a memfd, which can be changed by a mapping. Absent
    /// otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub sha256_may_be_of_later: bool,
    /// Its size in bytes: of what was hashed, else as the kernel had it at the exec.
    pub size_bytes: Option<u64>,
    /// Why `size_bytes` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes_reason: Option<Reason>,
    /// Its device.
    pub device: Option<Device>,
    /// Why `device` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<Reason>,
    /// Its inode number.
    pub inode: Option<u64>,
    /// Why `inode` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_reason: Option<Reason>,
}

/// The image that was loaded to run a script.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Interpreter {
    /// Its path, from the root of the mount namespace.
    pub path: Option<Value<Bytes>>,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// The same path as the process sees it; absent where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_in_root: Option<Value<Bytes>>,
    /// Where `path` comes from.
    pub path_source: PathSource,
    /// Its content.
    #[serde(flatten)]
    pub file: File,
}

/// Where a path comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathSource {
    /// The kernel's own directory entries: a fact.
    Kernel,
    /// The memory of the program: a claim.
    Argument,
    /// The kernel's own directory entries, but of a file that does not bear the name that was asked for, in a process
    /// where another thread could have exchanged the descriptor.
    Raced,
}

/// Where arguments come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArgvSource {
    /// The memory that the kernel filled for the new image.
    Kernel,
}

/// Place of the environment of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvironmentPointer {
    /// Index in `processes`.
    pub process: usize,
    /// Index in `executions`.
    pub execution: usize,
}

impl std::fmt::Display for EnvironmentPointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/processes/{}/executions/{}/environment", self.process, self.execution)
    }
}

impl Serialize for EnvironmentPointer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for EnvironmentPointer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EnvironmentPointer".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "json-pointer" })
    }
}

/// Failed execs of one kind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailedExecution {
    /// The file name given to exec. Where it is cut at 16,383 bytes or more, its length is a lower bound.
    pub filename: Option<Value<Bytes>>,
    /// Why `filename` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename_reason: Option<Reason>,
    /// Where `filename` comes from.
    pub path_source: PathSource,
    /// Name of the error.
    pub errno: String,
    /// Name of the system call.
    pub call: Arc<str>,
    /// Directory descriptor that `filename` is relative to; absent for the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirfd: Option<i32>,
    /// How often.
    pub count: u64,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
}

/// Credentials and namespaces. Ids are those of the initial user namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Saved user id.
    pub suid: u32,
    /// Saved group id.
    pub sgid: u32,
    /// User id for access to files.
    pub fsuid: u32,
    /// Group id for access to files.
    pub fsgid: u32,
    /// Securebits (SECBIT_*).
    pub securebits: u32,
    /// Capability sets.
    pub capabilities: Capabilities,
    /// Namespaces.
    pub namespaces: Namespaces,
}

/// Capability sets of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Capabilities {
    /// In force.
    pub effective: CapabilitySet,
    /// May be put in force.
    pub permitted: CapabilitySet,
    /// Kept over an exec of a file that allows it.
    pub inheritable: CapabilitySet,
    /// The most that an exec can give.
    pub bounding: CapabilitySet,
    /// Kept over any exec that does not change ids.
    pub ambient: CapabilitySet,
}

/// Inode numbers of namespaces, as in /proc/PID/ns; null where the process had given it up already, as it does when
/// it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Namespaces {
    /// User namespace.
    pub user: Option<u32>,
    /// Mount namespace.
    pub mnt: Option<u32>,
    /// Pid namespace that its children are created in; its own is `pid_namespace` of the process.
    pub pid_for_children: Option<u32>,
    /// Network namespace.
    pub net: Option<u32>,
    /// UTS namespace.
    pub uts: Option<u32>,
    /// IPC namespace.
    pub ipc: Option<u32>,
    /// Cgroup namespace.
    pub cgroup: Option<u32>,
}

/// A change of credentials or namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CredentialChange {
    /// When.
    pub at: Timestamp,
    /// Name of the system call that made it: of the setuid family, capset, prctl, setns, unshare, or an exec.
    pub call: Arc<str>,
    /// The thread whose they are, as `pid` counts; absent for the first thread of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<u32>,
    /// The state after it.
    pub credentials: Arc<Credentials>,
}
