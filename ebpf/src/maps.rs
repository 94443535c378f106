//! Every map. Sizes are those of `common::limits`; user space may change them before the maps are created.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use glasshouse_common::{Counters, RareKey, limits, syscall::{SLOT_WORDS, SLOTS}};

use crate::{path::Walk, text::Text};

/// Counts by slot, with a bitmap of the slots in use so that they can be listed without looking at each.
#[repr(C)]
pub(crate) struct Counts {
    /// `start_boottime` of the process.
    pub(crate) start: u64,
    pub(crate) used: [u64; SLOT_WORDS],
    pub(crate) counts: [u64; SLOTS],
}

/// What the kernel side keeps of a process in scope. One look-up serves the filter and the count.
#[repr(C)]
pub(crate) struct Process {
    pub(crate) counts: Counts,
    /// Threads started beside the first.
    pub(crate) threads_started: u64,
    /// Entries made in [`RARE`].
    pub(crate) rare_entries: u64,
    /// Set by the thread that reports the end, so that one alone does.
    pub(crate) ended: u64,
    /// Number of the exec call in progress plus one, noted before the kernel overwrites it; 0 for none.
    pub(crate) exec_call: u32,
    /// Its ABI.
    pub(crate) exec_abi: u32,
}

/// Processes in scope, by thread group id.
#[map]
pub(crate) static SCOPE: HashMap<u32, Process> = HashMap::with_max_entries(limits::SCOPE_ENTRIES, BPF_F_NO_PREALLOC);

/// Counts of 32-bit calls, for the processes in scope that make any.
#[map]
pub(crate) static COMPAT: HashMap<u32, Counts> = HashMap::with_max_entries(limits::SCOPE_ENTRIES, BPF_F_NO_PREALLOC);

/// Denied calls, and calls without a slot.
#[map]
pub(crate) static RARE: HashMap<RareKey, u64> = HashMap::with_max_entries(limits::RARE_ENTRIES, BPF_F_NO_PREALLOC);

/// Process records and their texts.
#[map]
pub(crate) static PROCESS_RING: RingBuf = RingBuf::with_byte_size(limits::PROCESS_RING_BYTES, 0);

/// System-call counts of processes that ended.
#[map]
pub(crate) static ACTIVITY_RING: RingBuf = RingBuf::with_byte_size(limits::ACTIVITY_RING_BYTES, 0);

/// What this side counts about itself.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// Set once the root has been seen: afterwards its pid is nobody's in particular.
#[map]
pub(crate) static ROOT_SEEN: Array<u64> = Array::with_max_entries(1, 0);

/// Where records are put together; too large for the stack. Raw tracepoints run with preemption disabled, so a CPU
/// uses it for one record at a time.
#[map]
pub(crate) static TEXT: PerCpuArray<Text> = PerCpuArray::with_max_entries(1, 0);

/// State of a path walk.
#[map]
pub(crate) static WALK: PerCpuArray<Walk> = PerCpuArray::with_max_entries(1, 0);

/// Source of zeroes for new entries.
#[map]
pub(crate) static ZERO: Array<Process> = Array::with_max_entries(1, 0);
