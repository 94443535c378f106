//! What is known to have been done with files.

use super::{BootNs, FileFacts, Observed, ResolvedPath, Syscall};
#[cfg(doc)]
use super::{EventKind, PathSource};

/// A process's use of one file under one path, as the kernel side numbers it. Never used twice in a run.
pub type AccessId = u64;

/// The first use of a file by a process, under one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSeen {
    /// Under this number its totals come.
    pub access: AccessId,
    /// The path when it was opened, or first used.
    pub path: ResolvedPath,
    /// With [`PathSource::Raced`]: the name that was asked for.
    pub asked: Option<Observed<Vec<u8>>>,
    /// How the process came to have it.
    pub origin: FileOrigin,
    /// What the kernel says of it.
    pub facts: FileFacts,
    /// Magic number of its file system (`linux/magic.h`).
    pub file_system: u64,
    /// Flags it was opened with (`f_flags`: `O_*`, those for creating and truncating not among them).
    pub open_flags: u32,
    /// Totals so far.
    pub totals: AccessTotals,
}

/// How a process came to have a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileOrigin {
    /// It opened it.
    Opened,
    /// The command had it open when observation started.
    Inherited,
    /// It used a descriptor that it had not opened itself: kept over a fork, or received from another process.
    Received,
}

/// What one process has done with one file: totals since it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct AccessTotals {
    /// Times it was opened.
    pub opens: u64,
    /// Times opening made it.
    pub creates: u64,
    /// Times it was truncated, by opening or by its descriptor.
    pub truncates: u64,
    /// Calls that read it.
    pub reads: u64,
    /// Calls that wrote it.
    pub writes: u64,
    /// Calls that read its directory entries.
    pub directory_reads: u64,
    /// Times it was mapped executable.
    pub executable_maps: u64,
    /// Times it was mapped shared and writable: its content may change without a call.
    pub writable_maps: u64,
    /// Failed attempts.
    pub failures: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// The last of these.
    pub last_at: BootNs,
}

/// Totals of one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTotals {
    /// Which.
    pub access: AccessId,
    /// The totals.
    pub totals: AccessTotals,
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// Mapped shared and writable.
    MapWritable,
    /// Executed: never told as such, it follows from [`EventKind::Exec`].
    Execute,
    /// A name removed.
    Delete,
    /// A directory removed.
    RemoveDirectory,
    /// A directory made.
    MakeDirectory,
    /// Renamed.
    Rename,
    /// Given another name.
    Link,
    /// A symbolic link made.
    Symlink,
    /// Permissions changed.
    ChangeMode,
    /// Owner or group changed.
    ChangeOwner,
    /// Times set.
    ChangeTimes,
    /// An extended attribute set.
    SetAttribute,
    /// An extended attribute removed.
    RemoveAttribute,
    /// A fifo, device, socket or plain file made by mknod.
    MakeNode,
    /// Mounted, or a mount moved.
    Mount,
    /// Unmounted.
    Unmount,
    /// Working directory changed.
    ChangeDirectory,
    /// Root directory changed.
    ChangeRoot,
    /// Root of the mount namespace changed.
    PivotRoot,
    /// Attributes asked for: only failed attempts are told.
    Stat,
    /// Permission asked for: only failed attempts are told.
    CheckAccess,
    /// Target of a symbolic link asked for: only failed attempts are told.
    ReadLink,
    /// An extended attribute asked for: only failed attempts are told.
    GetAttribute,
    /// Names of extended attributes asked for: only failed attempts are told.
    ListAttributes,
    /// Watched for what happens to it: only failed attempts are told.
    Watch,
    /// Disk quotas asked for or set: only failed attempts are told.
    Quota,
    /// Processes that end accounted for in it.
    Account,
    /// Swapped to.
    StartSwap,
    /// Swapped to no more.
    StopSwap,
    /// Flags of its inode set.
    SetFlags,
    /// Attributes of a mount set.
    SetMountAttributes,
}

/// A change of a file, or of where files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChanged {
    /// What was done. [`FileOperation::Open`] only through a ring, where no descriptor of the process leads to the file.
    pub operation: FileOperation,
    /// The file, or the source of a rename, a link or a mount.
    pub target: ChangeTarget,
    /// Where to: the new path of a rename, a link or a symbolic link; the mount point of a mount; where pivot_root puts
    /// the old root.
    pub new_path: Option<ResolvedPath>,
    /// Text beside the paths: what a symbolic link points to, the name of an extended attribute, the type of a mounted
    /// file system.
    pub text: Option<Observed<Vec<u8>>>,
    /// Arguments that are numbers.
    pub detail: ChangeDetail,
    /// The call.
    pub call: Syscall,
    /// Why it is not known whether it happened; of a request through a ring only.
    pub unconfirmed: Option<Unconfirmed>,
}

/// Why it is not known whether a change that was asked for happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unconfirmed {
    /// It was asked for without a completion in case of success, or could not be followed.
    NoCompletion,
    /// Observation ended first.
    Ended,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeTarget {
    /// A file that an [`EventKind::FileSeen`] names, before or after this.
    Access(AccessId),
    /// What a path leads to.
    Path(ResolvedPath),
    /// Nothing that has a name: what a symbolic link points to is only a text.
    None,
}

/// The numbers of a change, where its operation has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ChangeDetail {
    /// Flags: of renameat2, of mount, of umount, of unlinkat.
    pub flags: Option<u64>,
    /// Permissions: of chmod, mkdir, mknod, and of creating by open.
    pub mode: Option<u32>,
    /// New owner; absent when it stays.
    pub uid: Option<u32>,
    /// New group; absent when it stays.
    pub gid: Option<u32>,
    /// New length of a truncation, bytes.
    pub length: Option<u64>,
    /// Device number of a node, as the call has it.
    pub device: Option<u64>,
    /// Of a link whose old name is that of a descriptor in procfs: the file's use, under which it was made or opened.
    pub named: Option<AccessId>,
    /// New flags of an inode, as `FS_IOC_SETFLAGS` has them (`FS_*_FL`).
    pub inode_flags: Option<u64>,
    /// The same as `FS_IOC_FSSETXATTR` and file_setattr have them (`FS_XFLAG_*`).
    pub extended_flags: Option<u64>,
    /// Attributes of a mount that were set (`MOUNT_ATTR_*`).
    pub set: Option<u64>,
    /// Attributes of a mount that were taken away.
    pub cleared: Option<u64>,
    /// How mounts and unmounts propagate from a mount now (`MS_SHARED` and the like); absent when it stays.
    pub propagation: Option<u64>,
}

/// Flags of mount (`linux/mount.h`): `MS_REMOUNT`, `MS_BIND`, `MS_MOVE`; and `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE` and
/// `MS_SHARED`, which are about what there is already.
const REMOUNT: u64 = 1 << 5;
const BIND: u64 = 1 << 12;
const MOVE: u64 = 1 << 13;
const PROPAGATION: u64 = 0b1111 << 17;

impl ChangeDetail {
    /// Of a mount: nothing is mounted, but how mounts are passed on is changed.
    pub fn only_propagates(&self) -> bool {
        let flags = self.flags.unwrap_or_default();
        flags & PROPAGATION != 0 && flags & (REMOUNT | BIND) == 0
    }

    /// Of a mount: something is mounted, and not a mount changed that there is already.
    pub fn makes_mount(&self) -> bool {
        self.flags.unwrap_or_default() & REMOUNT == 0 && !self.only_propagates()
    }

    /// Of a mount: the kernel asks for no type of a file system.
    pub fn has_no_type(&self) -> bool {
        self.flags.unwrap_or_default() & (REMOUNT | BIND | MOVE | PROPAGATION) != 0
    }
}

/// Attempts of one kind that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFailed {
    /// Under this number further totals come; 0 of an attempt that is told by itself.
    pub access: AccessId,
    /// What was tried.
    pub operation: FileOperation,
    /// The errno, positive.
    pub errno: i32,
    /// On what: a string of the program's, unless it was a descriptor.
    pub path: ResolvedPath,
    /// The second path, of a rename or a link.
    pub new_path: Option<ResolvedPath>,
    /// The call.
    pub call: Syscall,
    /// Totals so far: `failures` and `last_at`.
    pub totals: AccessTotals,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_of_mount_does_its_flags_say() {
        let does = |flags| {
            let mount = ChangeDetail { flags: Some(flags), ..ChangeDetail::default() };
            (mount.makes_mount(), mount.only_propagates(), mount.has_no_type())
        };
        let private = 1 << 18;
        assert_eq!(does(0), (true, false, false));
        assert_eq!(does(BIND), (true, false, true));
        assert_eq!(does(MOVE), (true, false, true));
        assert_eq!(does(REMOUNT | BIND), (false, false, true));
        assert_eq!(does(private), (false, true, true));
        // The kernel looks for MS_BIND before it looks for how mounts are passed on.
        assert_eq!(does(BIND | private), (true, false, true));
    }
}
