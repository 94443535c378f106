//! The ClientHello, with which TLS begins.

mod ja4;

use tls_parser::{
    TlsClientHelloContents, TlsExtension, parse_tls_extension_alpn_content,
    parse_tls_extension_signature_algorithms_content, parse_tls_extension_sni_content,
    parse_tls_extension_supported_versions, parse_tls_extension_unknown, parse_tls_handshake_client_hello,
};

use super::{MAX_HOST, Progress, stream};

/// Protocols and versions kept of one hello, each. Browsers offer two protocols and two versions.
pub const MAX_OFFERED: usize = 32;

/// What of a ClientHello is kept. Values that say nothing (GREASE, RFC 8701) are left out everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The server's name, as it was sent.
    pub sni: Option<Vec<u8>>,
    /// The application protocols that the client offers, in its order.
    pub alpn: Vec<Vec<u8>>,
    /// The versions that the client offers, in its order; of older clients the one that they state. None if the end of the
    /// hello was not seen, and none in what was.
    pub versions: Vec<u16>,
    /// FoxIO's fingerprint of the client. Unknown if the end of the hello was not seen.
    pub ja4: Option<String>,
}

/// What a fingerprint is made of beside what is kept.
struct Offer {
    /// Neither these nor those below have GREASE.
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    signature_algorithms: Vec<u16>,
    has_sni: bool,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The longest fragment of plain text in one record (RFC 8446, 5.1).
const MAX_FRAGMENT: usize = 1 << 14;
const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// Reads the hello that a client's stream begins with. It may lie in several records.
pub fn client_hello(stream: &[u8]) -> Progress<ClientHello> {
    let Some((message, is_whole)) = handshake_message(stream) else { return Progress::No };
    if !is_whole {
        return Progress::NeedsMore;
    }
    match parse_tls_handshake_client_hello(&message) {
        // Extensions whose length is wrong are left over.
        Ok(([], hello)) => {
            let extensions = hello.ext.unwrap_or_default();
            describe(&hello, extensions, true).map_or(Progress::No, Progress::Found)
        }
        _ => Progress::No,
    }
}

/// What is known of a hello of which no more than this will be seen. It takes the beginning of the extensions.
pub fn unfinished(stream: &[u8]) -> Option<ClientHello> {
    let (message, _) = handshake_message(stream)?;
    // Extensions that are not there as a whole are left over, behind their length.
    let (rest, hello) = parse_tls_handshake_client_hello(&message).ok()?;
    describe(&hello, rest.get(2..)?, false)
}

/// The first message of the handshake without its header, put together from the records that it lies in, and whether
/// that is all of it. Nothing if it is no hello.
fn handshake_message(mut stream: &[u8]) -> Option<(Vec<u8>, bool)> {
    const MESSAGE_HEADER: usize = 4;
    let mut message = Vec::new();
    loop {
        // A header that has not come as a whole is looked at as far as it is there.
        let header: [Option<u8>; 5] = std::array::from_fn(|at| stream.get(at).copied());
        let fits = header[0].is_none_or(|kind| kind == HANDSHAKE)
            && header[1].is_none_or(|major| major == 3)
            && header[2].is_none_or(|minor| minor <= 4);
        if !fits {
            return None;
        }
        let [_, _, _, Some(high), Some(low)] = header else { break };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // An empty fragment of a handshake is forbidden; a stream of them would never end.
        if length == 0 || length > MAX_FRAGMENT {
            return None;
        }
        let fragment = stream.get(header.len()..).unwrap_or_default();
        let (fragment, rest) = fragment.split_at_checked(length).unwrap_or((fragment, &[]));
        message.extend_from_slice(fragment);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return None;
        }
        if let Some([_, high, middle, low]) = message.first_chunk::<MESSAGE_HEADER>() {
            let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            // It could never be seen as a whole.
            if length > stream::MAX_BYTES {
                return None;
            }
            if let Some(whole) = message.get(MESSAGE_HEADER..MESSAGE_HEADER + length) {
                return Some((whole.to_vec(), true));
            }
        }
        if fragment.len() < length {
            break;
        }
        stream = rest;
    }
    Some((message.get(MESSAGE_HEADER..).unwrap_or_default().to_vec(), false))
}

/// Takes what is kept of a hello with some extensions, which are all of them or as many as were seen.
fn describe(hello: &TlsClientHelloContents<'_>, mut extensions: &[u8], are_all: bool) -> Option<ClientHello> {
    // SSL 3.0 to TLS 1.2, which TLS 1.3 states as well.
    if !(0x0300..=0x0303).contains(&hello.version.0) {
        return None;
    }
    let mut kept = ClientHello { sni: None, alpn: Vec::new(), versions: Vec::new(), ja4: None };
    let mut offer = Offer {
        ciphers: hello.ciphers.iter().map(|cipher| cipher.0).filter(|cipher| !is_grease(*cipher)).collect(),
        extensions: Vec::new(),
        signature_algorithms: Vec::new(),
        has_sni: false,
    };
    while !extensions.is_empty() {
        // Each as it is first: the crate's own list ends before one whose content it cannot read.
        let Ok((rest, TlsExtension::Unknown(kind, content))) = parse_tls_extension_unknown(extensions) else {
            if are_all {
                return None;
            }
            break;
        };
        let whole = extensions.get(..extensions.len() - rest.len()).unwrap_or_default();
        extensions = rest;
        if !is_grease(kind.0) {
            offer.extensions.push(kind.0);
            read_extension(kind.0, whole, content, &mut kept, &mut offer);
        }
    }
    if are_all {
        if kept.versions.is_empty() {
            kept.versions.push(hello.version.0);
        }
        kept.ja4 = Some(ja4::fingerprint(&kept, &offer));
    }
    kept.versions.truncate(MAX_OFFERED);
    Some(kept)
}

/// Takes what is kept of one extension. One whose content cannot be read says nothing.
fn read_extension(kind: u16, whole: &[u8], content: &[u8], kept: &mut ClientHello, offer: &mut Offer) {
    match kind {
        SERVER_NAME => {
            offer.has_sni = true;
            if let Ok((_, TlsExtension::SNI(names))) = parse_tls_extension_sni_content(content) {
                let name = names.into_iter().find(|(kind, name)| kind.0 == 0 && !name.is_empty());
                let name = name.map(|(_, name)| name).filter(|name| name.len() <= MAX_HOST);
                kept.sni = name.map(<[u8]>::to_vec);
            }
        }
        ALPN => {
            if let Ok((_, TlsExtension::ALPN(protocols))) = parse_tls_extension_alpn_content(content) {
                let protocols = protocols.into_iter().filter(|name| !is_grease_protocol(name));
                kept.alpn = protocols.take(MAX_OFFERED).map(<[u8]>::to_vec).collect();
            }
        }
        SUPPORTED_VERSIONS => {
            // A content of two bytes would be taken for a server's choice.
            if content.len() > 2
                && let Ok((_, TlsExtension::SupportedVersions(versions))) =
                    parse_tls_extension_supported_versions(whole)
            {
                kept.versions = versions.iter().map(|version| version.0).filter(|v| !is_grease(*v)).collect();
            }
        }
        SIGNATURE_ALGORITHMS => {
            if let Ok((_, TlsExtension::SignatureAlgorithms(algorithms))) =
                parse_tls_extension_signature_algorithms_content(content)
            {
                offer.signature_algorithms = algorithms.into_iter().filter(|one| !is_grease(*one)).collect();
            }
        }
        _ => {}
    }
}

/// RFC 8701: `0x0A0A`, `0x1A1A` and so on.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0xF == 0xA
}

/// The same as a protocol's name of two bytes.
fn is_grease_protocol(name: &[u8]) -> bool {
    <[u8; 2]>::try_from(name).is_ok_and(|bytes| is_grease(u16::from_be_bytes(bytes)))
}
