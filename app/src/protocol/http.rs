//! The heads of HTTP requests.

use super::{MAX_HOST, Progress};

/// The longest target that is kept, in bytes.
pub const MAX_TARGET: usize = 2 * 1024;
/// Header fields that are looked at for the host; clients send it among the first.
const MAX_FIELDS: usize = 128;
/// The longest method that is waited for. The longest registered one has 17 letters (`UPDATEREDIRECTREF`).
const MAX_METHOD: usize = 32;
/// Bytes of empty lines that are skipped at the beginning: old clients sent one behind the request before (RFC 9112, 2.2).
const MAX_EMPTY: usize = 4;
/// What a client of HTTP/2 sends first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// As it was sent, but for what is beyond [`MAX_TARGET`]. Empty for HTTP/2, where it is encoded.
    pub target: Vec<u8>,
    pub target_truncated: bool,
    /// Unknown if the end of the first line was not seen.
    pub version: Option<Version>,
    /// With the port, if there is one: from the target where it has one (RFC 9112, 3.2.2), else from the field `Host`.
    pub host: Option<Vec<u8>>,
    /// Where the tunnel begins that was asked for, if that was seen.
    pub(super) tunnel: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

impl Request {
    /// Whether the client asks for a tunnel: what follows is between it and the host.
    pub fn is_connect(&self) -> bool {
        self.method == "CONNECT"
    }
}

/// Reads the request that a client's stream begins with. It is found when its host is, or the end of its head.
pub fn request(stream: &[u8]) -> Progress<Request> {
    if stream.len() < PREFACE.len() && PREFACE.starts_with(stream) {
        return Progress::NeedsMore;
    }
    if stream.starts_with(PREFACE) {
        return Progress::Found(Request {
            method: "PRI".to_owned(),
            target: Vec::new(),
            target_truncated: false,
            version: Some(Version::Http2),
            host: None,
            tunnel: None,
        });
    }
    let (line, fields) = first_line(stream);
    if !may_begin(line) {
        return Progress::No;
    }
    let Some(fields) = fields else { return Progress::NeedsMore };
    let Some(mut request) = request_line(line) else { return Progress::No };
    let (named, end) = read_fields(fields);
    request.host = request.host.or(named);
    // Of a tunnel the end is wanted too, for what comes behind it.
    let known = end.is_some() || request.host.is_some() && !request.is_connect();
    request.tunnel = end.filter(|_| request.is_connect()).map(|end| stream.len() - fields.len() + end);
    if known { Progress::Found(request) } else { Progress::NeedsMore }
}

/// What is known of a request of which no more than this will be seen.
pub fn unfinished(stream: &[u8]) -> Option<Request> {
    const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT"];
    let (line, fields) = first_line(stream);
    if let Some(fields) = fields {
        let mut request = request_line(line)?;
        request.host = request.host.or_else(|| read_fields(fields).0);
        return Some(request);
    }
    // Without its end a line could be anything, unless it begins as most do.
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, target_ended) = (words.next()?, words.next()?, words.next().is_some());
    let method = METHODS.into_iter().find(|known| known.as_bytes() == method)?;
    let fits = (target.starts_with(b"/") || target.starts_with(b"http://") || method == "CONNECT")
        && target.iter().all(|byte| byte.is_ascii_graphic());
    fits.then(|| {
        let mut request = described(method, target, None);
        request.target_truncated |= !target_ended;
        // The host may be cut as well, unless something follows it.
        let host_ended = target_ended || authority(target).is_some_and(|(_, rest)| !rest.is_empty());
        request.host = request.host.filter(|_| host_ended);
        request
    })
}

/// The first line, which empty ones may precede, and what follows if it has ended.
fn first_line(stream: &[u8]) -> (&[u8], Option<&[u8]>) {
    let start = stream.iter().take_while(|byte| b"\r\n".contains(byte)).take(MAX_EMPTY).count();
    let line = stream.get(start..).unwrap_or_default();
    let end = line.iter().position(|byte| *byte == b'\n');
    end.and_then(|end| line.split_at_checked(end + 1)).map_or((line, None), |(line, rest)| (line, Some(rest)))
}

/// Whether a first line that may go on is one of HTTP so far. This is what tells text from binary protocols; methods
/// are upper case nearly always.
fn may_begin(line: &[u8]) -> bool {
    let method = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (method, rest) = line.split_at_checked(method).unwrap_or_default();
    method.len() <= MAX_METHOD
        && (line.is_empty() || !method.is_empty())
        && method.iter().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(byte))
        && rest.iter().all(|byte| !byte.is_ascii_control() || b"\r\n".contains(byte))
}

fn request_line(line: &[u8]) -> Option<Request> {
    let mut head = line.to_vec();
    head.extend_from_slice(b"\r\n");
    let mut request = httparse::Request::new(&mut []);
    request.parse(&head).ok().filter(httparse::Status::is_complete)?;
    let version = match request.version? {
        0 => Version::Http10,
        _ => Version::Http11,
    };
    let method = request.method.filter(|method| method.len() <= MAX_METHOD)?;
    Some(described(method, request.path?.as_bytes(), Some(version)))
}

fn described(method: &str, target: &[u8], version: Option<Version>) -> Request {
    let host =
        if method == "CONNECT" { Some(target) } else { authority(target).map(|(authority, _)| authority) };
    Request {
        method: method.to_owned(),
        target: target.get(..MAX_TARGET).unwrap_or(target).to_vec(),
        target_truncated: target.len() > MAX_TARGET,
        version,
        host: host.and_then(checked_host),
        tunnel: None,
    }
}

/// The authority of a target in absolute form, without what may name a user, and what follows it.
fn authority(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let scheme = target.windows(3).take(MAX_METHOD).position(|window| window == b"://")?;
    let (name, rest) = (target.get(..scheme)?, target.get(scheme + 3..)?);
    if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)) {
        return None;
    }
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    Some((authority.rsplit(|byte| *byte == b'@').next()?, rest))
}

fn checked_host(host: &[u8]) -> Option<Vec<u8>> {
    (!host.is_empty() && host.len() <= MAX_HOST).then(|| host.to_vec())
}

/// The host that the fields name, the first if there are several, and where the head ends.
fn read_fields(fields: &[u8]) -> (Option<Vec<u8>>, Option<usize>) {
    let (mut host, mut end) = (None, 0);
    for line in fields.split_inclusive(|byte| *byte == b'\n').take(MAX_FIELDS) {
        if !line.ends_with(b"\n") {
            break;
        }
        end += line.len();
        if line.iter().all(|byte| b"\r\n".contains(byte)) {
            return (host, Some(end));
        }
        if host.is_none() {
            host = host_field(line);
        }
    }
    (host, None)
}

/// Of each line by itself, so that one which is broken hides no other.
fn host_field(line: &[u8]) -> Option<Vec<u8>> {
    if !line.get(..5)?.eq_ignore_ascii_case(b"host:") {
        return None;
    }
    let mut head = line.to_vec();
    head.extend_from_slice(b"\r\n");
    let mut fields = [httparse::EMPTY_HEADER];
    httparse::parse_headers(&head, &mut fields).ok().filter(httparse::Status::is_complete)?;
    checked_host(fields.first()?.value)
}
