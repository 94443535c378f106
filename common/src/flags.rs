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
/// Exec: `call` was read before the kernel overwrote it; without this flag it was inferred.
pub const EXEC_CALL_EXACT: u32 = 1 << 2;
/// Exec: this is the command's own first exec, with which observation starts.
pub const EXEC_ROOT: u32 = 1 << 3;

/// Syscalls: these counts are of a 32-bit compatibility ABI.
pub const SYSCALLS_COMPAT: u32 = 1 << 0;
