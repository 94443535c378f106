//! Unix sockets: which names they have, are connected to and send to, and whose the other end is.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user};
use glasshouse_common::{
    Family, UnixRecord, kind, operation,
    socket::{ORIGIN_ACCEPTED, ORIGIN_INHERITED, ORIGIN_RECEIVED, UNIX_ARGUMENT, UNIX_PATH, UNIX_PEER_NAME},
    syscall::ABI_NATIVE,
};

use super::{
    name::hash_bytes,
    network_failed::{ADDRESS, ADDRESS_BYTES, IN_MESSAGES, take_address},
};
use crate::{
    atomic::add,
    emit::send,
    file::{self, INHERITED},
    layout::{Kernel, forget, offset, opaque, zero},
    maps::{SOCKET_USERS, SOCKETS, Scratch, scratch},
    path::{PathRef, mix},
    scope,
    socket::user,
    task,
    text::{self, Owner},
};

/// 1 of anything but 0, without a choice.
#[inline(always)]
fn one_if(value: u64) -> u64 {
    opaque(value | value.wrapping_neg()) >> 63
}

/// The socket that has the name: itself, or its peer. Only the one that waited need have one.
#[inline(always)]
fn named_end(sk: Kernel) -> (Kernel, Kernel) {
    let address = sk.follow(offset!(unix_address));
    if address.0 != 0 {
        return (sk, address);
    }
    let peer = sk.follow(offset!(unix_peer));
    (peer, if peer.0 == 0 { peer } else { peer.follow(offset!(unix_address)) })
}

/// Tells of a unix socket, with the file that its name leads to.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn announce_with_path(
    scratch: *mut Scratch,
    start: u64,
    process: u64,
    sk: u64,
    key: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let (named, address) = named_end(Kernel(sk));
    if address.0 != 0 {
        let path = PathRef::at(named.member(offset!(unix_path)));
        if path.dentry != 0 {
            send_socket_path(scratch, start, process as u32, path);
        }
    }
    announce_unix(scratch, start, process, sk, key)
}

/// Sends a path of the unix socket that is about to be told of.
#[inline(always)]
unsafe fn send_socket_path(scratch: *mut Scratch, start: u64, tgid: u32, path: PathRef) {
    let at = task::now();
    text::set_owner(scratch, Owner { at, start, tgid, tid: file::tid() });
    text::path(scratch, kind::TEXT_SOCKET_PATH, path);
    (*scratch).file.path_at = at;
}

/// Tells of a unix socket: its name or that of its peer, and whose the peer is; or the name that it has sent to. Its path has
/// been sent, if `path_at` says when.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) unsafe extern "C" fn announce_unix(
    scratch: *mut Scratch,
    start: u64,
    process: u64,
    sk: u64,
    key: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
    (*entry).announced = 1;
    let sk = Kernel(sk);
    let (tgid, what) = (process as u32, (process >> 32) as u32);
    let mut bits = 0;
    let mut at = (*scratch).file.path_at;
    (*scratch).file.path_at = 0;
    if at != 0 {
        bits = UNIX_PATH;
    } else {
        at = task::now();
    }
    let (named, address) = named_end(sk);
    let sent_to = opaque((*scratch).file.sent_to);
    (*scratch).file.sent_to = 0;
    let is_argument = one_if(sent_to);
    let is_peers = one_if(named.0 ^ sk.0) | is_argument;
    const { assert!(UNIX_PEER_NAME == 1 << 1 && UNIX_ARGUMENT == 1 << 2) };
    bits = forget(u64::from(bits) | is_peers << 1 | is_argument << 2) as u16;
    let record = (&raw mut (*scratch).text.bytes).cast::<UnixRecord>();
    let size = size_of::<UnixRecord>() as u32;
    (*record).header = task::header(at, start, tgid, file::tid(), kind::UNIX_SOCKET, size);
    (*record).socket = key;
    (*record).inode = (*entry).facts.inode;
    let peer = sk.follow(offset!(sock_peer_pid));
    let mut pid = 0;
    if peer.0 != 0 {
        pid = peer.member(offset!(pid_numbers)).read(offset!(upid_nr));
    }
    // The one that it is connected to is another than the one that it has sent to.
    pid = forget(u64::from(pid) & is_argument.wrapping_sub(1)) as u32;
    (*record).peer_tgid = pid;
    (*record).peer_start = match scope::find(pid) {
        Some(process) => (*process).start,
        None => 0,
    };
    (*record).operation = what;
    (*record).kind = (*entry).facts.kind;
    (*record).flags = bits;
    (*record).origin = match what {
        operation::ACCEPT => ORIGIN_ACCEPTED,
        INHERITED => ORIGIN_INHERITED,
        _ if (*entry).tgid == tgid && (*entry).start == start => (*entry).facts.origin,
        _ => ORIGIN_RECEIVED,
    };
    (*record).listener = (*entry).facts.listener;
    (*record).reserved = 0;
    (*record).backlog = (*entry).facts.backlog;
    let mut length = u64::from(address.read::<u32>(offset!(address_length)));
    length = forget(length & is_argument.wrapping_sub(1) | sent_to);
    // Its family comes first.
    length = opaque(length.wrapping_sub(2));
    if length > ADDRESS_BYTES {
        length = 0;
    }
    let mut from = address.member(offset!(address_name)).0 as *const u8;
    if sent_to != 0 {
        from = text::aside(&raw mut (*scratch).text);
    }
    bpf_probe_read_kernel((&raw mut (*record).name).cast(), length as u32, from.wrapping_add(2).cast());
    (*record).name_length = length as u16;
    send(scratch, Family::Network, u64::from(size));
    0
}

/// A call that has sent datagrams through a unix socket: who, through which, and by which call.
#[repr(C)]
pub(super) struct Sent {
    pub(super) start: u64,
    pub(super) process: u64,
    pub(super) sk: u64,
    pub(super) key: u64,
    pub(super) call: u64,
}

/// Bytes of `struct mmsghdr` of `linux/socket.h`, and where the length of what was sent is in it; and of that of a 32-bit
/// program.
const MESSAGE: (u64, u64) = (64, 56);
const COMPAT_MESSAGE: (u64, u64) = (32, 28);

/// One datagram was sent, which the second argument leads to if there are several. It leads to the next one then.
pub(super) unsafe extern "C" fn each_sent(_index: u32, sent: *mut Sent) -> i64 {
    sent_to((*sent).start, (*sent).process, (*sent).sk, (*sent).key, (*sent).call);
    if (*sent).call >> ADDRESS & 15 != u64::from(IN_MESSAGES) {
        return 1;
    }
    let (Some(entry), Some(scratch)) = (SOCKETS.get_ptr_mut(&(*sent).key), scratch()) else { return 1 };
    let is_native = (*sent).call >> 32 & 0xff == u64::from(ABI_NATIVE);
    let (size, length_at) = if is_native { MESSAGE } else { COMPAT_MESSAGE };
    let at = (&raw mut (*scratch).file.arguments).cast::<u64>().add(1);
    let mut length = zero() as u32;
    bpf_probe_read_user((&raw mut length).cast(), 4, (*at + length_at) as *const _);
    add(&raw mut (*entry).facts.bytes_sent, u64::from(length));
    *at += size;
    0
}

/// A datagram was sent through a unix socket: tells whom it was for, if the call says so, and if that was not told lately. The
/// kernel keeps nothing by which its receiver could be found.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sent_to(start: u64, process: u64, sk: u64, key: u64, call: u64) -> i32 {
    let (Some(entry), Some(scratch)) = (SOCKETS.get_ptr_mut(&key), scratch()) else { return 0 };
    let mut length = opaque(take_address(scratch, call) as u64);
    let text = &raw mut (*scratch).text;
    if length < 3 || length > ADDRESS_BYTES {
        // To the one that it is connected to.
        if (*entry).announced == 0 {
            announce_unix(scratch, start, process, sk, key);
        }
        return 0;
    }
    let mut first = u64::from(*text::aside(text).add(2));
    if first != 0 {
        // Behind the end of a path may be anything.
        let (to, path) = ((&raw mut (*text).bytes).cast(), text::aside(text).add(2).cast_const().cast());
        length = bpf_probe_read_kernel_str(to, length as u32 - 1, path) as u64 + 1;
    }
    (first, length) = (forget(first), forget(length));
    let who = mix(user((*entry).facts.socket, start, process as u32), hash_bytes(scratch, length));
    if SOCKET_USERS.get_ptr(&who).is_some() {
        return 0;
    }
    if first != 0 {
        let fs = task::current_address().follow(offset!(task_fs));
        let base =
            fs.0 + u64::from(if first == u64::from(b'/') { offset!(fs_root) } else { offset!(fs_pwd) });
        send_socket_path(scratch, start, process as u32, PathRef::at(Kernel(forget(base))));
    }
    (*scratch).file.sent_to = length;
    let lost = (*text).lost;
    announce_unix(scratch, start, process, sk, key);
    if (*text).lost == lost {
        let told = opaque(1);
        let _ = SOCKET_USERS.insert(&who, &told, 0);
    }
    0
}
