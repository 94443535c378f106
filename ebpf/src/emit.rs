//! The only place that sends records; counts what it could not send.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS},
    maps::RingBuf,
};
use glasshouse_common::{Counters, Family, limits};

use crate::maps::{ACTIVITY_RING, COUNTERS, PROCESS_RING};

/// While a ring is past its quarter, the collector is woken once per so many bytes. A wake-up costs ten times what
/// a record does; below the quarter the collector's own timer is soon enough.
const WAKE_EVERY: u64 = 64 * 1024;

#[inline(always)]
pub(crate) fn counters() -> Option<*mut Counters> {
    COUNTERS.get_ptr_mut(0)
}

#[inline(always)]
fn ring_of(family: Family) -> (&'static RingBuf, u64) {
    match family {
        Family::Process => (&PROCESS_RING, limits::PROCESS_RING_BYTES as u64),
        Family::Syscalls => (&ACTIVITY_RING, limits::ACTIVITY_RING_BYTES as u64),
    }
}

/// Sends `size` bytes at `record`. The verifier must know `size` to be within the memory behind `record`.
#[inline(always)]
pub(crate) unsafe fn send(family: Family, record: *const u8, size: u64) {
    send_and_wake(family, record, size, false);
}

/// The same, and wakes the collector at once if `urgent`.
#[inline(always)]
pub(crate) unsafe fn send_and_wake(family: Family, record: *const u8, size: u64, urgent: bool) {
    let Some(counters) = counters() else { return };
    (*counters).emitted[family as usize] += 1;
    let (ring, bytes) = ring_of(family);
    let mut flags = u64::from(BPF_RB_NO_WAKEUP);
    if urgent
        || ring.query(u64::from(BPF_RB_AVAIL_DATA)) > bytes / 4
            && ring.query(u64::from(BPF_RB_PROD_POS)) & (WAKE_EVERY - 1) < size
    {
        flags = u64::from(BPF_RB_FORCE_WAKEUP);
    }
    let record = core::slice::from_raw_parts(record, size as usize);
    if ring.output::<[u8]>(record, flags).is_err() {
        (*counters).dropped[family as usize] += 1;
    }
}
