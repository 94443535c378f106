//! System calls on sockets, when they return: who made, connected, bound and accepted which.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_user};
use glasshouse_common::{
    operation,
    socket::{
        AF_INET, AF_INET6, AF_UNIX, FLOW_BOUND, FLOW_BY_CALLS, FLOW_CONNECTED, FLOW_ENDED, FLOW_LISTENS,
        LISTEN, OUTBOUND, RECEIVED, SENT,
    },
    syscall::{ABI_RING, FileCall},
};

use super::{
    ERESTARTSYS,
    network_failed::{ADDRESS, IN_MESSAGE, IN_MESSAGES, NOWHERE, socket_failed, take_address},
    network_unix::{Sent, announce_with_path, each_sent},
    sock::catch_up_with_call,
};
use crate::{
    fds,
    flow::{Ends, begin_again, count_flow, flow_of, is_over},
    layout::{Kernel, forget, offset, opaque, zero},
    maps::{SOCKETS, Scratch, scratch},
    socket::{
        changed, has_states, is_addressed, is_inode, of_file, send_flow, sends_datagrams, take_ends,
        use_socket,
    },
    task, text,
};

/// Errors that say nothing of the network, of `asm-generic/errno*.h`: come again later, it goes on, it is so already, that is
/// no socket. But what cannot be connected now is not connected later by itself.
pub(super) const EINTR: u64 = 4;
const EBADF: u64 = 9;
const ENOTSOCK: u64 = 88;
pub(super) const EAGAIN: u64 = 11;
const EALREADY: u64 = 114;
const EINPROGRESS: u64 = 115;
const EISCONN: u64 = 106;
pub(super) const ECANCELED: u64 = 125;
/// Bytes of an address of IPv4.
const INET_BYTES: i32 = 8;
/// What is done by each call of `socketcall`, of `linux/net.h`; in the upper half, which argument is the address.
static SOCKETCALLS: [u32; 32] = {
    const fn done(what: u32, address: u32) -> u32 {
        what | address << 16
    }
    let mut calls = [0; 32];
    calls[1] = done(operation::SOCKET, NOWHERE);
    calls[2] = done(operation::BIND, 1);
    calls[3] = done(operation::CONNECT, 1);
    calls[4] = done(operation::LISTEN, NOWHERE);
    calls[5] = done(operation::ACCEPT, NOWHERE);
    calls[8] = done(operation::SOCKET_PAIR, NOWHERE);
    calls[9] = done(operation::SEND, NOWHERE);
    calls[10] = done(operation::RECEIVE, NOWHERE);
    calls[11] = done(operation::SEND, 4);
    calls[12] = done(operation::RECEIVE, NOWHERE);
    calls[16] = done(operation::SEND, IN_MESSAGE);
    calls[17] = done(operation::RECEIVE, NOWHERE);
    calls[18] = done(operation::ACCEPT, NOWHERE);
    calls[19] = done(operation::RECEIVE, IN_MESSAGES);
    calls[20] = done(operation::SEND, IN_MESSAGES);
    calls
};

/// A call of class `CLASS_SOCKET` returns. Its arguments are in the scratch memory. A global function, as those that
/// follow: the verifier looks at each once.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn on_socket_call(scratch: *mut Scratch) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let noted = &raw const (*scratch).call;
    let (start, tgid, word) = ((*noted).start, u64::from((*noted).tgid), FileCall((*noted).word));
    let (result, call) = ((*noted).result, (*noted).call);
    let found = &raw const (*scratch).file;
    let mut what = word.operation();
    let mut address = word.argument(FileCall::PATH) as u32;
    if what == operation::MKNOD {
        what = operation::BIND;
    } else if what == operation::SOCKET_CALL {
        let number = opaque((*found).arguments[0]) & 31;
        let done = core::ptr::read_volatile((&raw const SOCKETCALLS).cast::<u32>().add(number as usize));
        let arguments = (*found).arguments[1];
        (what, address) = (done & 0xffff, done >> 16);
        take_socketcall(scratch, arguments);
    } else if word.0 & FileCall::FLAGS_IN_MEMORY != 0 {
        address = if word.0 & FileCall::COUNTS_MESSAGES != 0 { IN_MESSAGES } else { IN_MESSAGE };
    }
    let (what, address) = (forget(u64::from(what)) as u32, forget(u64::from(address)) as u32);
    let fd = (*found).arguments[0] as u32;
    let process = tgid | u64::from(what) << 32;
    let errno = if result < 0 { -result as u64 } else { 0 };
    if errno == 0 || what == operation::CONNECT && errno == EINPROGRESS {
        match what {
            operation::CONNECT => {
                _ = connected(scratch, start, process, socket_at(scratch, fd), u32::from(errno == 0))
            }
            operation::BIND | operation::LISTEN => _ = named(scratch, start, process, socket_at(scratch, fd)),
            operation::ACCEPT => {
                let sk = socket_at(scratch, result as u32);
                accepted(scratch, start, process, sk, socket_at(scratch, fd));
            }
            operation::SOCKET_PAIR => _ = made_pair(scratch, start, process),
            _ => {
                let fd = if what == operation::SOCKET { result as u32 } else { fd };
                let sk = socket_at(scratch, fd);
                let (messages, amount) =
                    if address == IN_MESSAGES { (result as u32, 0) } else { (1, result as u64) };
                let key = use_socket(scratch, start, process, sk, amount);
                if what == operation::SEND || what == operation::RECEIVE {
                    let call = call | u64::from(address) << ADDRESS;
                    if count_datagram(scratch, key, what, amount, call) != 0 {
                        let mut sent = Sent { start, process, sk, key, call };
                        bpf_loop(messages, each_sent as *mut c_void, (&raw mut sent).cast(), 0);
                        if let Some(entry) = SOCKETS.get_ptr_mut(&key) {
                            changed(entry, task::now());
                        }
                    }
                }
            }
        }
    } else if errno < ERESTARTSYS as u64 && is_failure(errno, what) {
        socket_failed(start, process, errno, call | u64::from(address) << ADDRESS, socket_at(scratch, fd));
    }
    0
}

/// Whether an error says something of the network.
#[inline(always)]
fn is_failure(errno: u64, what: u32) -> bool {
    errno == EAGAIN && what == operation::CONNECT
        || !matches!(errno, EINTR | EBADF | EAGAIN | ENOTSOCK | EALREADY | EISCONN)
}

/// Puts the arguments of a `socketcall` in place of its own.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn take_socketcall(scratch: *mut Scratch, address: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let arguments = &raw mut (*scratch).file.arguments;
    let mut words = [zero() as u32; 6];
    bpf_probe_read_user((&raw mut words).cast(), 24, address as *const _);
    let mut index = 0;
    while index < 6 {
        (*arguments)[index] = u64::from(words[index]);
        index += 1;
    }
    0
}

/// The socket of a descriptor of the task that runs; 0 if it is none.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn socket_at(scratch: *mut Scratch, fd: u32) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let file = fds::of_descriptor(scratch, fd);
    if file.0 == 0 || !is_inode(file.follow(offset!(file_inode))) { 0 } else { of_file(file).0 }
}

/// A request of a ring that has to do with sockets was completed; `file` is the one that it worked on, `opcode` its kind.
/// Returns 1 if not everything of it is told.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn on_ring_socket(
    start: u64,
    process: u64,
    file: u64,
    result: i64,
    opcode: u64,
) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let what = (process >> 32) as u32;
    let errno = if result < 0 { -result as u64 } else { 0 };
    let sk = if file == 0 { 0 } else { of_file(Kernel(file)).0 };
    if what == operation::CONNECT && matches!(errno, 0 | EINPROGRESS) {
        connected(scratch, start, process, sk, u32::from(errno == 0));
    } else if what == operation::CONNECT {
        let key = use_socket(scratch, start, process, sk, 0);
        let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 1 };
        catch_up_with_call(entry, sk, errno as u32);
        let is_told = u64::from((*entry).failed) == errno;
        (*entry).failed = 0;
        return i32::from(!is_told);
    } else if errno != 0 {
        // One that was called off has not failed.
        if what != operation::ACCEPT || errno == ECANCELED || !is_failure(errno, what) {
            return 1;
        }
        let call = opcode | u64::from(ABI_RING) << 32 | u64::from(NOWHERE) << ADDRESS;
        socket_failed(start, process, errno, call, sk);
    } else if what == operation::ACCEPT {
        accepted(scratch, start, process, socket_at(scratch, result as u32), sk);
    } else if what == operation::SOCKET {
        use_socket(scratch, start, process, socket_at(scratch, result as u32), 0);
    } else {
        named(scratch, start, process, sk);
    }
    0
}

/// A socket was connected, or is being so.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn connected(
    scratch: *mut Scratch,
    start: u64,
    process: u64,
    sk: u64,
    is_done: u32,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let key = use_socket(scratch, start, process, sk, 0);
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    let facts = &raw mut (*entry).facts;
    if (*facts).family == AF_UNIX {
        announce_with_path(scratch, start, process, sk, key);
        return 0;
    }
    if is_done == 0 || !matches!((*facts).family, AF_INET | AF_INET6) {
        return 0;
    }
    if has_states(facts) {
        catch_up_with_call(entry, sk, 0);
        return 0;
    }
    connected_datagram(key, sk);
    0
}

/// A socket of datagrams has a peer now; if it had one already, or is bound, what it exchanges with this one is told apart.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn connected_datagram(socket: u64, sk: u64) -> i32 {
    let Some(entry) = SOCKETS.get_ptr_mut(&socket) else { return 0 };
    let sk = Kernel(sk);
    let mut ends = Ends::nothing();
    ends.key.port = u64::from(u16::from_be(sk.read(offset!(sock_dport))));
    let remote = (&raw mut ends.key.remote).cast::<u8>();
    if (*entry).facts.family == AF_INET {
        sk.read_to::<4>(offset!(sock_daddr), remote.cast());
    } else {
        sk.read_to::<16>(offset!(sock_v6_daddr), remote.cast());
    }
    let now = task::now();
    // Without a peer, it was disconnected. A port that was not asked for has been given back by that: what follows goes by
    // another one.
    if ends.key.remote[0] | ends.key.remote[1] == 0 {
        let facts = &raw mut (*entry).facts;
        if (*facts).local_port != 0 && sk.read::<u16>(offset!(sock_num)) == 0 {
            (*facts).last_at = now;
            (*facts).flags |= FLOW_ENDED;
            core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
            begin_again(entry, now);
            (*facts).flags &= !FLOW_BOUND;
            take_ends(entry, sk.0);
        }
        return 0;
    }
    let Some(flow) = flow_of(entry, &mut ends, now) else { return 0 };
    if (*flow).facts.flags & FLOW_CONNECTED == 0 {
        take_ends(flow, sk.0);
        (*flow).facts.flags |= FLOW_CONNECTED;
        (*flow).facts.direction = OUTBOUND;
        send_flow(flow, now);
    }
    0
}

/// A socket was bound, or listens.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn named(scratch: *mut Scratch, start: u64, process: u64, sk: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let key = use_socket(scratch, start, process, sk, 0);
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    let facts = &raw mut (*entry).facts;
    let listens = (process >> 32) as u32 == operation::LISTEN;
    if !listens && is_over(facts) {
        begin_again(entry, task::now());
    }
    take_ends(entry, sk);
    if !listens {
        (*facts).flags |= FLOW_BOUND;
    } else if matches!((*facts).state, 0 | LISTEN) {
        (*facts).flags |= FLOW_LISTENS;
        (*facts).backlog = Kernel(sk).read(offset!(sock_backlog));
    } else {
        // Another thread has ended that, and connected it, before the call returned.
        return 0;
    }
    if (*facts).family == AF_UNIX {
        announce_with_path(scratch, start, process, sk, key);
        return 0;
    }
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
    // A socket of connections is bound for something else to come.
    let is_told = (*entry).seen != 0 && listens && (*facts).state != 0;
    if (listens || !has_states(facts)) && !is_told {
        send_flow(entry, task::now());
    }
    0
}

/// A connection was accepted.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn accepted(
    scratch: *mut Scratch,
    start: u64,
    process: u64,
    sk: u64,
    listener: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let waited = use_socket(scratch, start, process & 0xffff_ffff, listener, 0);
    let listener = match SOCKETS.get_ptr_mut(&waited) {
        Some(listener) => (*listener).facts.socket,
        None => 0,
    };
    let key = use_socket(scratch, start, process, sk, 0);
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    (*entry).facts.listener = listener;
    if (*entry).facts.family == AF_UNIX {
        announce_with_path(scratch, start, process, sk, key);
    } else {
        send_flow(entry, task::now());
    }
    0
}

/// Counts what a call has sent or received, of a socket whose packets are not seen, by the address that the call has. Returns
/// 1 if those are datagrams of a unix socket, of which there is more to tell.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn count_datagram(
    scratch: *mut Scratch,
    key: u64,
    what: u32,
    amount: u64,
    call: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    let facts = &raw mut (*entry).facts;
    if (*facts).flags & FLOW_BY_CALLS == 0 || !is_addressed(facts, what) {
        return i32::from(sends_datagrams(facts, what));
    }
    let mut ends = Ends::nothing();
    if take_address(scratch, call) >= INET_BYTES {
        let address = text::aside(&raw mut (*scratch).text);
        ends.key.port = u64::from(u16::from_be_bytes([*address.add(2), *address.add(3)]));
        let remote = (&raw mut ends.key.remote).cast::<u8>();
        if (*facts).family == AF_INET {
            bpf_probe_read_kernel(remote.cast(), 4, address.add(4).cast_const().cast());
        } else {
            bpf_probe_read_kernel(remote.cast(), 16, address.add(8).cast_const().cast());
        }
    } else {
        let own = (&raw const (*facts).remote).cast::<u64>();
        ends.key.remote = [own.read_volatile(), own.add(1).read_volatile()];
        ends.key.port = u64::from((*facts).remote_port);
    }
    let now = task::now();
    let Some(flow) = flow_of(entry, &mut ends, now) else { return 0 };
    count_flow(flow, if what == operation::SEND { SENT } else { RECEIVED }, amount, 0, now);
    0
}

/// Two sockets were made, connected with each other.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn made_pair(scratch: *mut Scratch, start: u64, process: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let mut fds = [0_u32; 2];
    bpf_probe_read_user((&raw mut fds).cast(), 8, (*scratch).file.arguments[3] as *const _);
    use_socket(scratch, start, process, socket_at(scratch, fds[0]), 0);
    use_socket(scratch, start, process, socket_at(scratch, fds[1]), 0);
    0
}
