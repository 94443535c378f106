//! Values of the kernel side's maps that user space reads when it sweeps them.

use crate::syscall::{SLOT_WORDS, SLOTS};

/// Counts by slot, with a bitmap of the slots in use so that they can be listed without looking at each.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// `start_boottime` of the process.
    pub start: u64,
    /// Bit n is set when the counter of slot n is not zero.
    pub used: [u64; SLOT_WORDS],
    /// Calls that returned, by slot.
    pub counts: [u64; SLOTS],
}

/// What the kernel side keeps of a process in scope. One look-up serves the filter and the count.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Native calls.
    pub counts: Counts,
    /// Threads started beside the first.
    pub threads_started: u64,
    /// Entries made in the map of rare facts.
    pub rare_entries: u64,
    /// Threads that have ended, the first included.
    pub threads_ended: u64,
    /// Number of the exec call in progress plus one, noted before the kernel overwrites it; 0 for none.
    pub exec_call: u32,
    /// Its ABI.
    pub exec_abi: u32,
    /// ABI that the running image was made for.
    pub image_abi: u32,
    /// 1 from the root's adoption until its first image is in place.
    pub is_new_root: u32,
}

// With the kernel's own header of a hash element it stays within one 4 KiB object.
const _: () = assert!(core::mem::size_of::<Process>() == 3_688);
