//! Values of the kernel side's maps that user space reads when it sweeps them.

use crate::syscall::{SLOT_WORDS, SLOTS};

/// Counts by slot, with a bitmap of the slots in use so that they can be listed without looking at each.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Bit n is set when the counter of slot n is not zero.
    pub used: [u64; SLOT_WORDS],
    /// Calls that returned, by slot.
    pub counts: [u64; SLOTS],
    /// In the pool: `start_boottime` of the process that has them, or had.
    pub start: u64,
}

/// What the kernel side keeps of a process in scope. It is small, for it is allocated and freed with each process: the
/// counters lie in a pool.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// `start_boottime` of the process.
    pub start: u64,
    /// Threads started beside the first.
    pub threads_started: u64,
    /// Threads that have ended, the first included.
    pub threads_ended: u64,
    /// Number of the exec call in progress plus one, noted before the kernel overwrites it; 0 for none.
    pub exec_call: u32,
    /// Its ABI.
    pub exec_abi: u16,
    /// 1 if its file name was sent.
    pub exec_named: u16,
    /// ABI that the running image was made for.
    pub image_abi: u32,
    /// [`ADOPTED`] from the root's adoption until its first image is in place, then [`NEW_IMAGE`] until the call
    /// returns; 0 otherwise.
    pub is_new_root: u32,
    /// Index in the pool of the counters of its native calls; [`NOT_POOLED`] where the pool was used up, and they
    /// have an entry of their own.
    pub pool_index: u32,
    /// Lower half of the address of the thread that made it: its number may change meanwhile.
    pub exec_task: u32,
    /// Key of the first of its entries in the map of file uses; 0 for none.
    pub accesses: u64,
}

/// Index of counters that are not in the pool: of 32-bit calls, and of processes beyond it.
pub const NOT_POOLED: u32 = u32::MAX;

/// Key of counters that are not in the pool.
#[must_use]
pub const fn counts_key(tgid: u32, abi: u32) -> u64 {
    (abi as u64) << 32 | tgid as u64
}

/// Which program goes on with a call that returns: one that has to do with files, credentials or execs.
pub const FILES: u32 = 0;
/// See [`FILES`]: with sockets.
pub const SOCKETS: u32 = 1;

/// See [`Process::is_new_root`].
pub const ADOPTED: u32 = 1;
/// See [`Process::is_new_root`].
pub const NEW_IMAGE: u32 = 2;

// With the kernel's own header of a hash element it stays within one 4 KiB object.
const _: () = assert!(core::mem::size_of::<Counts>() == 3_648);
const _: () = assert!(core::mem::size_of::<Process>() == 56);

/// What the kernel side keeps of one use of a file by a process, or of one kind of attempts that failed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// `start_boottime` of the process.
    pub start: u64,
    /// The file's dentry; of failed attempts, that of the base directory.
    pub dentry: u64,
    /// Its mount.
    pub mnt: u64,
    /// Inode number; of failed attempts, a hash of the path argument.
    pub inode: u64,
    /// Key of the next entry of the same process; 0 ends the list.
    pub next: u64,
    /// Key of the entry of the path that the file was opened under last, once there was a second one; 0 before.
    pub moved_to: u64,
    /// Hash of the name and its directory when it was opened last.
    pub name_hash: u64,
    /// Hash of the whole path.
    pub place: u64,
    /// When a record was sent last; before one was, when it was first used.
    pub sent_at: u64,
    /// Totals so far.
    pub totals: crate::AccessTotals,
    /// Thread group id.
    pub tgid: u32,
    /// Device of the superblock.
    pub device: u32,
    /// 0 of a file; of failed attempts, and of calls that matter by themselves, [`crate::operation`] and errno.
    pub failed: u32,
    /// Records of it that found no room since one did.
    pub dropped: u32,
    /// Renames and mounts that had happened when the path was looked at last.
    pub moves: u32,
    /// 1 when a record with its path was sent.
    pub seen: u16,
    /// 1 when the totals have grown since they were sent.
    pub dirty: u16,
}

// With the kernel's own headers of a hash element it stays within an object of 256 bytes.
const _: () = assert!(core::mem::size_of::<Access>() == 192);

/// What the kernel side keeps of a socket, with what it exchanges with its peer; or of what it exchanges with a further
/// peer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What is told of it.
    pub facts: crate::FlowFacts,
    /// `start_boottime` of the process that made or accepted the socket.
    pub start: u64,
    /// When a record was sent last.
    pub sent_at: u64,
    /// Jiffies when the transport was asked last for its totals.
    pub ticks: u64,
    /// Thread group id of that process; 0 if it is not known.
    pub tgid: u32,
    /// 1 when a record was sent.
    pub seen: u32,
    /// 1 when something has changed since.
    pub dirty: u32,
    /// Records of it that found no room since one did.
    pub dropped: u32,
    /// Bytes of payload that were looked at, by direction; [`CAPTURED`] when there is no more interest.
    pub captured: [u32; 2],
    /// Errno that the last attempt to connect ended with, as its own record has told.
    pub failed: u32,
    /// 1 when a unix socket was announced.
    pub announced: u32,
}

/// See [`Flow::captured`].
pub const CAPTURED: u32 = u32::MAX;

const _: () = assert!(core::mem::size_of::<Flow>() == 304);

/// Key of what a socket exchanges with a further peer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    /// Number of the flow in the socket's own entry: another one begins when the socket loses its port, and then what it
    /// exchanges with anybody is another.
    pub first: u64,
    /// The peer's address.
    pub remote: [u64; 2],
    /// The peer's port.
    pub port: u64,
}
