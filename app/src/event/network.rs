//! What is known of sockets and of what goes through them.

use core::net::IpAddr;

/// Families of sockets (`AF_*`) that have events of their own kind.
pub use glasshouse_common::socket::{AF_INET, AF_INET6, AF_UNIX};

use super::{AccessId, AccessTotals, BootNs, Observed, ProcessKey, ResolvedPath, Syscall};

/// A socket, as the kernel side numbers it. Never used twice in a run.
pub type SocketId = u64;

/// What one socket and one peer exchange, as the kernel side numbers it. Never used twice in a run.
pub type FlowId = u64;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// As the socket has it: an IPv4 address on an IPv6 socket is `::ffff:…`.
    pub address: IpAddr,
    /// Absent where the protocol has none; 0 is none yet.
    pub port: Option<u16>,
}

/// Everything that is known of a flow by now. A later one of the same number replaces it.
///
/// Its event's process made or accepted the socket; [`ProcessKey::NOBODY`] until that is known. One that listens, or is
/// only bound, is a flow without a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its number.
    pub flow: FlowId,
    /// Its socket.
    pub socket: SocketId,
    /// The socket that it was accepted on.
    pub listener: Option<SocketId>,
    /// Inode number of the socket, `socket:[N]` in `/proc/PID/fd`.
    pub inode: Option<u64>,
    /// `AF_*`: 2 and 10 are those with addresses.
    pub family: u16,
    /// `SOCK_*`.
    pub kind: u16,
    /// `IPPROTO_*`; of other families, their own number.
    pub protocol: u16,
    /// The socket's own end.
    pub local: Option<Endpoint>,
    /// The peer.
    pub remote: Option<Endpoint>,
    /// Who began it.
    pub direction: Option<Direction>,
    /// How the process came to have the socket.
    pub origin: Option<SocketOrigin>,
    /// State of TCP or SCTP.
    pub state: Option<TcpState>,
    /// When each state was entered, in the order of the states' numbers.
    pub entered: Vec<(TcpState, BootNs)>,
    /// Positive errno that the connection ended with.
    pub error: Option<i32>,
    /// Inode number of the network namespace.
    pub network_namespace: u32,
    /// Backlog of a socket that listens.
    pub backlog: Option<u32>,
    /// What went through.
    pub totals: FlowTotals,
    /// It is over; nothing more comes under this number.
    pub ended: bool,
    /// The socket was in use before it was noticed, or made room for others and came back.
    pub resumed: bool,
    /// The totals are the transport's own, of the whole connection; else they are sums under this number alone.
    pub absolute: bool,
    /// Bytes are those of calls, packets are not counted.
    pub by_calls: bool,
    /// Its owner has bound it.
    pub bound: bool,
    /// It listens.
    pub listens: bool,
    /// It was connected.
    pub connected: bool,
}

/// What went through a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FlowTotals {
    /// Bytes of payload sent.
    pub bytes_sent: u64,
    /// Bytes of payload received.
    pub bytes_received: u64,
    /// Packets sent, by segments.
    pub packets_sent: u64,
    /// Packets received, by segments.
    pub packets_received: u64,
    /// When it began, or was noticed.
    pub first_at: BootNs,
    /// The last packet or change.
    pub last_at: BootNs,
}

/// Who began a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The socket's owner.
    Outbound,
    /// The peer.
    Inbound,
}

/// How a process came to have a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketOrigin {
    /// It made it.
    Created,
    /// It accepted it on another.
    Accepted,
    /// The command had it open when observation started.
    Inherited,
    /// It used one that it had not made itself: kept over a fork, or received from another process.
    Received,
}

/// States of TCP (`net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TcpState {
    /// Data can flow.
    Established = 1,
    /// Asked for; no answer yet.
    SynSent = 2,
    /// Asked for by the peer.
    SynReceived = 3,
    /// Closed by its owner.
    FinWait1 = 4,
    /// The same, and acknowledged.
    FinWait2 = 5,
    /// Over, and kept for what is late.
    TimeWait = 6,
    /// No connection.
    Close = 7,
    /// Closed by the peer.
    CloseWait = 8,
    /// Closed by both; the last acknowledgement is awaited.
    LastAck = 9,
    /// Listening.
    Listen = 10,
    /// Closed by both at once.
    Closing = 11,
    /// Asked for by the peer; a request yet.
    NewSynReceived = 12,
}

impl TcpState {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynReceived,
    ];
}

/// A further process uses a socket; its event's process is that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketUsed {
    /// Which socket.
    pub socket: SocketId,
    /// How it came to have it.
    pub origin: SocketOrigin,
}

/// What is done with a socket by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketOperation {
    /// Made.
    Create,
    /// Made together with the one that it is connected to.
    CreatePair,
    /// Connected.
    Connect,
    /// Given an address.
    Bind,
    /// Made to listen.
    Listen,
    /// Accepted.
    Accept,
    /// Sent through.
    Send,
    /// Received through.
    Receive,
    /// Used otherwise.
    Use,
}

/// A unix socket was given a name, connected, accepted or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Which socket.
    pub socket: SocketId,
    /// Inode number of the socket.
    pub inode: u64,
    /// What was done.
    pub operation: SocketOperation,
    /// `SOCK_*`.
    pub kind: u16,
    /// How the process came to have it.
    pub origin: SocketOrigin,
    /// The socket that it was accepted on.
    pub listener: Option<SocketId>,
    /// The address as it was bound: a path, or with a NUL before it an abstract name; of a socket without one, absent.
    pub name: Option<Vec<u8>>,
    /// The name is the peer's, and not its own.
    pub name_is_peers: bool,
    /// The name is the one that a call was given to send to, as the caller's memory had it; else it is the kernel's.
    pub name_is_argument: bool,
    /// The file that the address leads to, where it is a path.
    pub path: Option<ResolvedPath>,
    /// The peer's process id in the initial namespace, as the kernel noted it when the two were connected.
    pub peer_pid: Option<u32>,
    /// The peer's process, if it is observed.
    pub peer: Option<ProcessKey>,
    /// Backlog of a socket that listens.
    pub backlog: Option<u32>,
}

/// Calls on sockets that failed alike; how often they did is in totals that come under their number
/// ([`super::FileTotals`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFailed {
    /// Their number.
    pub access: AccessId,
    /// Totals so far.
    pub totals: AccessTotals,
    /// What was tried.
    pub operation: SocketOperation,
    /// Positive errno.
    pub errno: i32,
    /// The call.
    pub call: Syscall,
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`; 0 if it is not known.
    pub kind: u16,
    /// `IPPROTO_*`; 0 if it is not known.
    pub protocol: u16,
    /// Which address was asked for, as the caller's memory had it.
    pub address: Option<SocketAddress>,
}

/// The address that a call was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// IPv4 or IPv6.
    Internet(Endpoint),
    /// Unix: a path, or with a NUL before it an abstract name.
    Unix(Observed<Vec<u8>>),
    /// Another family's, or none that could be read.
    Other,
}

/// The beginning of a packet's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Which flow.
    pub flow: FlowId,
    /// Which socket.
    pub socket: SocketId,
    /// `IPPROTO_*`.
    pub protocol: u16,
    /// The socket's own end.
    pub local: Option<Endpoint>,
    /// The peer.
    pub remote: Option<Endpoint>,
    /// Out of the socket; else into it.
    pub sent: bool,
    /// Sequence number of its first byte, of TCP.
    pub sequence: u32,
    /// Bytes of the whole payload.
    pub total: u32,
    /// What was kept of it.
    pub bytes: Vec<u8>,
}

/// A DNS message that was sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsMessage {
    /// Which flow.
    pub flow: FlowId,
    /// Which socket.
    pub socket: SocketId,
    /// The socket's own end.
    pub local: Option<Endpoint>,
    /// The peer.
    pub remote: Option<Endpoint>,
    /// Out of the socket; else into it.
    pub sent: bool,
    /// How it travelled.
    pub transport: DnsTransport,
    /// Its id, by which an answer finds its question.
    pub id: u16,
    /// It answers; else it asks.
    pub is_response: bool,
    /// Code of a response, with the upper bits that EDNS adds.
    pub rcode: u16,
    /// What is asked for.
    pub questions: Vec<DnsQuestion>,
    /// The records of the answer section.
    pub answers: Vec<DnsRecord>,
}

/// How a DNS message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DnsTransport {
    /// In a datagram.
    Udp,
    /// In a stream.
    Tcp,
    /// Multicast DNS (RFC 6762).
    Mdns,
    /// Link-local multicast name resolution (RFC 4795).
    Llmnr,
}

impl DnsTransport {
    /// Whether everybody may answer.
    pub fn is_multicast(self) -> bool {
        matches!(self, Self::Mdns | Self::Llmnr)
    }
}

/// What a DNS message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The name, as in zone files.
    pub name: Vec<u8>,
    /// Number of the record type.
    pub kind: u16,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// Whose record it is, as in zone files.
    pub name: Vec<u8>,
    /// Number of its type.
    pub kind: u16,
    /// How long it holds, s.
    pub ttl: u32,
    /// What it says.
    pub value: DnsRecordValue,
}

/// What a record of an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsRecordValue {
    /// An address.
    Address(IpAddr),
    /// Another name.
    Name(Vec<u8>),
    /// Something that is not kept.
    Other,
}

/// What the first bytes of a connection said so far. A later one of the same flow replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Said {
    /// Which flow.
    pub flow: FlowId,
    /// A TLS ClientHello.
    pub tls: Option<SaidTls>,
    /// A request of HTTP/1, or the preface of HTTP/2.
    pub http: Option<SaidHttp>,
    /// The identification line of SSH that the socket sent.
    pub ssh_sent: Option<Vec<u8>>,
    /// The one that it received.
    pub ssh_received: Option<Vec<u8>>,
    /// The first line of an SMTP server, without its code.
    pub smtp_greeting: Option<Vec<u8>>,
    /// How an SMTP client calls itself.
    pub smtp_helo: Option<Vec<u8>>,
}

/// A ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidTls {
    /// Whom the client wants.
    pub sni: Option<Vec<u8>>,
    /// Protocols that it offers.
    pub alpn: Vec<Vec<u8>>,
    /// Versions that it offers.
    pub versions: Vec<u16>,
    /// Fingerprint of the client, if all that it is made of was seen.
    pub ja4: Option<Vec<u8>>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidHttp {
    /// The method; `PRI` of HTTP/2.
    pub method: Vec<u8>,
    /// The target. How long one is that was cut is not known: longer than what there is.
    pub target: Option<Observed<Vec<u8>>>,
    /// The host.
    pub host: Option<Vec<u8>>,
    /// The version, if the end of the first line was seen.
    pub version: Option<HttpVersion>,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    Http11,
    /// `HTTP/2`.
    Http2,
}
