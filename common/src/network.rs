//! Records of what is done with sockets and goes through them. Times are nanoseconds of `CLOCK_BOOTTIME`.

use crate::{header::Header, payload::AccessTotals};

record! {
    /// What a socket and one peer exchange, as far as it is known: each record replaces the ones before.
    FlowFacts, 248, {
        /// Number of the flow, never used twice.
        flow: u64,
        /// Number of the socket.
        socket: u64,
        /// Number of the socket that it was accepted on; 0 if it was not, or if that is not known.
        listener: u64,
        /// Inode number of the socket (`socket:[N]` in `/proc/PID/fd`); 0 if it has none (yet).
        inode: u64,
        /// Local address, as the socket has it: IPv4 in the first 4 bytes, IPv6 in all 16.
        local: [u8; 16],
        /// The peer's; zeroes if there is none.
        remote: [u8; 16],
        /// Bytes of payload sent.
        bytes_sent: u64,
        /// Bytes of payload received.
        bytes_received: u64,
        /// Packets sent, by segments.
        packets_sent: u64,
        /// Packets received, by segments.
        packets_received: u64,
        /// When the flow began, or was noticed.
        first_at: u64,
        /// The last packet or change.
        last_at: u64,
        /// When each TCP state was entered last; 0 for never.
        entered: [u64; 13],
        /// Inode number of the network namespace.
        network_namespace: u32,
        /// Local port; of ICMP sockets, the identifier.
        local_port: u16,
        /// The peer's port.
        remote_port: u16,
        /// `AF_*`.
        family: u16,
        /// `SOCK_*`.
        kind: u16,
        /// `IPPROTO_*`; of other families, their own protocol number.
        protocol: u16,
        /// State of TCP and SCTP; 0 for others.
        state: u16,
        /// One of [`crate::socket`]'s directions.
        direction: u16,
        /// One of [`crate::socket`]'s origins.
        origin: u16,
        /// [`crate::socket`]'s `FLOW_*`.
        flags: u32,
        /// Positive errno that the connection ended with; 0 for none.
        error: u32,
        /// Backlog of a socket that listens.
        backlog: u32,
    }
}

record! {
    /// [`crate::kind::FLOW`]. The header names the process that made or accepted the socket; nobody (zeroes) if that is not
    /// known (yet).
    FlowRecord, 280, {
        /// Common header.
        header: Header,
        /// The facts.
        facts: FlowFacts,
    }
}

record! {
    /// [`crate::kind::SOCKET_USED`]: a process uses a socket that another one made or accepted.
    SocketUsedRecord, 48, {
        /// Common header.
        header: Header,
        /// Number of the socket.
        socket: u64,
        /// One of [`crate::socket`]'s origins.
        origin: u32,
        /// Zero.
        reserved: u32,
    }
}

record! {
    /// [`crate::kind::UNIX_SOCKET`].
    UnixRecord, 200, {
        /// Common header.
        header: Header,
        /// Number of the socket.
        socket: u64,
        /// Inode number of the socket.
        inode: u64,
        /// `start_boottime` of the peer's process if it is observed; else 0.
        peer_start: u64,
        /// The peer's process, as the kernel noted it when the two were connected; 0 if it did not.
        peer_tgid: u32,
        /// One of [`crate::operation`].
        operation: u32,
        /// `SOCK_*`.
        kind: u16,
        /// Bytes of the name.
        name_length: u16,
        /// [`crate::socket`]'s `UNIX_*`.
        flags: u16,
        /// One of [`crate::socket`]'s origins.
        origin: u16,
        /// The address without its family: a path, or with a NUL before it an abstract name.
        name: [[u8; 16]; 7],
        /// Number of the socket that it was accepted on; 0 if it was not.
        listener: u64,
        /// Zero.
        reserved: u32,
        /// Backlog of a socket that listens.
        backlog: u32,
    }
}

record! {
    /// [`crate::kind::SOCKET_FAILED`]: a call that failed, for the first time.
    SocketFailedRecord, 272, {
        /// Common header.
        header: Header,
        /// Number of these attempts, by which their totals come.
        access: u64,
        /// Totals so far.
        totals: AccessTotals,
        /// One of [`crate::operation`].
        operation: u32,
        /// Positive errno.
        errno: u32,
        /// Number of the system call.
        call: u32,
        /// ABI of that call.
        abi: u32,
        /// `AF_*`, of the socket or of the address.
        family: u16,
        /// `SOCK_*`.
        kind: u16,
        /// `IPPROTO_*`.
        protocol: u16,
        /// Bytes of the address, 0 if the call had none.
        address_length: u16,
        /// The address with its family, as the caller's memory had it.
        address: [[u8; 16]; 7],
    }
}

record! {
    /// [`crate::kind::PACKET`], followed by `length` bytes of payload.
    PacketRecord, 112, {
        /// Common header.
        header: Header,
        /// Number of the flow.
        flow: u64,
        /// Number of the socket.
        socket: u64,
        /// Local address, like that of the flow.
        local: [u8; 16],
        /// The peer's.
        remote: [u8; 16],
        /// Local port.
        local_port: u16,
        /// The peer's port.
        remote_port: u16,
        /// `AF_*`.
        family: u16,
        /// `IPPROTO_*`.
        protocol: u16,
        /// Sequence number of its first byte, of TCP.
        sequence: u32,
        /// [`crate::socket::SENT`] or [`crate::socket::RECEIVED`].
        direction: u32,
        /// Bytes that follow.
        length: u32,
        /// Bytes of the whole payload of the packet.
        total: u32,
        /// Zero.
        reserved: u64,
    }
}
