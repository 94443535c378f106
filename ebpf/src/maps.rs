//! Every map. Sizes are those of `common::limits`; user space may change them before the maps are created.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
};
use glasshouse_common::{
    Counters, FileId, RareKey, RingRequest, limits,
    state::{Access, Counts, Flow, FlowKey, Process},
};

use crate::{file::Found, path::Walk, probes::syscall::Call, text::Text};

/// Processes in scope, by thread group id.
#[map]
pub(crate) static SCOPE: HashMap<u32, Process> =
    HashMap::with_max_entries(limits::SCOPE_ENTRIES, BPF_F_NO_PREALLOC);

/// Counters that lie ready for processes: to allocate and free them with each process would cost more than all else
/// that is done for it. Those that nobody has are all zero.
#[map]
pub(crate) static POOL: Array<Counts> = Array::with_max_entries(limits::POOL_ENTRIES, 0);

// Single values are no maps: the verifier knows where they lie, and has no call to replace for each use of them.

/// Which entries of the pool somebody has, a bit for each.
#[unsafe(no_mangle)]
pub(crate) static mut POOL_TAKEN: [u64; POOL_WORDS] = [0; POOL_WORDS];

/// Processes in scope whose counters are in the pool, the thread group id and above it the index of the counters, at the
/// place that the former's last bits name; 0 where there is none. Who is not found here may still be in [`SCOPE`].
#[unsafe(no_mangle)]
pub(crate) static mut POOLED: [u64; POOLED_WORDS] = [0; POOLED_WORDS];

/// Words of [`POOLED`], a power of two: many for each process that it can have, so that few share one.
pub(crate) const POOLED_WORDS: usize = 8 * limits::POOL_ENTRIES as usize;
const _: () = assert!(POOLED_WORDS.is_power_of_two());

/// Words of [`POOL_TAKEN`], a power of two.
pub(crate) const POOL_WORDS: usize = limits::POOL_ENTRIES as usize / 64;
const _: () = assert!(POOL_WORDS.is_power_of_two());

/// Counters that are not in the pool, by [`counts_key`](glasshouse_common::state::counts_key): of 32-bit calls, for
/// the processes in scope that make any, and of processes beyond the pool.
#[map]
pub(crate) static COUNTS: HashMap<u64, Counts> =
    HashMap::with_max_entries(limits::SCOPE_ENTRIES, BPF_F_NO_PREALLOC);

/// Denied calls, and calls without a slot.
#[map]
pub(crate) static RARE: HashMap<RareKey, u64> =
    HashMap::with_max_entries(limits::RARE_ENTRIES, BPF_F_NO_PREALLOC);

/// Uses of files by processes in scope, and attempts that failed.
#[map]
pub(crate) static ACCESSES: HashMap<u64, Access> =
    HashMap::with_max_entries(limits::ACCESS_ENTRIES, BPF_F_NO_PREALLOC);

/// Keys of attempts that failed lately, each at the place that its last bits name. An attempt that is found here is made
/// again.
#[unsafe(no_mangle)]
pub(crate) static mut FAILED_LATELY: [u64; limits::FAILED_LATELY] = [0; limits::FAILED_LATELY];
const _: () = assert!(limits::FAILED_LATELY.is_power_of_two());

/// Renames and mounts by processes in scope: a path that was walked before may be another since.
#[unsafe(no_mangle)]
pub(crate) static mut MOVES: u64 = 0;

/// Open files whose dentry has been opened under another path too: the entries that their uses belong to.
#[map]
pub(crate) static MOVED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(limits::MOVED_FILES, 0);

/// Requests made through rings that wait for their completion.
#[map]
pub(crate) static RING_REQUESTS: HashMap<u64, RingRequest> =
    HashMap::with_max_entries(limits::RING_REQUESTS, BPF_F_NO_PREALLOC);

/// Requests made through rings of which no record tells, or not what became of them, by opcode.
#[map]
pub(crate) static RING_UNTOLD: Array<u64> = Array::with_max_entries(limits::RING_OPCODES as u32, 0);

/// Sockets, each with what it exchanges with its peer, or with the first of its peers. By the socket's cookie, or by the
/// number of its inode where it has none; see [`crate::socket`].
#[map]
pub(crate) static SOCKETS: HashMap<u64, Flow> =
    HashMap::with_max_entries(limits::SOCKET_ENTRIES + limits::RESTING_SOCKETS + 64, BPF_F_NO_PREALLOC);

/// What sockets exchange with further peers.
#[map]
pub(crate) static FLOWS: HashMap<FlowKey, Flow> =
    HashMap::with_max_entries(limits::FLOW_ENTRIES + 64, BPF_F_NO_PREALLOC);

/// Keys of the sockets, in the order in which they came, from [`SOCKETS_MADE`] modulo the length.
#[unsafe(no_mangle)]
pub(crate) static mut SOCKET_ORDER: [u64; limits::SOCKET_ENTRIES as usize] =
    [0; limits::SOCKET_ENTRIES as usize];

/// The same of flows.
#[unsafe(no_mangle)]
pub(crate) static mut FLOW_ORDER: [FlowKey; limits::FLOW_ENTRIES as usize] =
    [const { unsafe { core::mem::zeroed() } }; limits::FLOW_ENTRIES as usize];

/// Keys of the sockets that rest, from [`SOCKETS_ENDED`] modulo the length.
#[unsafe(no_mangle)]
pub(crate) static mut RESTING: [u64; limits::RESTING_SOCKETS as usize] =
    [0; limits::RESTING_SOCKETS as usize];

/// Sockets so far.
#[unsafe(no_mangle)]
pub(crate) static mut SOCKETS_MADE: u64 = 0;

/// Sockets that were sent to rest so far.
#[unsafe(no_mangle)]
pub(crate) static mut SOCKETS_ENDED: u64 = 0;

/// Flows with further peers so far.
#[unsafe(no_mangle)]
pub(crate) static mut FLOWS_MADE: u64 = 0;

/// Flows that were given a number so far, of either kind.
#[unsafe(no_mangle)]
pub(crate) static mut FLOWS_BEGUN: u64 = 0;

/// Processes that use a socket which is another's, and names that a process sends to through a socket, which were told.
#[map]
pub(crate) static SOCKET_USERS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(limits::SOCKET_USERS, 0);

/// The change of a connection's state that was seen last: the socket, and its state.
#[map]
pub(crate) static LAST_STATE: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Source of zeroes for new sockets and flows. Among what can be written: a constant would lie among those that user space
/// fills in.
#[unsafe(no_mangle)]
pub(crate) static mut NO_FLOW: Flow = unsafe { core::mem::zeroed() };

/// The workload's control group: its address, its depth and its number, in which order they lie. All 0 if it has none of
/// its own.
#[unsafe(no_mangle)]
pub(crate) static mut GROUP: [u64; 3] = [0; 3];

/// Set when a ring is more than half full.
#[unsafe(no_mangle)]
pub(crate) static mut PRESSED: u64 = 0;

/// What is done with sockets, and packets.
#[map]
pub(crate) static NETWORK_RING: RingBuf = RingBuf::with_byte_size(limits::NETWORK_RING_BYTES, 0);

/// Process records and their texts, and the system-call counts of processes that ended.
#[map]
pub(crate) static PROCESS_RING: RingBuf = RingBuf::with_byte_size(limits::PROCESS_RING_BYTES, 0);

/// What is done with files.
#[map]
pub(crate) static ACTIVITY_RING: RingBuf = RingBuf::with_byte_size(limits::ACTIVITY_RING_BYTES, 0);

/// What this side counts about itself. All CPUs count here: where they count records, they take turns at a ring anyway.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.counters")]
pub(crate) static mut COUNTERS: Counters = unsafe { core::mem::zeroed() };

/// Set once the root has been seen: afterwards its pid is nobody's in particular.
#[unsafe(no_mangle)]
pub(crate) static mut ROOT_SEEN: u64 = 0;

/// Files that were executed lately. User space is woken for one that is not among them, to read it while it is there.
#[map]
pub(crate) static EXECUTED: LruHashMap<FileId, u64> =
    LruHashMap::with_max_entries(limits::EXECUTED_ENTRIES, 0);

/// Where records are put together, and everything else that is too large for the stack. Raw tracepoints run with
/// preemption disabled, so a CPU uses it for one thing at a time. It is one map, so that a function looks it up once.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// See [`scratch`].
#[repr(C)]
pub(crate) struct Scratch {
    /// Records, and the texts that they have.
    pub(crate) text: Text,
    /// The path that was walked last.
    pub(crate) walk: Walk,
    /// What is being found out about a call that has to do with files.
    pub(crate) file: Found,
    /// The call that several programs see one after the other.
    pub(crate) call: Call,
}

/// This CPU's memory for what is too large for the stack.
#[inline(always)]
pub(crate) fn scratch() -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(0)
}

/// Programs that go on with a call when it returns, or with a request through a ring, by
/// [`state::FILES`](glasshouse_common::state::FILES) and its like.
#[map]
pub(crate) static GOING_ON: ProgramArray = ProgramArray::with_max_entries(2, 0);

/// The program that goes on with a change of a connection's state.
#[map]
pub(crate) static STATE_CHANGE: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Source of zeroes for new counters.
#[unsafe(no_mangle)]
pub(crate) static mut NO_COUNTS: Counts = unsafe { core::mem::zeroed() };
