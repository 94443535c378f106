//! Sockets: connections, listeners, names that were asked for, calls that failed.
//!
//! What the kernel side tells is kept as it comes, by the number of each flow, in small values: a run may have a hundred
//! thousand of them. [`NetworkView`] puts it together at the end: which flows are one connection, which two connections
//! are the sides of one, which name led to which address.

mod connections;
mod dns;
mod failures;
mod flow;
mod names;
mod peers;
mod said;
mod sockets;
mod view;

pub use self::{
    connections::{Connection, ConnectionResult, Listener, SocketUser},
    dns::{DnsAnswer, DnsEntry, DnsValue},
    failures::SocketFailure,
    names::HostnameSource,
    said::{HttpFacts, SmtpFacts, SshFacts, TlsFacts, Told},
    sockets::{OtherSocket, UnixEntry},
    view::NetworkView,
};
use self::{
    dns::Exchanges,
    failures::Failures,
    flow::{Class, Flows},
    said::Sayings,
    sockets::{OtherSockets, UnixSockets},
};
use super::{Caps, Session, Tally, Texts};
use crate::{
    event::{
        AF_INET, AF_INET6, AF_UNIX, AccessTotals, BootNs, DnsMessage, Event, EventKind, FileTotals, Flow,
        ProcessKey, Said, SocketFailed, SocketId, SocketOrigin, SocketUsed, UnixSocket,
    },
    maps::{HashMap, IndexMap, IndexSet},
};

impl Session {
    /// Takes in an event of sockets. Its process may not be known.
    pub(super) fn socket_event(&mut self, event: &Event) {
        let key = event.process;
        if key != ProcessKey::NOBODY {
            self.process_mut(key);
        }
        match &event.kind {
            EventKind::Flow(flow) => self.network.flow(key, event.at, flow),
            EventKind::SocketUsed(used) => self.network.used(key, event.at, used),
            EventKind::UnixSocket(unix) => self.network.unix(key, event.at, unix),
            EventKind::SocketFailed(failed) => {
                let early = self.accesses.take_orphan(failed.access);
                self.network.failed(key, event.at, failed, early);
            }
            EventKind::Dns(message) => self.network.dns(event.at, message),
            EventKind::Said(said) => self.network.said(said),
            _ => {}
        }
    }
}

/// Number of a process that is not known.
const NOBODY: u32 = u32::MAX;

/// What is known of sockets.
///
/// Texts and processes have numbers in the order in which the ring of the network named them. Failures come by another
/// ring, and number nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Network {
    users_cap: u64,
    texts: Texts,
    processes: IndexSet<ProcessKey>,
    flows: Flows,
    users: IndexMap<(SocketId, u32), User>,
    unix: UnixSockets,
    others: OtherSockets,
    exchanges: Exchanges,
    sayings: Sayings,
    failures: Failures,
    users_tally: Tally,
}

/// How a further process came to have a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    origin: SocketOrigin,
    first_at: BootNs,
}

impl Network {
    pub(super) fn new(caps: &Caps) -> Self {
        Self {
            users_cap: caps.socket_users,
            texts: Texts::new(caps.network_text_bytes),
            processes: IndexSet::default(),
            flows: Flows::new(caps.connections),
            users: IndexMap::default(),
            unix: UnixSockets::new(caps.unix_sockets),
            others: OtherSockets::new(caps.other_sockets),
            exchanges: Exchanges::new(caps),
            sayings: Sayings::new(caps.connections),
            failures: Failures::new(caps.socket_failures),
            users_tally: Tally::default(),
        }
    }

    /// Every list that has a cap.
    pub(super) fn limits(&self) -> [(&'static str, Tally); 9] {
        [
            ("network.connections", self.flows.tally(Class::Connection)),
            ("network.listeners", self.flows.tally(Class::Listener)),
            ("network.failed", self.failures.tally()),
            ("network.dns", self.exchanges.tally()),
            ("network.dns[].answers", self.exchanges.answers_tally()),
            ("network.unix_sockets", self.unix.tally()),
            ("network.other_sockets", self.others.tally()),
            ("network.users", self.users_tally),
            ("network.text_bytes", self.texts.bytes()),
        ]
    }

    /// What is known of a flow by now.
    pub(super) fn flow(&mut self, process: ProcessKey, at: BootNs, flow: &Flow) {
        let process = self.process(process);
        match flow.family {
            AF_INET | AF_INET6 => self.flows.told(process, at, flow),
            AF_UNIX => self.unix.flow(process, flow),
            _ => self.others.told(process, flow),
        }
    }

    /// A further process uses a socket.
    pub(super) fn used(&mut self, process: ProcessKey, at: BootNs, used: &SocketUsed) {
        let process = self.process(process);
        let key = (used.socket, process);
        if let Some(known) = self.users.get_mut(&key) {
            known.first_at = known.first_at.min(at);
            return;
        }
        let room = process != NOBODY && (self.users.len() as u64) < self.users_cap;
        if self.users_tally.count(1, room) {
            self.users.insert(key, User { origin: used.origin, first_at: at });
        }
    }

    /// Something was done with a unix socket.
    pub(super) fn unix(&mut self, process: ProcessKey, at: BootNs, unix: &UnixSocket) {
        let process = self.process(process);
        self.unix.told(&mut self.texts, process, at, unix);
    }

    /// A call failed; `early` are totals that came before.
    pub(super) fn failed(
        &mut self,
        process: ProcessKey,
        at: BootNs,
        failed: &SocketFailed,
        early: Option<AccessTotals>,
    ) {
        self.failures.failed(process, at, failed, early);
    }

    /// Takes in totals; gives back whether they are those of calls on sockets.
    pub(super) fn totals(&mut self, totals: &FileTotals) -> bool {
        self.failures.totals(totals)
    }

    /// Whether failures were refused, of which totals may still come.
    pub(super) fn has_refused_failures(&self) -> bool {
        let tally = self.failures.tally();
        tally.seen > tally.kept
    }

    /// A DNS message.
    pub(super) fn dns(&mut self, at: BootNs, message: &DnsMessage) {
        self.exchanges.heard(&mut self.texts, at, message);
    }

    /// What a connection said.
    pub(super) fn said(&mut self, said: &Said) {
        self.sayings.said(&mut self.texts, said);
    }

    fn process(&mut self, process: ProcessKey) -> u32 {
        if process == ProcessKey::NOBODY {
            return NOBODY;
        }
        super::files::index(self.processes.insert_full(process).0)
    }

    fn process_of(&self, number: u32) -> Option<ProcessKey> {
        self.processes.get_index(number as usize).copied()
    }

    /// Who uses each socket, first ones first.
    fn users_by_socket(&self) -> HashMap<SocketId, Vec<SocketUser>> {
        let mut found: HashMap<SocketId, Vec<(BootNs, SocketUser)>> = HashMap::default();
        for ((socket, process), user) in &self.users {
            if let Some(process) = self.process_of(*process) {
                let user_of = SocketUser { process, origin: user.origin };
                found.entry(*socket).or_default().push((user.first_at, user_of));
            }
        }
        let ordered = found.into_iter().map(|(socket, mut users)| {
            users.sort_unstable_by_key(|(at, user)| (*at, user.process));
            (socket, users.into_iter().map(|(_, user)| user).collect())
        });
        ordered.collect()
    }
}

#[cfg(test)]
use self::flow::KnownFlow;
#[cfg(test)]
mod tests;
