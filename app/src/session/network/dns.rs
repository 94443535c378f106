//! Names that were asked for, and what was answered.

use core::net::IpAddr;

use super::{Network, Tally, Texts, connections::Assembled};
use crate::{
    event::{
        BootNs, DnsMessage, DnsQuestion, DnsRecord, DnsRecordValue, DnsTransport, Endpoint, FlowId, Observed,
        ProcessKey,
    },
    maps::{HashMap, HashSet},
    session::{Caps, Text, TextId, files::text},
};

/// The type that asks for all types.
const ANY: u16 = 255;
/// Queries of one multicast question by several sockets that are this near are one: each socket of the group has it.
const SAME_MULTICAST_NS: BootNs = 1_000_000_000;

/// A message, and when it came.
#[derive(Clone, Copy)]
struct Heard<'a> {
    message: &'a DnsMessage,
    at: BootNs,
}

/// By what an answer finds its question. Of a multicast question the answer comes from somebody else than it was sent to,
/// and so by another flow of the same socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    flow: u64,
    id: u16,
    kind: u16,
    name: TextId,
    received: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Exchange {
    name: Observed<TextId>,
    /// The same in small letters, if there was room.
    folded: Option<TextId>,
    flow: FlowId,
    server: Option<Endpoint>,
    asked_at: Option<BootNs>,
    answered_at: Option<BootNs>,
    answers: Box<[KnownAnswer]>,
    repeats: u32,
    id: u16,
    kind: u16,
    rcode: Option<u16>,
    transport: DnsTransport,
    received: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownAnswer {
    name: Observed<TextId>,
    kind: u16,
    ttl: u32,
    value: KnownValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownValue {
    Address(IpAddr),
    Name(Observed<TextId>),
    Other,
}

/// Every question, in the order in which they came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exchanges {
    cap: u64,
    answers_cap: u64,
    exchanges: Vec<Exchange>,
    latest: HashMap<Key, u32>,
    tally: Tally,
    answers_tally: Tally,
}

impl Exchanges {
    pub(super) fn new(caps: &Caps) -> Self {
        Self {
            cap: caps.dns,
            answers_cap: caps.dns_answers,
            exchanges: Vec::new(),
            latest: HashMap::default(),
            tally: Tally::default(),
            answers_tally: Tally::default(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn answers_tally(&self) -> Tally {
        self.answers_tally
    }

    /// Takes in a message.
    pub(super) fn heard(&mut self, texts: &mut Texts, at: BootNs, message: &DnsMessage) {
        let heard = Heard { message, at };
        if message.is_response { self.answer(texts, heard) } else { self.query(texts, heard) }
    }

    fn query(&mut self, texts: &mut Texts, heard: Heard<'_>) {
        for DnsQuestion { name, kind } in &heard.message.questions {
            let folded = self.keep(texts, name);
            let received = !heard.message.sent;
            let key = |received| folded.map(|name| heard.key(name, *kind, received));
            // Its own question comes back to a socket of the group.
            if received && heard.message.transport.is_multicast() && self.find(key(false)).is_some() {
                continue;
            }
            if let Some(known) = self.find(key(received)).and_then(|at| self.exchanges.get_mut(at))
                && known.answered_at.is_none()
            {
                known.repeats = known.repeats.saturating_add(1);
                continue;
            }
            if self.tally.count(1, self.has_room()) {
                let mut exchange = heard.exchange(texts, name, *kind, folded, received);
                exchange.asked_at = Some(heard.at);
                self.add(exchange, key(received));
            }
        }
    }

    fn answer(&mut self, texts: &mut Texts, heard: Heard<'_>) {
        let received = heard.message.sent;
        let DnsMessage { questions, answers, .. } = heard.message;
        if questions.is_empty() {
            return self.answer_without_question(texts, heard, received);
        }
        for DnsQuestion { name, kind } in questions {
            let folded = self.keep(texts, name);
            let key = folded.map(|name| heard.key(name, *kind, received));
            // Of several questions each gets its own.
            let of_this = |owner: &[u8]| questions.len() == 1 || same(owner, name);
            let known = self.find(key);
            let already = known.is_some_and(|at| self.exchanges[at].answered_at.is_some());
            if already {
                continue;
            }
            let exchange = match known {
                Some(at) => Some(at),
                None if heard.message.transport.is_multicast() && received => None,
                None => self.unasked().then(|| {
                    let exchange = heard.exchange(texts, name, *kind, folded, received);
                    self.add(exchange, key)
                }),
            };
            let Some(at) = exchange else { continue };
            let answers: Vec<_> = answers.iter().filter(|answer| of_this(&answer.name)).collect();
            self.answered(texts, heard, at, &answers);
        }
    }

    /// As mDNS answers: every record may be what somebody asked for.
    fn answer_without_question(&mut self, texts: &mut Texts, heard: Heard<'_>, received: bool) {
        let answers = &heard.message.answers;
        let mut found = false;
        for (position, first) in answers.iter().enumerate() {
            let is_of_it = |name: &[u8]| same(&first.name, name);
            let Some(name) = texts.find(&folded(&first.name)) else { continue };
            for kind in [first.kind, ANY] {
                let key = Key { id: 0, ..heard.key(name, kind, received) };
                let unanswered = |at: &usize| self.exchanges[*at].answered_at.is_none();
                let Some(at) = self.find(Some(key)).filter(unanswered) else { continue };
                let rest = &answers[position..];
                let of_it: Vec<_> = rest.iter().filter(|answer| is_of_it(&answer.name)).collect();
                self.answered(texts, heard, at, &of_it);
                found = true;
            }
        }
        let Some(first) = answers.first().filter(|_| !found) else { return };
        let folded = self.keep(texts, &first.name);
        if self.unasked() {
            let exchange = heard.exchange(texts, &first.name, first.kind, folded, received);
            let at = self.add(exchange, None);
            self.answered(texts, heard, at, &answers.iter().collect::<Vec<_>>());
        }
    }

    fn answered(&mut self, texts: &mut Texts, heard: Heard<'_>, at: usize, answers: &[&DnsRecord]) {
        let room = self.answers_cap.saturating_sub(self.answers_tally.kept);
        let kept = answers.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.answers_tally.count(kept as u64, true);
        self.answers_tally.count((answers.len() - kept) as u64, false);
        let Some(exchange) = self.exchanges.get_mut(at) else { return };
        let keep = |answer: &&DnsRecord| KnownAnswer {
            name: texts.keep_whole(&answer.name),
            kind: answer.kind,
            ttl: answer.ttl,
            value: match &answer.value {
                DnsRecordValue::Address(address) => KnownValue::Address(*address),
                DnsRecordValue::Name(name) => KnownValue::Name(texts.keep_whole(name)),
                DnsRecordValue::Other => KnownValue::Other,
            },
        };
        exchange.answers = answers[..kept].iter().map(keep).collect();
        exchange.answered_at = Some(heard.at);
        exchange.rcode = Some(heard.message.rcode);
    }

    fn find(&self, key: Option<Key>) -> Option<usize> {
        self.latest.get(&key?).map(|at| *at as usize)
    }

    fn has_room(&self) -> bool {
        (self.exchanges.len() as u64) < self.cap
    }

    /// A name as it is compared; of what finds no room, only if it is known.
    fn keep(&self, texts: &mut Texts, name: &[u8]) -> Option<TextId> {
        let name = folded(name);
        if self.has_room() { texts.keep(&name) } else { texts.find(&name) }
    }

    /// Whether there is room for an answer without a question. Without, it may be that of a question that found none, and
    /// was counted.
    fn unasked(&mut self) -> bool {
        if self.has_room() {
            return self.tally.count(1, true);
        }
        self.tally.seen = self.tally.seen.max(self.tally.kept.saturating_add(1));
        false
    }

    fn add(&mut self, exchange: Exchange, key: Option<Key>) -> usize {
        let at = self.exchanges.len();
        self.exchanges.push(exchange);
        if let Some(key) = key {
            self.latest.insert(key, crate::session::files::index(at));
        }
        at
    }
}

impl Heard<'_> {
    fn key(&self, name: TextId, kind: u16, received: bool) -> Key {
        let DnsMessage { transport, flow, socket, id, .. } = self.message;
        // mDNS has no ids, and answers may have the question's or none.
        let id = if *transport == DnsTransport::Mdns { 0 } else { *id };
        Key { flow: if transport.is_multicast() { *socket } else { *flow }, id, kind, name, received }
    }

    fn exchange(
        &self,
        texts: &mut Texts,
        name: &[u8],
        kind: u16,
        folded: Option<TextId>,
        received: bool,
    ) -> Exchange {
        let message = self.message;
        Exchange {
            name: texts.keep_whole(name),
            folded,
            flow: message.flow,
            server: if received { message.local } else { message.remote },
            asked_at: None,
            answered_at: None,
            answers: Box::default(),
            repeats: 0,
            id: message.id,
            kind,
            rcode: None,
            transport: message.transport,
            received,
        }
    }
}

/// A question, and what was answered.
#[derive(Clone, Debug)]
pub struct DnsEntry {
    /// The name that was asked for, as in zone files.
    pub query: Text,
    /// Number of the record type that was asked for.
    pub kind: u16,
    /// What was answered.
    pub answers: Vec<DnsAnswer>,
    /// Code of the response; absent where there was none.
    pub rcode: Option<u16>,
    /// Who was asked.
    pub server: Option<Endpoint>,
    /// How.
    pub transport: DnsTransport,
    /// Who asked; of a question that was received, who was asked.
    pub process: Option<ProcessKey>,
    /// When the question went out; absent where only the answer was seen.
    pub asked_at: Option<BootNs>,
    /// When the first answer came.
    pub answered_at: Option<BootNs>,
    /// Position of the connection that it went through.
    pub connection: Option<usize>,
    /// It was received by a name server that is observed, from somebody who is not.
    pub received: bool,
    /// How often it was sent.
    pub count: u64,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAnswer {
    /// Whose record it is.
    pub name: Text,
    /// Number of its type.
    pub kind: u16,
    /// How long it holds, s.
    pub ttl: u32,
    /// What it says.
    pub value: DnsValue,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsValue {
    /// An address.
    Address(IpAddr),
    /// Another name.
    Name(Text),
    /// Something that is not kept.
    Other,
}

/// The questions, in order of time. What a server saw of one that stands here as its client saw it is left out.
pub(super) fn entries(network: &Network, assembled: &Assembled) -> Vec<DnsEntry> {
    let Exchanges { exchanges, .. } = &network.exchanges;
    let connection_of = |exchange: &Exchange| assembled.of_flow.get(&exchange.flow).copied();
    let question = |exchange: &Exchange| (exchange.id, exchange.kind, exchange.folded);
    let mut by_clients = HashSet::default();
    let mut by_multicast: HashMap<_, Vec<BootNs>> = HashMap::default();
    for exchange in exchanges.iter().filter(|exchange| !exchange.received) {
        if let Some(connection) = connection_of(exchange) {
            by_clients.insert((connection, question(exchange)));
        }
        if exchange.transport.is_multicast() {
            by_multicast.entry(question(exchange)).or_default().push(exchange.at());
        }
    }
    by_multicast.values_mut().for_each(|times| times.sort_unstable());
    let seen_by_client = |exchange: &&Exchange| {
        let peer = connection_of(exchange).and_then(|at| assembled.connections[at].peer);
        let from = exchange.at().saturating_sub(SAME_MULTICAST_NS);
        let near = |times: &Vec<BootNs>| {
            let first = times.get(times.partition_point(|at| *at < from));
            first.is_some_and(|at| *at <= exchange.at())
        };
        exchange.received
            && (peer.is_some_and(|peer| by_clients.contains(&(peer, question(exchange))))
                || (exchange.transport.is_multicast()
                    && by_multicast.get(&question(exchange)).is_some_and(near)))
    };
    let mut entries: Vec<DnsEntry> = exchanges
        .iter()
        .filter(|exchange| !seen_by_client(exchange))
        .map(|exchange| entry(network, assembled, exchange, connection_of(exchange)))
        .collect();
    entries.sort_by_key(|entry| entry.asked_at.or(entry.answered_at));
    entries
}

impl Exchange {
    fn at(&self) -> BootNs {
        self.asked_at.or(self.answered_at).unwrap_or_default()
    }
}

fn entry(
    network: &Network,
    assembled: &Assembled,
    exchange: &Exchange,
    connection: Option<usize>,
) -> DnsEntry {
    let texts = &network.texts;
    let answer = |answer: &KnownAnswer| DnsAnswer {
        name: text(texts, answer.name),
        kind: answer.kind,
        ttl: answer.ttl,
        value: match answer.value {
            KnownValue::Address(address) => DnsValue::Address(address),
            KnownValue::Name(name) => DnsValue::Name(text(texts, name)),
            KnownValue::Other => DnsValue::Other,
        },
    };
    DnsEntry {
        query: text(texts, exchange.name),
        kind: exchange.kind,
        answers: exchange.answers.iter().map(answer).collect(),
        rcode: exchange.rcode,
        server: exchange.server,
        transport: exchange.transport,
        process: connection.and_then(|at| assembled.connections[at].process),
        asked_at: exchange.asked_at,
        answered_at: exchange.answered_at,
        connection,
        received: exchange.received,
        count: u64::from(exchange.repeats) + 1,
    }
}

/// An answer that gives an address: when it came, the address, and the name that was asked for.
pub(super) struct Named {
    pub(super) at: BootNs,
    pub(super) address: IpAddr,
    pub(super) name: Observed<TextId>,
}

/// Every address that was answered.
pub(super) fn addresses(network: &Network) -> Vec<Named> {
    let mut found = Vec::new();
    for exchange in &network.exchanges.exchanges {
        let Some(at) = exchange.answered_at else { continue };
        let aliases = aliases(&network.texts, exchange);
        for answer in &exchange.answers {
            let KnownValue::Address(address) = answer.value else { continue };
            let is_asked = aliases.contains(&small(&network.texts, answer.name));
            let name = if is_asked { exchange.name } else { answer.name };
            found.push(Named { at, address, name });
        }
    }
    found
}

/// The name that was asked for, and what it stands for by the answer's own CNAMEs.
fn aliases(texts: &Texts, exchange: &Exchange) -> HashSet<Vec<u8>> {
    /// Longer chains are no use to anybody; resolvers give up earlier.
    const CHAIN: usize = 16;
    /// Number of the record type of an alias.
    const CNAME: u16 = 5;
    let mut known = HashSet::from_iter([small(texts, exchange.name)]);
    for _ in 0..CHAIN {
        let before = known.len();
        for answer in exchange.answers.iter().filter(|answer| answer.kind == CNAME) {
            if let KnownValue::Name(target) = answer.value
                && known.contains(&small(texts, answer.name))
            {
                known.insert(small(texts, target));
            }
        }
        if known.len() == before {
            break;
        }
    }
    known
}

fn small(texts: &Texts, name: Observed<TextId>) -> Vec<u8> {
    name.value().map(|name| texts.bytes_of(*name).to_ascii_lowercase()).unwrap_or_default()
}

/// A name as it is compared: DNS does not tell small letters from large ones.
fn folded(name: &[u8]) -> Vec<u8> {
    name.to_ascii_lowercase()
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}
