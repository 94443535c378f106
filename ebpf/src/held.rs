//! All files of a process at once: those that it has open when observation starts, and what is left of its entries when
//! it ends.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use glasshouse_common::{
    Family, LeftRecord, kind,
    limits::{ENDED_ENTRIES, INHERITED_FDS},
    state::Process,
};

use crate::{
    atomic::increment,
    emit::{send, wait_for_room},
    file::{INHERITED, send_totals, tid, use_descriptor},
    maps::{ACCESSES, COUNTERS, Scratch, scratch},
    probes::network::socket_at,
    socket::use_socket,
    task,
    text::{self, Owner},
};

/// Sends what has not been sent of the first entries of a process that has ended, and removes them. One that finds no room
/// stays, for the sweep at the end of observation. Of the others user space is told where they begin.
#[inline(always)]
pub(crate) unsafe fn end_process(scratch: *mut Scratch, process: *const Process, tgid: u32) {
    let walk = &raw mut (*scratch).walk;
    (*walk).cursor = (*process).accesses;
    if (*walk).cursor != 0 {
        (*walk).found = task::now();
        bpf_loop(ENDED_ENTRIES, end_entry as *mut c_void, core::ptr::null_mut(), 0);
        if (*walk).cursor != 0 {
            tell_left(scratch, (*process).start, tgid, (*walk).cursor);
        }
    }
}

/// Says at which entry those begin that are left.
#[inline(always)]
unsafe fn tell_left(scratch: *mut Scratch, start: u64, tgid: u32, first: u64) {
    let record = (&raw mut (*scratch).text.bytes).cast::<LeftRecord>();
    let size = size_of::<LeftRecord>() as u32;
    (*record).header = task::header((*scratch).walk.found, start, tgid, tid(), kind::LEFT, size);
    (*record).first = first;
    if !send(scratch, Family::Files, u64::from(size)) {
        // The sweep at the end finds them by itself.
        increment(&raw mut COUNTERS.files_late);
        increment(&raw mut COUNTERS.files_recovered);
    }
}

/// Entries between two waits for room: with many of them the end of a process is a storm by itself.
const WAITS_EVERY: u32 = 1_024;

unsafe extern "C" fn end_entry(index: u32, _context: *mut c_void) -> i64 {
    if index % WAITS_EVERY == WAITS_EVERY - 1 {
        wait_for_room();
    }
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    let key = (*walk).cursor;
    let Some(entry) = ACCESSES.get_ptr_mut(&key) else { return 1 };
    (*walk).cursor = (*entry).next;
    if (*entry).seen != 0 && ((*entry).dirty == 0 || send_totals(scratch, key, (*walk).found) != 0) {
        let _ = ACCESSES.remove(&key);
    }
    i64::from((*walk).cursor == 0)
}

/// Announces the files that the root has open when observation starts.
#[inline(always)]
pub(crate) unsafe fn announce_inherited(scratch: *mut Scratch, start: u64, tgid: u32) {
    text::set_owner(scratch, Owner { at: 0, start, tgid, tid: 0 });
    bpf_loop(INHERITED_FDS, announce_fd as *mut c_void, core::ptr::null_mut(), 0);
}

unsafe extern "C" fn announce_fd(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let owner = (*scratch).text.owner;
    use_descriptor(scratch, owner.start, owner.tgid, index, INHERITED, 0);
    i64::from(index >= (*scratch).file.descriptors)
}

/// Announces the sockets among them.
#[inline(always)]
pub(crate) unsafe fn announce_sockets(scratch: *mut Scratch, start: u64, tgid: u32) {
    text::set_owner(scratch, Owner { at: 0, start, tgid, tid: 0 });
    bpf_loop(INHERITED_FDS, announce_socket as *mut c_void, core::ptr::null_mut(), 0);
}

unsafe extern "C" fn announce_socket(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let owner = (*scratch).text.owner;
    let process = u64::from(owner.tgid) | u64::from(INHERITED) << 32;
    use_socket(scratch, owner.start, process, socket_at(scratch, index), 0);
    i64::from(index >= (*scratch).file.descriptors)
}
