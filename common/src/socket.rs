//! Codes of what is told of sockets.

/// `AF_UNIX` of `linux/socket.h`.
pub const AF_UNIX: u16 = 1;
/// `AF_INET` of `linux/socket.h`.
pub const AF_INET: u16 = 2;
/// `AF_INET6` of `linux/socket.h`.
pub const AF_INET6: u16 = 10;
/// `SOCK_DGRAM` of `linux/net.h`.
pub const DATAGRAMS: u16 = 2;
/// `SOCK_RAW` of `linux/net.h`: packets of a protocol that the process makes and reads itself.
pub const RAW: u16 = 3;

/// Which way a packet went: out of the socket.
pub const SENT: u32 = 0;
/// Into it.
pub const RECEIVED: u32 = 1;

/// Direction of a flow: not known.
pub const DIRECTION_UNKNOWN: u16 = 0;
/// The socket's owner began it: it connected, or sent first.
pub const OUTBOUND: u16 = 1;
/// The other side began it.
pub const INBOUND: u16 = 2;

/// Origin of a socket: not known.
pub const ORIGIN_UNKNOWN: u16 = 0;
/// The process made it.
pub const ORIGIN_CREATED: u16 = 1;
/// The process accepted it on another socket.
pub const ORIGIN_ACCEPTED: u16 = 2;
/// Open when observation started.
pub const ORIGIN_INHERITED: u16 = 3;
/// Used without having been made by the process: kept over a fork, or received.
pub const ORIGIN_RECEIVED: u16 = 4;

/// Flow: it is over; nothing more is told of it.
pub const FLOW_ENDED: u32 = 1 << 0;
/// Flow: its socket was in use before it was noticed, or had to make room for others and came back: what came before is
/// told under another number, or not known.
pub const FLOW_RESUMED: u32 = 1 << 1;
/// Flow: its totals are the transport's own, of the whole connection, and no sums of this number alone.
pub const FLOW_ABSOLUTE: u32 = 1 << 2;
/// Flow: its bytes are those of calls, as its packets are not seen; packets are not counted.
pub const FLOW_BY_CALLS: u32 = 1 << 3;
/// Flow: the socket was bound by its owner.
pub const FLOW_BOUND: u32 = 1 << 4;
/// Flow: the socket listens.
pub const FLOW_LISTENS: u32 = 1 << 5;
/// Flow: the socket was connected.
pub const FLOW_CONNECTED: u32 = 1 << 6;
/// Flow: the socket is none of the workload's control group, and its packets are not seen.
pub const FLOW_UNSEEN: u32 = 1 << 7;

/// Unix socket: the path that its address leads to was sent before, as [`crate::kind::TEXT_SOCKET_PATH`].
pub const UNIX_PATH: u16 = 1 << 0;
/// Unix socket: the name is the peer's, and not the socket's own.
pub const UNIX_PEER_NAME: u16 = 1 << 1;
/// Unix socket: the name is the one that a call was given to send to, from the caller's memory, and the path that was sent
/// is what it is relative to.
pub const UNIX_ARGUMENT: u16 = 1 << 2;

/// States of TCP of `net/tcp_states.h`, from 1 to 12; [`STATES`] includes the unused 0.
pub const STATES: usize = 13;
/// See [`STATES`].
pub const ESTABLISHED: u16 = 1;
/// See [`STATES`].
pub const SYN_SENT: u16 = 2;
/// See [`STATES`].
pub const SYN_RECV: u16 = 3;
/// See [`STATES`].
pub const CLOSE: u16 = 7;
/// See [`STATES`].
pub const LISTEN: u16 = 10;
