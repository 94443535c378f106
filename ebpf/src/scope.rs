//! Which processes are observed, and the counters of each of them.

use aya_ebpf::bindings::BPF_NOEXIST;
use glasshouse_common::{
    RareKey,
    state::{ADOPTED, Counts, NOT_POOLED, Process, counts_key},
    syscall::{ABI_NATIVE, SLOT_MASK, SLOTS},
};

use crate::{
    atomic::{give_bits, increment, set_bits, take_bits},
    layout::{opaque, zero},
    maps::{COUNTERS, COUNTS, NO_COUNTS, POOL, POOL_TAKEN, POOL_WORDS, POOLED, POOLED_WORDS, RARE, SCOPE},
    probes::syscall,
};

/// The entry of a process in scope.
#[inline(always)]
pub(crate) fn find(tgid: u32) -> Option<*mut Process> {
    SCOPE.get_ptr_mut(&tgid)
}

/// What every call of a process in scope needs to know of it.
pub(crate) struct Own {
    /// Its start.
    pub(crate) start: u64,
    /// Index of its counters, as [`Process::pool_index`].
    pub(crate) pool_index: u32,
}

/// The same of the process of the task that runs, if it is in scope: mostly without a lookup in a hash map, which takes
/// more time than all else that is done for most calls.
#[inline(always)]
pub(crate) unsafe fn own(tgid: u32) -> Option<Own> {
    let word = core::ptr::read_volatile(pooled(tgid));
    let pool_index = (word >> 32) as u32;
    // A place that is empty looks like that of process 0, which makes no calls.
    if word as u32 == tgid
        && let Some(counts) = POOL.get_ptr(pool_index)
    {
        return Some(Own { start: (*counts).start, pool_index });
    }
    let process = find(tgid)?;
    Some(Own { start: (*process).start, pool_index: (*process).pool_index })
}

/// The place of a process among those whose counters are in the pool.
#[inline(always)]
unsafe fn pooled(tgid: u32) -> *mut u64 {
    let place = opaque(u64::from(tgid)) as usize & (POOLED_WORDS - 1);
    (&raw mut POOLED).cast::<u64>().add(place)
}

/// Puts a process in scope. A failure is counted. Returns whether it is there.
#[inline(always)]
pub(crate) unsafe fn add(tgid: u32, start: u64, image_abi: u32, is_new_root: bool) -> bool {
    add_process(tgid, start, image_abi, u32::from(is_new_root) * ADOPTED) != 0
}

/// Takes a process out of scope. Its counters are all zero again, and nobody counts any more.
#[inline(always)]
pub(crate) unsafe fn remove(tgid: u32, pool_index: u32) {
    let _ = SCOPE.remove(&tgid);
    let pooled = pooled(tgid);
    // Another one may have taken the place.
    if core::ptr::read_volatile(pooled) as u32 == tgid {
        core::ptr::write_volatile(pooled, 0);
    }
    give_back(tgid, pool_index);
}

/// Takes counters from the pool: the first free ones of those that the process may have, for they are the likeliest to
/// lie in a cache still. There is no loop, which the verifier would go through at each use.
///
/// A global function: what the verifier knows of its result is nothing, and so it looks once at what follows.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn take_pooled(tgid: u32) -> u32 {
    let word = tgid as usize & (POOL_WORDS - 1);
    let bits = (&raw mut POOL_TAKEN).cast::<u64>().add(word);
    let free = !core::ptr::read_volatile(bits);
    let first = free & free.wrapping_neg();
    // None is free, or another CPU was faster.
    if first == 0 || take_bits(bits, first) & first != 0 {
        return NOT_POOLED;
    }
    word as u32 * 64 + first.trailing_zeros()
}

#[inline(always)]
unsafe fn give_back(tgid: u32, pool_index: u32) {
    if pool_index == NOT_POOLED {
        let _ = COUNTS.remove(&counts_key(tgid, ABI_NATIVE));
        return;
    }
    let word = opaque(u64::from(pool_index >> 6)) as usize & (POOL_WORDS - 1);
    give_bits((&raw mut POOL_TAKEN).cast::<u64>().add(word), 1 << (pool_index & 63));
}

/// Counters that are not in the pool, new ones if there are none.
#[inline(always)]
unsafe fn make_counts(tgid: u32, abi: u32) -> Option<*mut Counts> {
    let key = counts_key(tgid, abi);
    if let Some(counts) = COUNTS.get_ptr_mut(&key) {
        return Some(counts);
    }
    let _ = COUNTS.insert(&key, &*&raw const NO_COUNTS, u64::from(BPF_NOEXIST));
    COUNTS.get_ptr_mut(&key)
}

/// Counters in the pool or, with [`NOT_POOLED`], those of a key.
#[inline(always)]
pub(crate) fn counts(pool_index: u32, key: u64) -> Option<*mut Counts> {
    if pool_index != NOT_POOLED { POOL.get_ptr_mut(pool_index) } else { COUNTS.get_ptr_mut(&key) }
}

/// Counts one call in its slot.
#[inline(always)]
unsafe fn count_slot(counts: *mut Counts, slot: u32) -> bool {
    let slot = slot as usize;
    if slot >= SLOTS {
        return false;
    }
    let count = (&raw mut (*counts).counts).cast::<u64>().add(slot);
    if *count == 0 {
        let word = (&raw mut (*counts).used).cast::<u64>().add((slot >> 6) & 7);
        set_bits(word, 1 << (slot & 63));
    }
    increment(count);
    true
}

/// Counts one call of a process, for programs in which that is not what they do most.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn count_call(tgid: u32, abi: u32, number: u32) -> i32 {
    let Some(process) = find(tgid) else { return 0 };
    count((*process).pool_index, tgid, abi, number, syscall::word(abi, number) & SLOT_MASK);
    0
}

/// Counts one call of a process whose counters have that index.
#[inline(always)]
pub(crate) unsafe fn count(pool_index: u32, tgid: u32, abi: u32, number: u32, slot: u32) {
    let pooled = if abi == ABI_NATIVE { POOL.get_ptr_mut(pool_index) } else { None };
    match pooled {
        Some(counts) if count_slot(counts, slot) => {}
        Some(_) => _ = count_rare(tgid, abi, number, 0),
        None => _ = count_apart(tgid, abi, number, slot),
    }
}

// What follows is rare, and so may look the process up again: global functions take plain numbers, and the verifier
// looks at each once, not at every call.

/// Puts a process in scope. Global, for two programs do it.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn add_process(tgid: u32, start: u64, image_abi: u32, is_new_root: u32) -> i32 {
    let process = Process {
        start,
        threads_started: zero(),
        threads_ended: zero(),
        exec_call: zero() as u32,
        exec_abi: zero() as u16,
        exec_named: zero() as u16,
        image_abi,
        is_new_root,
        accesses: 0,
        pool_index: take_pooled(tgid),
        exec_task: 0,
    };
    let key = counts_key(tgid, ABI_NATIVE);
    let can_count =
        process.pool_index != NOT_POOLED || COUNTS.insert(&key, &*&raw const NO_COUNTS, 0).is_ok();
    if can_count && SCOPE.insert(&tgid, &process, 0).is_ok() {
        if let Some(counts) = POOL.get_ptr_mut(process.pool_index) {
            (*counts).start = start;
            core::ptr::write_volatile(pooled(tgid), u64::from(process.pool_index) << 32 | u64::from(tgid));
        }
        return 1;
    }
    give_back(tgid, process.pool_index);
    increment(&raw mut COUNTERS.scope_full);
    0
}

/// Counts one call of those whose counters are not in the pool.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn count_apart(tgid: u32, abi: u32, number: u32, slot: u32) -> i32 {
    match make_counts(tgid, abi) {
        Some(counts) if count_slot(counts, slot) => 0,
        _ => count_rare(tgid, abi, number, 0),
    }
}

/// Counts a denied call, or one without a slot (`errno` 0).
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn count_rare(tgid: u32, abi: u32, number: u32, errno: u32) -> i32 {
    let Some(process) = find(tgid) else { return 0 };
    let key = RareKey { start: (*process).start, tgid, number, abi, errno };
    if let Some(count) = RARE.get_ptr_mut(&key) {
        increment(count);
        return 0;
    }
    // Two threads may be here at once: the entry is made with zero by one of them, and both then add.
    // On the stack: a constant would lie among those that user space fills in.
    let zero = opaque(0);
    let _ = RARE.insert(&key, &zero, u64::from(BPF_NOEXIST));
    match RARE.get_ptr_mut(&key) {
        Some(count) => increment(count),
        None => increment(&raw mut COUNTERS.rare_full),
    }
    0
}
