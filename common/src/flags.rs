//! Flags carried by records.

/// Text: part of it could not be read; what follows is what could.
pub const TEXT_UNREADABLE: u16 = 1 << 0;
/// Text: cut at a limit; `total` has the length it should have had, where that is known.
pub const TEXT_TRUNCATED: u16 = 1 << 1;
/// Path: the walk ended at a root that is not the root of a mount namespace (detached mount, memfd, pipe).
pub const PATH_UNREACHABLE: u16 = 1 << 2;
/// Path: the leaf has been unlinked.
pub const PATH_UNLINKED: u16 = 1 << 3;

/// File facts: the structure is filled in; without this flag there was no such file.
pub const FILE_PRESENT: u32 = 1 << 0;
/// File facts: the file has no name any more (link count zero, or its dentry is unhashed).
pub const FILE_UNLINKED: u32 = 1 << 1;
/// File facts: the file lies on a mount that belongs to no mount namespace (a memfd, for instance).
pub const FILE_UNREACHABLE: u32 = 1 << 2;

/// Exec: made by a thread that was not the leader; the kernel gave it the leader's ids.
pub const EXEC_FROM_THREAD: u32 = 1 << 0;
/// Exec: the new image was loaded by an interpreter line or a binary format handler.
pub const EXEC_INTERPRETED: u32 = 1 << 1;
/// Exec: this is the command's own first exec, with which observation starts.
pub const EXEC_ROOT: u32 = 1 << 2;

/// Exec: the kernel has left the file to the interpreter as a descriptor. That is the file named by the caller, unless it is
/// a script whose interpreter is such a file.
pub const EXEC_KEPT: u32 = 1 << 3;

/// Exec: the file name was sent before, as [`crate::kind::TEXT_PREPARED`].
pub const EXEC_NAMED: u32 = 1 << 4;

/// Failed exec: the caller's old image was gone by then, and with it the memory that had the file name.
pub const EXEC_FAILED_LATE: u32 = 1 << 0;
/// Failed exec: as [`EXEC_NAMED`].
pub const EXEC_FAILED_NAMED: u32 = 1 << 1;

/// Syscalls: these counts are of a 32-bit compatibility ABI.
pub const SYSCALLS_COMPAT: u32 = 1 << 0;

/// Origin of a file: the process opened it.
pub const ORIGIN_OPENED: u32 = 0;
/// Origin of a file: open when observation started.
pub const ORIGIN_INHERITED: u32 = 1;
/// Origin of a file: used without having been opened by this process.
pub const ORIGIN_RECEIVED: u32 = 2;

/// File: the process asked for another name, which was sent before as [`crate::kind::TEXT_ARGUMENT`].
pub const FILE_RACED: u32 = 1 << 0;

/// Change: what the first path argument is relative to was sent; without it, that is the root of the mount namespace.
pub const CHANGE_BASE: u32 = 1 << 0;
/// Change: the first path argument was sent.
pub const CHANGE_ARGUMENT: u32 = 1 << 1;
/// Change: what the second path argument is relative to was sent.
pub const CHANGE_NEW_BASE: u32 = 1 << 2;
/// Change: the second path argument was sent.
pub const CHANGE_NEW_ARGUMENT: u32 = 1 << 3;
/// Change: a text was sent.
pub const CHANGE_EXTRA: u32 = 1 << 4;
/// Change: the base is not what the argument is relative to, but what the call has led to.
pub const CHANGE_RESOLVED: u32 = 1 << 5;
/// Change: there is nothing that the first path argument could be relative to: its descriptor is not open. The same,
/// shifted by two as the flags of the paths are, of the second.
pub const CHANGE_NO_BASE: u32 = 1 << 7;
/// Failed: the first path argument follows the record, and was not sent before it.
pub const CHANGE_FOLLOWS: u32 = 1 << 10;
/// Change: what the first path argument is relative to stands for the root directory (`RESOLVE_IN_ROOT` of openat2), also of
/// one that begins with a slash.
pub const CHANGE_IN_ROOT: u32 = 1 << 11;
/// Failed: the call is one of a descriptor that another task may have exchanged before it returned.
pub const FAILED_RACED: u32 = 1 << 14;
/// Failed: the lower half of the call's flags is in the bits from here on.
pub const CALL_FLAGS: u32 = 16;
/// Change: asked for through a ring without a completion; whether it happened is not known.
pub const CHANGE_UNCONFIRMED: u32 = 1 << 6;
