//! The only place that sends records; counts what it could not send.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS, BPF_RB_RING_SIZE},
    helpers::generated::bpf_loop,
    maps::{RingBuf, ring_buf::RingBufEntry},
};
use glasshouse_common::{FAMILIES, Family, kind};

use crate::{
    atomic::{add, increment},
    layout::{constant, opaque},
    maps::{ACTIVITY_RING, COUNTERS, NETWORK_RING, PRESSED, PROCESS_RING, Scratch},
    task,
    text::Text,
};

/// While a ring is past its quarter, the collector is woken once per so many bytes. A wake-up costs ten times what
/// a record does; below the quarter the collector's own timer is soon enough.
const WAKE_EVERY: u64 = 64 * 1024;

/// Sends the record that has been put together, `size` bytes of it. Returns whether there was room.
#[inline(always)]
pub(crate) unsafe fn send(scratch: *mut Scratch, family: Family, size: u64) -> bool {
    send_scratch(scratch, family as u32, RECORD, size, 0) != 0
}

/// The same, and wakes the collector at once if `urgent`.
#[inline(always)]
pub(crate) unsafe fn send_and_wake(scratch: *mut Scratch, family: Family, size: u64, urgent: bool) {
    send_scratch(scratch, family as u32, RECORD, size, u32::from(urgent));
}

/// Sends the text that has been put together, `size` bytes with its record. Returns 1 if there was room, else 0.
#[inline(always)]
pub(crate) unsafe fn send_text(scratch: *mut Scratch, text: u16, size: u64) -> i32 {
    send_scratch(scratch, kind::family(kind::TEXT, text) as u32, 0, size, 0)
}

/// Where records lie that are no texts.
const RECORD: u32 = core::mem::offset_of!(Text, bytes) as u32;
const _: () = assert!(RECORD < 64);

/// A global function: the verifier looks at it once, and not at every call. `from` says where the record lies.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_scratch(
    scratch: *mut Scratch,
    family: u32,
    from: u32,
    size: u64,
    urgent: u32,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let text = &raw mut (*scratch).text;
    let size = opaque(size);
    if size > size_of_val(&(*text).bytes) as u64 {
        return 0;
    }
    let record = text.cast::<u8>().add((opaque(u64::from(from)) & 63) as usize);
    let record = core::slice::from_raw_parts(record, size as usize);
    let family = opaque(u64::from(family)) as usize;
    if family >= FAMILIES {
        return 0;
    }
    // What runs in the middle of this, on the same CPU, counts too: packets.
    increment((&raw mut COUNTERS.emitted).cast::<u64>().add(family));
    let ring = if family == Family::Files as usize {
        &ACTIVITY_RING
    } else if family == Family::Network as usize {
        &NETWORK_RING
    } else {
        &PROCESS_RING
    };
    let flags = if urgent != 0 { u64::from(BPF_RB_FORCE_WAKEUP) } else { wake_up(ring, record.len() as u64) };
    let sent = ring.output::<[u8]>(record, flags).is_ok();
    if !sent {
        increment((&raw mut COUNTERS.dropped).cast::<u64>().add(family));
        (*text).lost += 1;
    }
    i32::from(sent)
}

/// Whether a record of `size` bytes wakes the collector.
#[inline(always)]
fn wake_up(ring: &RingBuf, size: u64) -> u64 {
    let (held, bytes) = (ring.query(AVAILABLE), ring.query(SIZE));
    if held <= bytes / 4 {
        return u64::from(BPF_RB_NO_WAKEUP);
    }
    let pressed = &raw mut PRESSED;
    if held > bytes / 2 && unsafe { core::ptr::read_volatile(pressed) } == 0 {
        unsafe { core::ptr::write_volatile(pressed, 1) };
        return u64::from(BPF_RB_FORCE_WAKEUP);
    }
    let wakes = ring.query(u64::from(BPF_RB_PROD_POS)) & (WAKE_EVERY - 1) < size;
    u64::from(if wakes { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP })
}

/// Bytes of records that nobody has taken out of a ring.
const AVAILABLE: u64 = BPF_RB_AVAIL_DATA as u64;
/// Bytes of a ring.
const SIZE: u64 = BPF_RB_RING_SIZE as u64;

/// Lets the running task wait while a ring is more than half full: the collector empties it meanwhile, on another CPU.
/// Bounded, and counted. For the end of system calls: all that observed tasks do begins with one, also what comes in the
/// middle of something and cannot wait.
#[inline(always)]
pub(crate) unsafe fn wait_for_room() {
    if core::ptr::read_volatile(&raw const PRESSED) != 0 {
        wait();
    }
}

/// See [`wait_for_room`]: the rare part of it.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn wait() -> i32 {
    let longest = u64::from(constant!(WAIT_NS));
    if longest == 0 {
        return 0;
    }
    let from = task::now();
    let mut until = from + longest;
    bpf_loop(LOOKS, look as *mut c_void, (&raw mut until).cast(), 0);
    increment(&raw mut COUNTERS.waits);
    add(&raw mut COUNTERS.waited_ns, task::now() - from);
    0
}

/// Looks at the rings within one wait, at most: each takes some ten nanoseconds.
const LOOKS: u32 = 1 << 20;

/// Looks whether it is time to go on.
unsafe extern "C" fn look(_index: u32, until: *mut c_void) -> i64 {
    let half_full = |ring: &RingBuf| ring.query(AVAILABLE) > ring.query(SIZE) / 2;
    if !(half_full(&ACTIVITY_RING) || half_full(&PROCESS_RING) || half_full(&NETWORK_RING)) {
        core::ptr::write_volatile(&raw mut PRESSED, 0);
        return 1;
    }
    i64::from(task::now() >= *until.cast::<u64>())
}

/// Room in the ring of the network, for a record that is put together there. Packets come in the middle of anything, and
/// so what tells of them uses no memory that the CPU has for one thing at a time. A failure is counted.
#[inline(always)]
pub(crate) unsafe fn reserve<T: 'static>() -> Option<RingBufEntry<T>> {
    increment(&raw mut COUNTERS.emitted[Family::Network as usize]);
    let entry = NETWORK_RING.reserve::<T>(0);
    if entry.is_none() {
        increment(&raw mut COUNTERS.dropped[Family::Network as usize]);
    }
    entry
}

/// Sends what was put together there.
#[inline(always)]
pub(crate) fn submit<T>(entry: RingBufEntry<T>) {
    let flags = wake_up(&NETWORK_RING, size_of::<T>() as u64);
    entry.submit(flags);
}
