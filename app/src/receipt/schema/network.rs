//! Connections and listeners in the receipt.

use std::{borrow::Cow, sync::Arc};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Bytes, DnsQuery, FailedSocketCall, Ip, Milliseconds, OtherSocket, Reason, Timestamp, UnixSocket, Value,
};

/// A name from a table, or a number where the table has none.
pub type Name = Cow<'static, str>;

/// Sockets: who was connected to whom, what names were asked for, what was tried in vain.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Network {
    /// Bytes of payload sent by all connections.
    pub bytes_sent: u64,
    /// Bytes of payload received by all connections.
    pub bytes_received: u64,
    /// What a socket and one peer had to do with each other, attempts that failed included, in the order in which they
    /// were opened.
    pub connections: Vec<Connection>,
    /// Sockets that wait for peers: that listen, or that are bound to an address, in order of time.
    pub listeners: Vec<Listener>,
    /// Calls on sockets that failed and are no connection, in order of time.
    pub failed: Vec<FailedSocketCall>,
    /// Questions to name servers, in order of time.
    pub dns: Vec<DnsQuery>,
    /// Unix sockets, by socket, process and name, in order of time.
    pub unix_sockets: Vec<UnixSocket>,
    /// Sockets of other families, by family, type, protocol and process.
    pub other_sockets: Vec<OtherSocket>,
}

impl Network {
    /// How many entries its lists have together.
    pub(super) fn entries(&self) -> usize {
        let sockets = self.connections.len() + self.listeners.len() + self.unix_sockets.len();
        sockets + self.failed.len() + self.dns.len() + self.other_sockets.len()
    }
}

/// A connection, an attempt at one, or datagrams to and from one peer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Connection {
    /// What the rest of the document refers to.
    pub id: u64,
    /// "tcp", "udp", "udplite", "sctp", "icmp", "icmpv6", "mptcp", or "ipproto_N".
    pub protocol: Name,
    /// "stream", "dgram", "raw", "seqpacket", …
    pub socket_type: Name,
    /// Who began it.
    pub direction: Option<Direction>,
    /// Why `direction` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction_reason: Option<Reason>,
    /// The socket's own end.
    pub local: Option<Address>,
    /// Why `local` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_reason: Option<Reason>,
    /// The peer.
    pub remote: Peer,
    /// What came of it.
    pub result: ConnectionResult,
    /// Name of the error that it failed or ended with; null if there was none.
    pub error: Option<Arc<str>>,
    /// The last state of TCP or SCTP; null for other protocols.
    pub state: Option<TcpState>,
    /// When each state was entered last, in order of time.
    pub state_changes: Vec<StateChange>,
    /// When it began, or was noticed.
    pub opened_at: Timestamp,
    /// When it was established; null if it was not, or before it was noticed.
    pub established_at: Option<Timestamp>,
    /// When it ended; null if it had not when observation did.
    pub closed_at: Option<Timestamp>,
    /// From `opened_at` to `closed_at`, milliseconds; null if it had not ended.
    pub duration_ms: Option<Milliseconds>,
    /// Bytes of payload sent.
    pub bytes_sent: u64,
    /// Bytes of payload received.
    pub bytes_received: u64,
    /// Packets sent, by segments.
    pub packets_sent: Option<u64>,
    /// Why `packets_sent` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_sent_reason: Option<Reason>,
    /// Packets received, by segments.
    pub packets_received: Option<u64>,
    /// Why `packets_received` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_received_reason: Option<Reason>,
    /// Id of the process that made or accepted it.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// How that process came to have it.
    pub origin: Option<SocketOrigin>,
    /// Why `origin` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_reason: Option<Reason>,
    /// Further processes that used the socket.
    pub users: Vec<SocketUser>,
    /// Id in `listeners` of the socket that it came by; null if it did not, or if that one is not known.
    pub listener: Option<u64>,
    /// Id of its other side, where that is observed, too.
    pub peer_connection: Option<u64>,
    /// Inode number of the network namespace.
    pub network_namespace: Option<u32>,
    /// Why `network_namespace` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_namespace_reason: Option<Reason>,
    /// Inode number of the socket; null if it never had a descriptor.
    pub socket: Option<u64>,
    /// What its first bytes said.
    #[serde(flatten)]
    pub said: Option<Box<Said>>,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Address {
    /// As the socket has it: an IPv4 address on an IPv6 socket is "::ffff:…".
    pub address: Ip,
    /// The port; null where the protocol has none.
    pub port: Option<u16>,
}

/// The other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Peer {
    /// As the socket has it: an IPv4 address on an IPv6 socket is "::ffff:…".
    pub address: Option<Ip>,
    /// Why `address` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_reason: Option<Reason>,
    /// The port; null where the protocol has none.
    pub port: Option<u16>,
    /// The name that it is known by; null if there is none.
    pub hostname: Option<Value<Bytes>>,
    /// Where the name comes from; null if there is none.
    pub hostname_source: Option<HostnameSource>,
}

/// Who began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The process.
    Outbound,
    /// The peer.
    Inbound,
}

/// Where the name of a peer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostnameSource {
    /// The last DNS answer with its address that came before the connection was opened, to whichever process.
    Dns,
    /// The server name in the client's TLS ClientHello.
    Sni,
    /// The Host of an HTTP request.
    Http,
}

/// What came of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionResult {
    /// TCP, SCTP: data could flow.
    Established,
    /// TCP, SCTP: the peer refused it.
    Refused,
    /// TCP, SCTP: no way led to the peer.
    Unreachable,
    /// TCP, SCTP: no answer came.
    TimedOut,
    /// TCP, SCTP: it was reset before it was established.
    Reset,
    /// TCP, SCTP: it was not decided when observation ended.
    InProgress,
    /// TCP, SCTP: it was given up before an answer came.
    Abandoned,
    /// TCP, SCTP: it failed otherwise; see `error`.
    Failed,
    /// Datagrams went both ways.
    Answered,
    /// Datagrams were only sent.
    Unanswered,
    /// Datagrams were only received.
    Received,
    /// A datagram socket was connected, and nothing went through.
    Unused,
}

/// States of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TcpState {
    /// Data can flow.
    Established,
    /// Asked for; no answer yet.
    SynSent,
    /// Asked for by the peer.
    SynReceived,
    /// Closed by its owner.
    #[serde(rename = "fin_wait_1")]
    FinWait1,
    /// The same, and acknowledged.
    #[serde(rename = "fin_wait_2")]
    FinWait2,
    /// Over, and kept for what is late.
    TimeWait,
    /// No connection.
    Close,
    /// Closed by the peer.
    CloseWait,
    /// Closed by both; the last acknowledgement is awaited.
    LastAck,
    /// Listening.
    Listen,
    /// Closed by both at once.
    Closing,
    /// Asked for by the peer; a request yet.
    NewSynReceived,
}

/// A state, and when it was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StateChange {
    /// The state.
    pub state: TcpState,
    /// When it was entered, for the last time.
    pub at: Timestamp,
}

/// How a process came to have a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SocketOrigin {
    /// It made it.
    Created,
    /// It accepted it on another.
    Accepted,
    /// The command had it open when it began.
    Inherited,
    /// It used one that it had not made itself: kept over a fork, or received from another process.
    Received,
}

/// A process that used a socket which another made or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SocketUser {
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// How it came to have the socket.
    pub origin: SocketOrigin,
}

/// What the first bytes of a connection said. Each is left out if they said nothing of the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Said {
    /// A TLS ClientHello.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// A request of HTTP/1, or the preface of HTTP/2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Identification lines of SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
    /// The beginning of SMTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
}

/// A TLS ClientHello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tls {
    /// The server name that the client wants; null if it sent none.
    pub sni: Option<Value<Bytes>>,
    /// Application protocols that the client offers, in its order.
    pub alpn: Vec<Bytes>,
    /// Versions that the client offers, in its order: "TLS 1.3", …
    pub versions: Vec<Name>,
    /// JA4 fingerprint of the client; null if not all that it is made of was seen.
    pub ja4: Option<Value<Bytes>>,
}

/// The head of an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Http {
    /// The method; "PRI" is the preface of HTTP/2.
    pub method: Option<Value<Bytes>>,
    /// The target, without what is beyond 2 KiB; null for HTTP/2.
    pub target: Option<Value<Bytes>>,
    /// The host that was asked for, with the port if one was given; null if none was.
    pub host: Option<Value<Bytes>>,
    /// "HTTP/1.0", "HTTP/1.1" or "HTTP/2"; null if the request's first line was not seen as a whole.
    pub version: Option<&'static str>,
}

/// Identification lines of SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ssh {
    /// The client's; null if it was not seen.
    pub client: Option<Value<Bytes>>,
    /// The server's; null if it was not seen.
    pub server: Option<Value<Bytes>>,
}

/// The beginning of SMTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Smtp {
    /// The server's first line; null if it was not seen.
    pub greeting: Option<Value<Bytes>>,
    /// How the client calls itself; null if it was not seen.
    pub helo: Option<Value<Bytes>>,
}

/// A socket that waits for peers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Listener {
    /// What connections refer to.
    pub id: u64,
    /// As of connections.
    pub protocol: Name,
    /// As of connections.
    pub socket_type: Name,
    /// Whether it listens or is only bound.
    pub state: ListenerState,
    /// The socket's own end.
    pub local: Option<Address>,
    /// Why `local` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_reason: Option<Reason>,
    /// How many connections may wait to be accepted; null where it does not listen.
    pub backlog: Option<u32>,
    /// Id of the process that made it.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// How that process came to have it.
    pub origin: Option<SocketOrigin>,
    /// Why `origin` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_reason: Option<Reason>,
    /// Further processes that used it.
    pub users: Vec<SocketUser>,
    /// Since when it listens or is bound.
    pub at: Timestamp,
    /// When it was closed; null if it was not.
    pub closed_at: Option<Timestamp>,
    /// How many connections came by it.
    pub accepted: u64,
    /// Inode number of the network namespace.
    pub network_namespace: Option<u32>,
    /// Why `network_namespace` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_namespace_reason: Option<Reason>,
    /// Inode number of the socket; null if it is not known.
    pub socket: Option<u64>,
}

/// What a listener does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListenerState {
    /// It accepts connections.
    Listening,
    /// It has an address: datagrams to it arrive.
    Bound,
}
