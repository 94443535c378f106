//! Calls on sockets that failed: what was tried, on which address, with which error, and how often.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use glasshouse_common::{
    Family, SocketFailedRecord, kind, limits::ACCESS_INTERVAL_NS, operation, socket::FLOW_CONNECTED,
    syscall::ABI_NATIVE,
};

use super::{name::hash_bytes, sock::catch_up_with_call};
use crate::{
    emit::send,
    entries, file,
    layout::{opaque, zero},
    maps::{SOCKETS, Scratch, scratch},
    path::{PathRef, mix_chosen},
    socket::{has_states, use_socket},
    task, text, totals,
};

/// `SOCK_STREAM` of `linux/net.h`.
const STREAM: u16 = 1;
/// Bytes of an address that are kept: the longest is that of a unix socket.
pub(super) const ADDRESS_BYTES: u64 = 112;
/// Where the address is that a call was given, beside the numbers of arguments: in several messages, or in one, whose address
/// is the second argument; nowhere.
pub(super) const IN_MESSAGES: u32 = 13;
pub(super) const IN_MESSAGE: u32 = 14;
pub(super) const NOWHERE: u32 = 15;
/// Shift of the argument that is the address, in the number of a call with its ABI.
pub(super) const ADDRESS: u32 = 40;

/// A call on a socket failed, or a request of a ring. Equal attempts are counted in one entry, as those on files are.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn socket_failed(
    start: u64,
    process: u64,
    errno: u64,
    call: u64,
    sk: u64,
) -> i32 {
    let Some(scratch) = scratch() else { return 0 };
    let found = &raw mut (*scratch).file;
    let what = (process >> 32) as u32;
    let mut facts = [0_u16; 4];
    if what == operation::SOCKET || what == operation::SOCKET_PAIR {
        facts[0] = (*found).arguments[0] as u16;
        facts[1] = (*found).arguments[1] as u16 & 0xf;
        facts[2] = (*found).arguments[2] as u16;
    } else {
        let key = use_socket(scratch, start, process, sk, 0);
        let Some(entry) = SOCKETS.get_ptr_mut(&key) else { return 0 };
        let of = &raw const (*entry).facts;
        facts[0] = (*of).family;
        facts[1] = (*of).kind;
        facts[2] = (*of).protocol;
        if has_states(of) {
            // What became of a connection is told by the connection, if there was one.
            let was_none = (*of).flags & FLOW_CONNECTED == 0 && (*of).remote_port == 0;
            if what == operation::RECEIVE || what == operation::SEND && !was_none {
                return 0;
            }
            if what == operation::CONNECT {
                catch_up_with_call(entry, sk, errno as u32);
                if u64::from((*entry).failed) == errno {
                    (*entry).failed = 0;
                    return 0;
                }
            }
        }
        if what == operation::RECEIVE && facts[1] == STREAM {
            return 0;
        }
    }
    let length = take_address(scratch, call);
    let made = u64::from(facts[0])
        | u64::from(facts[1]) << 16
        | u64::from(facts[2]) << 32
        | u64::from(length as u32) << 48;
    (*found).socket = made;
    count_socket_failure(scratch, start, process, errno, call);
    0
}

/// Reads the address that a call was given, the first of several, to where it lies aside. Returns its length.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn take_address(scratch: *mut Scratch, call: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let arguments = (&raw const (*scratch).file.arguments).cast::<u64>();
    let which = opaque(call >> ADDRESS) & 15;
    if which == u64::from(NOWHERE) {
        return 0;
    }
    let (address, length);
    if which < u64::from(IN_MESSAGES) {
        address = *arguments.add(which as usize);
        let given = *arguments.add((opaque(which + 1) & 15) as usize);
        // Of one that receives its length is in memory: as much as an address of IPv6 has.
        length = if given > u64::from(u32::MAX) { 28 } else { given };
    } else if call >> 32 & 0xff == u64::from(ABI_NATIVE) {
        let mut name = [zero(); 2];
        bpf_probe_read_user((&raw mut name).cast(), 16, *arguments.add(1) as *const _);
        address = name[0];
        length = name[1] & 0xffff_ffff;
    } else {
        let mut name = [0_u32; 2];
        bpf_probe_read_user((&raw mut name).cast(), 8, *arguments.add(1) as *const _);
        address = u64::from(name[0]);
        length = u64::from(name[1]);
    }
    let mut length = opaque(length);
    if length > ADDRESS_BYTES {
        length = ADDRESS_BYTES;
    }
    if address == 0 || length < 2 {
        return 0;
    }
    let to = text::aside(&raw mut (*scratch).text).cast();
    if bpf_probe_read_user(to, length as u32, address as *const _) < 0 { 0 } else { length as i32 }
}

/// Counts a failed call, whose address lies aside, and tells the first of its kind.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn count_socket_failure(
    scratch: *mut Scratch,
    start: u64,
    process: u64,
    errno: u64,
    call: u64,
) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let found = &raw mut (*scratch).file;
    let (tgid, what) = (process as u32, (process >> 32) as u32);
    let made = (*found).socket;
    let length = opaque(made >> 48) & 0x7f;
    let hash = mix_chosen(hash_bytes(scratch, length), made);
    (*found).base = PathRef { mnt: zero(), dentry: zero() };
    let now = task::now();
    let key = entries::begin_failure(found, start, tgid, hash, what << 16 | errno as u32 & 0xffff, now);
    let entry = entries::find_or_make(key);
    let new = &raw mut (*found).new;
    let access = if let Some(entry) = entry {
        totals::count_failure(entry, now);
        if (*entry).seen != 0 {
            if now > (*entry).sent_at + ACCESS_INTERVAL_NS {
                file::send_totals(scratch, key, now);
            }
            return 0;
        }
        entries::take_first(entry, new);
        key
    } else {
        // There is no room to count it: it is told by itself.
        entries::count_one(new, now);
        entries::number_of_one(key, now)
    };
    let text = &raw mut (*scratch).text;
    let lost = (*text).lost;
    let record = (&raw mut (*text).bytes).cast::<SocketFailedRecord>();
    let size = size_of::<SocketFailedRecord>() as u32;
    (*record).header = task::header((*new).sent_at, start, tgid, file::tid(), kind::SOCKET_FAILED, size);
    (*record).access = access;
    totals::copy_totals(new, &raw mut (*record).totals);
    entries::clear_totals(new);
    (*record).operation = what;
    (*record).errno = errno as u32;
    (*record).call = call as u32;
    (*record).abi = (call >> 32) as u32 & 0xff;
    (*record).family = made as u16;
    (*record).kind = (made >> 16) as u16;
    (*record).protocol = (made >> 32) as u16;
    (*record).address_length = length as u16;
    let to = (&raw mut (*record).address).cast();
    if length <= ADDRESS_BYTES {
        bpf_probe_read_kernel(to, length as u32, text::aside(text).cast());
    }
    send(scratch, Family::Files, u64::from(size));
    let lost = (*text).lost - lost;
    match entry {
        Some(entry) => totals::sent(entry, lost, now),
        None if lost != 0 => entries::note_full(),
        None => {}
    }
    0
}
