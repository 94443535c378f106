//! What the first bytes of connections said.

use std::collections::BTreeMap;

use super::Texts;
use crate::{
    event::{Direction, FlowId, HttpVersion, Observed, Said},
    session::{Text, TextId, files::text},
};

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

/// What was said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sayings {
    /// As many as there are connections, at most.
    cap: u64,
    told: BTreeMap<FlowId, Box<KnownTold>>,
}

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

impl Sayings {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, told: BTreeMap::new() }
    }

    /// Takes in what a connection said so far.
    pub(super) fn said(&mut self, texts: &mut Texts, said: &Said) {
        if (self.told.len() as u64) < self.cap || self.told.contains_key(&said.flow) {
            self.told.insert(said.flow, Box::new(KnownTold::new(texts, said)));
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

impl KnownTold {
    fn new(texts: &mut Texts, said: &Said) -> Self {
        let mut keep = |text: &Vec<u8>| texts.keep_whole(text);
        let tls = said.tls.as_ref().map(|hello| KnownTls {
            sni: hello.sni.as_ref().map(&mut keep),
            alpn: hello.alpn.iter().map(&mut keep).collect(),
            versions: hello.versions.as_slice().into(),
            ja4: hello.ja4.as_ref().map(&mut keep),
        });
        let ssh = [said.ssh_sent.as_ref().map(&mut keep), said.ssh_received.as_ref().map(&mut keep)];
        let smtp = [said.smtp_greeting.as_ref().map(&mut keep), said.smtp_helo.as_ref().map(&mut keep)];
        let http = said.http.as_ref().map(|request| KnownHttp {
            method: texts.keep_whole(&request.method),
            target: request.target.as_ref().map(|target| texts.keep_observed(target)),
            host: request.host.as_ref().map(|host| texts.keep_whole(host)),
            version: request.version.map(|version| match version {
                HttpVersion::Http10 => "HTTP/1.0",
                HttpVersion::Http11 => "HTTP/1.1",
                HttpVersion::Http2 => "HTTP/2",
            }),
        });
        Self { tls, http, ssh, smtp }
    }
}
