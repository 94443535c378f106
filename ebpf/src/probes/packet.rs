//! Packets of the workload's sockets: counted by the socket that they belong to, in the middle of whatever runs. TCP counts
//! for itself and is asked for its totals now and then. The first bytes of payload are sent where they look like something
//! that names who is talked to.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_get_socket_cookie, bpf_jiffies64, bpf_skb_load_bytes},
};
use glasshouse_common::{
    PacketRecord, kind,
    limits::{BEGINNING_BYTES, DNS_STREAM_BYTES, MIDDLE_PACKET_BYTES, PACKET_BYTES, SMALL_PACKET_BYTES},
    socket::{AF_INET6, FLOW_LISTENS, FLOW_RESUMED, RAW, RECEIVED, SENT},
    state::{CAPTURED, Flow},
};

use crate::{
    emit::{reserve, submit},
    flow::{Ends, LIKELY, UNLIKELY, count_flow, flow_of},
    layout::{Kernel, forget, offset, opaque, zero},
    maps::SOCKETS,
    socket::{SCTP, changed, find_socket, is_tcp, make_socket, take_ends, take_totals},
    task,
};

/// What a program of a control group returns to let a packet pass.
const PASS: i32 = 1;
/// `ETH_P_IP` of `linux/if_ether.h`, in the order of the network.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
/// `IPPROTO_*` of `linux/in.h`.
const ICMP: u16 = 1;
const UDP: u16 = 17;
const ICMPV6: u16 = 58;
const UDPLITE: u16 = 136;
/// Ports of DNS, multicast DNS and link-local multicast name resolution.
const DNS: u16 = 53;
const MDNS: u16 = 5353;
const LLMNR: u16 = 5355;
/// The least that a question of DNS takes.
const DNS_QUESTION: u32 = 17;

/// A packet of a socket of the workload is sent or received: it is attached to both, so that the verifier looks at it once.
/// One that was received knows by which interface.
#[unsafe(no_mangle)]
#[unsafe(link_section = "cgroup_skb/ingress")]
unsafe extern "C" fn packet(context: *mut __sk_buff) -> i32 {
    let direction = if (*context).ingress_ifindex == 0 { SENT } else { RECEIVED };
    // The compiler would make one program of each.
    on_packet(context, forget(u64::from(direction)) as u32);
    PASS
}

#[inline(always)]
unsafe fn on_packet(context: *mut __sk_buff, direction: u32) {
    let cookie = bpf_get_socket_cookie(context.cast());
    let entry = match SOCKETS.get_ptr_mut(&cookie) {
        Some(entry) => entry,
        None => {
            let sk = Kernel(context as u64).follow(offset!(skb_sock));
            let mut key = find_socket(sk.0);
            if key == 0 {
                key = make_socket(sk.0, FLOW_RESUMED);
            }
            match SOCKETS.get_ptr_mut(&key) {
                Some(entry) => entry,
                None => return,
            }
        }
    };
    if is_tcp(&raw const (*entry).facts) {
        if (*entry).facts.flags & FLOW_LISTENS == 0 {
            if *captured(entry, direction) != CAPTURED {
                take_beginning(context, entry, direction);
            }
            on_segment(context, entry);
        }
    } else {
        on_datagram(context, entry, direction);
    }
}

/// How much of the beginning of one direction was looked at.
#[inline(always)]
unsafe fn captured(entry: *mut Flow, direction: u32) -> *mut u32 {
    let captured = (&raw mut (*entry).captured).cast::<u32>();
    if direction == SENT { captured } else { captured.add(1) }
}

/// Length of the network header.
#[inline(always)]
fn network_length(context: *mut __sk_buff) -> u32 {
    let buffer = Kernel(context as u64);
    let network: u16 = buffer.read(offset!(skb_network_header));
    let transport: u16 = buffer.read(offset!(skb_transport_header));
    u32::from(transport.wrapping_sub(network))
}

#[inline(always)]
unsafe fn on_segment(context: *mut __sk_buff, entry: *mut Flow) {
    // Chosen when it was asked for a connection, and known by the first packet.
    if (*entry).facts.local_port == 0 {
        take_ends(entry, Kernel(context as u64).follow(offset!(skb_sock)).0);
    }
    if bpf_jiffies64() != (*entry).ticks {
        let sk = Kernel(context as u64).follow(offset!(skb_sock));
        take_totals(entry, sk.0);
        if (*entry).tgid != 0 {
            changed(entry, task::now());
        }
    }
}

/// Takes what there is of the first bytes of a connection, in one direction. A global function, as those that follow: the
/// verifier looks at each once.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn take_beginning(context: *mut __sk_buff, entry: *mut Flow, direction: u32) -> i32 {
    if entry.is_null() {
        return 0;
    }
    let taken = captured(entry, direction);
    let transport = network_length(context);
    let mut header = [zero() as u32; 4];
    if bpf_skb_load_bytes(context.cast(), transport, (&raw mut header).cast(), 16) < 0 {
        return 0;
    }
    // The fourth word begins with the length of the header, in words of 32 bits.
    let payload = transport + (header[3] >> 2 & 0x3c);
    let whole = (*context).len;
    if whole <= payload {
        return 0;
    }
    let length = whole - payload;
    let is_dns = (*entry).facts.local_port == DNS || (*entry).facts.remote_port == DNS;
    if *taken == 0 && !is_dns {
        let mut first = [0_u8; 4];
        bpf_skb_load_bytes(context.cast(), payload, (&raw mut first).cast(), 1);
        // A TLS handshake, a word in capital letters or the greeting of a client of SMTP, an answer that begins with a
        // number, or the length of a short message of DNS.
        let is_of_interest = matches!(first[0], 0x16 | b'A'..=b'Z' | b'e' | b'h' | b'l' | b'2' | 0..=1);
        if !is_of_interest {
            *taken = CAPTURED;
            return 0;
        }
    }
    let sequence = u32::from_be(header[1]);
    send_payload(context, entry, direction, u64::from(payload) | u64::from(length) << 32, sequence);
    let limit = if is_dns { DNS_STREAM_BYTES } else { BEGINNING_BYTES };
    let sum = (*taken).wrapping_add(length);
    *taken = if sum >= limit || length >= limit { CAPTURED } else { sum };
    0
}

/// Finds the ends of a packet. Returns where its transport header begins; a negative number if it has none.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn find_ends(
    context: *mut __sk_buff,
    socket: *mut Flow,
    ends: *mut Ends,
    direction: u32,
) -> i32 {
    if socket.is_null() || ends.is_null() {
        return -1;
    }
    let facts = &raw const (*socket).facts;
    let mut header = [zero(); 5];
    // Source and destination: two words at the end of the shortest header of IPv4, two of two words of that of IPv6.
    let (source, destination);
    let transport;
    if (*context).protocol == IPV4 {
        // With what follows a short header, if there is so much: the ports, and the beginning of a datagram.
        let whole = (*context).len;
        let taken = if whole >= 40 {
            bpf_skb_load_bytes(context.cast(), 0, (&raw mut header).cast(), 40)
        } else if whole >= 28 {
            bpf_skb_load_bytes(context.cast(), 0, (&raw mut header).cast(), 28)
        } else {
            bpf_skb_load_bytes(context.cast(), 0, (&raw mut header).cast(), 20)
        };
        if taken < 0 {
            return -1;
        }
        transport = (header[0] as u32 & 0xf) << 2;
        if transport == 20 {
            (*ends).ports = (header[2] >> 32) as u32;
            if whole >= 40 {
                (*ends).dns = dns_likelihood((header[3] >> 32) as u32, header[4]);
            }
        }
        let (from, to) = (header[1] >> 32, header[2] & 0xffff_ffff);
        if (*facts).family == AF_INET6 {
            const MAPPED: u64 = 0xffff_0000;
            source = [0, MAPPED | from << 32];
            destination = [0, MAPPED | to << 32];
        } else {
            source = [from, 0];
            destination = [to, 0];
        }
    } else {
        if bpf_skb_load_bytes(context.cast(), 0, (&raw mut header).cast(), 40) < 0 {
            return -1;
        }
        transport = network_length(context);
        source = [header[1], header[2]];
        destination = [header[3], header[4]];
    }
    if direction == SENT {
        (*ends).local = source;
        (*ends).key.remote = destination;
    } else {
        (*ends).local = destination;
        (*ends).key.remote = source;
    }
    transport as i32
}

/// Finds the ports of a packet whose transport header begins there, and how long that is.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn find_ports(
    context: *mut __sk_buff,
    socket: *mut Flow,
    ends: *mut Ends,
    direction: u32,
    at: u32,
) -> i32 {
    if socket.is_null() || ends.is_null() {
        return 0;
    }
    let facts = &raw const (*socket).facts;
    (*ends).local_port = u32::from((*facts).local_port);
    let protocol = (*facts).protocol;
    if (*facts).kind == RAW {
        return 0;
    }
    if !matches!(protocol, UDP | UDPLITE | SCTP) {
        (*ends).header = if matches!(protocol, ICMP | ICMPV6) { 8 } else { 0 };
        return 0;
    }
    (*ends).header = if protocol == SCTP { 12 } else { 8 };
    let mut ports = (*ends).ports;
    if ports == 0 && bpf_skb_load_bytes(context.cast(), at, (&raw mut ports).cast(), 4) < 0 {
        return 0;
    }
    let (source, destination) = (u16::from_be(ports as u16), u16::from_be((ports >> 16) as u16));
    (*ends).local_port = u32::from(if direction == SENT { source } else { destination });
    (*ends).key.port = u64::from(if direction == SENT { destination } else { source });
    0
}

/// A packet of a protocol without connections, or of one whose packets the process makes itself.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn on_datagram(context: *mut __sk_buff, socket: *mut Flow, direction: u32) -> i32 {
    if socket.is_null() {
        return 0;
    }
    let mut ends = Ends::nothing();
    let transport = find_ends(context, socket, &raw mut ends, direction);
    if transport < 0 {
        return 0;
    }
    find_ports(context, socket, &raw mut ends, direction, transport as u32);
    let payload = opaque(u64::from(transport as u32 + ends.header)) as u32;
    let whole = (*context).len;
    let length = if whole > payload { opaque(u64::from(whole - payload)) as u32 } else { 0 };
    let segments = (*context).gso_segs;
    let packets = if segments == 0 { 1 } else { segments };
    let now = task::now();
    let Some(flow) = flow_of(socket, &mut ends, now) else { return 0 };
    let local = (&raw mut (*flow).facts.local).cast::<u64>();
    local.write_volatile(ends.local[0]);
    local.add(1).write_volatile(ends.local[1]);
    (*flow).facts.local_port = ends.local_port as u16;
    count_flow(flow, direction, u64::from(length), u64::from(packets), now);
    let facts = &raw const (*socket).facts;
    if length >= DNS_QUESTION && (*facts).kind != RAW && matches!((*facts).protocol, UDP | UDPLITE) {
        let is_port = |port: u16| matches!(port, DNS | MDNS | LLMNR);
        if is_port(ends.local_port as u16)
            || is_port(ends.key.port as u16)
            || ends.dns == LIKELY
            || ends.dns == 0 && may_be_dns(context, payload) != 0
        {
            send_payload(context, flow, direction, u64::from(payload) | u64::from(length) << 32, 0);
        }
    }
    0
}

/// Whether what begins here may be a message of DNS with one question.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn may_be_dns(context: *mut __sk_buff, at: u32) -> i32 {
    // In the upper half of the first word and in the second, so that the helper finds them side by side.
    let mut header = [zero(); 2];
    let to = (&raw mut header).cast::<u8>().add(4);
    if bpf_skb_load_bytes(context.cast(), at, to.cast(), 12) < 0 {
        return 0;
    }
    i32::from(dns_likelihood((header[0] >> 32) as u32, header[1]) == LIKELY)
}

/// Whether this is the header of a message of DNS with one question: opcode and reserved bits are 0, the number of questions
/// is 1, those of records are small.
#[inline(always)]
fn dns_likelihood(beginning: u32, counts: u64) -> u32 {
    let is_likely = beginning & 0x4078_0000 == 0 && counts & 0xfcff_00ff_00ff_ffff == 0x0100;
    if is_likely { LIKELY } else { UNLIKELY }
}

/// A packet's record with room for so many bytes.
#[repr(C)]
struct Packet<const BYTES: usize> {
    record: PacketRecord,
    bytes: [u8; BYTES],
}

/// Sends the beginning of a packet's payload, which lies at the lower half of `place` and has the length of the upper.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_payload(
    context: *mut __sk_buff,
    entry: *mut Flow,
    direction: u32,
    place: u64,
    sequence: u32,
) -> i32 {
    if entry.is_null() {
        return 0;
    }
    if place >> 32 <= u64::from(SMALL_PACKET_BYTES) {
        send_bytes::<{ SMALL_PACKET_BYTES as usize }>(context, entry, direction, place, sequence);
    } else if place >> 32 <= u64::from(MIDDLE_PACKET_BYTES) {
        send_bytes::<{ MIDDLE_PACKET_BYTES as usize }>(context, entry, direction, place, sequence);
    } else {
        send_bytes::<{ PACKET_BYTES as usize }>(context, entry, direction, place, sequence);
    }
    0
}

#[inline(always)]
unsafe fn send_bytes<const BYTES: usize>(
    context: *mut __sk_buff,
    entry: *mut Flow,
    direction: u32,
    place: u64,
    sequence: u32,
) {
    let (payload, whole) = (place as u32, (place >> 32) as u32);
    let Some(mut room) = reserve::<Packet<BYTES>>() else { return };
    let packet = room.as_mut_ptr();
    let record = &raw mut (*packet).record;
    let facts = &raw const (*entry).facts;
    let size = size_of::<Packet<BYTES>>() as u32;
    let mut length = opaque(u64::from(whole));
    if length > BYTES as u64 {
        length = BYTES as u64;
    }
    (*record).header = task::header(task::now(), (*entry).start, (*entry).tgid, 0, kind::PACKET, size);
    (*record).flow = (*facts).flow;
    (*record).socket = (*facts).socket;
    let (from, to) = ((&raw const (*facts).local).cast::<u64>(), (&raw mut (*record).local).cast::<u64>());
    to.write_volatile(from.read_volatile());
    to.add(1).write_volatile(from.add(1).read_volatile());
    let (from, to) = ((&raw const (*facts).remote).cast::<u64>(), (&raw mut (*record).remote).cast::<u64>());
    to.write_volatile(from.read_volatile());
    to.add(1).write_volatile(from.add(1).read_volatile());
    (*record).local_port = (*facts).local_port;
    (*record).remote_port = (*facts).remote_port;
    (*record).family = (*facts).family;
    (*record).protocol = (*facts).protocol;
    (*record).sequence = sequence;
    (*record).direction = direction;
    (*record).total = whole;
    (*record).reserved = 0;
    let bytes = (&raw mut (*packet).bytes).cast();
    // Between 1 and BYTES, a power of two: the helper takes no other length, and the verifier wants to see that.
    length = (opaque(length.wrapping_sub(1)) & (BYTES as u64 - 1)) + 1;
    let is_read = whole > 0 && bpf_skb_load_bytes(context.cast(), payload, bytes, length as u32) == 0;
    (*record).length = if is_read { length as u32 } else { 0 };
    submit(room);
}
