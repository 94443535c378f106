//! What sockets exchange with further peers, and who makes room when there are too many.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_probe_read_kernel};
use glasshouse_common::{
    FlowFacts,
    limits::{FLOW_ENTRIES, RESTING_SOCKETS, SOCKET_ENTRIES},
    socket::{
        CLOSE, FLOW_BOUND, FLOW_CONNECTED, FLOW_ENDED, FLOW_LISTENS, FLOW_RESUMED, INBOUND, OUTBOUND, SENT,
        STATES,
    },
    state::{Flow, FlowKey},
};

use crate::{
    atomic::{add, exchange, increment, incremented},
    layout::{opaque, zero},
    maps::{
        COUNTERS, FLOW_ORDER, FLOWS, FLOWS_BEGUN, FLOWS_MADE, NO_FLOW, RESTING, SOCKET_ORDER, SOCKETS,
        SOCKETS_ENDED, SOCKETS_MADE,
    },
    socket::{changed, note_full, owner, send_flow},
    task,
};

/// Makes room for one more socket: the oldest one goes, if it is still there, and its totals are sent.
#[inline(always)]
pub(crate) unsafe fn make_room(key: u64) {
    let place = opaque(incremented(&raw mut SOCKETS_MADE)) & u64::from(SOCKET_ENTRIES - 1);
    let oldest = opaque(exchange((&raw mut SOCKET_ORDER).cast::<u64>().add(place as usize), key));
    if oldest == 0 || oldest == key {
        return;
    }
    let Some(entry) = SOCKETS.get_ptr_mut(&oldest) else { return };
    let mut leaving = oldest;
    // Others are told by one that listens: it goes to the end of the queue, and the next one leaves instead.
    if (*entry).facts.flags & FLOW_LISTENS != 0 {
        let place = opaque(incremented(&raw mut SOCKETS_MADE)) & u64::from(SOCKET_ENTRIES - 1);
        leaving = opaque(exchange((&raw mut SOCKET_ORDER).cast::<u64>().add(place as usize), oldest));
    }
    if let Some(entry) = SOCKETS.get_ptr_mut(&leaving) {
        evict(entry);
        let _ = SOCKETS.remove(&leaving);
    }
}

/// A socket is done with. Its entry goes when so many others have ended after it: the kernel gives the memory of one that
/// goes to the next one that comes, and packets are counted without any lock, on other CPUs or in what was interrupted here,
/// by programs that may have found the entry before.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn rest(key: u64) -> i32 {
    let place = opaque(incremented(&raw mut SOCKETS_ENDED)) & u64::from(RESTING_SOCKETS - 1);
    let rested = opaque(exchange((&raw mut RESTING).cast::<u64>().add(place as usize), key));
    let Some(entry) = SOCKETS.get_ptr_mut(&rested) else { return 0 };
    // What cannot be told now is asked for in the end.
    if (*entry).dirty == 0 || send_flow(entry, task::now()) != 0 {
        let _ = SOCKETS.remove(&rested);
    }
    0
}
const _: () = assert!(RESTING_SOCKETS.is_power_of_two());
const _: () = assert!(SOCKET_ENTRIES.is_power_of_two() && FLOW_ENTRIES.is_power_of_two());

#[inline(always)]
unsafe fn evict(entry: *mut Flow) {
    if (*entry).dirty != 0 {
        send_flow(entry, task::now());
    }
    // Of one that has ended nothing more will come.
    if (*entry).facts.flags & FLOW_ENDED == 0 {
        increment(&raw mut COUNTERS.flows_evicted);
    }
}

/// Both ends of a packet, or of a socket that was connected.
#[repr(C)]
pub(crate) struct Ends {
    /// The peer; and the socket's own flow, as soon as that with the peer is looked for.
    pub(crate) key: FlowKey,
    /// Its own address.
    pub(crate) local: [u64; 2],
    /// Its own port.
    pub(crate) local_port: u32,
    /// Of a packet: length of its transport header.
    pub(crate) header: u32,
    /// Of a packet: its ports as they lie in it, if they are known already.
    pub(crate) ports: u32,
    /// Of a packet: whether it may be a message of DNS, [`LIKELY`] or [`UNLIKELY`]; 0 if that is not known yet.
    pub(crate) dns: u32,
}

impl Ends {
    /// Nothing known yet.
    #[inline(always)]
    pub(crate) fn nothing() -> Self {
        let key = FlowKey { first: zero(), remote: [zero(); 2], port: zero() };
        let none = || zero() as u32;
        Self { key, local: [zero(); 2], local_port: none(), header: none(), ports: none(), dns: none() }
    }
}

/// See [`Ends::dns`].
pub(crate) const LIKELY: u32 = 1;
/// See [`Ends::dns`].
pub(crate) const UNLIKELY: u32 = 2;

/// The flow is the one of the socket's own entry.
const OWN: i32 = 1;
/// The flow has an entry of its own.
const FURTHER: i32 = 2;

/// What a socket exchanges with the peer of these ends, begun if it is new; `None` if there is no room.
#[inline(always)]
pub(crate) unsafe fn flow_of(socket: *mut Flow, ends: &mut Ends, now: u64) -> Option<*mut Flow> {
    match choose_flow(socket, ends, now) {
        OWN => Some(socket),
        FURTHER => FLOWS.get_ptr_mut(&ends.key),
        _ => None,
    }
}

/// Counts what went one way, and tells of it if that is due. The first says who began.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn count_flow(
    flow: *mut Flow,
    direction: u32,
    bytes: u64,
    packets: u64,
    now: u64,
) -> i32 {
    if flow.is_null() {
        return 0;
    }
    let facts = &raw mut (*flow).facts;
    let is_sent = direction == SENT;
    if (*facts).direction == 0 {
        (*facts).direction = if is_sent { OUTBOUND } else { INBOUND };
    }
    if is_sent {
        add(&raw mut (*facts).bytes_sent, bytes);
        add(&raw mut (*facts).packets_sent, packets);
    } else {
        add(&raw mut (*facts).bytes_received, bytes);
        add(&raw mut (*facts).packets_received, packets);
    }
    changed(flow, now);
    0
}

/// Finds what a socket exchanges with a peer: in its own entry with the one that it is connected to, or the first one of a
/// socket that waits for nobody in particular; else in one that is made if there is none. Returns which; 0 if there is no
/// room.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn choose_flow(socket: *mut Flow, ends: *mut Ends, now: u64) -> i32 {
    if socket.is_null() || ends.is_null() {
        return 0;
    }
    let facts = &raw mut (*socket).facts;
    let remote = (&raw mut (*facts).remote).cast::<u64>();
    (*ends).key.first = (*facts).flow;
    let key = FlowKey {
        first: (*facts).flow,
        remote: [(*ends).key.remote[0], (*ends).key.remote[1]],
        port: (*ends).key.port,
    };
    let (first, second) = (remote.read_volatile(), remote.add(1).read_volatile());
    let differs = first ^ key.remote[0] | second ^ key.remote[1] | u64::from((*facts).remote_port) ^ key.port;
    if differs == 0 {
        return OWN;
    }
    if first | second == 0 && (*facts).flags & (FLOW_BOUND | FLOW_CONNECTED) == 0 {
        remote.write_volatile(key.remote[0]);
        remote.add(1).write_volatile(key.remote[1]);
        (*facts).remote_port = key.port as u16;
        return OWN;
    }
    if FLOWS.get_ptr_mut(&key).is_none() && make_flow(socket, &key, now).is_none() {
        return 0;
    }
    FURTHER
}

/// Makes the entry of what a socket exchanges with a further peer.
#[inline(always)]
unsafe fn make_flow(socket: *const Flow, key: &FlowKey, now: u64) -> Option<()> {
    let place = opaque(incremented(&raw mut FLOWS_MADE)) & u64::from(FLOW_ENTRIES - 1);
    let slot = (&raw mut FLOW_ORDER).cast::<FlowKey>().add(place as usize);
    // Not of zeroes before, which would be put there one after the other.
    let mut oldest = core::mem::MaybeUninit::<FlowKey>::uninit();
    bpf_probe_read_kernel(oldest.as_mut_ptr().cast(), size_of::<FlowKey>() as u32, slot.cast_const().cast());
    let oldest = oldest.assume_init();
    if oldest.first != 0
        && let Some(entry) = FLOWS.get_ptr_mut(&oldest)
    {
        evict(entry);
        let _ = FLOWS.remove(&oldest);
    }
    *slot = *key;
    let is_mine = FLOWS.insert(key, &*&raw const NO_FLOW, u64::from(BPF_NOEXIST)).is_ok();
    let Some(entry) = FLOWS.get_ptr_mut(key) else {
        note_full();
        return None;
    };
    if !is_mine {
        return Some(());
    }
    // Like that of the socket, which says whose it is; what it counts is its own.
    let (from, to) = (&raw const (*socket).facts, &raw mut (*entry).facts);
    bpf_probe_read_kernel(to.cast(), size_of::<FlowFacts>() as u32, from.cast());
    (*to).flow = new_flow();
    forget_totals(to);
    (*to).first_at = now;
    (*to).direction = 0;
    (*to).flags &= !(FLOW_ENDED | FLOW_RESUMED | FLOW_CONNECTED);
    let remote = (&raw mut (*to).remote).cast::<u64>();
    remote.write_volatile(key.remote[0]);
    remote.add(1).write_volatile(key.remote[1]);
    (*to).remote_port = key.port as u16;
    let (tgid, start) = owner(socket);
    (*entry).start = start;
    (*entry).tgid = tgid;
    Some(())
}

/// A number that no other flow has.
#[inline(always)]
pub(crate) unsafe fn new_flow() -> u64 {
    incremented(&raw mut FLOWS_BEGUN)
}

/// Whether what a socket was connected to, or listened for, is over: what is done with it now begins something else. One
/// that was given to the command as it is may have an end that nobody saw.
#[inline(always)]
pub(crate) unsafe fn is_over(facts: *const FlowFacts) -> bool {
    let remote = (&raw const (*facts).remote).cast::<u64>();
    let was_connected = remote.read_volatile() | remote.add(1).read_volatile() != 0;
    // Of what has no states it is 0.
    matches!((*facts).state, 0 | CLOSE) && (was_connected || (*facts).flags & FLOW_ENDED != 0)
}

/// A socket begins something else: it is connected again, or listens after it was connected, or was disconnected and has
/// given back its port. What it did before has been
/// told under its own number, with its own ends.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn begin_again(entry: *mut Flow, now: u64) -> i32 {
    if entry.is_null() {
        return 0;
    }
    if (*entry).dirty != 0 {
        send_flow(entry, now);
    }
    let facts = &raw mut (*entry).facts;
    (*facts).flow = new_flow();
    (*facts).flags &= !(FLOW_ENDED | FLOW_RESUMED | FLOW_LISTENS | FLOW_CONNECTED);
    (*facts).first_at = now;
    (*facts).direction = 0;
    (*facts).listener = 0;
    (*facts).backlog = 0;
    (*facts).error = 0;
    (*facts).entered = [zero(); STATES];
    (*entry).seen = 0;
    // What could not be told of it never will be.
    (*entry).dropped = 0;
    (*entry).captured = [0; 2];
    forget_totals(facts);
    0
}

/// Begins to count anew.
#[inline(always)]
unsafe fn forget_totals(facts: *mut FlowFacts) {
    (*facts).bytes_sent = zero();
    (*facts).bytes_received = zero();
    (*facts).packets_sent = zero();
    (*facts).packets_received = zero();
}
