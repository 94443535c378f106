//! What payloads mean: DNS messages, and what the first bytes of connections say. Nothing else of them goes any further.

use std::collections::BTreeMap;

use crate::{
    event::{
        Direction, DnsMessage, DnsQuestion, DnsRecord, DnsRecordValue, DnsTransport, Endpoint, EventKind,
        Flow, FlowId, HttpVersion, Observed, Payload, Said, SaidHttp, SaidTls,
    },
    protocol::{
        Recognised, Recogniser, Sender,
        dns::{self, Data, Message},
        http::{Request, Version},
        tls::ClientHello,
    },
};

/// Connections that may say something yet, that is that have not ended. When there are more, the oldest are given up.
const MAX_STREAMS: usize = 65_536;
/// Bytes that were taken of those that are being looked at. The oldest are given up first.
const MAX_STREAM_BYTES: usize = 32 * 1024 * 1024;

/// Ports of name servers, of mDNS and of LLMNR.
const DNS: u16 = 53;
const MDNS: u16 = 5353;
const LLMNR: u16 = 5355;

/// Protocols of streams: TCP, MPTCP.
const STREAMS: [u16; 2] = [6, 262];
/// Protocols of datagrams: UDP, UDP-Lite.
const DATAGRAMS: [u16; 2] = [17, 136];

/// The streams that may say something yet.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// By number, that is by age.
    streams: BTreeMap<FlowId, Stream>,
    /// Bytes that were taken of those that are being looked at.
    bytes: usize,
}

#[derive(Debug)]
enum Stream {
    /// Nothing was seen of it yet.
    Announced(Direction),
    /// It is being looked at.
    Open(Box<Open>),
    /// It is known, or cannot be anything that is known here.
    Done,
}

#[derive(Debug)]
struct Open {
    recogniser: Recogniser,
    bytes: usize,
    /// What was told already.
    seen: [bool; 6],
    /// It is known who is the client: the one that sends from the socket.
    sender_is: Sender,
}

impl Streams {
    /// Takes note of who began a connection, and of its end.
    pub(super) fn flow(&mut self, flow: &Flow) {
        if !STREAMS.contains(&flow.protocol) {
            return;
        }
        if flow.ended {
            if let Some(Stream::Open(open)) = self.streams.remove(&flow.flow) {
                self.bytes -= open.bytes;
            }
        } else if let Some(direction) = flow.direction {
            let stream = self.streams.entry(flow.flow).or_insert(Stream::Announced(direction));
            if let Stream::Announced(known) = stream {
                *known = direction;
            }
            self.make_room();
        }
    }

    /// Takes in the beginning of a packet's payload, and says what it means by now.
    pub(super) fn payload(&mut self, payload: &Payload) -> Vec<EventKind> {
        if DATAGRAMS.contains(&payload.protocol) {
            let message = datagram(payload);
            let told = message.map(|(message, how)| heard(payload, message, payload.sent, how));
            return told.into_iter().collect();
        }
        if STREAMS.contains(&payload.protocol) { self.stream(payload) } else { Vec::new() }
    }

    fn stream(&mut self, payload: &Payload) -> Vec<EventKind> {
        let mut told = Vec::new();
        let stream = self
            .streams
            .entry(payload.flow)
            .or_insert_with(|| Stream::Open(Box::new(Open::new(None, payload))));
        if let Stream::Announced(direction) = stream {
            *stream = Stream::Open(Box::new(Open::new(Some(*direction), payload)));
        }
        let Stream::Open(open) = stream else { return told };
        let before = open.bytes;
        open.feed(payload, &mut told);
        self.bytes += open.bytes - before;
        if open.recogniser.is_done() {
            self.bytes -= open.bytes;
            *stream = Stream::Done;
        }
        self.make_room();
        told
    }

    /// Gives up what is oldest, as long as there is too much.
    fn make_room(&mut self) {
        while self.streams.len() > MAX_STREAMS || self.bytes > MAX_STREAM_BYTES {
            let Some((_, oldest)) = self.streams.pop_first() else { return };
            if let Stream::Open(open) = oldest {
                self.bytes -= open.bytes;
            }
        }
    }
}

impl Open {
    fn new(direction: Option<Direction>, payload: &Payload) -> Self {
        let is_dns = has_port(payload, DNS) || has_port(payload, LLMNR);
        let (recogniser, sender_is) = match direction {
            Some(Direction::Outbound) => (Recogniser::new(is_dns), Sender::Client),
            Some(Direction::Inbound) => (Recogniser::new(is_dns), Sender::Server),
            None => (Recogniser::without_roles(is_dns), Sender::Client),
        };
        Self { recogniser, bytes: 0, seen: [false; 6], sender_is }
    }

    fn feed(&mut self, payload: &Payload, told: &mut Vec<EventKind>) {
        let sender = if payload.sent { self.sender_is } else { self.sender_is.other() };
        if !self.recogniser.is_done_with(sender) {
            self.bytes = self.bytes.saturating_add(payload.bytes.len());
            self.recogniser.feed(sender, payload.sequence, &payload.bytes, payload.total as usize);
        }
        for (sender, message) in self.recogniser.take_dns() {
            told.push(heard(payload, message, sender == self.sender_is, DnsTransport::Tcp));
        }
        let recognised = self.recogniser.recognised();
        let seen = seen(recognised);
        if seen != self.seen {
            self.seen = seen;
            told.push(EventKind::Said(Box::new(said(payload.flow, recognised, self.sender_is))));
        }
    }
}

/// Which parts there are.
fn seen(recognised: &Recognised) -> [bool; 6] {
    let smtp = recognised.smtp.as_ref();
    [
        recognised.tls.is_some(),
        recognised.http.is_some(),
        recognised.ssh.client.is_some(),
        recognised.ssh.server.is_some(),
        smtp.is_some_and(|smtp| smtp.greeting.is_some()),
        smtp.is_some_and(|smtp| smtp.helo.is_some()),
    ]
}

fn said(flow: FlowId, recognised: &Recognised, sender_is: Sender) -> Said {
    let (client, server) = (recognised.ssh.client.clone(), recognised.ssh.server.clone());
    let (ssh_sent, ssh_received) =
        if sender_is == Sender::Client { (client, server) } else { (server, client) };
    let smtp = recognised.smtp.as_ref();
    Said {
        flow,
        tls: recognised.tls.as_ref().map(hello),
        http: recognised.http.as_ref().map(request),
        ssh_sent,
        ssh_received,
        smtp_greeting: smtp.and_then(|smtp| smtp.greeting.clone()),
        smtp_helo: smtp.and_then(|smtp| smtp.helo.clone()),
    }
}

fn hello(hello: &ClientHello) -> SaidTls {
    SaidTls {
        sni: hello.sni.clone(),
        alpn: hello.alpn.clone(),
        versions: hello.versions.clone(),
        ja4: hello.ja4.as_ref().map(|ja4| ja4.clone().into_bytes()),
    }
}

fn request(request: &Request) -> SaidHttp {
    let target = || match request.target_truncated {
        false => Observed::Complete(request.target.clone()),
        // How long it was is not known.
        true => {
            Observed::Truncated { length: request.target.len() as u64 + 1, value: request.target.clone() }
        }
    };
    SaidHttp {
        method: request.method.clone().into_bytes(),
        target: (!request.target.is_empty()).then(target),
        host: request.host.clone(),
        version: request.version.map(|version| match version {
            Version::Http10 => HttpVersion::Http10,
            Version::Http11 => HttpVersion::Http11,
            Version::Http2 => HttpVersion::Http2,
        }),
    }
}

/// The DNS message that a datagram is, if it is one.
fn datagram(payload: &Payload) -> Option<(Message, DnsTransport)> {
    let transport = if has_port(payload, MDNS) {
        DnsTransport::Mdns
    } else if has_port(payload, LLMNR) {
        DnsTransport::Llmnr
    } else {
        DnsTransport::Udp
    };
    let is_expected = transport != DnsTransport::Udp || has_port(payload, DNS);
    if !is_expected && !dns::looks_like(&payload.bytes) {
        return None;
    }
    dns::parse(&payload.bytes).ok().map(|message| (message, transport))
}

fn has_port(payload: &Payload, port: u16) -> bool {
    let has = |end: Option<Endpoint>| end.is_some_and(|end| end.port == Some(port));
    has(payload.local) || has(payload.remote)
}

fn heard(payload: &Payload, message: Message, sent: bool, transport: DnsTransport) -> EventKind {
    let question = |question: &dns::Question| DnsQuestion {
        name: question.name.to_string().into_bytes(),
        kind: question.kind,
    };
    let answer = |answer: &dns::Answer| DnsRecord {
        name: answer.name.to_string().into_bytes(),
        kind: answer.kind,
        ttl: answer.ttl,
        value: match &answer.data {
            Data::Address(address) => DnsRecordValue::Address(*address),
            Data::Name(name) => DnsRecordValue::Name(name.to_string().into_bytes()),
            Data::Other(_) => DnsRecordValue::Other,
        },
    };
    EventKind::Dns(Box::new(DnsMessage {
        flow: payload.flow,
        socket: payload.socket,
        local: payload.local,
        remote: payload.remote,
        sent,
        transport,
        id: message.id,
        is_response: message.is_response,
        rcode: message.rcode,
        questions: message.questions.iter().map(question).collect(),
        answers: message.answers.iter().map(answer).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::samples::{payload, tcp};

    #[test]
    fn streams_that_say_nothing_take_no_memory_for_long() {
        let mut streams = Streams::default();
        for number in 0..70_000 {
            let to = tcp(number, number, "10.0.0.2", 30);
            streams.flow(&to);
            for (sequence, bytes) in [(5, [0x16; 1_400]), (2_000, [3; 1_400])] {
                let EventKind::Payload(payload) = payload(&to, true, sequence, &bytes) else {
                    unreachable!()
                };
                assert!(streams.payload(&payload).is_empty());
            }
        }
        let held = streams.streams.len();
        assert!(held <= MAX_STREAMS && streams.bytes <= MAX_STREAM_BYTES, "{held} {}", streams.bytes);
        streams.flow(&Flow { ended: true, ..tcp(69_999, 69_999, "10.0.0.2", 30) });
        assert!(streams.streams.len() < held);
    }
}
