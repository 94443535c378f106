//! What the first bytes of connections said: the way from payloads to what is kept of them.

use std::collections::BTreeMap;

use super::{
    Texts,
    dns::{DnsTransport, Exchanges, Heard},
};
use crate::{
    event::{BootNs, Direction, Endpoint, FlowId, Observed, Payload},
    protocol::{
        Recognised, Recogniser, Sender,
        dns::{self, Message},
        http::Version,
    },
    session::{Text, TextId, files::text},
};

/// Streams whose beginning is being looked at, or was, and that have not ended.
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

/// What the first bytes of a connection said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// A TLS ClientHello.
    pub tls: Option<TlsFacts>,
    /// A request of HTTP/1, or the preface of HTTP/2.
    pub http: Option<HttpFacts>,
    /// Identification lines of SSH.
    pub ssh: Option<SshFacts>,
    /// The beginning of SMTP.
    pub smtp: Option<SmtpFacts>,
}

/// A ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// Whom the client wants.
    pub sni: Option<Text>,
    /// Protocols that it offers.
    pub alpn: Vec<Text>,
    /// Versions that it offers.
    pub versions: Vec<u16>,
    /// Fingerprint of the client, if all that it is made of was seen.
    pub ja4: Option<Text>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFacts {
    /// The method; `PRI` of HTTP/2.
    pub method: Text,
    /// The target.
    pub target: Option<Text>,
    /// The host.
    pub host: Option<Text>,
    /// The version, if the end of the first line was seen.
    pub version: Option<&'static str>,
}

/// Identification lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshFacts {
    /// The client's.
    pub client: Option<Text>,
    /// The server's.
    pub server: Option<Text>,
}

/// The beginning of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpFacts {
    /// The server's first line.
    pub greeting: Option<Text>,
    /// How the client calls itself.
    pub helo: Option<Text>,
}

/// What was said, and the streams that may say something yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payloads {
    /// As many as there are connections, at most.
    cap: u64,
    told: BTreeMap<FlowId, Box<KnownTold>>,
    /// Nothing of those that are not looked at any more. By number, that is by age.
    streams: BTreeMap<FlowId, Option<Box<Stream>>>,
    /// Bytes that were taken of those that are.
    bytes: usize,
}

/// A stream that is being looked at.
#[derive(Debug)]
struct Stream {
    recogniser: Recogniser,
    bytes: usize,
    /// Of what was kept already.
    seen: [bool; 6],
    /// It is known who is the client: the one that sends from the socket.
    sender_is: Sender,
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        (self.bytes, self.seen, self.sender_is) == (other.bytes, other.seen, other.sender_is)
            && self.recogniser.recognised() == other.recogniser.recognised()
    }
}

impl Eq for Stream {}

/// Its texts are in [`Texts`], as thousands of connections say the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct KnownTold {
    tls: Option<KnownTls>,
    http: Option<KnownHttp>,
    /// Sent by the socket, and received.
    ssh: [Option<Observed<TextId>>; 2],
    /// The greeting, and the client's name.
    smtp: [Option<Observed<TextId>>; 2],
}

#[derive(Debug, PartialEq, Eq)]
struct KnownTls {
    sni: Option<Observed<TextId>>,
    alpn: Box<[Observed<TextId>]>,
    versions: Box<[u16]>,
    ja4: Option<Observed<TextId>>,
}

#[derive(Debug, PartialEq, Eq)]
struct KnownHttp {
    method: Observed<TextId>,
    target: Option<Observed<TextId>>,
    host: Option<Observed<TextId>>,
    version: Option<&'static str>,
}

impl Payloads {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, told: BTreeMap::new(), streams: BTreeMap::new(), bytes: 0 }
    }

    /// Takes in the beginning of a packet's payload. `direction` is that of its flow, as far as it is known.
    pub(super) fn take_in(
        &mut self,
        texts: &mut Texts,
        exchanges: &mut Exchanges,
        at: BootNs,
        direction: Option<Direction>,
        payload: &Payload,
    ) {
        if DATAGRAMS.contains(&payload.protocol) {
            if let Some((message, transport)) = datagram(payload) {
                exchanges.heard(texts, &heard(payload, &message, at, payload.sent, transport));
            }
        } else if STREAMS.contains(&payload.protocol) {
            self.stream(texts, exchanges, at, direction, payload);
        }
    }

    fn stream(
        &mut self,
        texts: &mut Texts,
        exchanges: &mut Exchanges,
        at: BootNs,
        direction: Option<Direction>,
        payload: &Payload,
    ) {
        let stream = self
            .streams
            .entry(payload.flow)
            .or_insert_with(|| Some(Box::new(Stream::new(direction, payload))));
        let Some(open) = stream else { return };
        let sender = open.sender(payload.sent);
        let before = open.bytes;
        if !open.recogniser.is_done_with(sender) {
            open.bytes = open.bytes.saturating_add(payload.bytes.len());
            open.recogniser.feed(sender, payload.sequence, &payload.bytes, payload.total as usize);
        }
        self.bytes += open.bytes - before;
        for (sender, message) in open.recogniser.take_dns() {
            let sent = sender == open.sender_is;
            exchanges.heard(texts, &heard(payload, &message, at, sent, DnsTransport::Tcp));
        }
        let recognised = open.recogniser.recognised();
        let seen = seen(recognised);
        let room = (self.told.len() as u64) < self.cap || self.told.contains_key(&payload.flow);
        if seen != open.seen && room {
            self.told.insert(payload.flow, Box::new(KnownTold::new(texts, recognised, open.sender_is)));
            open.seen = seen;
        }
        if open.recogniser.is_done() {
            self.bytes -= open.bytes;
            *stream = None;
        }
        self.make_room();
    }

    /// Gives up what is oldest, as long as there is too much.
    fn make_room(&mut self) {
        while self.streams.len() > MAX_STREAMS || self.bytes > MAX_STREAM_BYTES {
            let Some((_, oldest)) = self.streams.pop_first() else { return };
            self.bytes -= oldest.map_or(0, |stream| stream.bytes);
        }
    }

    /// How many streams and bytes are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.streams.len(), self.bytes)
    }

    /// Nothing more comes of a flow.
    pub(super) fn ended(&mut self, flow: FlowId) {
        if let Some(Some(stream)) = self.streams.remove(&flow) {
            self.bytes -= stream.bytes;
        }
    }

    /// What a flow said. Who is the client may have become known since.
    pub(super) fn told(
        &self,
        texts: &Texts,
        flow: FlowId,
        direction: Option<Direction>,
    ) -> Option<Box<Told>> {
        let known = self.told.get(&flow)?;
        let shown = |id: &Observed<TextId>| text(texts, *id);
        let both = |[one, other]: &[Option<Observed<TextId>>; 2]| {
            (one.is_some() || other.is_some()).then(|| (one.as_ref().map(shown), other.as_ref().map(shown)))
        };
        Some(Box::new(Told {
            tls: known.tls.as_ref().map(|tls| TlsFacts {
                sni: tls.sni.as_ref().map(shown),
                alpn: tls.alpn.iter().map(shown).collect(),
                versions: tls.versions.to_vec(),
                ja4: tls.ja4.as_ref().map(shown),
            }),
            http: known.http.as_ref().map(|http| HttpFacts {
                method: shown(&http.method),
                target: http.target.as_ref().map(shown),
                host: http.host.as_ref().map(shown),
                version: http.version,
            }),
            ssh: both(&known.ssh).map(|(sent, received)| match direction {
                Some(Direction::Inbound) => SshFacts { client: received, server: sent },
                _ => SshFacts { client: sent, server: received },
            }),
            smtp: both(&known.smtp).map(|(greeting, helo)| SmtpFacts { greeting, helo }),
        }))
    }
}

impl Stream {
    fn new(direction: Option<Direction>, payload: &Payload) -> Self {
        let is_dns = has_port(payload, DNS) || has_port(payload, LLMNR);
        let (recogniser, sender_is) = match direction {
            Some(Direction::Outbound) => (Recogniser::new(is_dns), Sender::Client),
            Some(Direction::Inbound) => (Recogniser::new(is_dns), Sender::Server),
            None => (Recogniser::without_roles(is_dns), Sender::Client),
        };
        Self { recogniser, bytes: 0, seen: [false; 6], sender_is }
    }

    fn sender(&self, sent: bool) -> Sender {
        if sent { self.sender_is } else { self.sender_is.other() }
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

impl KnownTold {
    fn new(texts: &mut Texts, recognised: &Recognised, sender_is: Sender) -> Self {
        let tls = recognised.tls.as_ref().map(|hello| KnownTls {
            sni: hello.sni.as_ref().map(|sni| texts.keep_whole(sni)),
            alpn: hello.alpn.iter().map(|name| texts.keep_whole(name)).collect(),
            versions: hello.versions.as_slice().into(),
            ja4: hello.ja4.as_ref().map(|ja4| texts.keep_whole(ja4.as_bytes())),
        });
        let mut keep = |text: &Vec<u8>| texts.keep_whole(text);
        let ssh = &recognised.ssh;
        let ssh = [ssh.client.as_ref().map(&mut keep), ssh.server.as_ref().map(&mut keep)];
        let smtp = recognised
            .smtp
            .as_ref()
            .map(|smtp| [smtp.greeting.as_ref().map(&mut keep), smtp.helo.as_ref().map(&mut keep)]);
        let http = recognised.http.as_ref().map(|request| KnownHttp {
            method: texts.keep_whole(request.method.as_bytes()),
            target: match (request.target.is_empty(), request.target_truncated) {
                (true, _) => None,
                (false, false) => Some(texts.keep_whole(&request.target)),
                // How long it was is not known.
                (false, true) => Some(texts.keep_observed(&Observed::Truncated {
                    length: request.target.len() as u64 + 1,
                    value: request.target.clone(),
                })),
            },
            host: request.host.as_ref().map(|host| texts.keep_whole(host)),
            version: request.version.map(|version| match version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
                Version::Http2 => "HTTP/2",
            }),
        });
        let [client, server] = ssh;
        let ssh = if sender_is == Sender::Client { [client, server] } else { [server, client] };
        Self { tls, http, ssh, smtp: smtp.unwrap_or_default() }
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

fn heard<'a>(
    payload: &Payload,
    message: &'a Message,
    at: BootNs,
    sent: bool,
    transport: DnsTransport,
) -> Heard<'a> {
    Heard {
        message,
        at,
        sent,
        flow: payload.flow,
        socket: payload.socket,
        local: payload.local,
        remote: payload.remote,
        transport,
    }
}
