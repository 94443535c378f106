//! Entries of what processes do with files, and of what they try in vain: how they are found, made and begun.
//!
//! They are found by a hash of what identifies them, and hold it, so that a collision is noticed. Those of a process form a
//! list, by which its end finds them.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_probe_read_kernel};
use glasshouse_common::{AccessTotals, limits, state::Access};

use crate::{
    atomic::{exchange, increment},
    file::Found,
    layout::{constant, opaque, zero},
    maps::{ACCESSES, COUNTERS, FAILED_LATELY, scratch},
    path::mix,
    scope, totals,
};

/// The key of the entry that `new` would be.
#[inline(always)]
pub(crate) unsafe fn key_of(new: *const Access) -> u64 {
    // The id beyond the bits in which starts close to each other differ.
    let process = (*new).start ^ u64::from((*new).tgid) << 40;
    let mut key = mix(constant!(SEED) ^ process, (*new).dentry);
    key = mix(key, (*new).mnt);
    not_zero(mix(key, (*new).inode))
}

/// Whether an entry is of what `new` is of: not, if their keys collide.
#[inline(always)]
pub(crate) unsafe fn is_same(entry: *const Access, new: *const Access) -> bool {
    // One comparison: each would be a branch.
    ((*entry).start ^ (*new).start)
        | u64::from((*entry).tgid ^ (*new).tgid)
        | ((*entry).dentry ^ (*new).dentry)
        | ((*entry).mnt ^ (*new).mnt)
        | ((*entry).inode ^ (*new).inode)
        == 0
}

#[inline(always)]
pub(crate) fn not_zero(key: u64) -> u64 {
    if key == 0 { 1 } else { key }
}

/// Fills in the entry of attempts that fail alike, or of calls that are alike, whose base directory is in the scratch
/// memory. Returns its key.
#[inline(always)]
pub(crate) unsafe fn begin_failure(
    found: *mut Found,
    start: u64,
    tgid: u32,
    hash: u64,
    what: u32,
    now: u64,
) -> u64 {
    let new = &raw mut (*found).new;
    (*new).start = start;
    (*new).tgid = tgid;
    (*new).dentry = (*found).base.dentry;
    (*new).mnt = (*found).base.mnt;
    (*new).inode = hash;
    begin(new, now);
    (*new).failed = what;
    not_zero(mix(key_of(new), u64::from(what)))
}

/// Begins an entry, beside what identifies it. Its totals are never anything but 0 here.
#[inline(always)]
pub(crate) unsafe fn begin(new: *mut Access, now: u64) {
    (*new).name_hash = zero();
    (*new).place = zero();
    (*new).sent_at = now;
    (*new).device = zero() as u32;
    (*new).failed = zero() as u32;
    (*new).moves = zero() as u32;
}

/// Counts one call in the entry in the scratch memory, for which there is no room: it is told by itself.
#[inline(always)]
pub(crate) unsafe fn count_one(new: *mut Access, now: u64) {
    (*new).totals.failures = 1;
    (*new).totals.last_at = now;
}

/// Puts what an entry has counted before its first record into the one in the scratch memory, from which that is made.
#[inline(always)]
pub(crate) unsafe fn take_first(entry: *mut Access, new: *mut Access) {
    (*new).sent_at = (*entry).sent_at;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    totals::copy_totals(entry, &raw mut (*new).totals);
}

/// A number for one call of which nothing is counted, and which no other has.
#[inline(always)]
pub(crate) fn number_of_one(key: u64, now: u64) -> u64 {
    not_zero(mix(key, now))
}

/// Clears the totals of an entry in the scratch memory, for the next one begins with nothing: that is what the helper reads
/// where there is nothing.
#[inline(always)]
pub(crate) unsafe fn clear_totals(new: *mut Access) {
    let totals = (&raw mut (*new).totals).cast();
    bpf_probe_read_kernel(totals, size_of::<AccessTotals>() as u32, core::ptr::null());
}

/// The entry, made like the one in the scratch memory if there is none.
#[inline(always)]
pub(crate) unsafe fn find_or_make(key: u64) -> Option<*mut Access> {
    let mut entry = ACCESSES.get_ptr_mut(&key);
    if entry.is_none() {
        make_entry(key);
        entry = ACCESSES.get_ptr_mut(&key);
    }
    entry
}

/// Whether an attempt with this key was told lately; it will have been now. Two CPUs that are here at once may both find that
/// it was not, or one may forget what the other has noted: then it is told by itself once more.
#[inline(always)]
pub(crate) unsafe fn was_told(key: u64) -> bool {
    let place = opaque(key) as usize & (limits::FAILED_LATELY - 1);
    let place = (&raw mut FAILED_LATELY).cast::<u64>().add(place);
    let before = core::ptr::read_volatile(place);
    core::ptr::write_volatile(place, key);
    before == key
}

/// Makes an entry like the one in the scratch memory, which it finds by itself: what is put into a map must not come from an
/// argument before Linux 6.3. Returns 0 if there is one, or no room.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn make_entry(key: u64) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let new = &raw mut (*scratch).file.new;
    let Some(process) = scope::find((*new).tgid) else { return 0 };
    // It is first in the list of its process then; nobody follows the list before the process has ended.
    let first = core::ptr::read_volatile(&raw const (*process).accesses);
    (*new).next = first;
    if ACCESSES.insert(&key, &*new, u64::from(BPF_NOEXIST)).is_err() {
        return 0;
    }
    let before = exchange(&raw mut (*process).accesses, key);
    if before != first {
        // Another thread has made one meanwhile.
        if let Some(entry) = ACCESSES.get_ptr_mut(&key) {
            (*entry).next = before;
        }
    }
    1
}

/// Counts an attempt or a call that could be neither counted nor told.
#[inline(always)]
pub(crate) unsafe fn note_full() {
    increment(&raw mut COUNTERS.access_full);
}
