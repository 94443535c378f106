//! The life of sockets: made and released in the workload's control group (`sock_create`, `sock_release`), and the states
//! of connections (`inet_sock_set_state(sock, old, new)`), of whoever it is.

use aya_ebpf::{bindings::bpf_sock, helpers::generated::bpf_get_socket_cookie};
use glasshouse_common::{
    limits::FLOW_INTERVAL_NS,
    socket::{
        CLOSE, ESTABLISHED, FLOW_CONNECTED, FLOW_ENDED, FLOW_LISTENS, FLOW_RESUMED, INBOUND, LISTEN,
        ORIGIN_CREATED, OUTBOUND, STATES, SYN_SENT,
    },
    state::Flow,
};

use super::{go_on, typed_probe};
use crate::{
    atomic::increment,
    flow::{begin_again, is_over, rest},
    layout::{Kernel, constant, offset, opaque},
    maps::{COUNTERS, LAST_STATE, SOCKETS, STATE_CHANGE},
    scope,
    socket::{
        find_by_cookie, find_socket, has_states, is_by_inode, is_in_group, is_tcp, make_socket, own,
        send_flow, take_ends, take_totals,
    },
    task,
};

/// What a program of a control group returns to let things happen.
const GO_ON: i32 = 1;

/// A process of the workload makes a socket.
#[unsafe(no_mangle)]
#[unsafe(link_section = "cgroup/sock_create")]
unsafe extern "C" fn sock_create(context: *mut bpf_sock) -> i32 {
    // It is given its number by this.
    bpf_get_socket_cookie(context.cast());
    let key = make_socket(address_of(context), 0);
    if let Some(entry) = SOCKETS.get_ptr_mut(&key) {
        own(entry, ORIGIN_CREATED);
    }
    GO_ON
}

/// The address of the socket that a program is about, as a plain number: it is there again in the process's part of it.
#[inline(always)]
fn address_of(context: *mut bpf_sock) -> u64 {
    Kernel(context as u64).follow(offset!(sock_socket)).follow(offset!(socket_sock)).0
}

/// The last descriptor of a socket is closed.
#[unsafe(no_mangle)]
#[unsafe(link_section = "cgroup/sock_release")]
unsafe extern "C" fn sock_release(context: *mut bpf_sock) -> i32 {
    let key = find_socket(address_of(context));
    if let Some(entry) = SOCKETS.get_ptr_mut(&key) {
        // Connections go on until both sides have closed them.
        let state = Kernel(context as u64).read::<u8>(offset!(sock_state));
        let has_states = has_states(&raw const (*entry).facts);
        if !has_states || u16::from(state) == CLOSE {
            if has_states && !matches!((*entry).facts.state, 0 | CLOSE) {
                // A change was not seen; the error may have been taken by the process meanwhile.
                increment(&raw mut COUNTERS.states_missed);
                let sk = address_of(context);
                catch_up(entry, sk, u32::from(CLOSE), Kernel(sk).read(offset!(sock_error)));
            }
            end(key, entry, task::now());
        }
    }
    GO_ON
}

/// Tells the last of a socket, if there is something.
#[inline(always)]
unsafe fn end(key: u64, entry: *mut Flow, now: u64) {
    let is_told = (*entry).seen == 0 || (*entry).facts.flags & FLOW_ENDED != 0;
    (*entry).facts.flags |= FLOW_ENDED;
    if !is_told || (*entry).dirty != 0 {
        send_flow(entry, now);
    }
    rest(key);
}

// A program does not run in the middle of itself, and packets come in the middle of anything: of two that do the same one
// always runs. What they go on with does run in the middle of itself.
typed_probe!(sock_state, sock_state_raw, "inet_sock_set_state", on_state);
typed_probe!(sock_state_again, sock_state_again_raw, "inet_sock_set_state", on_state);
typed_probe!(sock_state_change, sock_state_change_raw, "inet_sock_set_state", on_change);

#[inline(always)]
unsafe fn on_state<const BTF: bool>(arguments: *const u64) {
    let new = *arguments.add(2) as u16;
    if u32::from(new) == constant!(UNSEEN_STATE) {
        return;
    }
    let address = Kernel(arguments as u64).follow(0);
    // The second of the two has nothing to do, nearly always.
    if let Some(last) = LAST_STATE.get_ptr_mut(0) {
        if (*last)[0] == address.0 && (*last)[1] == u64::from(new) {
            (*last)[0] = 0;
            return;
        }
        (*last)[0] = address.0;
        (*last)[1] = u64::from(new);
    }
    go_on(arguments, &STATE_CHANGE, 0);
}

/// There is no such program, and nothing more is to be done. What may go on with another program has its stack on that of the
/// kernel; what may not has one per CPU since Linux 6.13, which a run in the middle of it writes over: the kernel rules that
/// out where it starts a program, but not where one goes on with another.
const NOWHERE: u32 = 1;

#[inline(always)]
unsafe fn on_change<const BTF: bool>(arguments: *const u64) {
    let old = *arguments.add(1) as u16;
    let new = *arguments.add(2) as u16;
    let address = Kernel(arguments as u64).follow(0);
    let mut key = find_socket(address.0);
    if key == 0 {
        // A connection that was asked for by a peer belongs to nobody yet, and comes in the middle of anything.
        let is_asked_for = new == ESTABLISHED && is_in_group(address.0) != 0;
        if !is_asked_for && !(matches!(new, SYN_SENT | LISTEN) && is_own()) {
            return go_on(arguments, &STATE_CHANGE, NOWHERE);
        }
        if BTF {
            bpf_get_socket_cookie(*arguments as *mut _);
        }
        key = make_socket(address.0, if is_asked_for || new == SYN_SENT { 0 } else { FLOW_RESUMED });
    }
    if BTF && is_by_inode(key) {
        bpf_get_socket_cookie(*arguments as *mut _);
        key = find_by_cookie(key, address.0);
    }
    set_state(key, address.0, u32::from(old), u32::from(new));
}

/// Whether the task that runs is one of a process in scope.
#[inline(always)]
unsafe fn is_own() -> bool {
    let tgid: u32 = task::load(task::current(), offset!(task_tgid));
    scope::find(tgid).is_some()
}

/// Has what a call to connect was given back told as a change of the socket's state, if nobody has seen that. `error` is 0
/// if it was connected.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn catch_up_with_call(entry: *mut Flow, sk: u64, error: u32) -> i32 {
    if entry.is_null() {
        return 0;
    }
    // In this order: a change is told before it is made.
    let known = (&raw const (*entry).facts.state).read_volatile();
    let state = u16::from(Kernel(sk).read::<u8>(offset!(sock_state)));
    let new = if error == 0 { ESTABLISHED } else { CLOSE };
    if known == SYN_SENT && state == new {
        (*entry).failed = error;
        catch_up(entry, sk, u32::from(new), error);
    }
    0
}

/// Tells of a change of a socket's state that nobody has seen: there are kernels that run no programs in the middle of
/// certain tasks.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn catch_up(entry: *mut Flow, sk: u64, new: u32, error: u32) -> i32 {
    let entered = opaque(u64::from(new));
    if entry.is_null() || entered >= STATES as u64 {
        return 0;
    }
    let facts = &raw mut (*entry).facts;
    let now = task::now();
    if new as u16 == CLOSE {
        (*facts).local_port = u16::from_be(Kernel(sk).read(offset!(inet_sport)));
        (*facts).error = error;
        (*facts).flags |= FLOW_ENDED;
    } else {
        take_ends(entry, sk);
    }
    (*facts).state = new as u16;
    (&raw mut (*facts).entered).cast::<u64>().add(entered as usize).write_volatile(now);
    (*facts).last_at = now;
    send_flow(entry, now);
    0
}

/// A connection goes into another state.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn set_state(key: u64, sk: u64, old: u32, new: u32) -> i32 {
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    let facts = &raw mut (*entry).facts;
    let sk = Kernel(sk);
    let now = task::now();
    let (old, new) = (old as u16, new as u16);
    let state = opaque(u64::from(new));
    if state >= STATES as u64 {
        return 0;
    }
    // Told by the other program.
    let entered = (&raw mut (*facts).entered).cast::<u64>().add(state as usize);
    if (*facts).state == new && entered.read_volatile() != 0 {
        return 0;
    }
    if new == SYN_SENT {
        own(entry, ORIGIN_CREATED);
        (*entry).failed = 0;
        if (*entry).seen != 0 || (*facts).flags & FLOW_ENDED != 0 {
            begin_again(entry, now);
        }
        (*facts).direction = OUTBOUND;
        (*facts).flags |= FLOW_CONNECTED;
        (*facts).first_at = now;
    } else if new == LISTEN {
        own(entry, ORIGIN_CREATED);
        if is_over(facts) {
            begin_again(entry, now);
        }
        (*facts).flags |= FLOW_LISTENS;
        (*facts).backlog = sk.read(offset!(sock_backlog));
    } else if new == ESTABLISHED && old != SYN_SENT && (*facts).direction != OUTBOUND {
        // Of two that connect to each other at once, or of one to itself, both have asked.
        (*facts).direction = INBOUND;
        (*facts).flags |= FLOW_CONNECTED;
    }
    // The last one has no peer any more on its way out of some states.
    if new != CLOSE {
        take_ends(entry, sk.0);
    }
    (*facts).state = new;
    entered.write_volatile(now);
    if is_tcp(facts) && new != LISTEN && old != LISTEN {
        take_totals(entry, sk.0);
    }
    (*facts).last_at = now;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
    if new != CLOSE {
        // One that nobody has accepted yet is told with its owner, and one that is asked for with what becomes of that: mostly
        // at once, else when the peer is asked again, a second later.
        let is_news = if (*entry).seen == 0 {
            new != SYN_SENT || constant!(HAS_GROUP) == 0
        } else {
            new == ESTABLISHED || now.wrapping_sub((*entry).sent_at) > FLOW_INTERVAL_NS
        };
        if (*entry).tgid != 0 && is_news {
            send_flow(entry, now);
        }
        return 0;
    }
    // It has been given back by now where it was not asked for.
    (*facts).local_port = u16::from_be(sk.read(offset!(inet_sport)));
    let error: u32 = sk.read(offset!(sock_error));
    (*facts).error = error;
    (*facts).flags |= FLOW_ENDED;
    if old == SYN_SENT {
        (*entry).failed = error;
    }
    send_flow(entry, now);
    // A process that still has it may connect it anew.
    if sk.follow(offset!(sock_socket)).0 == 0 {
        rest(key);
    }
    0
}
