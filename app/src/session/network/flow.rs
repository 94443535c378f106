//! Flows of internet sockets, as they were told last.

use super::{NOBODY, Tally};
use crate::{
    event::{BootNs, Direction, Endpoint, Flow, FlowId, FlowTotals, SocketId, SocketOrigin, TcpState},
    maps::HashMap,
};

/// `SOCK_STREAM`.
const SOCK_STREAM: u16 = 1;
/// `SOCK_RAW`.
const SOCK_RAW: u16 = 3;
/// Protocols that have connections: TCP, SCTP, MPTCP.
const WITH_STATES: [u16; 3] = [6, 132, 262];
/// States that lead through [`TcpState::Established`].
const AFTER_ESTABLISHED: [TcpState; 6] = [
    TcpState::Established,
    TcpState::FinWait2,
    TcpState::TimeWait,
    TcpState::CloseWait,
    TcpState::LastAck,
    TcpState::Closing,
];

/// One flow. There may be a hundred thousand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KnownFlow {
    pub(super) socket: SocketId,
    pub(super) listener: Option<SocketId>,
    pub(super) inode: Option<u64>,
    pub(super) totals: FlowTotals,
    pub(super) entered: Box<[(TcpState, BootNs)]>,
    pub(super) local: Option<Endpoint>,
    pub(super) remote: Option<Endpoint>,
    pub(super) process: u32,
    pub(super) network_namespace: u32,
    pub(super) backlog: Option<u32>,
    pub(super) error: Option<i32>,
    pub(super) kind: u16,
    pub(super) protocol: u16,
    pub(super) direction: Option<Direction>,
    pub(super) origin: Option<SocketOrigin>,
    pub(super) state: Option<TcpState>,
    /// When that was told.
    pub(super) ended_at: Option<BootNs>,
    pub(super) resumed: bool,
    pub(super) absolute: bool,
    pub(super) by_calls: bool,
    pub(super) bound: bool,
    pub(super) listens: bool,
    /// A record said so: of one that is older than the observation, later ones need not.
    pub(super) was_established: bool,
}

/// What a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It has a peer.
    Connection,
    /// It waits for peers.
    Listener,
    /// A socket with which nothing was done.
    Unused,
}

/// All of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flows {
    cap: u64,
    flows: HashMap<FlowId, KnownFlow>,
    refused: Refused,
}

/// Those that found no room, by class; counted when they end, as nothing is kept by which one could be told from
/// another.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refused {
    any: [bool; 2],
    ended: [u64; 2],
    bytes_sent: u64,
    bytes_received: u64,
}

impl Flows {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, flows: HashMap::default(), refused: Refused::default() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (FlowId, &KnownFlow)> {
        self.flows.iter().map(|(flow, known)| (*flow, known))
    }

    /// Bytes sent and received by flows that found no room and have ended.
    pub(super) fn refused_bytes(&self) -> (u64, u64) {
        (self.refused.bytes_sent, self.refused.bytes_received)
    }

    /// How many there were of a class, at least.
    pub(super) fn tally(&self, class: Class) -> Tally {
        let kept = self.flows.values().filter(|flow| flow.class() == class).count() as u64;
        let refused = self.refused.of(class);
        Tally { seen: kept.saturating_add(refused), kept }
    }

    pub(super) fn told(&mut self, process: u32, at: BootNs, flow: &Flow) {
        if let Some(known) = self.flows.get_mut(&flow.flow) {
            known.again(process, at, flow);
        } else if (self.flows.len() as u64) < self.cap {
            self.flows.insert(flow.flow, KnownFlow::new(process, at, flow));
        } else {
            self.refused.count(flow);
        }
    }
}

impl Refused {
    fn count(&mut self, flow: &Flow) {
        let index = match class(flow.remote, flow.listens, flow.bound) {
            Class::Connection => 0,
            Class::Listener => 1,
            Class::Unused => return,
        };
        self.any[index] = true;
        if flow.ended {
            self.ended[index] = self.ended[index].saturating_add(1);
            self.bytes_sent = self.bytes_sent.saturating_add(flow.totals.bytes_sent);
            self.bytes_received = self.bytes_received.saturating_add(flow.totals.bytes_received);
        }
    }

    fn of(&self, class: Class) -> u64 {
        let index = match class {
            Class::Connection => 0,
            Class::Listener => 1,
            Class::Unused => return 0,
        };
        self.ended[index].max(u64::from(self.any[index]))
    }
}

impl KnownFlow {
    fn new(process: u32, at: BootNs, flow: &Flow) -> Self {
        Self {
            socket: flow.socket,
            listener: flow.listener,
            inode: flow.inode,
            totals: flow.totals,
            entered: flow.entered.as_slice().into(),
            local: flow.local,
            remote: flow.remote,
            process,
            network_namespace: flow.network_namespace,
            backlog: flow.backlog,
            error: flow.error,
            kind: flow.kind,
            protocol: flow.protocol,
            direction: flow.direction,
            origin: flow.origin,
            state: flow.state,
            ended_at: flow.ended.then_some(at),
            resumed: flow.resumed,
            absolute: flow.absolute,
            by_calls: flow.by_calls,
            bound: flow.bound,
            listens: flow.listens,
            was_established: told_established(flow),
        }
    }

    /// Takes in a later record. What it lacks and an earlier one had is kept: a socket that was closed has no inode any
    /// more, and its last record may be written when nobody is there.
    fn again(&mut self, process: u32, at: BootNs, flow: &Flow) {
        if process != NOBODY {
            self.process = process;
        }
        self.listener = flow.listener.or(self.listener);
        self.inode = flow.inode.or(self.inode);
        self.local = flow.local.or(self.local);
        self.remote = flow.remote.or(self.remote);
        self.backlog = flow.backlog.or(self.backlog);
        self.error = flow.error.or(self.error);
        self.direction = if self.has_states() {
            flow.direction.or(self.direction)
        } else {
            // Who was sent something can connect to the sender afterwards.
            self.direction.or(flow.direction)
        };
        self.origin = flow.origin.or(self.origin);
        self.state = flow.state.or(self.state);
        self.totals = later(&self.totals, &flow.totals);
        if self.entered.len() == flow.entered.len() {
            self.entered.copy_from_slice(&flow.entered);
        } else if self.entered.len() < flow.entered.len() {
            self.entered = flow.entered.as_slice().into();
        }
        self.ended_at = self.ended_at.or(flow.ended.then_some(at));
        self.resumed |= flow.resumed;
        self.absolute |= flow.absolute;
        self.by_calls |= flow.by_calls;
        self.bound |= flow.bound;
        self.listens |= flow.listens;
        self.was_established |= told_established(flow);
    }

    pub(super) fn class(&self) -> Class {
        class(self.remote, self.listens, self.bound)
    }

    /// Its protocol has connections, and states of them.
    pub(super) fn has_states(&self) -> bool {
        self.kind != SOCK_RAW && (WITH_STATES.contains(&self.protocol) || self.kind == SOCK_STREAM)
    }

    /// When a state was entered.
    pub(super) fn entered(&self, state: TcpState) -> Option<BootNs> {
        self.entered.iter().find(|(one, _)| *one == state).map(|(_, at)| *at)
    }

    /// Its last moment, if it is over.
    pub(super) fn closed_at(&self) -> Option<BootNs> {
        let ended = self.entered(TcpState::Close).or(self.ended_at).filter(|_| self.ended_at.is_some())?;
        Some(ended.max(self.totals.first_at))
    }
}

/// Whether data could flow in a state, or in one before it.
pub(super) fn was_established(state: TcpState) -> bool {
    AFTER_ESTABLISHED.contains(&state)
}

/// What came before the observation is seen by the state that it left, or by what went through: of a connection that is
/// over by now, nothing else is left.
fn told_established(flow: &Flow) -> bool {
    let is_older = flow.resumed && (flow.state == Some(TcpState::FinWait1) || flow.totals.bytes_sent > 0);
    is_older || flow.state.is_some_and(was_established)
}

fn class(remote: Option<Endpoint>, listens: bool, bound: bool) -> Class {
    if listens {
        Class::Listener
    } else if remote.is_some_and(|remote| remote.port != Some(0)) {
        Class::Connection
    } else if bound {
        Class::Listener
    } else {
        Class::Unused
    }
}

/// Totals of one flow, which only ever grow, after another record of them.
pub(super) fn later(one: &FlowTotals, other: &FlowTotals) -> FlowTotals {
    join(one, other, true)
}

/// Totals of a connection that is told twice; absolute ones are of all of it each time.
pub(super) fn join(one: &FlowTotals, other: &FlowTotals, absolute: bool) -> FlowTotals {
    let with = if absolute { u64::max } else { u64::saturating_add };
    FlowTotals {
        bytes_sent: with(one.bytes_sent, other.bytes_sent),
        bytes_received: with(one.bytes_received, other.bytes_received),
        packets_sent: with(one.packets_sent, other.packets_sent),
        packets_received: with(one.packets_received, other.packets_received),
        first_at: one.first_at.min(other.first_at),
        last_at: one.last_at.max(other.last_at),
    }
}
