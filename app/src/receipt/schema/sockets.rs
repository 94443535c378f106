//! What is told of sockets beside connections: names that were asked for, failed calls, sockets of other families.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Address, Bytes, Milliseconds, Name, OptionalText, PathSource, Reason, SocketOperationCounts,
    SocketOrigin, SocketUser, Timestamp, Value, is_false,
};

/// Calls on sockets that failed alike.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailedSocketCall {
    /// What was tried.
    pub operation: SocketOperation,
    /// Name of the call.
    pub call: Arc<str>,
    /// "inet", "inet6", "unix", or as in `other_sockets`.
    pub family: Name,
    /// As of connections; null where it is not known, or not of an internet family.
    pub protocol: Option<Name>,
    /// As of connections; null where it is not known.
    pub socket_type: Option<Name>,
    /// The internet address that was asked for; null if there was none.
    pub address: Option<Address>,
    /// The unix address that was asked for: a path, or an abstract name with "@" before it; left out if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: OptionalText,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// Where the address comes from: the program's memory.
    pub address_source: AddressSource,
    /// Name of the error.
    pub errno: Arc<str>,
    /// How often.
    pub count: u64,
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressSource {
    /// The program's memory: a claim.
    Argument,
}

/// What is done with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SocketOperation {
    /// Made.
    Socket,
    /// Made together with the one that it is connected to.
    Pair,
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
    /// Used otherwise, or by a process that did not make it.
    Use,
}

/// A question to a name server, and its answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DnsQuery {
    /// The name that was asked for, as in zone files: a dot within a label is "\\.", an unusual byte "\\NNN", decimal.
    pub query: Option<Value<Bytes>>,
    /// Why `query` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_reason: Option<Reason>,
    /// Name of the record type that was asked for: "A", "AAAA", "HTTPS", or "TYPEN".
    #[serde(rename = "type")]
    pub kind: Name,
    /// Records of the first answer.
    pub answers: Vec<DnsAnswer>,
    /// Code of the first answer: "NOERROR", "NXDOMAIN", …
    pub rcode: Option<Name>,
    /// Why `rcode` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcode_reason: Option<Reason>,
    /// Who was asked.
    pub server: Option<Address>,
    /// Why `server` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_reason: Option<Reason>,
    /// How.
    pub transport: DnsTransport,
    /// It was received by an observed name server, from somebody who is not observed; `process` is that of the server.
    #[serde(skip_serializing_if = "is_false")]
    pub received: bool,
    /// Id of the process that asked.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// When the question was sent; where only an answer was seen, when that came.
    pub at: Timestamp,
    /// When the first answer came; null if none did.
    pub answered_at: Option<Timestamp>,
    /// From the question to the first answer, milliseconds; null if one of them was not seen.
    pub latency_ms: Option<Milliseconds>,
    /// Id of the connection that it went through; null if that is not known.
    pub connection: Option<u64>,
    /// How often it was sent before it was answered.
    pub count: u64,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsAnswer {
    /// Whose record it is.
    pub name: Option<Value<Bytes>>,
    /// Name of its type.
    #[serde(rename = "type")]
    pub kind: Name,
    /// How long it holds, seconds.
    pub ttl: u32,
    /// The address, or the name that it leads to; null for records of other types, which are not kept.
    pub value: Option<Value<Bytes>>,
}

/// How a DNS message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DnsTransport {
    /// In a datagram.
    Udp,
    /// In a stream.
    Tcp,
    /// Multicast DNS, port 5353.
    Mdns,
    /// Link-local multicast name resolution, port 5355.
    Llmnr,
}

/// What one process did with a unix socket under one name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UnixSocket {
    /// What others of them refer to.
    pub id: u64,
    /// Inode number of the socket; null if it is not known.
    pub socket: Option<u64>,
    /// "stream", "dgram" or "seqpacket".
    pub socket_type: Name,
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// How it came to have the socket.
    pub origin: Option<SocketOrigin>,
    /// Why `origin` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_reason: Option<Reason>,
    /// Further processes that used the socket.
    pub users: Vec<SocketUser>,
    /// What was done how often.
    pub operations: SocketOperationCounts,
    /// The address as it was bound: a path, or an abstract name with "@" before it; null for a socket without one.
    pub name: Option<Value<Bytes>>,
    /// The name is an abstract one.
    #[serde(rename = "abstract", skip_serializing_if = "is_false")]
    pub is_abstract: bool,
    /// Whose name it is; null for a socket without one.
    pub name_is: Option<NameOwner>,
    /// Where the name comes from, if it is not the kernel's; left out if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_source: Option<AddressSource>,
    /// The file that the name leads to; left out where it leads to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: OptionalText,
    /// Why `path` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_reason: Option<Reason>,
    /// Where `path` comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_source: Option<PathSource>,
    /// Id of the peer's process; null if it is not known, or not observed.
    pub peer_process: Option<u64>,
    /// The peer's pid when the two were connected; null if it is not known.
    pub peer_pid: Option<u32>,
    /// Id of the socket that it was accepted on; null if it was not, or if that one is not known.
    pub listener: Option<u64>,
    /// The first that is known of it.
    pub first_at: Timestamp,
    /// Bytes sent; of a socket with several entries, all of them stand in the first.
    pub bytes_sent: u64,
    /// Bytes received, likewise.
    pub bytes_received: u64,
}

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameOwner {
    /// The socket's own.
    Own,
    /// That of the socket that it was connected to, or sent to.
    Peer,
}

/// Sockets of one kind that one process had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OtherSocket {
    /// "netlink", "packet", "vsock", "alg", "bluetooth", or "af_N".
    pub family: Name,
    /// As of connections.
    pub socket_type: Name,
    /// The family's own number.
    pub protocol: u16,
    /// Its name: "route", "audit", … of netlink; null where there is none.
    pub protocol_name: Option<&'static str>,
    /// Id of the process.
    pub process: Option<u64>,
    /// Why `process` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_reason: Option<Reason>,
    /// How many sockets.
    pub count: u64,
    /// The first.
    pub first_at: Timestamp,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}
