//! What the observer knows to have happened, decoded: the one stream that feeds the session, the interface, the
//! recording and the receipt.
//!
//! Times are nanoseconds of `CLOCK_BOOTTIME`; only the receipt turns them into calendar time. Ids of processes,
//! users and groups are those of the initial namespaces unless a field says otherwise. Texts are the exact bytes.

mod calls;
mod counts;
mod files;
pub mod marks;
mod network;

use std::sync::Arc;

pub use calls::*;
pub use counts::*;
pub use files::*;
pub use network::*;

/// Nanoseconds of `CLOCK_BOOTTIME`.
pub type BootNs = u64;

/// Identity of a process: a pid alone is reused, together with the start of its leader it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// `task->group_leader->start_boottime`.
    pub start: BootNs,
    /// Thread group id.
    pub tgid: u32,
}

impl ProcessKey {
    /// Stands for a process that is not known.
    pub const NOBODY: Self = Self { start: 0, tgid: 0 };
}

/// A value as far as it could be observed. An unknown value is never an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observed<T> {
    /// All of it.
    Complete(T),
    /// The beginning of it; `length` is its true length in the unit of `T` (bytes for text, entries for lists).
    Truncated {
        /// What was kept.
        value: T,
        /// The true length.
        length: u64,
    },
    /// Nothing of it.
    Unreadable(Unreadable),
}

impl<T> Observed<T> {
    /// What there is of the value.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Complete(value) | Self::Truncated { value, .. } => Some(value),
            Self::Unreadable(_) => None,
        }
    }

    /// The same of a reference.
    pub fn as_ref(&self) -> Observed<&T> {
        match self {
            Self::Complete(value) => Observed::Complete(value),
            Self::Truncated { value, length } => Observed::Truncated { value, length: *length },
            Self::Unreadable(why) => Observed::Unreadable(*why),
        }
    }

    /// What is made of the value, as far as there is one.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Complete(value) => Observed::Complete(with(value)),
            Self::Truncated { value, length } => Observed::Truncated { value: with(value), length },
            Self::Unreadable(why) => Observed::Unreadable(why),
        }
    }
}

/// Why a value could not be observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unreadable {
    /// The record that carried it found no room in the ring, or the request for it none in a queue.
    Lost,
    /// The memory could not be read; the errno, positive.
    Fault(i32),
    /// This kernel does not tell.
    NotAvailable,
    /// There was none.
    Absent,
    /// The file is not there any more, or is another one by now.
    Gone,
    /// The file was changed after it was executed, or while it was read.
    Changed,
    /// The file is not a regular one.
    NotRegular,
    /// Reading it was refused; the errno, positive.
    Io(i32),
    /// It took too long, and was given up.
    TimedOut,
    /// Observation ended before it could be read.
    Ended,
}

/// The last component of a path; nothing of one that ends in a slash.
pub(crate) fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// A path as the kernel resolved it, or as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedPath {
    /// Absolute bytes from the root of the mount namespace (or of the detached mount). Of what is relative to something that
    /// no name leads to, an argument of a program's or where it is on a detached mount, without the slash.
    pub path: Observed<Vec<u8>>,
    /// As the process itself sees it, where its root directory is not the namespace's.
    pub in_root: Option<Vec<u8>>,
    /// Where the value comes from.
    pub source: PathSource,
    /// The file has been unlinked.
    pub unlinked: bool,
    /// The file's mount belongs to no mount namespace.
    pub unreachable: bool,
}

/// Where a path comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathSource {
    /// Walked by the kernel side from the object itself.
    Kernel,
    /// A string given by the program, made absolute against the real directory that it is relative to.
    Argument,
    /// Walked by the kernel side, but of a file that does not bear the name that was asked for, in a process where
    /// another thread could have exchanged the descriptor in between. It may also have been a symbolic link.
    Raced,
}

/// What the kernel says of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileFacts {
    /// Device of the superblock: major, minor.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time: seconds and nanoseconds of the epoch.
    pub mtime: (i64, u32),
    /// Change time: seconds and nanoseconds of the epoch. Unlike the modification time nobody can set it back, which
    /// makes it the proof that a file read later is still the one that was executed.
    pub ctime: (i64, u32),
    /// `i_mode`.
    pub mode: u32,
    /// Link count.
    pub links: u32,
    /// No name leads to it any more.
    pub unlinked: bool,
    /// Its mount belongs to no mount namespace: a memfd, for instance.
    pub unreachable: bool,
}

/// Credentials and namespaces of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// Real, effective, saved and file-system user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Saved user id.
    pub suid: u32,
    /// File-system user id.
    pub fsuid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Saved group id.
    pub sgid: u32,
    /// File-system group id.
    pub fsgid: u32,
    /// Capability sets, bit n for capability n.
    pub effective: u64,
    /// Capabilities it may use.
    pub permitted: u64,
    /// Capabilities kept over exec.
    pub inheritable: u64,
    /// Bounding set.
    pub bounding: u64,
    /// Ambient set.
    pub ambient: u64,
    /// `SECBIT_*`.
    pub securebits: u32,
    /// Inode numbers of the namespaces, as in `/proc/PID/ns`; 0 where the task had none any more.
    pub namespaces: Namespaces,
}

/// Inode numbers of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Namespaces {
    /// User namespace.
    pub user: u32,
    /// Mount namespace.
    pub mnt: u32,
    /// Pid namespace that children are created in.
    pub pid_for_children: u32,
    /// Network namespace.
    pub net: u32,
    /// UTS namespace.
    pub uts: u32,
    /// IPC namespace.
    pub ipc: u32,
    /// Cgroup namespace.
    pub cgroup: u32,
}

/// A system call: ABI and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Syscall {
    /// Which table the number belongs to.
    pub abi: Abi,
    /// The number.
    pub number: u32,
}

/// System-call ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Abi {
    /// The kernel's own.
    Native,
    /// 32-bit compatibility.
    Compat,
    /// No call at all, but a request through a ring (io_uring); its number is the opcode.
    Ring,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: BootNs,
    /// The process that did it (of a fork: the caller).
    pub process: ProcessKey,
    /// The thread.
    pub tid: u32,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A process was created.
    Fork(Fork),
    /// A process image was replaced.
    Exec(Box<Exec>),
    /// An exec failed.
    ExecFailed(ExecFailed),
    /// A process ended.
    Exit(Exit),
    /// A call that can change credentials or namespaces succeeded.
    Credentials(CredentialCall),
    /// How often a process made each system call, since it began or since observation began: totals, not increments.
    SyscallTotals(Vec<(Syscall, u64)>),
    /// How often calls of one kind were denied with one errno to a process: a total.
    Denied(Denied),
    /// The content of an executed file was hashed, or could not be.
    ExecutableHashed(ExecutableHashed),
    /// A process was seen to use a file for the first time.
    FileSeen(Box<FileSeen>),
    /// What one process has done with one file since its [`EventKind::FileSeen`]: totals, not increments.
    FileTotals(FileTotals),
    /// A file was changed.
    FileChanged(Box<FileChanged>),
    /// An attempt failed for the first time; how often it did is in its totals.
    FileFailed(Box<FileFailed>),
    /// What is known of a flow by now.
    Flow(Box<Flow>),
    /// A further process uses a socket.
    SocketUsed(SocketUsed),
    /// A unix socket was given a name, connected, accepted or used.
    UnixSocket(Box<UnixSocket>),
    /// A call on a socket failed for the first time.
    SocketFailed(Box<SocketFailed>),
    /// The beginning of a packet's payload: as it comes from the kernel, and never further than
    /// [`crate::disclosure`], which says what it means.
    Payload(Box<Payload>),
    /// A call that matters by itself was made for the first time; how often is in its totals.
    Called(Box<Called>),
    /// A DNS message.
    Dns(Box<DnsMessage>),
    /// What the first bytes of a connection said.
    Said(Box<Said>),
}

/// A new process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The new process.
    pub child: ProcessKey,
    /// The process that the kernel made its parent: the caller, or with `CLONE_PARENT` the caller's parent.
    pub parent: ProcessKey,
    /// Its id in its innermost pid namespace.
    pub namespace_pid: u32,
    /// Inode number of that namespace.
    pub pid_namespace: u32,
    /// Flags of the clone.
    pub clone_flags: u64,
    /// The child's credentials.
    pub credentials: Credentials,
    /// The child's name, without NULs.
    pub comm: Vec<u8>,
}

/// A successful exec: a generation of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The command's own first exec, with which observation starts.
    pub is_root: bool,
    /// The parent at this moment.
    pub parent: ProcessKey,
    /// Id in the innermost pid namespace.
    pub namespace_pid: u32,
    /// Inode number of that namespace.
    pub pid_namespace: u32,
    /// The loaded image.
    pub image: ExecutedFile,
    /// The script that named the image as its interpreter.
    pub script: Option<ExecutedFile>,
    /// The file name given to exec, as the kernel copied it.
    pub filename: Observed<Vec<u8>>,
    /// Arguments of the new image, exact bytes. `Truncated.length` counts arguments.
    pub argv: Observed<Vec<Vec<u8>>>,
    /// Bytes of all arguments, NULs included, even those that were not kept.
    pub argv_bytes: u64,
    /// Environment strings (`NAME=value`) of the new image, shared between equal environments.
    pub environment: Observed<Arc<[Vec<u8>]>>,
    /// Bytes of all environment strings, NULs included, even those that were not kept.
    pub environment_bytes: u64,
    /// Working directory.
    pub cwd: ResolvedPath,
    /// Credentials after the exec.
    pub credentials: Credentials,
    /// Those before it: of the root alone, whose beginning is not seen otherwise, and where the kernel tells (Linux
    /// 6.10).
    pub credentials_before: Option<Credentials>,
    /// The call that did it.
    pub call: Syscall,
    /// Made by a thread other than the leader, which had this thread id.
    pub from_thread: Option<u32>,
    /// The name after the exec, without NULs.
    pub comm: Vec<u8>,
}

/// A file that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedFile {
    /// Its path.
    pub path: ResolvedPath,
    /// What the kernel says of it; absent for a script that only its name is known of.
    pub facts: Option<FileFacts>,
}

/// An exec that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecFailed {
    /// The file name, as the caller's memory had it when the call returned, or, where that was gone by then, as the kernel had
    /// copied it.
    pub filename: Observed<Vec<u8>>,
    /// Positive errno.
    pub errno: i32,
    /// The call.
    pub call: Syscall,
    /// The directory descriptor of an `execveat`; absent for `AT_FDCWD` and `execve`.
    pub dirfd: Option<i32>,
    /// Of the command itself, whose first exec failed when its old image was gone already: with what it began.
    pub root: Option<Box<RootBegan>>,
}

/// What is known of the command before its first exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootBegan {
    /// When that exec was made.
    pub at: BootNs,
    /// Its id in its innermost pid namespace.
    pub namespace_pid: u32,
    /// Inode number of that namespace.
    pub pid_namespace: u32,
    /// Its credentials.
    pub credentials: Credentials,
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; absent when a signal ended it.
    pub code: Option<u8>,
    /// Signal that ended it.
    pub signal: Option<u8>,
    /// A core was dumped.
    pub core_dumped: bool,
    /// User CPU time, ns; scaled to the precise total as `getrusage` does.
    pub user_ns: u64,
    /// System CPU time, ns.
    pub system_ns: u64,
    /// Peak resident set, bytes.
    pub max_rss_bytes: u64,
    /// Threads started beside the first.
    pub threads_started: u32,
    /// The name of the thread that ended last, without NULs.
    pub comm: Vec<u8>,
}

/// A call of the setuid family, capset, prctl, setns or unshare that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialCall {
    /// The call.
    pub call: Syscall,
    /// State of the calling thread afterwards.
    pub credentials: Credentials,
}

/// Denied calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The call.
    pub call: Syscall,
    /// EPERM or EACCES, positive.
    pub errno: i32,
    /// How often.
    pub count: u64,
}

/// Result of hashing one executed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutableHashed {
    /// Time of the exec that ran it (the `at` of its event).
    pub exec_at: BootNs,
    /// Which of the two files of that exec.
    pub role: ExecutableRole,
    /// The SHA-256 of its content.
    pub sha256: Result<[u8; 32], Unreadable>,
    /// Size of what was hashed, bytes.
    pub size_bytes: Option<u64>,
}

/// Which file of an exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutableRole {
    /// The loaded image.
    Image,
    /// The script.
    Script,
}
