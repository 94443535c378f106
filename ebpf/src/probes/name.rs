//! Texts of the task that runs, told apart: the name that was asked for from the one that was opened, and by a hash one from
//! another.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_user_str};
use glasshouse_common::limits::{COMPONENT_BYTES, PATH_BYTES};

use crate::{
    layout::{Block, Kernel, Words, constant, offset, opaque},
    maps::{Scratch, scratch},
    path::mix_chosen,
    text,
};

/// Bytes of the end of a name by which names are told apart.
const TAIL_BYTES: u64 = 64;

/// Whether the last component of the name at `address` is another than that of the dentry: 0 if not, or if it cannot be
/// told, as for `.` and `..`; else a hash of the name's end.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn other_name(scratch: *mut Scratch, address: u64, dentry: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let (found, asked) = (&raw mut (*scratch).file, (&raw mut (*scratch).text.bytes).cast::<u8>());
    let taken = bpf_probe_read_user_str(asked.cast(), PATH_BYTES, address as *const _);
    if taken < 2 {
        return 0;
    }
    // With a slash before it, and without one at its end.
    let byte = |at: u64| *asked.add((opaque(at) & 0xfff) as usize);
    let mut end = opaque(taken as u64 - 1) & 0xfff;
    end = opaque(end - u64::from(byte(end.wrapping_sub(1)) == b'/')) & 0xfff;
    let mut words = Words::<2>::uninit();
    let name = Block::read(Kernel(dentry).member(offset!(dentry_name_hash)), words.as_mut_ptr());
    let length = u64::from(name.get::<u32>(offset!(dentry_name_length) - offset!(dentry_name_hash)));
    if length <= end
        && length < 256
        && (length == end || byte(end.wrapping_sub(length).wrapping_sub(1)) == b'/')
    {
        let own = (&raw mut (*scratch).walk.bytes).cast();
        let name: u64 = name.get(offset!(dentry_name) - offset!(dentry_name_hash));
        bpf_probe_read_kernel(own, (opaque(length) & 0xff) as u32, name as *const _);
        (*found).hash = 0;
        (*found).at = end.wrapping_sub(length);
        (*found).left = length;
        bpf_loop(COMPONENT_BYTES / 8, compare_word as *mut c_void, core::ptr::null_mut(), 0);
        if (*found).hash == 0 {
            return 0;
        }
    }
    if end == 0 || byte(end.wrapping_sub(1)) == b'/' || ends_in_dots(asked, end) {
        return 0;
    }
    let tail = if end > TAIL_BYTES { TAIL_BYTES } else { end };
    let from = asked.add((opaque(end.wrapping_sub(tail)) & 0xfff) as usize);
    let to = text::aside(&raw mut (*scratch).text);
    bpf_probe_read_kernel(to.cast(), (opaque(tail) & 0x7f) as u32, from.cast());
    hash_bytes(scratch, tail) | 1
}

/// Compares a word of the name that was asked for with one of the dentry's.
unsafe extern "C" fn compare_word(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let found = &raw mut (*scratch).file;
    let (at, left) = (opaque((*found).at) & 0xfff, (*found).left);
    let asked = (&raw const (*scratch).text.bytes).cast::<u8>().add(at as usize).cast::<u64>();
    let own =
        (&raw const (*scratch).walk.bytes).cast::<u8>().add((opaque(u64::from(index) * 8) & 0xf8) as usize);
    let mut differs = core::ptr::read_unaligned(asked) ^ core::ptr::read(own.cast::<u64>());
    if left < 8 {
        differs &= (1 << (left * 8)) - 1;
    }
    (*found).hash = differs;
    (*found).at = at + 8;
    (*found).left = left.wrapping_sub(8);
    i64::from(left <= 8 || differs != 0)
}

/// Whether the last component of a name is `.` or `..`.
#[inline(always)]
unsafe fn ends_in_dots(name: *const u8, end: u64) -> bool {
    let byte = |back: u64| *name.add((opaque(end.wrapping_sub(back)) & 0xfff) as usize);
    if byte(1) != b'.' {
        return false;
    }
    end == 1 || byte(2) == b'/' || byte(2) == b'.' && (end == 2 || byte(3) == b'/')
}

/// A hash of so many bytes of what lies aside. What is no length has one of its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn hash_bytes(scratch: *mut Scratch, length: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    (*found).hash = mix_chosen(constant!(SEED), length);
    (*found).left = length;
    if length as i64 > 0 {
        bpf_loop(PATH_BYTES / 8, hash_word as *mut c_void, core::ptr::null_mut(), 0);
    }
    (*found).hash
}

unsafe extern "C" fn hash_word(index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let found = &raw mut (*scratch).file;
    let at = opaque(u64::from(index) * 8) & 0xff8;
    let left = (*found).left;
    let mut word = *text::aside(&raw mut (*scratch).text).add(at as usize).cast::<u64>();
    if left < 8 {
        word &= (1 << (left * 8)) - 1;
    }
    (*found).hash = mix_chosen((*found).hash, word);
    (*found).left = left.wrapping_sub(8);
    i64::from(left <= 8)
}
