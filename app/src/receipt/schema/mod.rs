//! The receipt's types: their fields, in this order, are the JSON document, and their documentation is its schema.
//!
//! A value that is not known is `null`, and a field beside it, named like it with `_reason`, says why.

mod artifacts;
mod calls;
mod filesystem;
mod findings;
mod network;
mod observation;
mod process;
mod sockets;
mod value;

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::Serialize;

pub use artifacts::*;
pub use calls::*;
pub use filesystem::*;
pub use findings::*;
pub use network::*;
pub use observation::*;
pub use process::*;
pub use sockets::*;
pub use value::*;

/// Version of the receipt format.
pub const SCHEMA_VERSION: &str = "1.0";

/// What the host kernel saw one command do: an execution receipt of glasshouse.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Receipt {
    /// Version of this format: major.minor. Fields may be added within a major version.
    pub schema_version: &'static str,
    /// Random UUID of this receipt.
    pub receipt_id: String,
    /// The program that observed.
    pub tool: Tool,
    /// What was asked for.
    pub command: Command,
    /// Where it ran.
    pub host: Host,
    /// How it ran and ended.
    pub execution: ExecutionSummary,
    /// How well it was observed.
    pub observation: Observation,
    /// Every process of the run: the command first, then by start and pid.
    pub processes: Vec<Process>,
    /// Files: what was used, changed and tried in vain.
    pub filesystem: Filesystem,
    /// Sockets: who was connected to whom, what names were asked for, what was tried in vain.
    pub network: Network,
    /// System calls of all processes.
    pub syscalls: Syscalls,
    /// Files that the run made or changed and left behind, by path.
    pub artifacts: Vec<Artifact>,
    /// What was done to hide, to outlive the run or to act through others: worst first, then in order of time.
    pub findings: Vec<Finding>,
    /// What was removed because a pattern of --redact matches it.
    pub redactions: Vec<Redaction>,
}

/// The program that observed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tool {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its version.
    pub version: Cow<'static, str>,
    /// SHA-256 of the eBPF object that it loads into the kernel.
    pub bpf_object_sha256: Sha256,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Command {
    /// The command and its arguments.
    pub argv: Vec<Bytes>,
    /// Working directory that it was started in.
    pub cwd: Bytes,
    /// User that it was started as.
    pub user: User,
    /// The file that the search of PATH found; null when it found none.
    pub executable: Option<Executable>,
    /// Why `executable` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable_reason: Option<Reason>,
    /// Environment that it was started with.
    pub environment: Vec<EnvironmentVariable>,
}

/// A user.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Login name; null where the user database has none.
    pub name: Option<String>,
    /// Why `name` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_reason: Option<Reason>,
}

/// The file of the command.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Executable {
    /// Its path, as the search of PATH found it.
    pub path: Bytes,
    /// SHA-256 of the file that the kernel executed for it.
    pub sha256: Option<Sha256>,
    /// Why `sha256` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_reason: Option<Reason>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// Why `size_bytes` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes_reason: Option<Reason>,
}

/// An environment variable, with the SHA-256 of its value or (with --env-values) the value itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EnvironmentVariable {
    /// The usual form.
    Hashed {
        /// Name.
        name: Listed,
        /// SHA-256 of the value's bytes, never of a part of them. A short or guessable value can be found out from it.
        value_sha256: Option<Sha256>,
        /// Why `value_sha256` is null.
        #[serde(skip_serializing_if = "Option::is_none")]
        value_sha256_reason: Option<Reason>,
        /// True length of a value of which only the beginning was read, bytes; absent where it is not known, either.
        #[serde(skip_serializing_if = "Option::is_none")]
        value_length: Option<u64>,
    },
    /// With --env-values.
    Kept {
        /// Name.
        name: Listed,
        /// Value; "[redacted]" stands for what was removed.
        value: Option<Listed>,
        /// Why `value` is null.
        #[serde(skip_serializing_if = "Option::is_none")]
        value_reason: Option<Reason>,
    },
}

/// Where it ran.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Host {
    /// Kernel release and version, as `uname -rv` gives them.
    pub kernel: String,
    /// Machine, as `uname -m` gives it.
    pub architecture: String,
    /// Name of the operating system, from os-release.
    pub os: Option<String>,
    /// Why `os` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_reason: Option<Reason>,
    /// Host name.
    pub hostname: Option<String>,
    /// Why `hostname` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname_reason: Option<Reason>,
    /// Random id of this boot, from /proc/sys/kernel/random/boot_id.
    pub boot_id: Option<String>,
    /// Why `boot_id` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id_reason: Option<Reason>,
    /// Active security modules, in the kernel's order.
    pub lsm: Option<Vec<String>>,
    /// Why `lsm` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lsm_reason: Option<Reason>,
    /// Hypervisor or container that can be told: "kvm", "docker", …; null where there is no sign of one.
    pub virtualization: Option<String>,
    /// Why `virtualization` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtualization_reason: Option<Reason>,
}

/// How the command ran and ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExecutionSummary {
    /// How it was run: "process".
    pub backend: Cow<'static, str>,
    /// What isolated it from the host: "none" or "vm".
    pub isolation: Cow<'static, str>,
    /// Pid of the command, as glasshouse sees it.
    pub root_pid: Option<u32>,
    /// Why `root_pid` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_pid_reason: Option<Reason>,
    /// Id of the command in `processes`.
    pub root_process: Option<u64>,
    /// Why `root_process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_process_reason: Option<Reason>,
    /// When the command was released; when it never was, when that was decided.
    pub started_at: Timestamp,
    /// When the outcome was known.
    pub finished_at: Timestamp,
    /// From `started_at` to `finished_at`, milliseconds of a clock that is never set.
    pub duration_ms: Milliseconds,
    /// The end.
    pub outcome: Outcome,
    /// Resources of the command and of the children that it waited for, as the kernel reports them to its parent.
    pub resources: Option<RunResources>,
    /// Why `resources` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources_reason: Option<Reason>,
}

/// The end of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// Which end.
    pub status: OutcomeStatus,
    /// Exit code of the command; null when it did not exit by itself.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended the command; null when none did.
    pub signal: Option<i32>,
    /// Name of that signal.
    pub signal_name: Option<String>,
    /// The command dumped core.
    pub core_dumped: bool,
    /// What went wrong, in words; null when nothing did. With `exited` and `signaled` too where `--timeout` ended
    /// processes that the command had left running and that were waited for.
    pub error: Option<Bytes>,
}

/// Which end a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// The command exited.
    Exited,
    /// A signal ended it.
    Signaled,
    /// It was never run: not found, not executable, refused.
    FailedToStart,
    /// --timeout was reached.
    TimedOut,
    /// Observation ended before the command did.
    Interrupted,
    /// glasshouse failed.
    ObserverFailed,
}

/// CPU time and memory of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunResources {
    /// User CPU time, milliseconds.
    pub user_ms: Milliseconds,
    /// System CPU time, milliseconds.
    pub system_ms: Milliseconds,
    /// Largest resident set of any one process, bytes.
    pub max_rss_bytes: u64,
}

/// System calls of all processes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Syscalls {
    /// All of them.
    pub total: u64,
    /// How often each was made. Calls of the 32-bit ABI have a prefix ("i386:openat"), unknown ones a number
    /// ("syscall_999").
    pub by_name: CallCounts,
    /// Calls that failed with EPERM or EACCES, by process, name and errno.
    pub denied: Vec<Denied>,
    /// Calls that matter by themselves: signals, tracing, the memory of others, modules and programs of the kernel, names
    /// of threads. In order of time.
    pub notable: Vec<NotableCall>,
}

/// Denied calls of one kind by one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Denied {
    /// Name of the call.
    pub name: String,
    /// Name of the error.
    pub errno: String,
    /// How often.
    pub count: u64,
    /// Id of the process.
    pub process: u64,
}

/// Something that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Redaction {
    /// Where in this document: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// How: "pattern" for a match of --redact.
    pub method: &'static str,
}

/// Bytes written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Processes up to which a receipt is indented for reading. Nobody reads a longer one as it is, and white space is
/// nearly half of it.
const INDENTED_PROCESSES: usize = 256;
/// The same of files, changes, failed attempts, and what is told of sockets, together.
const INDENTED_FILES: usize = 4_096;

impl Receipt {
    /// Writes the document, indented, with a newline at its end.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let Filesystem { files, changes, failed, .. } = &self.filesystem;
        let entries = files.len() + changes.len() + failed.len() + self.network.entries();
        // Here and not behind `out`: each brace and comma is written by itself, and would be a call of its own.
        let mut out = io::BufWriter::with_capacity(BUFFER_BYTES, out);
        let result = if self.processes.len() > INDENTED_PROCESSES || entries > INDENTED_FILES {
            serde_json::to_writer(&mut out, self)
        } else {
            serde_json::to_writer_pretty(&mut out, self)
        };
        let result = result.map_err(io::Error::from).and_then(|()| out.write_all(b"\n"));
        let result = result.and_then(|()| out.flush());
        // Without what is still buffered: after an error it must not be written when the buffer goes.
        drop(out.into_parts());
        result
    }
}

/// For marks that stand only where they say something.
fn is_false(mark: &bool) -> bool {
    !*mark
}

/// The JSON Schema of a receipt, indented, with a newline at its end.
///
/// # Errors
///
/// None that the receipt's types can give rise to.
pub fn json_schema() -> serde_json::Result<String> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with_transform(RecursiveTransform(join_lines));
    let schema = settings.into_generator().into_root_schema_for::<Receipt>();
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// A comment is broken into lines for the source; a description is not.
fn join_lines(schema: &mut Schema) {
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
