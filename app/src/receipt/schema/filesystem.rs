//! Files in the receipt.

use std::{borrow::Cow, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{Bytes, Device, Mode, PathSource, Reason, SocketOperation, Timestamp, Value, is_false};
use crate::names;

/// A text that not every entry has: left out where there is none, null where it is not known.
pub type OptionalText = Option<Option<Box<Value<Bytes>>>>;

/// Files: what was used, changed and tried in vain.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Filesystem {
    /// Bytes read of regular files.
    pub bytes_read: u64,
    /// Bytes written to regular files.
    pub bytes_written: u64,
    /// Every file that was used, changed or tried, by path, device and inode.
    pub files: Vec<UsedFile>,
    /// Changes of files, and of where files are, in order of time.
    pub changes: Vec<FileChange>,
    /// Attempts that failed, by path, process, operation, error and call.
    pub failed: Vec<FailedAttempt>,
}

/// A file: what was opened or executed under one path. Something that only a change or a failed attempt names belongs
/// to the file that is known under this very path, if there is exactly one; else it has an entry of its own.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UsedFile {
    /// Its path when it was opened, from the root of the mount namespace; what the kernel shows of a file without a
    /// name: "pipe:\[INODE\]", "socket:\[INODE\]", "anon_inode:NAME".
    pub path: Option<Value<Bytes>>,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// The same as the first process to use it saw it; only where that is another path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_in_root: Option<Box<Value<Bytes>>>,
    /// Where `path` comes from.
    pub path_source: PathSource,
    /// The name that was asked for; only where another thread may have exchanged the descriptor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Value<Bytes>>>,
    /// The sort of file.
    pub kind: Option<FileKind>,
    /// Why `kind` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind_reason: Option<Reason>,
    /// Device of its file system.
    pub device: Option<Device>,
    /// Why `device` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<Reason>,
    /// Inode number.
    pub inode: Option<u64>,
    /// Why `inode` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_reason: Option<Reason>,
    /// How the processes came to have it; only where none opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<FileOrigin>,
    /// No name led to it when it was used.
    #[serde(skip_serializing_if = "is_false")]
    pub unlinked: bool,
    /// Its mount belonged to no mount namespace.
    #[serde(skip_serializing_if = "is_false")]
    pub unreachable: bool,
    /// It was made during the run and is gone again.
    #[serde(skip_serializing_if = "is_false")]
    pub transient: bool,
    /// What was done with it how often.
    pub operations: OperationCounts,
    /// Failed attempts, by name of the error.
    pub errors: ErrorCounts,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Ids of the processes that did something with it, or tried to.
    pub processes: Arc<[u64]>,
    /// What each of them did; only where there were several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_process: Vec<ProcessUse>,
    /// The first use, change or attempt.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
}

/// What one process has done with one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProcessUse {
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// How it came to have the file; only where it did not open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<FileOrigin>,
    /// What it did how often.
    pub operations: OperationCounts,
    /// Bytes that it read.
    pub bytes_read: u64,
    /// Bytes that it wrote.
    pub bytes_written: u64,
}

/// The sort of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A pipe, with a name or without.
    Fifo,
    /// A socket, with a name or without.
    Socket,
    /// A file of procfs.
    Proc,
    /// A file by which the kernel shows itself elsewhere: sysfs, cgroups, debugfs and their like.
    Kernel,
    /// Memory that is a file: memfd_create and its like.
    Memfd,
    /// A namespace.
    Namespace,
    /// An object that only has a descriptor: eventfd, epoll, timerfd, pidfd, …
    Anonymous,
}

/// How a process came to have a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileOrigin {
    /// The command had it open when it began.
    Inherited,
    /// It used a descriptor that it had not opened itself: kept over a fork, or received from another process.
    Received,
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileOperation {
    /// Opened.
    Open,
    /// Made by opening it.
    Create,
    /// Cut or extended to a length.
    Truncate,
    /// Read.
    Read,
    /// Written.
    Write,
    /// Directory entries read.
    ReadDirectory,
    /// Mapped executable.
    MapExecutable,
    /// Mapped shared and writable: its content may have changed without a call.
    MapWritable,
    /// Executed, as image or as script.
    Execute,
    /// A name removed.
    Delete,
    /// A directory removed.
    Rmdir,
    /// A directory made.
    Mkdir,
    /// Renamed.
    Rename,
    /// Given another name.
    Link,
    /// A symbolic link made.
    Symlink,
    /// Permissions changed.
    Chmod,
    /// Owner or group changed.
    Chown,
    /// Times set.
    Utimens,
    /// An extended attribute set.
    Setxattr,
    /// An extended attribute removed.
    Removexattr,
    /// A fifo, device, socket or plain file made by mknod.
    Mknod,
    /// Mounted, or a mount moved.
    Mount,
    /// Unmounted.
    Umount,
    /// Working directory changed.
    Chdir,
    /// Root directory changed.
    Chroot,
    /// Root of the mount namespace changed.
    PivotRoot,
    /// Attributes asked for: only failed attempts are listed.
    Stat,
    /// Permission asked for: only failed attempts are listed.
    Access,
    /// Target of a symbolic link asked for: only failed attempts are listed.
    Readlink,
    /// An extended attribute asked for: only failed attempts are listed.
    Getxattr,
    /// Names of extended attributes asked for: only failed attempts are listed.
    Listxattr,
    /// Watched for what happens to it (inotify, fanotify): only failed attempts are listed.
    Watch,
    /// Disk quotas asked for or set: only failed attempts are listed.
    Quotactl,
    /// Processes that end accounted for in it; in nothing any more, if it is null.
    Acct,
    /// Swapped to.
    Swapon,
    /// Swapped to no more.
    Swapoff,
    /// Flags of its inode set (`chattr`).
    Chattr,
    /// Attributes of a mount set.
    MountSetattr,
}

/// How often each operation was done.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OperationCounts(pub Arc<[(FileOperation, u64)]>);

impl Serialize for OperationCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(operation, count)| (operation, count)))
    }
}

/// How often each error occurred, by errno.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ErrorCounts(pub Vec<(i32, u64)>);

impl Serialize for ErrorCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(errno, count)| (names::errno(*errno), count)))
    }
}

/// Gives types that are maps from names to counts their schema.
macro_rules! counts_schema {
    ($($name:ident)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 1 } })
            }
        }
    )*};
}

/// How often each operation was done with a socket.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SocketOperationCounts(pub Vec<(SocketOperation, u64)>);

impl Serialize for SocketOperationCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(operation, count)| (operation, count)))
    }
}

counts_schema!(OperationCounts ErrorCounts SocketOperationCounts);

/// A change of a file, or of where files are. What does not apply to the operation is left out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FileChange {
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub operation: FileOperation,
    /// The file; the source of a rename, a link or a mount; a symbolic link itself.
    pub path: Option<Value<Bytes>>,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// Where `path` comes from.
    pub path_source: PathSource,
    /// Where to: the new path of a rename or a link, the mount point of a mount, where pivot_root puts the old root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_path: OptionalText,
    /// Why `new_path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_path_reason: Option<Reason>,
    /// What else belongs to it.
    #[serde(flatten)]
    pub details: Option<Arc<ChangeDetails>>,
    /// Permissions that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Name of the call.
    pub call: Arc<str>,
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
}

/// What belongs to some changes only. Many have the same: the making of files above all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeDetails {
    /// What a symbolic link points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: OptionalText,
    /// Why `target` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_reason: Option<Reason>,
    /// Name of an extended attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: OptionalText,
    /// Why `attribute` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_reason: Option<Reason>,
    /// Type of a mounted file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system: OptionalText,
    /// Why `file_system` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system_reason: Option<Reason>,
    /// Null where it is not known whether it happened; else left out, as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Option<i32>>,
    /// Why `result` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_reason: Option<Reason>,
    /// Flags of the call: of open, renameat2, linkat, unlinkat, mount, umount, mount_setattr, file_setattr or swapon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<u64>,
    /// New owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// New group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// New length, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_bytes: Option<u64>,
    /// Number of the device that a node stands for, as the call has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_device: Option<u64>,
    /// New flags of an inode, as `FS_IOC_SETFLAGS` has them: 16 that nobody may change it, 32 that it may only grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_flags: Option<u64>,
    /// The same as `FS_IOC_FSSETXATTR` and file_setattr have them: 8 that nobody may change it, 16 that it may only grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_flags: Option<u64>,
    /// Attributes of a mount that were set (`MOUNT_ATTR_*`): 1 read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes_set: Option<u64>,
    /// Attributes of a mount that were taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes_cleared: Option<u64>,
    /// How mounts and unmounts propagate from a mount now (`MS_SHARED` and the like); left out when it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<u64>,
}

/// Attempts of one kind that failed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailedAttempt {
    /// On what.
    pub path: Option<Value<Bytes>>,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// Where `path` comes from.
    pub path_source: PathSource,
    /// The second path, of a rename or a link; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_path: OptionalText,
    /// Why `new_path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_path_reason: Option<Reason>,
    /// What was tried.
    pub operation: FileOperation,
    /// Name of the error.
    pub errno: Arc<str>,
    /// Name of the call.
    pub call: Arc<str>,
    /// How often.
    pub count: u64,
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
}
