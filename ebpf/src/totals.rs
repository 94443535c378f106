//! What is counted of a file: totals of its entry, and what was sent of it.

use core::mem::offset_of;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use glasshouse_common::{AccessTotals, operation, state::Access};

use crate::{
    atomic::{add, add_u32, exchange_u32, increment},
    file::CREATED,
    layout::opaque,
    maps::COUNTERS,
};

/// For each operation that uses count the number of its total, 4 bits each; 15 for the others.
const COUNTED: u64 = {
    const fn number(total: usize) -> u64 {
        (total / 8) as u64
    }
    let mut all = u64::MAX;
    let counted = [
        (operation::READ, number(offset_of!(AccessTotals, reads))),
        (operation::WRITE, number(offset_of!(AccessTotals, writes))),
        (operation::OPEN, number(offset_of!(AccessTotals, opens))),
        (operation::TRUNCATE, number(offset_of!(AccessTotals, truncates))),
        (operation::READ_DIRECTORY, number(offset_of!(AccessTotals, directory_reads))),
        (operation::MAP_EXECUTABLE, number(offset_of!(AccessTotals, executable_maps))),
        (operation::MAP_WRITABLE, number(offset_of!(AccessTotals, writable_maps))),
    ];
    let mut index = 0;
    while index < counted.len() {
        let (operation, number) = counted[index];
        all = all & !(15 << (operation * 4)) | number << (operation * 4);
        index += 1;
    }
    all
};

/// Adds a use to the totals.
#[inline(always)]
pub(crate) unsafe fn count(entry: *mut Access, operation: u32, amount: u64, now: u64) {
    let totals = &raw mut (*entry).totals;
    // A table, for the verifier would look at each arm of a choice.
    let number = if operation < 16 { opaque(COUNTED >> (operation * 4)) & 15 } else { 15 };
    if number >= (size_of::<AccessTotals>() / 8) as u64 {
        return;
    }
    increment(totals.cast::<u64>().add(number as usize));
    if operation == operation::READ {
        add(&raw mut (*totals).bytes_read, amount);
    } else if operation == operation::WRITE {
        add(&raw mut (*totals).bytes_written, amount);
    } else if operation == operation::OPEN && amount != 0 {
        add(&raw mut (*totals).creates, amount & CREATED);
        add(&raw mut (*totals).truncates, amount >> 1 & 1);
    }
    (*totals).last_at = now;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
}

/// Copies the totals into a record. A plain assignment becomes a loop over bytes.
#[inline(always)]
pub(crate) unsafe fn copy_totals(entry: *const Access, to: *mut AccessTotals) {
    let from = &raw const (*entry).totals;
    bpf_probe_read_kernel(to.cast(), size_of::<AccessTotals>() as u32, from.cast());
}

/// Adds a call that matters by itself, and the bytes that it moved.
#[inline(always)]
pub(crate) unsafe fn count_call(entry: *mut Access, bytes: u64, now: u64) {
    add(&raw mut (*entry).totals.bytes_written, bytes);
    count_failure(entry, now);
}

/// Adds a failed attempt.
#[inline(always)]
pub(crate) unsafe fn count_failure(entry: *mut Access, now: u64) {
    increment(&raw mut (*entry).totals.failures);
    (*entry).totals.last_at = now;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
}

/// Notes how many of the records that an entry has just sent, its first or its totals, found no room.
#[inline(always)]
pub(crate) unsafe fn sent(entry: *mut Access, dropped: u64, now: u64) {
    if dropped == 0 {
        (*entry).seen = 1;
        (*entry).sent_at = now;
        let dropped = exchange_u32(&raw mut (*entry).dropped, 0);
        if dropped != 0 {
            add(&raw mut COUNTERS.files_recovered, u64::from(dropped));
        }
    } else {
        not_sent(entry, dropped as u32);
    }
}

/// Notes that so many records of an entry found no room.
#[inline(always)]
pub(crate) unsafe fn not_sent(entry: *mut Access, dropped: u32) {
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
    add_u32(&raw mut (*entry).dropped, dropped);
}
