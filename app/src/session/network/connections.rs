//! Connections and listeners, put together of flows.

use std::collections::BTreeSet;

use super::{
    Network,
    flow::{Class, KnownFlow, join, was_established},
    names::HostnameSource,
    said::Told,
};
use crate::{
    event::{BootNs, Direction, Endpoint, FlowId, FlowTotals, ProcessKey, SocketId, SocketOrigin, TcpState},
    maps::{HashMap, HashSet},
    session::Text,
};

/// What a socket and one peer had to do with each other.
#[derive(Debug)]
pub struct Connection {
    /// `IPPROTO_*`.
    pub protocol: u16,
    /// `SOCK_*`.
    pub kind: u16,
    /// Who began it.
    pub direction: Option<Direction>,
    /// The socket's own end.
    pub local: Option<Endpoint>,
    /// The peer.
    pub remote: Option<Endpoint>,
    /// Name of the peer.
    pub hostname: Option<(Text, HostnameSource)>,
    /// What came of it.
    pub result: ConnectionResult,
    /// Positive errno that it ended with.
    pub error: Option<i32>,
    /// Its protocol's last state.
    pub state: Option<TcpState>,
    /// When each state was entered, in order of time.
    pub entered: Vec<(TcpState, BootNs)>,
    /// When it began, or was noticed.
    pub opened_at: BootNs,
    /// When data could flow.
    pub established_at: Option<BootNs>,
    /// When it ended.
    pub closed_at: Option<BootNs>,
    /// What went through.
    pub totals: FlowTotals,
    /// Packets are not counted.
    pub by_calls: bool,
    /// Who made or accepted it.
    pub process: Option<ProcessKey>,
    /// How that process came to have it.
    pub origin: Option<SocketOrigin>,
    /// Further processes that used the socket.
    pub users: Vec<SocketUser>,
    /// Position of the socket that it came by, among the listeners.
    pub listener: Option<usize>,
    /// Position of its other side, among the connections.
    pub peer: Option<usize>,
    /// Inode number of the network namespace.
    pub network_namespace: u32,
    /// Inode number of the socket.
    pub inode: Option<u64>,
    /// What its first bytes said.
    pub told: Option<Box<Told>>,
    pub(super) socket: SocketId,
    pub(super) has_states: bool,
    was_established: bool,
}

/// A process that used a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketUser {
    /// The process.
    pub process: ProcessKey,
    /// How it came to have it.
    pub origin: SocketOrigin,
}

/// What came of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectionResult {
    /// Data could flow.
    Established,
    /// The peer refused it.
    Refused,
    /// No way led to the peer.
    Unreachable,
    /// No answer came.
    TimedOut,
    /// It was reset before it was established.
    Reset,
    /// It was not decided when observation ended.
    InProgress,
    /// It was given up before an answer came.
    Abandoned,
    /// It failed otherwise.
    Failed,
    /// Datagrams went both ways.
    Answered,
    /// They were only sent.
    Unanswered,
    /// They were only received.
    Received,
    /// None went through.
    Unused,
}

/// A socket that waits for peers.
#[derive(Debug)]
pub struct Listener {
    /// `IPPROTO_*`.
    pub protocol: u16,
    /// `SOCK_*`.
    pub kind: u16,
    /// It listens; else it is only bound.
    pub listens: bool,
    /// The socket's own end.
    pub local: Option<Endpoint>,
    /// How many may wait to be accepted.
    pub backlog: Option<u32>,
    /// Who made it.
    pub process: Option<ProcessKey>,
    /// How that process came to have it.
    pub origin: Option<SocketOrigin>,
    /// Further processes that used it.
    pub users: Vec<SocketUser>,
    /// Since when.
    pub at: BootNs,
    /// When it was closed.
    pub closed_at: Option<BootNs>,
    /// Connections that came by it.
    pub accepted: u64,
    /// Inode number of the network namespace.
    pub network_namespace: u32,
    /// Inode number of the socket.
    pub inode: Option<u64>,
    socket: SocketId,
}

/// What is made of the flows.
pub(super) struct Assembled {
    pub(super) connections: Vec<Connection>,
    pub(super) listeners: Vec<Listener>,
    /// Position of each flow's connection.
    pub(super) of_flow: HashMap<FlowId, usize>,
}

/// Connections in the order in which they were opened, and listeners likewise.
pub(super) fn assemble(network: &Network, users: &HashMap<SocketId, Vec<SocketUser>>) -> Assembled {
    let mut flows: Vec<(FlowId, &KnownFlow)> = network.flows.iter().collect();
    flows.sort_unstable_by_key(|(flow, known)| (known.totals.first_at, *flow));
    let mut listeners: Vec<Listener> = Vec::new();
    let mut connections: Vec<Connection> = Vec::with_capacity(flows.len());
    let mut of_flow = HashMap::with_capacity_and_hasher(flows.len(), Default::default());
    // The last connection of a socket and a peer, which a resumed flow goes on with.
    let mut last: HashMap<(SocketId, Option<Endpoint>), usize> = HashMap::default();
    // Resumed ones are rare, and so are those that they go on with.
    let resumed: HashSet<SocketId> =
        flows.iter().filter(|(_, known)| known.resumed).map(|(_, known)| known.socket).collect();
    let mut closed: BTreeSet<(SocketId, BootNs)> = BTreeSet::new();
    let mut listens_on: Vec<Option<SocketId>> = Vec::with_capacity(flows.len());
    for (flow, known) in flows {
        if !known.has_states()
            && let Some(at) = known.closed_at()
        {
            closed.insert((known.socket, at));
        }
        match known.class() {
            Class::Unused => {}
            Class::Listener => listeners.push(listener(network, known)),
            Class::Connection => {
                let key = (known.socket, known.remote);
                let before = if known.resumed { last.get(&key).copied() } else { None };
                let position = match before {
                    Some(position) => {
                        connections[position].goes_on(network, flow, known);
                        position
                    }
                    None => {
                        connections.push(connection(network, flow, known));
                        listens_on.push(known.listener);
                        connections.len() - 1
                    }
                };
                of_flow.insert(flow, position);
                if resumed.contains(&known.socket) {
                    last.insert(key, position);
                }
            }
        }
    }
    let mut by_socket: HashMap<SocketId, Vec<usize>> = HashMap::default();
    for (position, listener) in listeners.iter().enumerate() {
        by_socket.entry(listener.socket).or_default().push(position);
    }
    for (connection, listener) in connections.iter_mut().zip(listens_on) {
        connection.result = connection.outcome();
        // The end of a socket, or of the time in which it had a port, is told with its first peer, or without one: with it
        // all its peers are gone.
        if !connection.has_states && connection.closed_at.is_none() {
            let gone = closed.range((connection.socket, connection.opened_at)..).next();
            let gone = gone.filter(|(socket, _)| *socket == connection.socket);
            connection.closed_at = gone.map(|(_, at)| (*at).max(connection.totals.last_at));
        }
        // Datagrams come by the very socket that was bound.
        let listener =
            listener.or((connection.direction == Some(Direction::Inbound)).then_some(connection.socket));
        // A socket may listen several times. When one began that was noticed late is not known.
        let of_socket = listener.and_then(|socket| by_socket.get(&socket));
        connection.listener = of_socket.and_then(|positions| {
            let before = |position: &&usize| listeners[**position].at <= connection.opened_at;
            positions.iter().rev().find(before).or(positions.first()).copied()
        });
        if let Some(listener) = connection.listener.and_then(|position| listeners.get_mut(position)) {
            listener.accepted = listener.accepted.saturating_add(1);
        }
        let (process, origin) = (&mut connection.process, &mut connection.origin);
        connection.users = further(users.get(&connection.socket), process, origin);
    }
    for listener in &mut listeners {
        listener.users = further(users.get(&listener.socket), &mut listener.process, &mut listener.origin);
    }
    Assembled { connections, listeners, of_flow }
}

/// Who used a socket beside the process that has it. Where none is known to have it, it is the first that used it.
pub(super) fn further(
    users: Option<&Vec<SocketUser>>,
    process: &mut Option<ProcessKey>,
    origin: &mut Option<SocketOrigin>,
) -> Vec<SocketUser> {
    let Some(users) = users else { return Vec::new() };
    if process.is_none()
        && let Some(first) = users.first()
    {
        (*process, *origin) = (Some(first.process), origin.or(Some(first.origin)));
    }
    users.iter().filter(|user| Some(user.process) != *process).copied().collect()
}

fn listener(network: &Network, known: &KnownFlow) -> Listener {
    let listens_since = known.entered(TcpState::Listen).filter(|_| known.listens);
    Listener {
        protocol: known.protocol,
        kind: known.kind,
        listens: known.listens,
        local: known.local,
        backlog: known.backlog.filter(|_| known.listens),
        process: network.process_of(known.process),
        origin: known.origin,
        users: Vec::new(),
        at: listens_since.unwrap_or(known.totals.first_at),
        closed_at: known.closed_at(),
        accepted: 0,
        network_namespace: known.network_namespace,
        inode: known.inode,
        socket: known.socket,
    }
}

fn connection(network: &Network, flow: FlowId, known: &KnownFlow) -> Connection {
    let mut made = Connection {
        protocol: known.protocol,
        kind: known.kind,
        direction: known.direction,
        local: known.local,
        remote: known.remote,
        hostname: None,
        result: ConnectionResult::Unused,
        error: known.error,
        state: known.state.filter(|_| known.has_states()),
        entered: if known.has_states() { known.entered.to_vec() } else { Vec::new() },
        opened_at: known.totals.first_at,
        established_at: None,
        closed_at: known.closed_at(),
        totals: known.totals,
        by_calls: known.by_calls,
        process: network.process_of(known.process),
        origin: known.origin,
        users: Vec::new(),
        listener: None,
        peer: None,
        network_namespace: known.network_namespace,
        inode: known.inode,
        told: network.sayings.told(&network.texts, flow, known.direction),
        socket: known.socket,
        has_states: known.has_states(),
        was_established: known.was_established,
    };
    made.order_states();
    made
}

impl Connection {
    /// A flow goes on with it.
    fn goes_on(&mut self, network: &Network, flow: FlowId, known: &KnownFlow) {
        self.direction = self.direction.or(known.direction);
        self.local = known.local.or(self.local);
        self.error = known.error.or(self.error);
        self.process = self.process.or(network.process_of(known.process));
        self.origin = self.origin.or(known.origin);
        self.inode = self.inode.or(known.inode);
        self.totals = join(&self.totals, &known.totals, known.absolute);
        self.by_calls |= known.by_calls;
        self.was_established |= known.was_established;
        if self.told.is_none() {
            self.told = network.sayings.told(&network.texts, flow, self.direction);
        }
        self.closed_at = known.closed_at();
        if self.has_states {
            self.state = known.state.or(self.state);
            for (state, at) in &known.entered {
                match self.entered.iter_mut().find(|(one, _)| one == state) {
                    Some((_, known)) => *known = (*known).max(*at),
                    None => self.entered.push((*state, *at)),
                }
            }
            self.order_states();
        }
    }

    fn order_states(&mut self) {
        self.entered.sort_by_key(|(_, at)| *at);
        let established = self.entered.iter().find(|(state, _)| *state == TcpState::Established);
        self.established_at = established.map(|(_, at)| *at);
    }

    fn outcome(&self) -> ConnectionResult {
        if self.has_states { self.outcome_of_attempt() } else { self.outcome_of_datagrams() }
    }

    fn outcome_of_attempt(&self) -> ConnectionResult {
        let was_established =
            self.was_established || self.entered.iter().any(|(state, _)| was_established(*state));
        match self.error {
            _ if was_established || self.totals.bytes_received > 0 => ConnectionResult::Established,
            Some(libc::ECONNREFUSED) => ConnectionResult::Refused,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EHOSTDOWN | libc::ENETDOWN) => {
                ConnectionResult::Unreachable
            }
            Some(libc::ETIMEDOUT) => ConnectionResult::TimedOut,
            Some(libc::ECONNRESET | libc::EPIPE) => ConnectionResult::Reset,
            Some(_) => ConnectionResult::Failed,
            None if self.closed_at.is_none() && self.state != Some(TcpState::Close) => {
                ConnectionResult::InProgress
            }
            None => ConnectionResult::Abandoned,
        }
    }

    fn outcome_of_datagrams(&self) -> ConnectionResult {
        let sent = self.totals.packets_sent > 0 || self.totals.bytes_sent > 0;
        let received = self.totals.packets_received > 0 || self.totals.bytes_received > 0;
        match (sent, received) {
            (true, true) => ConnectionResult::Answered,
            (true, false) => ConnectionResult::Unanswered,
            (false, true) => ConnectionResult::Received,
            (false, false) => ConnectionResult::Unused,
        }
    }
}
