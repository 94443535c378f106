//! Events about sockets.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use glasshouse_common::{
    FlowFacts, FlowRecord, Header, PacketRecord, SocketFailedRecord, SocketUsedRecord, UnixRecord, kind,
    operation,
    socket::{self, AF_INET, AF_INET6, AF_UNIX, RAW},
};
use zerocopy::IntoBytes as _;

use super::{
    arguments::join_argument,
    files::totals,
    syscall,
    texts::{Text, Texts, resolved_path},
};
use crate::event::{
    Direction, Endpoint, EventKind, Flow, FlowTotals, Observed, Payload, ProcessKey, SocketAddress,
    SocketFailed, SocketOperation, SocketOrigin, SocketUsed, TcpState, UnixSocket,
};

/// `IPPROTO_*` of `linux/in.h` that have ports.
const PORTS: [u16; 5] = [6, 17, 132, 136, 262];
/// Bytes of a path in the address of a unix socket.
const PATH_BYTES: usize = 108;

/// An end of a socket; `None` of a family without addresses.
fn endpoint(family: u16, address: &[u8; 16], port: Option<u16>) -> Option<Endpoint> {
    let address = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*address)),
        _ => return None,
    };
    Some(Endpoint { address, port })
}

/// The two ends of a socket, of which the peer's may be none.
fn ends(
    family: u16,
    has_ports: bool,
    (local, local_port): (&[u8; 16], u16),
    (remote, remote_port): (&[u8; 16], u16),
) -> (Option<Endpoint>, Option<Endpoint>) {
    let port = |port| has_ports.then_some(port);
    let is_connected = remote_port != 0 || remote.iter().any(|byte| *byte != 0);
    (
        endpoint(family, local, port(local_port)),
        endpoint(family, remote, port(remote_port)).filter(|_| is_connected),
    )
}

fn has_ports(protocol: u16, kind: u16) -> bool {
    kind != RAW && PORTS.contains(&protocol)
}

fn origin(code: u16) -> Option<SocketOrigin> {
    match code {
        socket::ORIGIN_CREATED => Some(SocketOrigin::Created),
        socket::ORIGIN_ACCEPTED => Some(SocketOrigin::Accepted),
        socket::ORIGIN_INHERITED => Some(SocketOrigin::Inherited),
        socket::ORIGIN_RECEIVED => Some(SocketOrigin::Received),
        _ => None,
    }
}

fn known(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

/// The header of a flow's record. Where another CPU has just said whose the socket is, a machine may show it as a process
/// without a start, which there is none of: then it is nobody's by now, and a later record says whose.
pub(super) fn owned(header: &Header) -> Header {
    Header { tgid: if header.start == 0 { 0 } else { header.tgid }, ..*header }
}

pub(super) fn flow(record: &FlowRecord) -> EventKind {
    flow_of(&record.facts)
}

/// What is known of a flow, from the kernel side's own entry of it.
pub(in crate::observe) fn flow_of(facts: &FlowFacts) -> EventKind {
    let (local, remote) = ends(
        facts.family,
        has_ports(facts.protocol, facts.kind),
        (&facts.local, facts.local_port),
        (&facts.remote, facts.remote_port),
    );
    let has = |flag: u32| facts.flags & flag != 0;
    let is_listening = has(socket::FLOW_LISTENS);
    let state = |number: usize| number.checked_sub(1).and_then(|index| TcpState::ALL.get(index)).copied();
    let entered = facts.entered.iter().enumerate().filter(|(_, at)| **at != 0);
    EventKind::Flow(Box::new(Flow {
        flow: facts.flow,
        socket: facts.socket,
        listener: known(facts.listener),
        inode: known(facts.inode),
        family: facts.family,
        kind: facts.kind,
        protocol: facts.protocol,
        local,
        remote: remote.filter(|_| !is_listening),
        direction: match facts.direction {
            socket::OUTBOUND => Some(Direction::Outbound),
            socket::INBOUND => Some(Direction::Inbound),
            _ => None,
        },
        origin: origin(facts.origin),
        state: state(usize::from(facts.state)),
        entered: entered.filter_map(|(number, at)| state(number).map(|state| (state, *at))).collect(),
        error: (facts.error != 0).then_some(facts.error as i32),
        network_namespace: facts.network_namespace,
        backlog: is_listening.then_some(facts.backlog),
        totals: FlowTotals {
            bytes_sent: facts.bytes_sent,
            bytes_received: facts.bytes_received,
            packets_sent: facts.packets_sent,
            packets_received: facts.packets_received,
            first_at: facts.first_at,
            last_at: facts.last_at,
        },
        ended: has(socket::FLOW_ENDED),
        resumed: has(socket::FLOW_RESUMED),
        absolute: has(socket::FLOW_ABSOLUTE),
        by_calls: has(socket::FLOW_BY_CALLS),
        bound: has(socket::FLOW_BOUND),
        listens: is_listening,
        connected: has(socket::FLOW_CONNECTED),
    }))
}

pub(super) fn used(record: &SocketUsedRecord) -> EventKind {
    let origin = origin(record.origin as u16).unwrap_or(SocketOrigin::Received);
    EventKind::SocketUsed(SocketUsed { socket: record.socket, origin })
}

fn operation_of(code: u32) -> SocketOperation {
    match code {
        operation::SOCKET => SocketOperation::Create,
        operation::SOCKET_PAIR => SocketOperation::CreatePair,
        operation::CONNECT => SocketOperation::Connect,
        operation::BIND => SocketOperation::Bind,
        operation::LISTEN => SocketOperation::Listen,
        operation::ACCEPT => SocketOperation::Accept,
        operation::SEND | operation::WRITE => SocketOperation::Send,
        operation::RECEIVE | operation::READ => SocketOperation::Receive,
        _ => SocketOperation::Use,
    }
}

/// The name in an address of a unix socket, without the NULs behind a path. An abstract name has one before it, and may
/// hold more.
fn unix_name(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.first()? {
        0 => Some(bytes.to_vec()),
        _ => bytes.split(|byte| *byte == 0).next().map(<[u8]>::to_vec),
    }
}

pub(super) fn unix(record: &UnixRecord, texts: &mut Texts) -> EventKind {
    let name = record.name.as_bytes();
    let name = name.get(..usize::from(record.name_length)).unwrap_or(name);
    let name = unix_name(name);
    let has = |flag: u16| record.flags & flag != 0;
    let path = has(socket::UNIX_PATH).then(|| texts.remove(kind::TEXT_SOCKET_PATH));
    let path = match (&name, path) {
        (Some(name), Some(base)) if has(socket::UNIX_ARGUMENT) => {
            let total = name.len() as u32;
            Some(join_argument(
                Some(base),
                Some(Text { bytes: name.clone(), total, ..Text::default() }),
                false,
            ))
        }
        (_, path) => path.map(resolved_path),
    };
    EventKind::UnixSocket(Box::new(UnixSocket {
        socket: record.socket,
        inode: record.inode,
        operation: operation_of(record.operation),
        kind: record.kind,
        origin: origin(record.origin).unwrap_or(SocketOrigin::Received),
        listener: known(record.listener),
        name,
        name_is_peers: has(socket::UNIX_PEER_NAME),
        name_is_argument: has(socket::UNIX_ARGUMENT),
        path,
        peer_pid: (record.peer_tgid != 0).then_some(record.peer_tgid),
        peer: (record.peer_start != 0)
            .then_some(ProcessKey { start: record.peer_start, tgid: record.peer_tgid }),
        backlog: (record.operation == operation::LISTEN).then_some(record.backlog),
    }))
}

pub(super) fn failed(record: &SocketFailedRecord) -> EventKind {
    let address = record.address.as_bytes();
    let address = address.get(..usize::from(record.address_length)).unwrap_or(address);
    EventKind::SocketFailed(Box::new(SocketFailed {
        access: record.access,
        totals: totals(&record.totals),
        operation: operation_of(record.operation),
        errno: record.errno as i32,
        call: syscall(record.abi, record.call),
        family: record.family,
        kind: record.kind,
        protocol: record.protocol,
        address: (!address.is_empty())
            .then(|| socket_address(address, has_ports(record.protocol, record.kind))),
    }))
}

/// An address as programs give it, `struct sockaddr_*` of `linux/in.h`, `linux/in6.h` and `linux/un.h`.
fn socket_address(bytes: &[u8], has_ports: bool) -> SocketAddress {
    let family = bytes.first_chunk::<2>().map_or(0, |family| u16::from_ne_bytes(*family));
    let port = bytes.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]])).filter(|_| has_ports);
    match family {
        AF_INET => match bytes.get(4..8) {
            Some(address) => SocketAddress::Internet(Endpoint {
                address: IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
                port,
            }),
            None => SocketAddress::Other,
        },
        AF_INET6 => match bytes.get(8..24).and_then(<[u8]>::first_chunk::<16>) {
            Some(address) => {
                SocketAddress::Internet(Endpoint { address: IpAddr::V6(Ipv6Addr::from(*address)), port })
            }
            None => SocketAddress::Other,
        },
        AF_UNIX => match bytes.get(2..).and_then(unix_name) {
            Some(name) if name.len() > PATH_BYTES => SocketAddress::Unix(Observed::Truncated {
                length: name.len() as u64,
                value: name[..PATH_BYTES].to_vec(),
            }),
            Some(name) => SocketAddress::Unix(Observed::Complete(name)),
            None => SocketAddress::Other,
        },
        _ => SocketAddress::Other,
    }
}

pub(super) fn payload(record: &PacketRecord, bytes: &[u8]) -> EventKind {
    let (local, remote) = ends(
        record.family,
        has_ports(record.protocol, 0),
        (&record.local, record.local_port),
        (&record.remote, record.remote_port),
    );
    EventKind::Payload(Box::new(Payload {
        flow: record.flow,
        socket: record.socket,
        protocol: record.protocol,
        local,
        remote,
        sent: record.direction == socket::SENT,
        sequence: record.sequence,
        total: record.total,
        bytes: bytes.to_vec(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_start_owns_nothing() {
        let header = Header { at: 5, start: 7, tgid: 100, tid: 0, kind: kind::FLOW, size: 0 };
        assert_eq!((owned(&header).start, owned(&header).tgid), (7, 100));
        assert_eq!(owned(&Header { start: 0, ..header }).tgid, 0);
    }

    #[test]
    fn addresses_of_calls_are_read() {
        let mut inet = vec![2, 0, 0x1f, 0x90, 127, 0, 0, 1];
        inet.resize(16, 0);
        let expected = Endpoint { address: IpAddr::from([127, 0, 0, 1]), port: Some(8080) };
        assert_eq!(socket_address(&inet, true), SocketAddress::Internet(expected));
        assert_eq!(socket_address(&[2, 0, 1], true), SocketAddress::Other);
        let path = [&[1, 0][..], b"/run/x\0garbage"].concat();
        assert_eq!(socket_address(&path, true), SocketAddress::Unix(Observed::Complete(b"/run/x".to_vec())));
        let hidden = [&[1, 0][..], b"\0x\0y"].concat();
        assert_eq!(
            socket_address(&hidden, true),
            SocketAddress::Unix(Observed::Complete(b"\0x\0y".to_vec()))
        );
    }

    #[test]
    fn a_socket_without_a_peer_has_none() {
        let facts = FlowFacts { family: AF_INET6, protocol: 17, local_port: 53, ..FlowFacts::default() };
        let EventKind::Flow(flow) = flow_of(&facts) else { panic!("no flow") };
        assert_eq!(flow.remote, None);
        assert_eq!(flow.local, Some(Endpoint { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port: Some(53) }));
    }
}
