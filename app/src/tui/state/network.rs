//! The network as rows.

use crate::{
    event::{BootNs, ProcessKey},
    session::NetworkView,
};

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A connection.
    Connection,
    /// A socket that waits for peers.
    Listener,
    /// A question for a name.
    Question,
    /// A failed call.
    Failure,
    /// A unix socket.
    Unix,
}

/// A row: the position of an entry in its list, which may change when another one is found before it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which list.
    pub kind: Kind,
    /// When it began.
    pub at: BootNs,
    /// Where it is in the list.
    pub position: usize,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.at) == (other.kind, other.at)
    }
}

/// All rows, by kind.
pub fn rows(view: &NetworkView) -> Vec<Row> {
    let row = |kind, at, position| Row { kind, at, position };
    let connections = view.connections.iter().enumerate();
    let listeners = view.listeners.iter().enumerate().filter(|(_, listener)| listener.local.is_some());
    let questions = view.dns.iter().enumerate();
    let failures = view.failed.iter().enumerate();
    let unix = view.unix_sockets.iter().enumerate();
    connections
        .map(|(at, one)| row(Kind::Connection, one.opened_at, at))
        .chain(listeners.map(|(at, one)| row(Kind::Listener, one.at, at)))
        .chain(
            questions.map(|(at, one)| {
                row(Kind::Question, one.asked_at.or(one.answered_at).unwrap_or_default(), at)
            }),
        )
        .chain(failures.map(|(at, one)| row(Kind::Failure, one.first_at, at)))
        .chain(unix.map(|(at, one)| row(Kind::Unix, one.first_at, at)))
        .collect()
}

impl Row {
    /// Who it belongs to.
    pub fn process(&self, view: &NetworkView) -> Option<ProcessKey> {
        match self.kind {
            Kind::Connection => view.connections.get(self.position)?.process,
            Kind::Listener => view.listeners.get(self.position)?.process,
            Kind::Question => view.dns.get(self.position)?.process,
            Kind::Failure => view.failed.get(self.position).map(|one| one.process),
            Kind::Unix => view.unix_sockets.get(self.position)?.process,
        }
    }

    /// Everybody who used it.
    pub fn processes(&self, view: &NetworkView) -> Vec<ProcessKey> {
        let users = match self.kind {
            Kind::Connection => view.connections.get(self.position).map(|one| &one.users),
            Kind::Listener => view.listeners.get(self.position).map(|one| &one.users),
            Kind::Unix => view.unix_sockets.get(self.position).map(|one| &one.users),
            Kind::Question | Kind::Failure => None,
        };
        let further = users.into_iter().flatten().map(|user| user.process);
        self.process(view).into_iter().chain(further).collect()
    }

    /// Bytes sent and received.
    pub fn bytes(&self, view: &NetworkView) -> (u64, u64) {
        match self.kind {
            Kind::Connection => view
                .connections
                .get(self.position)
                .map_or((0, 0), |one| (one.totals.bytes_sent, one.totals.bytes_received)),
            Kind::Unix => view
                .unix_sockets
                .get(self.position)
                .map_or((0, 0), |one| (one.bytes_sent, one.bytes_received)),
            _ => (0, 0),
        }
    }
}
