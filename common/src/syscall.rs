//! How system calls are classed and counted.
//!
//! User space fills one word per number and ABI: the slot of its counter and the class of what the kernel side has
//! to do when it returns. One eBPF object thereby serves every architecture.

/// The kernel's native ABI.
pub const ABI_NATIVE: u32 = 0;
/// The 32-bit compatibility ABI (`int 0x80` and 32-bit `sysenter` on x86).
pub const ABI_COMPAT: u32 = 1;

/// Numbers below this have a word in the table.
pub const TABLE_LEN: usize = 512;
/// Counters per process and ABI. Chosen so that the map value, with its bookkeeping, stays within 4 KiB.
pub const SLOTS: usize = 448;
/// 64-bit words of the bitmap that says which slots are in use.
pub const SLOT_WORDS: usize = SLOTS / 64;

/// Word of a number that has no slot of its own.
pub const NO_SLOT: u32 = 0xffff;
/// Mask of the slot in a table word.
pub const SLOT_MASK: u32 = 0xffff;
/// Shift of the class in a table word.
pub const CLASS_SHIFT: u32 = 16;

/// Nothing beyond counting.
pub const CLASS_NONE: u32 = 0;
/// `execve`: counted when the new image is in place; a failure is recorded.
pub const CLASS_EXECVE: u32 = 1;
/// `execveat`: likewise.
pub const CLASS_EXECVEAT: u32 = 2;
/// Returns twice; the child's return, always 0, is not counted.
pub const CLASS_CLONE: u32 = 3;
/// Never returns; counted when the thread ends.
pub const CLASS_EXIT: u32 = 4;
/// Success can change credentials or namespaces.
pub const CLASS_CREDENTIALS: u32 = 5;
