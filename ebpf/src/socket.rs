//! Sockets, and what they exchange with their peers: one entry per socket, which holds what goes to and fro with its
//! peer, or with the first of several, and one per further peer. A record goes out when there is something to tell of an
//! entry for the first time, and then at most every [`FLOW_INTERVAL_NS`]; each tells everything.
//!
//! Packets come in the middle of anything, in whatever process runs: nothing here uses the memory that a CPU has for one
//! thing at a time, and nothing takes the task that runs for the socket's owner unless its caller says so.
//!
//! An entry is found by the socket's cookie. Sockets of the workload's control group have theirs from the beginning; for
//! one that has none it is the number of its inode.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_probe_read_kernel};
use glasshouse_common::{
    FlowFacts, FlowRecord, SocketUsedRecord, kind,
    limits::FLOW_INTERVAL_NS,
    operation,
    socket::{
        AF_INET, AF_INET6, AF_UNIX, DATAGRAMS, FLOW_ABSOLUTE, FLOW_BY_CALLS, FLOW_LISTENS, FLOW_RESUMED,
        FLOW_UNSEEN, INBOUND, LISTEN, ORIGIN_ACCEPTED, ORIGIN_CREATED, ORIGIN_INHERITED, ORIGIN_RECEIVED,
        RAW,
    },
    state::Flow,
};

use crate::{
    atomic::{add, exchange_u32, increment},
    emit::{reserve, submit},
    fds,
    file::INHERITED,
    flow::{make_room, new_flow},
    layout::{Kernel, constant, forget, offset, opaque},
    maps::{COUNTERS, GROUP, NO_FLOW, SOCKET_USERS, SOCKETS, Scratch, scratch},
    path::mix,
    probes::network_unix::announce_unix,
    scope, task,
};

/// Marks a key that is the number of an inode.
const BY_INODE: u64 = 1 << 63;
/// `IPPROTO_*` of `linux/in.h`.
pub(crate) const TCP: u16 = 6;
pub(crate) const SCTP: u16 = 132;
/// `SOCK_DONE` of `net/sock.h`: the stream has come to its end, which counts as a byte received.
const DONE: u64 = 1 << 1;

/// Whether a socket is one of TCP.
#[inline(always)]
pub(crate) unsafe fn is_tcp(facts: *const FlowFacts) -> bool {
    (*facts).protocol == TCP && (*facts).kind != RAW && matches!((*facts).family, AF_INET | AF_INET6)
}

/// Whether a socket is one of connections, whose states are told.
#[inline(always)]
pub(crate) unsafe fn has_states(facts: *const FlowFacts) -> bool {
    is_tcp(facts) || (*facts).protocol == SCTP && (*facts).kind != RAW
}

/// Notes the control group of the root, which is the workload's own.
#[inline(always)]
pub(crate) unsafe fn note_group(root: Kernel) {
    let group = root.follow(offset!(task_cgroups)).follow(offset!(cgroups_default));
    let to = (&raw mut GROUP).cast::<u64>();
    core::ptr::write_volatile(to.add(1), u64::from(group.read::<u32>(offset!(cgroup_level))));
    core::ptr::write_volatile(to.add(2), group.follow(offset!(cgroup_node)).read(offset!(node_id)));
    core::ptr::write_volatile(to, group.0);
}

/// Whether a socket was made in the workload's control group, or in one below it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn is_in_group(sk: u64) -> i32 {
    let own = (&raw const GROUP).cast::<u64>();
    let (group, level, id) = (
        core::ptr::read_volatile(own),
        core::ptr::read_volatile(own.add(1)),
        core::ptr::read_volatile(own.add(2)),
    );
    let of = Kernel(sk).follow(offset!(sock_group));
    if group == 0 || of.0 == 0 {
        return 0;
    }
    if of.0 == group {
        return 1;
    }
    if u64::from(of.read::<u32>(offset!(cgroup_level))) <= level {
        return 0;
    }
    let ancestor: u64 = Kernel(of.0 + level * 8).read(offset!(cgroup_ancestors));
    i32::from(ancestor == group || ancestor == id)
}

#[inline(always)]
fn inode_of(sk: Kernel) -> u64 {
    let socket = sk.follow(offset!(sock_socket));
    if socket.0 == 0 { 0 } else { socket.read(offset!(socket_inode)) }
}

/// The key of a socket's entry; 0 if there is none.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn find_socket(sk: u64) -> u64 {
    let cookie: u64 = Kernel(sk).read(offset!(sock_cookie));
    if cookie != 0 && SOCKETS.get_ptr_mut(&cookie).is_some() {
        return cookie;
    }
    let by_inode = inode_of(Kernel(sk)) | BY_INODE;
    if by_inode != BY_INODE && SOCKETS.get_ptr_mut(&by_inode).is_some() {
        return by_inode;
    }
    0
}

/// Has an entry found by the socket's cookie, which it has got by now, rather than by its inode, which it loses before its
/// end. Its number stays the same. Returns its key.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn find_by_cookie(key: u64, sk: u64) -> u64 {
    let cookie: u64 = Kernel(sk).read(offset!(sock_cookie));
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return key };
    if cookie == 0 || SOCKETS.insert(&cookie, &*entry, u64::from(BPF_NOEXIST)).is_err() {
        return key;
    }
    let _ = SOCKETS.remove(&key);
    cookie
}

/// Whether a key is the number of an inode.
#[inline(always)]
pub(crate) fn is_by_inode(key: u64) -> bool {
    key & BY_INODE != 0
}

/// Makes the entry of a socket, with `flags`. Returns its key; 0 if it cannot have one.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn make_socket(sk: u64, flags: u32) -> u64 {
    let mut key: u64 = Kernel(sk).read(offset!(sock_cookie));
    let inode = inode_of(Kernel(sk));
    if key == 0 {
        if inode == 0 {
            return 0;
        }
        key = inode | BY_INODE;
    }
    make_room(key);
    let nothing = &raw const NO_FLOW;
    if SOCKETS.insert(&key, &*nothing, u64::from(BPF_NOEXIST)).is_err() {
        // Another CPU has made it, or there is no room.
        if SOCKETS.get_ptr_mut(&key).is_none() {
            note_full();
            return 0;
        }
        return key;
    }
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    (*entry).facts.socket = key;
    (*entry).facts.inode = inode;
    begin(entry, Kernel(sk), flags, task::now());
    key
}

#[inline(always)]
pub(crate) unsafe fn note_full() {
    increment(&raw mut COUNTERS.sockets_full);
}

/// Begins what a socket exchanges, in an entry of zeroes.
#[inline(always)]
unsafe fn begin(entry: *mut Flow, sk: Kernel, flags: u32, now: u64) {
    let facts = &raw mut (*entry).facts;
    (*facts).flow = new_flow();
    (*facts).first_at = now;
    (*facts).last_at = now;
    (*facts).family = sk.read(offset!(sock_family));
    (*facts).kind = sk.read(offset!(sock_type));
    (*facts).protocol = sk.read(offset!(sock_protocol));
    (*facts).network_namespace = sk.follow(offset!(sock_net)).read(offset!(net_ns_inum));
    let is_internet = matches!((*facts).family, AF_INET | AF_INET6);
    let is_seen = is_internet && is_in_group(sk.0) != 0;
    if is_internet && !is_seen && constant!(HAS_GROUP) != 0 && flags & FLOW_RESUMED == 0 {
        increment(&raw mut COUNTERS.sockets_outside);
    }
    (*facts).flags = flags
        | match (is_tcp(facts), is_seen) {
            (true, true) => FLOW_ABSOLUTE,
            (true, false) => FLOW_ABSOLUTE | FLOW_UNSEEN,
            (false, true) => 0,
            (false, false) => FLOW_BY_CALLS,
        };
    take_ends(entry, sk.0);
}

/// Reads both ends of a socket, and its state.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn take_ends(entry: *mut Flow, sk: u64) -> i32 {
    if entry.is_null() {
        return 0;
    }
    let facts = &raw mut (*entry).facts;
    let sk = Kernel(sk);
    let (local, remote) = (&raw mut (*facts).local, &raw mut (*facts).remote);
    match (*facts).family {
        AF_INET => {
            local.cast::<u32>().write(sk.read(offset!(sock_rcv_saddr)));
            remote.cast::<u32>().write(sk.read(offset!(sock_daddr)));
        }
        AF_INET6 => {
            sk.read_to::<16>(offset!(sock_v6_rcv_saddr), local);
            sk.read_to::<16>(offset!(sock_v6_daddr), remote);
        }
        _ => return 0,
    }
    (*facts).local_port = sk.read(offset!(sock_num));
    (*facts).remote_port = u16::from_be(sk.read(offset!(sock_dport)));
    if has_states(facts) {
        (*facts).state = u16::from(sk.read::<u8>(offset!(sock_state)));
    }
    0
}

/// Sends what is known of a flow.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn send_flow(entry: *mut Flow, now: u64) -> i32 {
    if entry.is_null() {
        return 0;
    }
    let Some(mut room) = reserve::<FlowRecord>() else {
        (*entry).dirty = 1;
        (*entry).dropped += 1;
        return 0;
    };
    let record = room.as_mut_ptr();
    // What changes from here on makes it dirty again.
    core::ptr::write_volatile(&raw mut (*entry).dirty, 0);
    let size = size_of::<FlowRecord>() as u32;
    let (tgid, start) = owner(entry);
    (*record).header = task::header(now, start, tgid, 0, kind::FLOW, size);
    let from = &raw const (*entry).facts;
    bpf_probe_read_kernel((&raw mut (*record).facts).cast(), size_of::<FlowFacts>() as u32, from.cast());
    submit(room);
    (*entry).seen = 1;
    (*entry).sent_at = now;
    let dropped = exchange_u32(&raw mut (*entry).dropped, 0);
    if dropped != 0 {
        add(&raw mut COUNTERS.flows_recovered, u64::from(dropped));
    }
    1
}

/// Something of a flow has changed: sends it if it was not told yet, or not lately.
#[inline(always)]
pub(crate) unsafe fn changed(entry: *mut Flow, now: u64) {
    (*entry).facts.last_at = now;
    core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
    if (*entry).seen == 0 || now.wrapping_sub((*entry).sent_at) > FLOW_INTERVAL_NS {
        send_flow(entry, now);
    }
}

/// Asks TCP for its totals.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn take_totals(entry: *mut Flow, sk: u64) -> i32 {
    if entry.is_null() {
        return 0;
    }
    let facts = &raw mut (*entry).facts;
    let sk = Kernel(sk);
    (*entry).ticks = bpf_jiffies64();
    let end = sk.read::<u64>(offset!(sock_flags)) & DONE;
    let received: u64 = sk.read(offset!(tcp_bytes_received));
    (*facts).bytes_received = received.wrapping_sub(u64::from(end != 0 && received != 0));
    let sent: u64 = sk.read(offset!(tcp_bytes_sent));
    (*facts).bytes_sent = sent.wrapping_sub(sk.read::<u64>(offset!(tcp_bytes_retrans)));
    (*facts).packets_sent = u64::from(sk.read::<u32>(offset!(tcp_segs_out)));
    (*facts).packets_received = u64::from(sk.read::<u32>(offset!(tcp_segs_in)));
    0
}

/// The protocol's part of the socket that a file is of.
#[inline(always)]
pub(crate) fn of_file(file: Kernel) -> Kernel {
    file.follow(offset!(file_private)).follow(offset!(socket_sock))
}

/// How the process that does this came to have the socket.
#[inline(always)]
fn origin_of(operation: u32) -> u16 {
    match operation {
        operation::SOCKET | operation::SOCKET_PAIR => ORIGIN_CREATED,
        operation::ACCEPT => ORIGIN_ACCEPTED,
        INHERITED => ORIGIN_INHERITED,
        _ => ORIGIN_RECEIVED,
    }
}

/// The key of a socket of which there is nothing more to find out when this process uses it: its owner, or another of which
/// that was told. Nearly always.
#[inline(always)]
pub(crate) unsafe fn known(start: u64, tgid: u32, sk: u64) -> Option<u64> {
    let cookie: u64 = Kernel(sk).read(offset!(sock_cookie));
    let entry = SOCKETS.get_ptr_mut(&cookie)?;
    let is_other = (*entry).start ^ start | u64::from((*entry).tgid ^ tgid);
    if (*entry).facts.flags & (FLOW_BY_CALLS | FLOW_UNSEEN) != 0
        || is_other != 0 && is_user((*entry).facts.socket, start, tgid) == 0
    {
        return None;
    }
    Some(cookie)
}

/// Whether a descriptor of the task that runs is of a socket of which there is nothing more to find out. It is one of a
/// socket: what it did only sockets can.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn is_known(start: u64, tgid: u32, fd: u32) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let sk = of_file(fds::of_descriptor(scratch, fd));
    i32::from(known(start, tgid, sk.0).is_some())
}

/// Takes what a socket that is used for the first time was before.
#[inline(always)]
unsafe fn take_past(entry: *mut Flow, sk: u64) {
    let facts = &raw mut (*entry).facts;
    if (*facts).state == LISTEN {
        (*facts).flags |= FLOW_LISTENS;
        (*facts).backlog = Kernel(sk).read(offset!(sock_backlog));
    } else if (*facts).local_port == 0 && (*facts).remote_port != 0 {
        // It has been given back where it was not asked for, but is not forgotten.
        (*facts).local_port = u16::from_be(Kernel(sk).read(offset!(inet_sport)));
    }
}

/// The task that runs, of the process given, uses a socket. `process` has its id and, in the upper half, the operation.
/// Returns the key of its entry; 0 if it has none.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn use_socket(
    scratch: *mut Scratch,
    start: u64,
    process: u64,
    sk: u64,
    amount: u64,
) -> u64 {
    let (tgid, operation) = (process as u32, (process >> 32) as u32);
    if sk == 0 || scratch.is_null() {
        return 0;
    }
    if let Some(key) = known(start, tgid, sk) {
        return key;
    }
    let mut key = find_socket(sk);
    if key == 0 {
        let is_new = operation == operation::SOCKET || operation == operation::SOCKET_PAIR;
        key = make_socket(sk, if is_new { 0 } else { FLOW_RESUMED });
    }
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    let facts = &raw mut (*entry).facts;
    let operation = forget(u64::from(operation)) as u32;
    if (*entry).tgid == 0 {
        take_past(entry, sk);
        give_to(entry, start, tgid, origin_of(operation));
        if operation == operation::ACCEPT {
            (*facts).direction = INBOUND;
            (*facts).inode = inode_of(Kernel(sk));
        }
        core::ptr::write_volatile(&raw mut (*entry).dirty, 1);
    } else if (*entry).start ^ start | u64::from((*entry).tgid ^ tgid) != 0 {
        note_user((*facts).socket, start, tgid, u32::from(origin_of(operation)));
    }
    let operation = forget(u64::from(operation)) as u32;
    if (*facts).flags & FLOW_BY_CALLS != 0 {
        if matches!((*facts).family, AF_INET | AF_INET6) {
            // One that it has given back was its port all the same.
            let port: u16 = Kernel(sk).read(offset!(sock_num));
            if port != 0 {
                (*facts).local_port = port;
            }
        }
        // Of datagrams it is known whom they were for, and counted there.
        let amount = if is_addressed(facts, operation) { 0 } else { amount };
        match operation {
            operation::WRITE | operation::SEND => add(&raw mut (*facts).bytes_sent, amount),
            operation::READ | operation::RECEIVE => add(&raw mut (*facts).bytes_received, amount),
            _ => {}
        }
        let operation = forget(u64::from(operation)) as u32;
        // What gives it a name or a peer is told by whoever sees that.
        let is_told = (*entry).announced != 0
            || matches!(operation, operation::SOCKET | operation::CONNECT..=operation::ACCEPT);
        if (*facts).family == AF_UNIX && !is_told && !sends_datagrams(facts, operation) {
            announce_unix(scratch, start, process, sk, key);
        }
        if (*facts).family != AF_UNIX || (*entry).announced != 0 {
            let now = task::now();
            changed(entry, now);
        }
    } else if (*facts).flags & FLOW_UNSEEN != 0 && (*facts).flags & FLOW_LISTENS == 0 {
        take_totals(entry, sk);
        changed(entry, task::now());
    } else if operation == INHERITED {
        changed(entry, task::now());
    }
    key
}

/// Whether a use is one of a socket of datagrams whose peer the call may name.
#[inline(always)]
pub(crate) unsafe fn is_addressed(facts: *const FlowFacts, operation: u32) -> bool {
    matches!((*facts).family, AF_INET | AF_INET6)
        && !has_states(facts)
        && matches!(operation, operation::SEND | operation::RECEIVE)
}

/// Whether a use is one of a unix socket of datagrams whose peer the call may name.
#[inline(always)]
pub(crate) unsafe fn sends_datagrams(facts: *const FlowFacts, operation: u32) -> bool {
    // One comparison: each would be a branch.
    let differs = ((*facts).family ^ AF_UNIX) | ((*facts).kind ^ DATAGRAMS);
    opaque(u64::from(differs) | u64::from(operation ^ operation::SEND)) == 0
}

/// What tells a process and the socket that it uses from others.
#[inline(always)]
pub(crate) unsafe fn user(socket: u64, start: u64, tgid: u32) -> u64 {
    mix(mix(constant!(SEED) ^ socket, start), u64::from(tgid))
}

/// Whether it was told that a further process uses a socket.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn is_user(socket: u64, start: u64, tgid: u32) -> i32 {
    i32::from(SOCKET_USERS.get_ptr(&user(socket, start, tgid)).is_some())
}

/// Tells that a further process uses a socket, once.
#[inline(always)]
unsafe fn note_user(socket: u64, start: u64, tgid: u32, origin: u32) {
    let who = user(socket, start, tgid);
    if SOCKET_USERS.get_ptr(&who).is_some() {
        return;
    }
    let Some(mut room) = reserve::<SocketUsedRecord>() else { return };
    let record = room.as_mut_ptr();
    let size = size_of::<SocketUsedRecord>() as u32;
    (*record).header = task::header(task::now(), start, tgid, 0, kind::SOCKET_USED, size);
    (*record).socket = socket;
    (*record).origin = origin;
    (*record).reserved = 0;
    submit(room);
    let told = opaque(1);
    let _ = SOCKET_USERS.insert(&who, &told, 0);
}

/// The process of the task that runs is the owner of a socket that nobody owns yet, if it is observed.
#[inline(always)]
pub(crate) unsafe fn own(entry: *mut Flow, origin: u16) {
    let task = task::current_address();
    let tgid: u32 = task.read(offset!(task_tgid));
    if (*entry).tgid != 0 || scope::find(tgid).is_none() {
        return;
    }
    give_to(entry, task::start(task), tgid, origin);
}

/// Whose a socket is. Another CPU may just be saying so, and what makes it known is read first.
#[inline(always)]
pub(crate) unsafe fn owner(entry: *const Flow) -> (u32, u64) {
    let tgid = core::ptr::read_volatile(&raw const (*entry).tgid);
    (tgid, core::ptr::read_volatile(&raw const (*entry).start))
}

/// Says whose a socket is. What makes it known is written last.
#[inline(always)]
unsafe fn give_to(entry: *mut Flow, start: u64, tgid: u32, origin: u16) {
    (*entry).start = start;
    (*entry).facts.origin = origin;
    core::ptr::write_volatile(&raw mut (*entry).tgid, tgid);
}

/// `S_IFMT` and `S_IFSOCK` of `linux/stat.h`.
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// Whether an inode is that of a socket.
#[inline(always)]
pub(crate) fn is_inode(inode: Kernel) -> bool {
    is_mode(inode.read(offset!(inode_mode)))
}

/// The same by its mode.
#[inline(always)]
pub(crate) fn is_mode(mode: u16) -> bool {
    mode & S_IFMT == S_IFSOCK
}
