//! Made-up events of sockets.

use super::{Run, event, file_totals};
use crate::event::*;

pub(crate) const CONNECT: Syscall = Syscall { abi: Abi::Native, number: 60_042 };

/// An end of a connection.
pub(crate) fn end(address: &str, port: u16) -> Endpoint {
    Endpoint { address: address.parse().unwrap_or_else(|_| unreachable!()), port: Some(port) }
}

/// A TCP connection from port 40000 + `socket` of 10.0.0.1 to port 443 of `remote`, which was asked for at `at`.
pub(crate) fn tcp(flow: FlowId, socket: SocketId, remote: &str, at: BootNs) -> Flow {
    Flow {
        flow,
        socket,
        listener: None,
        inode: Some(1_000 + socket),
        family: if remote.contains(':') { 10 } else { 2 },
        kind: 1,
        protocol: 6,
        local: Some(end("10.0.0.1", 40_000_u16.wrapping_add(socket as u16))),
        remote: Some(end(remote, 443)),
        direction: Some(Direction::Outbound),
        origin: Some(SocketOrigin::Created),
        state: Some(TcpState::SynSent),
        entered: vec![(TcpState::SynSent, at)],
        error: None,
        network_namespace: 4_026_531_840,
        backlog: None,
        totals: FlowTotals { first_at: at, last_at: at, ..FlowTotals::default() },
        ended: false,
        resumed: false,
        absolute: true,
        by_calls: false,
        bound: false,
        listens: false,
        connected: true,
    }
}

/// The same, established a moment later and closed at `closed`.
pub(crate) fn tcp_closed(
    flow: FlowId,
    socket: SocketId,
    remote: &str,
    (at, closed): (BootNs, BootNs),
    (sent, received): (u64, u64),
) -> Flow {
    let opened = tcp(flow, socket, remote, at);
    Flow {
        state: Some(TcpState::Close),
        entered: vec![
            (TcpState::Established, at + 1),
            (TcpState::SynSent, at),
            (TcpState::FinWait1, closed - 1),
            (TcpState::Close, closed),
        ],
        totals: FlowTotals {
            bytes_sent: sent,
            bytes_received: received,
            packets_sent: 3,
            packets_received: 4,
            first_at: at,
            last_at: closed,
        },
        ended: true,
        ..opened
    }
}

/// A UDP socket's datagrams to and from port 53 of `remote`.
pub(crate) fn udp(flow: FlowId, socket: SocketId, remote: &str, at: BootNs, packets: (u64, u64)) -> Flow {
    Flow {
        kind: 2,
        protocol: 17,
        remote: Some(end(remote, 53)),
        state: None,
        entered: Vec::new(),
        totals: FlowTotals {
            bytes_sent: packets.0 * 30,
            bytes_received: packets.1 * 50,
            packets_sent: packets.0,
            packets_received: packets.1,
            first_at: at,
            last_at: at,
        },
        absolute: false,
        connected: false,
        ..tcp(flow, socket, remote, at)
    }
}

/// A socket that listens on a port.
pub(crate) fn listener(flow: FlowId, socket: SocketId, port: u16, at: BootNs) -> Flow {
    Flow {
        local: Some(end("0.0.0.0", port)),
        remote: None,
        direction: None,
        state: Some(TcpState::Listen),
        entered: vec![(TcpState::Listen, at)],
        backlog: Some(128),
        bound: true,
        listens: true,
        connected: false,
        ..tcp(flow, socket, "0.0.0.0", at)
    }
}

pub(crate) fn flow(flow: Flow) -> EventKind {
    EventKind::Flow(Box::new(flow))
}

pub(crate) fn socket_used(socket: SocketId, origin: SocketOrigin) -> EventKind {
    EventKind::SocketUsed(SocketUsed { socket, origin })
}

pub(crate) fn unix_socket(socket: SocketId, operation: SocketOperation, name: Option<&[u8]>) -> UnixSocket {
    UnixSocket {
        socket,
        inode: 2_000 + socket,
        operation,
        kind: 1,
        origin: SocketOrigin::Created,
        listener: None,
        name: name.map(<[u8]>::to_vec),
        name_is_peers: matches!(operation, SocketOperation::Connect | SocketOperation::Send),
        name_is_argument: operation == SocketOperation::Send,
        path: None,
        peer_pid: None,
        peer: None,
        backlog: None,
    }
}

pub(crate) fn unix(socket: UnixSocket) -> EventKind {
    EventKind::UnixSocket(Box::new(socket))
}

/// A connect that failed.
pub(crate) fn socket_failed(
    access: AccessId,
    address: SocketAddress,
    errno: i32,
    failures: u64,
) -> EventKind {
    EventKind::SocketFailed(Box::new(SocketFailed {
        access,
        totals: AccessTotals { failures, ..AccessTotals::default() },
        operation: SocketOperation::Connect,
        errno,
        call: CONNECT,
        family: if matches!(address, SocketAddress::Unix(_)) { 1 } else { 2 },
        kind: 1,
        protocol: 0,
        address: Some(address),
    }))
}

/// A packet's payload, of a flow as [`udp`] or [`tcp`] make it.
pub(crate) fn payload(of: &Flow, sent: bool, sequence: u32, bytes: &[u8]) -> EventKind {
    EventKind::Payload(Box::new(Payload {
        flow: of.flow,
        socket: of.socket,
        protocol: of.protocol,
        local: of.local,
        remote: of.remote,
        sent,
        sequence,
        total: bytes.len() as u32,
        bytes: bytes.to_vec(),
    }))
}

impl Run {
    /// A step with one of a few sockets.
    pub(super) fn network_step(&mut self, at: BootNs, step: u8, choice: u8, process: ProcessKey) {
        let number = at / 50 * 4 + u64::from(choice);
        let failing = 2_000_000 + number;
        let remotes = ["10.0.0.2", "10.0.0.3", "::ffff:10.0.0.2", "fe80::1"];
        let remote = remotes[choice as usize];
        let nobody = if choice == 3 { ProcessKey::NOBODY } else { process };
        let network_ring = &mut self.network_ring;
        let (list, process, kind) = match step {
            16 => (network_ring, nobody, flow(tcp(number, number % 8, remote, at))),
            17 => (network_ring, nobody, flow(tcp_closed(number, number % 8, remote, (at, at + 5), (at, 2)))),
            18 => (network_ring, process, socket_used(number % 8, SocketOrigin::Received)),
            19 => {
                let name: &[u8] = if choice < 2 { b"/run/x" } else { b"\0x" };
                (network_ring, process, unix(unix_socket(number, SocketOperation::Connect, Some(name))))
            }
            20 => {
                let address = SocketAddress::Internet(end(remote, 443));
                (&mut self.file_ring, process, socket_failed(failing, address, 111, at))
            }
            _ => {
                let totals = AccessTotals { failures: at, last_at: at, ..AccessTotals::default() };
                (&mut self.anywhere, process, file_totals(failing - 1, totals))
            }
        };
        list.push(event(at, process, kind));
    }
}
