//! What `strace -f -yy` says that a command did with sockets, in the words of a receipt.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::Path;

use super::strace::{self, Call};

/// By process, as strace counts pids, and something else.
pub(crate) type Counts = BTreeMap<(u64, String), u64>;

/// What strace saw.
#[derive(Debug, Default)]
pub(crate) struct NetworkTrace {
    /// The processes that it saw.
    pub(crate) processes: BTreeSet<u64>,
    /// `tcp 127.0.0.1:80 established`, `tcp 127.0.0.1:1 ECONNREFUSED`, `unix /run/x ENOENT`.
    pub(crate) attempts: Counts,
    /// Attempts whose outcome nobody asked for.
    pub(crate) unknown: BTreeSet<(u64, String)>,
    /// `udp 127.0.0.1:53`: whom it connected to or sent to.
    pub(crate) peers: BTreeSet<(u64, String)>,
    /// strace could not find out the addresses of sockets: the kernel lacks `tcp_diag`.
    pub(crate) is_blind: bool,
    /// `tcp 127.0.0.1:80 127.0.0.1:40000`: own end, and the peer's.
    pub(crate) accepted: Counts,
    /// `tcp 127.0.0.1:80`.
    pub(crate) listening: BTreeSet<(u64, String)>,
    /// Bytes sent and received between two ends.
    pub(crate) bytes: BTreeMap<String, (u64, u64)>,
}

/// The words that put strace before a command; the trace goes to `file`.
pub(crate) fn words(file: &Path) -> Vec<OsString> {
    let what = "trace=%network,%process,read,write,readv,writev,sendfile,splice,close";
    let words = ["strace", "-f", "-yy", "-xx", "-s", "16", "-e", what, "-e", "signal=none", "-o"];
    let mut words: Vec<OsString> = words.map(Into::into).into();
    words.extend([file.into(), "--".into()]);
    words
}

/// Reads a trace.
pub(crate) fn read(file: &Path) -> NetworkTrace {
    let mut reading = Reading::default();
    for call in strace::calls(file) {
        reading.trace.processes.insert(call.process);
        reading.call(&call);
    }
    let pending: Vec<_> = reading.pending.keys().copied().collect();
    for key in pending {
        reading.forget(key);
    }
    reading.trace
}

#[derive(Default)]
struct Reading {
    trace: NetworkTrace,
    /// Connections that were asked for and are not known to have come about: by process and descriptor.
    pending: HashMap<(u64, u64), String>,
}

impl Reading {
    fn call(&mut self, call: &Call) {
        let Some(socket) = Descriptor::parse(&call.arguments) else { return };
        let key = (call.process, socket.number);
        let outcome = Outcome::of(&call.result);
        match call.name.as_str() {
            "connect" => self.connect(call, &socket, &outcome),
            "getsockopt" if call.arguments.contains("SO_ERROR") => {
                let answer = call.arguments.split("SO_ERROR").nth(1).and_then(|rest| rest.split('[').nth(1));
                if let Some(error) = answer.and_then(|rest| rest.split(']').next()) {
                    let result = if error == "0" { "established" } else { error };
                    self.settle(key, result);
                }
            }
            "accept" | "accept4" => self.accept(call, &socket),
            "listen" if outcome == Outcome::Success(0) => match socket.local {
                Some(local) => {
                    self.trace.listening.insert((call.process, format!("{} {local}", socket.protocol)));
                }
                None => self.trace.is_blind |= socket.protocol == "tcp",
            },
            "close" => self.forget(key),
            "read" | "readv" | "recvfrom" | "recvmsg" if !call.arguments.contains("MSG_PEEK") => {
                self.bytes(key, &socket, &outcome, false)
            }
            "write" | "writev" | "sendto" | "sendmsg" | "sendfile" => {
                self.bytes(key, &socket, &outcome, true);
                self.sent(call, &socket, &outcome);
            }
            "sendmmsg" => self.sent_many(call, &socket, &outcome),
            _ => {}
        }
    }

    fn connect(&mut self, call: &Call, socket: &Descriptor, outcome: &Outcome) {
        let key = (call.process, socket.number);
        if let Some(path) = unix_path(&call.arguments) {
            if let Outcome::Failure(errno) = outcome {
                *self.trace.attempts.entry((call.process, format!("unix {path} {errno}"))).or_default() += 1;
            }
            return;
        }
        let Some(remote) = addresses(&call.arguments).into_iter().next() else { return };
        let line = format!("{} {remote}", socket.protocol);
        match (socket.protocol.as_str(), outcome) {
            ("tcp", Outcome::Failure(errno)) if errno == "EINPROGRESS" => {
                self.pending.insert(key, line);
            }
            ("tcp", Outcome::Failure(errno)) if errno == "EISCONN" => self.settle(key, "established"),
            ("tcp", Outcome::Failure(errno)) if errno == "EALREADY" => {}
            (_, Outcome::Failure(errno)) => {
                self.pending.entry(key).or_insert(line);
                self.settle(key, errno);
            }
            ("tcp", Outcome::Success(_)) => {
                self.pending.entry(key).or_insert(line);
                self.settle(key, "established");
            }
            ("udp", Outcome::Success(_)) => {
                self.trace.peers.insert((call.process, line));
            }
            _ => {}
        }
    }

    /// What became of an attempt is known now.
    fn settle(&mut self, key: (u64, u64), result: &str) {
        if let Some(line) = self.pending.remove(&key) {
            *self.trace.attempts.entry((key.0, format!("{line} {result}"))).or_default() += 1;
        }
    }

    fn forget(&mut self, key: (u64, u64)) {
        self.trace.unknown.extend(self.pending.remove(&key).map(|line| (key.0, line)));
    }

    fn accept(&mut self, call: &Call, listener: &Descriptor) {
        let Some(socket) = Descriptor::parse(&call.result).filter(|_| listener.protocol == "tcp") else {
            return;
        };
        let local = socket.local.or(listener.local.clone());
        let remote = socket.remote.or_else(|| addresses(&call.arguments).into_iter().next());
        if let (Some(local), Some(remote)) = (local, remote) {
            *self.trace.accepted.entry((call.process, format!("tcp {local} {remote}"))).or_default() += 1;
        }
    }

    fn bytes(&mut self, key: (u64, u64), socket: &Descriptor, outcome: &Outcome, sent: bool) {
        let Outcome::Success(count) = *outcome else { return };
        if count > 0 {
            self.settle(key, "established");
        }
        let (Some(local), Some(remote)) = (&socket.local, &socket.remote) else { return };
        let ends = format!("{} {local} {remote}", socket.protocol);
        let (to, from) = self.trace.bytes.entry(ends).or_default();
        *(if sent { to } else { from }) += count;
    }

    fn sent(&mut self, call: &Call, socket: &Descriptor, outcome: &Outcome) {
        if let (Outcome::Success(_), "udp") = (outcome, socket.protocol.as_str()) {
            let peers =
                addresses(&call.arguments).into_iter().map(|peer| (call.process, format!("udp {peer}")));
            self.trace.peers.extend(peers);
        }
    }

    /// Of several messages only as many as the result says.
    fn sent_many(&mut self, call: &Call, socket: &Descriptor, outcome: &Outcome) {
        let Outcome::Success(count) = *outcome else { return };
        for message in call.arguments.split("msg_hdr={").skip(1).take(usize::try_from(count).unwrap_or(0)) {
            let length = message.split("msg_len=").nth(1).unwrap_or("");
            let digits = length.find(|c: char| !c.is_ascii_digit()).unwrap_or(length.len());
            let outcome = Outcome::Success(length[..digits].parse().unwrap_or(0));
            self.bytes((call.process, socket.number), socket, &outcome, true);
            if socket.protocol == "udp" {
                let peers = addresses(message).into_iter().map(|peer| (call.process, format!("udp {peer}")));
                self.trace.peers.extend(peers);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Success(u64),
    Failure(String),
    Unknown,
}

impl Outcome {
    fn of(result: &str) -> Self {
        if let Some(errno) = result.strip_prefix("-1 ").and_then(|rest| rest.split(' ').next()) {
            return Self::Failure(errno.to_owned());
        }
        let digits = result.find(|c: char| !c.is_ascii_digit()).unwrap_or(result.len());
        result[..digits].parse().map_or(Self::Unknown, Self::Success)
    }
}

/// `3<TCPv6:[[::1]:80->[::1]:40000]>`, of which the addresses may be missing.
struct Descriptor {
    number: u64,
    protocol: String,
    local: Option<String>,
    remote: Option<String>,
}

impl Descriptor {
    fn parse(text: &str) -> Option<Self> {
        let (number, rest) = text.split_once('<')?;
        let number = number.parse().ok()?;
        let end = rest.find("]>")?;
        let (protocol, inside) = rest[..end].split_once(":[")?;
        let protocol = protocol.strip_suffix("v6").unwrap_or(protocol).to_lowercase();
        let mut ends = inside.split("->").filter(|end| end.contains(':')).map(str::to_owned);
        Some(Self { number, protocol, local: ends.next(), remote: ends.next() })
    }
}

/// Every internet address in what strace wrote of arguments.
fn addresses(text: &str) -> Vec<String> {
    let number =
        |text: &str, name: &str| -> Option<u16> { text.split_once(name)?.1.split_once(')')?.0.parse().ok() };
    let quoted = |text: &str, before: &str| -> Option<String> {
        let inside = text.split_once(before)?.1.split_once('"')?.0;
        String::from_utf8(strace::unescape(inside)).ok()
    };
    let one = |part: &str| -> Option<String> {
        let part = part.split('}').next()?;
        if let Some(port) = number(part, "sin_port=htons(") {
            return Some(format!("{}:{port}", quoted(part, "inet_addr(\"")?));
        }
        let port = number(part, "sin6_port=htons(")?;
        Some(format!("[{}]:{port}", quoted(part, "inet_pton(AF_INET6, \"")?))
    };
    text.split("sa_family=").skip(1).filter_map(one).collect()
}

fn unix_path(text: &str) -> Option<String> {
    let inside = text.split_once("sun_path=\"")?.1.split_once('"')?.0;
    String::from_utf8(strace::unescape(inside)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_socket_by_socket() {
        let text = concat!(
            "10 connect(4<TCP:[77]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"\\x31\\x2e\\x31\")}, 16) = -1 EINPROGRESS (Operation now in progress)\n",
            "10 getsockopt(4<TCP:[1.2:5->1.1:80]>, SOL_SOCKET, SO_ERROR,  <unfinished ...>\n",
            "10 <... getsockopt resumed>[0], [4]) = 0\n",
            "10 write(4<TCP:[1.2:5->1.1:80]>, \"\\x78\", 5 <unfinished ...>\n",
            "11 accept4(3<TCPv6:[[::1]:41349]>,  <unfinished ...>\n",
            "10 <... write resumed>)              = 5\n",
            "11 <... accept4 resumed>{sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"\\x3a\\x3a\\x31\", &sin6_addr), sin6_scope_id=0}, [28], 0) = 4<TCPv6:[[::1]:41349->[::1]:9]>\n",
            "11 sendmmsg(5<UDP:[0.0.0.0:7]>, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr(\"\\x31\\x2e\\x31\")}, msg_namelen=16}, msg_len=3}], 1, 0) = 1\n",
            "11 connect(6<UNIX-STREAM:[8]>, {sa_family=AF_UNIX, sun_path=\"\\x2f\\x61\"}, 110) = -1 ENOENT (No such file or directory)\n",
            "11 listen(3<TCP:[1.2:7]>, 5) = 0\n",
            "11 read(4<TCP:[1.2:7->1.2:9]>, \"\\x78\", 5) = -1 EAGAIN (Resource temporarily unavailable)\n",
        );
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("write it");
        let trace = read(file.path());
        let attempts =
            [((10, "tcp 1.1:80 established".to_owned()), 1), ((11, "unix /a ENOENT".to_owned()), 1)];
        assert_eq!(trace.attempts, attempts.into());
        assert_eq!(trace.bytes, [("tcp 1.2:5 1.1:80".to_owned(), (5, 0))].into());
        assert_eq!(trace.accepted, [((11, "tcp [::1]:41349 [::1]:9".to_owned()), 1)].into());
        assert_eq!(trace.peers, [(11, "udp 1.1:9".to_owned())].into());
        assert_eq!(trace.listening, [(11, "tcp 1.2:7".to_owned())].into());
        assert!(trace.unknown.is_empty());
    }
}
