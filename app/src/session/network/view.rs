//! The network as the receipt has it.

use super::{
    Network, Session,
    connections::{self, Connection, Listener},
    dns::{self, DnsEntry},
    failures::SocketFailure,
    names, peers,
    sockets::{self, OtherSocket, UnixEntry},
};
use crate::{event::ProcessKey, maps::HashMap};

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

    /// Finds peers that had ended before they were told: the kernel notes who asked a socket to listen, and a service may
    /// have gone on in a child of that process. Of several processes that had its number, it is known of none.
    pub(in super::super) fn with_ended_peers(mut self, session: &Session) -> Self {
        let is_missing = |one: &&mut UnixEntry| one.peer.is_none() && one.peer_pid.is_some();
        let mut missing = self.unix_sockets.iter_mut().filter(is_missing).peekable();
        if missing.peek().is_none() {
            return self;
        }
        let mut numbers: HashMap<u32, Vec<ProcessKey>> = HashMap::default();
        for (key, _) in session.processes() {
            numbers.entry(key.tgid).or_default().push(key);
        }
        for entry in missing {
            if let Some([only]) = entry.peer_pid.and_then(|pid| numbers.get(&pid)).map(Vec::as_slice) {
                entry.peer = Some(*only).filter(|only| only.start <= entry.peer_at);
            }
        }
        self
    }
}
