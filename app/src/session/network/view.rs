//! The network as the receipt has it.

use super::{
    Network,
    connections::{self, Connection, Listener},
    dns::{self, DnsEntry},
    failures::SocketFailure,
    names, peers,
    sockets::{self, OtherSocket, UnixEntry},
};

/// Connections, listeners, names, failures and other sockets, put together.
#[derive(Debug)]
pub struct NetworkView {
    /// In the order in which they were opened.
    pub connections: Vec<Connection>,
    /// In order of time.
    pub listeners: Vec<Listener>,
    /// Calls that failed and are no connection, in order of time.
    pub failed: Vec<SocketFailure>,
    /// In order of time.
    pub dns: Vec<DnsEntry>,
    /// In order of time.
    pub unix_sockets: Vec<UnixEntry>,
    /// By family, kind, protocol and process.
    pub other_sockets: Vec<OtherSocket>,
    /// Of all connections, also of those that found no room and have ended.
    pub bytes_sent: u64,
    /// Likewise.
    pub bytes_received: u64,
}

impl NetworkView {
    pub(in super::super) fn new(network: &Network) -> Self {
        let users = network.users_by_socket();
        let mut assembled = connections::assemble(network, &users);
        peers::link(&mut assembled.connections);
        names::name(network, &mut assembled.connections);
        let dns = dns::entries(network, &assembled);
        let (mut bytes_sent, mut bytes_received) = network.flows.refused_bytes();
        for connection in &assembled.connections {
            bytes_sent = bytes_sent.saturating_add(connection.totals.bytes_sent);
            bytes_received = bytes_received.saturating_add(connection.totals.bytes_received);
        }
        Self {
            failed: network.failures.entries(&assembled.connections),
            connections: assembled.connections,
            listeners: assembled.listeners,
            dns,
            unix_sockets: sockets::unix_entries(network, &users),
            other_sockets: sockets::other_entries(network),
            bytes_sent,
            bytes_received,
        }
    }
}
