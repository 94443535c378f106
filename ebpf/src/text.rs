//! Sending texts: paths, argument strings, environment strings. Each goes out before the record it belongs to, in
//! pieces if it is long, and carries that record's time, by which user space joins them.
//!
//! The functions that are not inlined are global ones: the verifier looks at each once, and not at every call.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{
    bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use glasshouse_common::{
    Header, TextRecord, flags, kind,
    limits::{COMPONENT_BYTES, PATH_BYTES, TEXT_CHUNK},
};

use crate::{
    emit::{send_text, wait_for_room},
    layout::{opaque, zero},
    maps::{Scratch, scratch},
    path::{PathRef, walk},
};

/// A record being put together, and the state of sending texts.
#[repr(C)]
pub(crate) struct Text {
    pub(crate) record: TextRecord,
    /// Texts, or a whole record of another kind.
    pub(crate) bytes: [u8; TEXT_CHUNK as usize + size_of::<TextRecord>()],
    pub(crate) owner: Owner,
    /// Address of what is left in the memory of the task that runs.
    address: u64,
    /// Bytes that are left.
    left: u64,
    /// Records that have found no room on this CPU so far.
    pub(crate) lost: u64,
}

/// What all texts of one record have in common.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) at: u64,
    pub(crate) start: u64,
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
}

/// Where in the buffer of records something lies aside: behind what a path takes there, while it is being sent.
const ASIDE: usize = TEXT_CHUNK as usize / 2;
const _: () = assert!(
    ASIDE >= (PATH_BYTES + COMPONENT_BYTES) as usize && TEXT_CHUNK as usize - ASIDE >= PATH_BYTES as usize
);

/// Room for a path argument that is read before other texts are sent.
#[inline(always)]
pub(crate) unsafe fn aside(text: *mut Text) -> *mut u8 {
    (&raw mut (*text).bytes).cast::<u8>().add(ASIDE)
}

/// Says whose texts follow.
#[inline(always)]
pub(crate) unsafe fn set_owner(scratch: *mut Scratch, owner: Owner) {
    (*scratch).text.owner = owner;
}

#[inline(always)]
unsafe fn begin(text: *mut Text, which: u32) {
    let owner = (*text).owner;
    (*text).record = TextRecord {
        header: Header {
            at: owner.at,
            start: owner.start,
            tgid: owner.tgid,
            tid: owner.tid,
            kind: kind::TEXT,
            size: zero() as u32,
        },
        offset: zero() as u32,
        length: zero() as u32,
        total: zero() as u32,
        in_root: u32::MAX,
        text: which as u16,
        flags: 0,
        errno: 0,
    };
}

/// Sends `length` bytes of the buffer. Returns 1 if there was room, else 0.
#[inline(always)]
unsafe fn finish(scratch: *mut Scratch, length: u64) -> i32 {
    let text = &raw mut (*scratch).text;
    let size = length + size_of::<TextRecord>() as u64;
    (*text).record.length = length as u32;
    (*text).record.header.size = size as u32;
    send_text(scratch, (*text).record.text, size)
}

/// Sends the path that leads to `dentry`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_path(scratch: *mut Scratch, which: u32, mnt: u64, dentry: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    walk(scratch, PathRef { mnt, dentry });
    let (walked, text) = (&raw const (*scratch).walk, &raw mut (*scratch).text);
    begin(text, which);
    let length = opaque((*walked).length);
    if length > u64::from(PATH_BYTES) + 255 {
        return 0;
    }
    (*text).record.flags = (*walked).flags as u16;
    (*text).record.in_root = (*walked).in_root;
    (*text).record.total = (*walked).total as u32;
    bpf_probe_read_kernel(
        (&raw mut (*text).bytes).cast(),
        length as u32,
        (&raw const (*walked).bytes).cast(),
    );
    finish(scratch, length);
    0
}

/// Sends the path that leads to a dentry, as the task that runs sees it.
#[inline(always)]
pub(crate) unsafe fn path(scratch: *mut Scratch, which: u16, path: PathRef) {
    send_path(scratch, u32::from(which), path.mnt, path.dentry);
}

/// Sends a string in kernel memory. Returns 1 if there was room, else 0.
#[inline(always)]
pub(crate) unsafe fn kernel_string(scratch: *mut Scratch, which: u16, address: u64) -> i32 {
    send_string(scratch, u32::from(which), address, 0)
}

/// Sends a string in the memory of the task that runs.
#[inline(always)]
pub(crate) unsafe fn user_string(scratch: *mut Scratch, which: u16, address: u64) {
    send_string(scratch, u32::from(which), address, 1);
}

/// Sends a string in kernel memory, or in that of the task that runs.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_string(scratch: *mut Scratch, which: u32, address: u64, is_user: u32) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let text = &raw mut (*scratch).text;
    begin(text, which);
    let bytes = (&raw mut (*text).bytes).cast();
    // More than is kept, for the true length of what is too long.
    let taken = if is_user != 0 {
        bpf_probe_read_user_str(bytes, TEXT_CHUNK, address as *const _)
    } else {
        bpf_probe_read_kernel_str(bytes, TEXT_CHUNK, address as *const _)
    };
    // The helper counts the NUL, which is not part of the text; but of an empty string of a task older kernels do not.
    let mut length = 0;
    if taken < 0 {
        (*text).record.flags = flags::TEXT_UNREADABLE;
        (*text).record.errno = -taken as u32;
    } else if taken > 0 {
        length = taken as u64 - 1;
    }
    (*text).record.total = length as u32;
    if length > u64::from(PATH_BYTES) {
        (*text).record.flags = flags::TEXT_TRUNCATED;
        length = u64::from(PATH_BYTES);
    }
    finish(scratch, length)
}

/// Sends `total` bytes of the memory of the task that runs, as far as `limit` allows.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_user_bytes(
    scratch: *mut Scratch,
    which: u32,
    address: u64,
    total: u64,
    limit: u32,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let text = &raw mut (*scratch).text;
    begin(text, which);
    (*text).record.total = if total > u64::from(u32::MAX) { u32::MAX } else { total as u32 };
    (*text).address = address;
    (*text).left = total;
    if total > u64::from(limit) {
        (*text).record.flags = flags::TEXT_TRUNCATED;
        (*text).left = u64::from(limit);
    }
    bpf_loop(limit.div_ceil(TEXT_CHUNK), chunk as *mut c_void, core::ptr::null_mut(), 0);
    0
}

/// Sends what lies from `start` to `end` in the memory of the task that runs, as far as `limit` allows.
#[inline(always)]
pub(crate) unsafe fn user_bytes(scratch: *mut Scratch, which: u16, start: u64, end: u64, limit: u32) {
    if end > start {
        send_user_bytes(scratch, u32::from(which), start, end - start, limit);
    }
}

/// Sends one piece. Returns 1 when it was the last.
unsafe extern "C" fn chunk(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let text = &raw mut (*scratch).text;
    // A single call may send more than a fifth of what its ring holds.
    wait_for_room();
    let mut length = (*text).left;
    if length > u64::from(TEXT_CHUNK) {
        length = u64::from(TEXT_CHUNK);
    }
    let failed =
        bpf_probe_read_user((&raw mut (*text).bytes).cast(), length as u32, (*text).address as *const _);
    if failed < 0 {
        (*text).record.flags |= flags::TEXT_UNREADABLE;
        (*text).record.errno = -failed as u32;
        length = 0;
        (*text).left = 0;
    }
    finish(scratch, length);
    (*text).record.offset += length as u32;
    (*text).address += length;
    (*text).left -= length;
    i64::from((*text).left == 0)
}
