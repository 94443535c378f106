//! Sockets without an internet address: unix sockets by their names, the others by their kind.

use std::collections::BTreeMap;

use super::{
    Network, Tally, Texts,
    connections::{SocketUser, further},
    flow::later,
};
use crate::{
    event::{
        BootNs, Flow, FlowId, FlowTotals, Observed, PathSource, ProcessKey, SocketId, SocketOperation,
        SocketOrigin, UnixSocket,
    },
    maps::{HashMap, IndexMap},
    session::{KeptPath, Text, TextId, add_count, files::text},
};

/// In the order of their numbers.
const OPERATIONS: [SocketOperation; 9] = [
    SocketOperation::Create,
    SocketOperation::CreatePair,
    SocketOperation::Connect,
    SocketOperation::Bind,
    SocketOperation::Listen,
    SocketOperation::Accept,
    SocketOperation::Send,
    SocketOperation::Receive,
    SocketOperation::Use,
];

/// What is one entry: a server that sends to many names, and a socket that two processes use, are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UnixKey {
    socket: SocketId,
    process: u32,
    name: Option<Observed<TextId>>,
    is_peers: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct KnownUnix {
    inode: u64,
    path: Option<Box<KeptPath>>,
    is_argument: bool,
    listener: Option<SocketId>,
    peer: Option<ProcessKey>,
    peer_pid: Option<u32>,
    /// When that was told.
    peer_at: BootNs,
    first_at: BootNs,
    operations: [u32; OPERATIONS.len()],
    kind: u16,
    origin: SocketOrigin,
}

/// What went through a unix socket.
#[derive(Debug, PartialEq, Eq)]
struct UnixFlow {
    socket: SocketId,
    inode: Option<u64>,
    totals: FlowTotals,
    process: u32,
    kind: u16,
    origin: Option<SocketOrigin>,
}

/// A service that somebody talked to, or tried to, by the name of its socket.
pub(in super::super) struct AskedService<'a> {
    /// The path or abstract name that was asked for.
    pub(in super::super) name: &'a [u8],
    /// Who asked.
    pub(in super::super) process: ProcessKey,
    /// Positive errno, if that failed.
    pub(in super::super) errno: Option<i32>,
    /// The first that is known of it.
    pub(in super::super) first_at: BootNs,
    /// How often.
    pub(in super::super) count: u64,
}

/// All unix sockets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnixSockets {
    cap: u64,
    sockets: IndexMap<UnixKey, KnownUnix>,
    flows: HashMap<FlowId, UnixFlow>,
    refused: bool,
}

/// A unix socket under one name.
#[derive(Debug)]
pub struct UnixEntry {
    /// Inode number of the socket.
    pub inode: Option<u64>,
    /// `SOCK_*`.
    pub kind: u16,
    /// Who did it.
    pub process: Option<ProcessKey>,
    /// How that process came to have it.
    pub origin: Option<SocketOrigin>,
    /// Further processes that used it.
    pub users: Vec<SocketUser>,
    /// What was done how often.
    pub operations: Vec<(SocketOperation, u64)>,
    /// A path as it was bound, or with a NUL before it an abstract name.
    pub name: Option<Text>,
    /// The name is the peer's.
    pub name_is_peers: bool,
    /// The name is known from the calls alone that sent to it.
    pub name_is_argument: bool,
    /// The file that the name leads to.
    pub path: Option<(Text, PathSource)>,
    /// The peer's process, if it is observed.
    pub peer: Option<ProcessKey>,
    /// The peer's process id.
    pub peer_pid: Option<u32>,
    /// Position of the socket that it was accepted on, among these.
    pub listener: Option<usize>,
    /// The first that is known of it.
    pub first_at: BootNs,
    /// Bytes sent; of a socket with several entries, in the first.
    pub bytes_sent: u64,
    /// Bytes received, likewise.
    pub bytes_received: u64,
    /// When the peer's process id was told.
    pub(super) peer_at: BootNs,
    socket: SocketId,
    listens_on: Option<SocketId>,
}

impl UnixSockets {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, sockets: IndexMap::default(), flows: HashMap::default(), refused: false }
    }

    /// How many different ones there are beyond the cap is not known: at least one.
    pub(super) fn tally(&self) -> Tally {
        let kept = self.sockets.len() as u64;
        Tally { seen: kept + u64::from(self.refused), kept }
    }

    pub(super) fn told(&mut self, texts: &mut Texts, process: u32, at: BootNs, unix: &UnixSocket) {
        let is_full = self.sockets.len() as u64 >= self.cap;
        let name = match unix.name.as_deref() {
            None => None,
            Some(name) if !is_full => Some(texts.keep_whole(name)),
            // Names of what finds no room take no room either.
            Some(name) => match texts.find(name) {
                Some(known) => Some(Observed::Complete(known)),
                None => {
                    self.refused = true;
                    return;
                }
            },
        };
        let is_peers = name.is_some() && unix.name_is_peers;
        let key = UnixKey { socket: unix.socket, process, name, is_peers };
        if is_full && !self.sockets.contains_key(&key) {
            self.refused = true;
            return;
        }
        let known = self.sockets.entry(key).or_insert_with(|| KnownUnix {
            inode: unix.inode,
            path: None,
            is_argument: true,
            listener: None,
            peer: None,
            peer_pid: None,
            peer_at: at,
            first_at: at,
            operations: [0; OPERATIONS.len()],
            kind: unix.kind,
            origin: unix.origin,
        });
        if known.path.as_ref().is_none_or(|path| path.source == PathSource::Argument)
            && let Some(path) = &unix.path
        {
            known.path = Some(Box::new(texts.keep_path(path)));
        }
        known.is_argument &= unix.name_is_argument;
        known.listener = unix.listener.or(known.listener);
        known.peer = unix.peer.or(known.peer);
        if unix.peer_pid.is_some() {
            (known.peer_pid, known.peer_at) = (unix.peer_pid, at);
        }
        known.first_at = known.first_at.min(at);
        let count = &mut known.operations[unix.operation as usize];
        *count = count.saturating_add(1);
    }

    pub(super) fn flow(&mut self, process: u32, flow: &Flow) {
        if !self.flows.contains_key(&flow.flow) && self.flows.len() as u64 >= self.cap {
            self.refused = true;
            return;
        }
        let made = UnixFlow {
            socket: flow.socket,
            inode: flow.inode,
            totals: flow.totals,
            process,
            kind: flow.kind,
            origin: flow.origin,
        };
        let known = self.flows.entry(flow.flow).or_insert(made);
        known.inode = known.inode.or(flow.inode);
        known.origin = known.origin.or(flow.origin);
        if process != super::NOBODY {
            known.process = process;
        }
        known.totals = later(&known.totals, &flow.totals);
    }
}

impl Network {
    /// Services by the names of their sockets, in no particular order.
    pub(in super::super) fn asked_services(&self) -> impl Iterator<Item = AskedService<'_>> {
        let talked = self.unix.sockets.iter().filter(|(key, _)| key.is_peers).filter_map(|(key, known)| {
            Some(AskedService {
                name: key.name?.value().map(|name| self.texts.bytes_of(*name))?,
                process: self.process_of(key.process)?,
                errno: None,
                first_at: known.first_at,
                count: 1,
            })
        });
        talked.chain(self.failures.asked_services())
    }
}

/// The entries, in order of time.
pub(super) fn unix_entries(network: &Network, users: &HashMap<SocketId, Vec<SocketUser>>) -> Vec<UnixEntry> {
    let mut found: Vec<UnixEntry> =
        network.unix.sockets.iter().map(|(key, known)| unix_entry(network, key, known)).collect();
    // What was done without a name belongs to the name that the process did something with.
    let order = |one: &UnixEntry| (one.socket, one.process, one.name.is_none(), one.first_at);
    found.sort_by_key(order);
    let mut entries: Vec<UnixEntry> = Vec::with_capacity(found.len());
    let mut named: Option<usize> = None;
    for entry in found {
        let same = named.filter(|named| {
            let named = &entries[*named];
            (named.socket, named.process) == (entry.socket, entry.process)
        });
        match same {
            Some(named) if entry.name.is_none() => entries[named].take_in(entry),
            same => {
                if same.is_none() {
                    named = Some(entries.len());
                }
                entries.push(entry);
            }
        }
    }
    let mut sums: BTreeMap<SocketId, (FlowId, u64, u64)> = BTreeMap::new();
    for (flow, known) in &network.unix.flows {
        let (first, sent, received) = sums.entry(known.socket).or_insert((*flow, 0, 0));
        *first = (*first).min(*flow);
        *sent = sent.saturating_add(known.totals.bytes_sent);
        *received = received.saturating_add(known.totals.bytes_received);
    }
    let in_time = |one: &UnixEntry| (one.first_at, one.socket, one.process, one.name_is_peers);
    entries.sort_by_key(in_time);
    for entry in &mut entries {
        if let Some((_, sent, received)) = sums.remove(&entry.socket) {
            (entry.bytes_sent, entry.bytes_received) = (sent, received);
            entry.add_users(users.get(&entry.socket));
        }
    }
    for (socket, (flow, sent, received)) in sums {
        let Some(known) = network.unix.flows.get(&flow) else { continue };
        let mut entry = flow_entry(network, socket, known);
        (entry.bytes_sent, entry.bytes_received) = (sent, received);
        entry.add_users(users.get(&socket));
        entries.push(entry);
    }
    entries.sort_by_key(in_time);
    let listens = |entry: &UnixEntry| !entry.name_is_peers && entry.listens_on.is_none();
    let by_socket: HashMap<SocketId, usize> = (0..)
        .zip(&entries)
        .filter(|(_, entry)| listens(entry))
        .map(|(position, entry)| (entry.socket, position))
        .collect();
    for entry in &mut entries {
        entry.listener = entry.listens_on.and_then(|socket| by_socket.get(&socket)).copied();
    }
    entries
}

fn unix_entry(network: &Network, key: &UnixKey, known: &KnownUnix) -> UnixEntry {
    let texts = &network.texts;
    let counts = OPERATIONS.iter().zip(&known.operations).filter(|(_, count)| **count > 0);
    UnixEntry {
        inode: Some(known.inode).filter(|inode| *inode != 0),
        kind: known.kind,
        process: network.process_of(key.process),
        origin: Some(known.origin),
        users: Vec::new(),
        operations: counts.map(|(operation, count)| (*operation, u64::from(*count))).collect(),
        name: key.name.map(|name| text(texts, name)),
        name_is_peers: key.is_peers,
        name_is_argument: known.is_argument,
        path: known.path.as_ref().map(|path| (text(texts, path.path), path.source)),
        peer: known.peer,
        peer_pid: known.peer_pid,
        peer_at: known.peer_at,
        listener: None,
        first_at: known.first_at,
        bytes_sent: 0,
        bytes_received: 0,
        socket: key.socket,
        listens_on: known.listener,
    }
}

/// One that only its bytes are known of.
fn flow_entry(network: &Network, socket: SocketId, known: &UnixFlow) -> UnixEntry {
    UnixEntry {
        inode: known.inode,
        kind: known.kind,
        process: network.process_of(known.process),
        origin: known.origin,
        users: Vec::new(),
        operations: Vec::new(),
        name: None,
        name_is_peers: false,
        name_is_argument: false,
        path: None,
        peer: None,
        peer_pid: None,
        peer_at: known.totals.first_at,
        listener: None,
        first_at: known.totals.first_at,
        bytes_sent: 0,
        bytes_received: 0,
        socket,
        listens_on: None,
    }
}

impl UnixEntry {
    fn take_in(&mut self, other: Self) {
        for (operation, count) in other.operations {
            add_count(&mut self.operations, operation, count);
        }
        self.peer = self.peer.or(other.peer);
        if self.peer_pid.is_none() {
            (self.peer_pid, self.peer_at) = (other.peer_pid, other.peer_at);
        }
        self.listens_on = self.listens_on.or(other.listens_on);
        self.first_at = self.first_at.min(other.first_at);
    }

    fn add_users(&mut self, users: Option<&Vec<SocketUser>>) {
        self.users = further(users, &mut self.process, &mut self.origin);
    }
}

/// Sockets of one kind that one process had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherSocket {
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`.
    pub kind: u16,
    /// The family's own number.
    pub protocol: u16,
    /// Who had them.
    pub process: Option<ProcessKey>,
    /// How many.
    pub count: u64,
    /// The first.
    pub first_at: BootNs,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct OtherKey {
    family: u16,
    kind: u16,
    protocol: u16,
    process: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OtherSum {
    count: u64,
    first_at: BootNs,
    bytes_sent: u64,
    bytes_received: u64,
}

/// All sockets of other families: those that are open by themselves, as their totals still grow, the others by kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OtherSockets {
    cap: u64,
    open: HashMap<FlowId, (OtherKey, OtherSum)>,
    ended: BTreeMap<OtherKey, OtherSum>,
    refused: bool,
}

impl OtherSockets {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, open: HashMap::default(), ended: BTreeMap::new(), refused: false }
    }

    /// How many different ones there are beyond the cap is not known: at least one.
    pub(super) fn tally(&self) -> Tally {
        let kept = self.sums().len() as u64;
        Tally { seen: kept + u64::from(self.refused), kept }
    }

    pub(super) fn told(&mut self, process: u32, flow: &Flow) {
        let before =
            if flow.ended { self.open.remove(&flow.flow) } else { self.open.get(&flow.flow).copied() };
        let known = |before: (OtherKey, OtherSum)| before.0.process;
        let process = if process == super::NOBODY { before.map_or(process, known) } else { process };
        let key = OtherKey { family: flow.family, kind: flow.kind, protocol: flow.protocol, process };
        let totals = &flow.totals;
        let sum = OtherSum {
            count: 1,
            first_at: before.map_or(totals.first_at, |(_, sum)| sum.first_at.min(totals.first_at)),
            bytes_sent: before.map_or(0, |(_, sum)| sum.bytes_sent).max(totals.bytes_sent),
            bytes_received: before.map_or(0, |(_, sum)| sum.bytes_received).max(totals.bytes_received),
        };
        let room = |len: usize| (len as u64) < self.cap;
        if flow.ended {
            if self.ended.contains_key(&key) || room(self.ended.len()) {
                add(&mut self.ended, key, &sum);
            } else {
                self.refused = true;
            }
        } else if before.is_some() || room(self.open.len()) {
            self.open.insert(flow.flow, (key, sum));
        } else {
            self.refused = true;
        }
    }

    fn sums(&self) -> BTreeMap<OtherKey, OtherSum> {
        let mut sums = self.ended.clone();
        self.open.values().for_each(|(key, sum)| add(&mut sums, *key, sum));
        sums
    }
}

fn add(sums: &mut BTreeMap<OtherKey, OtherSum>, key: OtherKey, sum: &OtherSum) {
    let more = |known: &mut OtherSum| {
        known.count = known.count.saturating_add(sum.count);
        known.first_at = known.first_at.min(sum.first_at);
        known.bytes_sent = known.bytes_sent.saturating_add(sum.bytes_sent);
        known.bytes_received = known.bytes_received.saturating_add(sum.bytes_received);
    };
    sums.entry(key).and_modify(more).or_insert(*sum);
}

/// By family, kind, protocol and process.
pub(super) fn other_entries(network: &Network) -> Vec<OtherSocket> {
    let entry = |(key, sum): (OtherKey, OtherSum)| OtherSocket {
        family: key.family,
        kind: key.kind,
        protocol: key.protocol,
        process: network.process_of(key.process),
        count: sum.count,
        first_at: sum.first_at,
        bytes_sent: sum.bytes_sent,
        bytes_received: sum.bytes_received,
    };
    let mut entries: Vec<_> = network.others.sums().into_iter().map(entry).collect();
    entries.sort_by_key(|one| (one.family, one.kind, one.protocol, one.process));
    entries
}
