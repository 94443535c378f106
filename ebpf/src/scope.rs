//! Which processes are observed, and the counters that each of them carries.

use aya_ebpf::bindings::BPF_NOEXIST;
use glasshouse_common::{
    RareKey,
    state::{Counts, Process},
    syscall::{ABI_COMPAT, ABI_NATIVE, SLOTS},
};

use crate::{
    atomic::{increment, set_bits},
    emit::counters,
    maps::{COMPAT, RARE, SCOPE, ZERO},
};

/// The entry of a process in scope.
#[inline(always)]
pub(crate) fn find(tgid: u32) -> Option<*mut Process> {
    SCOPE.get_ptr_mut(&tgid)
}

/// Puts a process in scope. A failure is counted.
#[inline(always)]
pub(crate) unsafe fn add(tgid: u32, start: u64) -> Option<*mut Process> {
    if let Some(zero) = ZERO.get(0) {
        let _ = SCOPE.insert(&tgid, zero, 0);
    }
    let process = find(tgid);
    match process {
        Some(process) => (*process).counts.start = start,
        None => {
            if let Some(counters) = counters() {
                (*counters).scope_full += 1;
            }
        }
    }
    process
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

/// Counts one call.
#[inline(always)]
pub(crate) unsafe fn count(process: *mut Process, tgid: u32, abi: u32, number: u32, slot: u32) {
    if abi != ABI_NATIVE {
        count_compat(tgid, number, slot);
    } else if !count_slot(&raw mut (*process).counts, slot) {
        count_rare(tgid, abi, number, 0);
    }
}

// What follows is rare, and so may look the process up again: global functions take plain numbers, and the verifier
// looks at each once, not at every call.

/// Counts one 32-bit call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn count_compat(tgid: u32, number: u32, slot: u32) -> i32 {
    let Some(process) = find(tgid) else { return 0 };
    let mut counts = COMPAT.get_ptr_mut(&tgid);
    if counts.is_none() {
        if let Some(zero) = ZERO.get(0) {
            let _ = COMPAT.insert(&tgid, &zero.counts, u64::from(BPF_NOEXIST));
        }
        counts = COMPAT.get_ptr_mut(&tgid);
        if let Some(counts) = counts {
            (*counts).start = (*process).counts.start;
        }
    }
    match counts {
        Some(counts) if count_slot(counts, slot) => 0,
        _ => count_rare(tgid, ABI_COMPAT, number, 0),
    }
}

/// Counts a denied call, or one without a slot (`errno` 0).
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn count_rare(tgid: u32, abi: u32, number: u32, errno: u32) -> i32 {
    let Some(process) = find(tgid) else { return 0 };
    let key = RareKey { start: (*process).counts.start, tgid, number, abi, errno };
    if let Some(count) = RARE.get_ptr_mut(&key) {
        increment(count);
        return 0;
    }
    // Two threads may be here at once: the entry is made with zero by one of them, and both then add.
    if RARE.insert(&key, &0, u64::from(BPF_NOEXIST)).is_ok() {
        increment(&raw mut (*process).rare_entries);
    }
    match RARE.get_ptr_mut(&key) {
        Some(count) => increment(count),
        None => {
            if let Some(counters) = counters() {
                (*counters).rare_full += 1;
            }
        }
    }
    0
}
