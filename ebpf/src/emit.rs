//! The only place that sends records; counts what it could not send.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS},
    maps::RingBuf,
};
use glasshouse_common::{Counters, FAMILIES, Family, kind, limits};

use crate::{
    layout::opaque,
    maps::{ACTIVITY_RING, COUNTERS, PROCESS_RING, TEXT},
};

/// While a ring is past its quarter, the collector is woken once per so many bytes. A wake-up costs ten times what
/// a record does; below the quarter the collector's own timer is soon enough.
const WAKE_EVERY: u64 = 64 * 1024;

#[inline(always)]
pub(crate) fn counters() -> Option<*mut Counters> {
    COUNTERS.get_ptr_mut(0)
}

/// Sends the record that has been put together, `size` bytes of it. Returns whether there was room.
#[inline(always)]
pub(crate) unsafe fn send(family: Family, size: u64) -> bool {
    send_scratch(family as u32, 0, size, 0) != 0
}

/// The same, and wakes the collector at once if `urgent`.
#[inline(always)]
pub(crate) unsafe fn send_and_wake(family: Family, size: u64, urgent: bool) {
    send_scratch(family as u32, 0, size, u32::from(urgent));
}

/// Sends the text that has been put together, `size` bytes with its record.
#[inline(always)]
pub(crate) unsafe fn send_text(text: u16, size: u64) {
    send_scratch(kind::family(kind::TEXT, text) as u32, 1, size, 0);
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_scratch(family: u32, is_text: u32, size: u64, urgent: u32) -> i32 {
    let (Some(counters), Some(scratch)) = (COUNTERS.get_ptr_mut(0), TEXT.get_ptr_mut(0)) else { return 0 };
    let size = opaque(size);
    if size > size_of_val(&(*scratch).bytes) as u64 {
        return 0;
    }
    let record = if is_text != 0 { scratch.cast::<u8>() } else { (&raw mut (*scratch).bytes).cast() };
    let record = core::slice::from_raw_parts(record, size as usize);
    let family = opaque(u64::from(family)) as usize;
    if family >= FAMILIES {
        return 0;
    }
    *(&raw mut (*counters).emitted).cast::<u64>().add(family) += 1;
    let sent = if family == Family::Process as usize {
        output(&PROCESS_RING, u64::from(limits::PROCESS_RING_BYTES), record, urgent != 0)
    } else {
        output(&ACTIVITY_RING, u64::from(limits::ACTIVITY_RING_BYTES), record, urgent != 0)
    };
    if !sent {
        *(&raw mut (*counters).dropped).cast::<u64>().add(family) += 1;
    }
    i32::from(sent)
}

/// Records of files that have found no room on this CPU so far.
#[inline(always)]
pub(crate) unsafe fn files_dropped() -> u64 {
    counters().map_or(0, |counters| (*counters).dropped[Family::Files as usize])
}

#[inline(always)]
fn output(ring: &RingBuf, bytes: u64, record: &[u8], urgent: bool) -> bool {
    let mut flags = u64::from(BPF_RB_NO_WAKEUP);
    if urgent
        || ring.query(u64::from(BPF_RB_AVAIL_DATA)) > bytes / 4
            && ring.query(u64::from(BPF_RB_PROD_POS)) & (WAKE_EVERY - 1) < record.len() as u64
    {
        flags = u64::from(BPF_RB_FORCE_WAKEUP);
    }
    ring.output::<[u8]>(record, flags).is_ok()
}
