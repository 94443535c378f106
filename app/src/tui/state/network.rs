//! The network as rows.

use crate::{
    event::{BootNs, ProcessKey},
    session::{Connection, DnsEntry, Listener, NetworkView, SocketFailure, UnixEntry},
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
pub fn rows(view: &NetworkView) -> impl Iterator<Item = Row> {
    let row = move |kind, at, position| Row { kind, at, position };
    let connections = view.connections.iter().enumerate();
    let listeners = view.listeners.iter().enumerate().filter(|(_, listener)| listener.local.is_some());
    let questions = view.dns.iter().enumerate();
    let failures = view.failed.iter().enumerate();
    let unix = view.unix_sockets.iter().enumerate();
    connections
        .map(move |(at, one)| row(Kind::Connection, one.opened_at, at))
        .chain(listeners.map(move |(at, one)| row(Kind::Listener, one.at, at)))
        .chain(questions.map(move |(at, one)| {
            row(Kind::Question, one.asked_at.or(one.answered_at).unwrap_or_default(), at)
        }))
        .chain(failures.map(move |(at, one)| row(Kind::Failure, one.first_at, at)))
        .chain(unix.map(move |(at, one)| row(Kind::Unix, one.first_at, at)))
}

/// What a row tells of.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A connection.
    Connection(&'a Connection),
    /// A socket that waits for peers.
    Listener(&'a Listener),
    /// A question for a name.
    Question(&'a DnsEntry),
    /// A failed call.
    Failure(&'a SocketFailure),
    /// A unix socket.
    Unix(&'a UnixEntry),
}

impl Row {
    /// What it tells of.
    pub fn entry<'a>(&self, view: &'a NetworkView) -> Option<Entry<'a>> {
        let at = self.position;
        match self.kind {
            Kind::Connection => view.connections.get(at).map(Entry::Connection),
            Kind::Listener => view.listeners.get(at).map(Entry::Listener),
            Kind::Question => view.dns.get(at).map(Entry::Question),
            Kind::Failure => view.failed.get(at).map(Entry::Failure),
            Kind::Unix => view.unix_sockets.get(at).map(Entry::Unix),
        }
    }

    /// Who it belongs to.
    pub fn process(&self, view: &NetworkView) -> Option<ProcessKey> {
        self.entry(view)?.process()
    }

    /// Everybody who used it.
    pub fn processes(&self, view: &NetworkView) -> Vec<ProcessKey> {
        self.entry(view).map(Entry::processes).unwrap_or_default()
    }

    /// Bytes sent and received.
    pub fn bytes(&self, view: &NetworkView) -> (u64, u64) {
        self.entry(view).map_or((0, 0), Entry::bytes)
    }
}

impl Entry<'_> {
    /// Who it belongs to.
    pub fn process(self) -> Option<ProcessKey> {
        match self {
            Self::Connection(one) => one.process,
            Self::Listener(one) => one.process,
            Self::Question(one) => one.process,
            Self::Failure(one) => Some(one.process),
            Self::Unix(one) => one.process,
        }
    }

    fn processes(self) -> Vec<ProcessKey> {
        let users = match self {
            Self::Connection(one) => &one.users[..],
            Self::Listener(one) => &one.users,
            Self::Unix(one) => &one.users,
            Self::Question(_) | Self::Failure(_) => &[],
        };
        self.process().into_iter().chain(users.iter().map(|user| user.process)).collect()
    }

    fn bytes(self) -> (u64, u64) {
        match self {
            Self::Connection(one) => (one.totals.bytes_sent, one.totals.bytes_received),
            Self::Unix(one) => (one.bytes_sent, one.bytes_received),
            Self::Listener(_) | Self::Question(_) | Self::Failure(_) => (0, 0),
        }
    }
}
