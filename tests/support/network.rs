//! What a receipt says of the network: the only place of the tests that knows the names of this section.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::receipt::{Receipt, bytes, list, number};
use super::{Run, fact};

impl Receipt {
    /// All connections and exchanges, in the order of the receipt.
    #[track_caller]
    pub(crate) fn connections(&self) -> Vec<Connection<'_>> {
        list(self.at("/network/connections")).iter().map(Connection).collect()
    }

    /// The only one that was begun by its owner and leads there: `127.0.0.1:80`, `[::1]:80`, or an address alone.
    #[track_caller]
    pub(crate) fn outbound(&self, remote: &str) -> Connection<'_> {
        let ours = |found: &Connection<'_>| found.direction() == "outbound" && found.remote() == remote;
        self.one(&format!("outbound to {remote}"), ours)
    }

    /// The only one that was begun by its peer and came in there.
    #[track_caller]
    pub(crate) fn inbound(&self, local: &str) -> Connection<'_> {
        let ours = |found: &Connection<'_>| found.direction() == "inbound" && found.local() == local;
        self.one(&format!("inbound on {local}"), ours)
    }

    /// The only one of these.
    #[track_caller]
    pub(crate) fn one(&self, what: &str, ours: impl Fn(&Connection<'_>) -> bool) -> Connection<'_> {
        only(what, &self.connections(), ours)
    }

    #[track_caller]
    pub(crate) fn listeners(&self) -> Vec<Listener<'_>> {
        list(self.at("/network/listeners")).iter().map(Listener).collect()
    }

    /// The only listener of a local address.
    #[track_caller]
    pub(crate) fn listener(&self, local: &str) -> Listener<'_> {
        only(local, &self.listeners(), |one| endpoint(&one.0["local"]) == local)
    }

    #[track_caller]
    pub(crate) fn failed_sockets(&self) -> Vec<FailedSocket<'_>> {
        list(self.at("/network/failed")).iter().map(FailedSocket).collect()
    }

    /// How often this failed: `connect ECONNREFUSED 127.0.0.1:1`; without an address, `socket EAFNOSUPPORT`.
    #[track_caller]
    pub(crate) fn failed_socket(&self, line: &str) -> u64 {
        let ours = |failed: &FailedSocket<'_>| failed.line() == line;
        self.failed_sockets().iter().filter(|failed| ours(failed)).map(FailedSocket::count).sum()
    }

    /// How an attempt to connect ended, wherever the receipt tells of it: `refused`, and the errno.
    #[track_caller]
    pub(crate) fn attempt(&self, remote: &str) -> (String, String) {
        let connections = self.connections();
        let mut found: BTreeSet<_> = connections
            .iter()
            .filter(|one| one.direction() != "inbound" && one.remote() == remote)
            .map(|one| (one.result().to_owned(), one.error().to_owned()))
            .collect();
        for failed in self.failed_sockets() {
            if failed.operation() == "connect" && failed.address() == remote {
                let result = match failed.errno() {
                    "ECONNREFUSED" => "refused",
                    "ENETUNREACH" | "EHOSTUNREACH" => "unreachable",
                    "ETIMEDOUT" => "timed_out",
                    _ => "failed",
                };
                found.insert((result.to_owned(), failed.errno().to_owned()));
            }
        }
        assert_eq!(found.len(), 1, "{remote}: {found:?}; {connections:#?} {:#?}", self.failed_sockets());
        found.pop_first().expect("there is one")
    }

    #[track_caller]
    pub(crate) fn questions(&self) -> Vec<Question<'_>> {
        list(self.at("/network/dns")).iter().map(Question).collect()
    }

    /// The only question for this name and type.
    #[track_caller]
    pub(crate) fn question(&self, name: &str, kind: &str) -> Question<'_> {
        only(&format!("{kind} of {name}"), &self.questions(), |one| one.query() == name && one.kind() == kind)
    }

    #[track_caller]
    pub(crate) fn unix_sockets(&self) -> Vec<UnixSocket<'_>> {
        list(self.at("/network/unix_sockets")).iter().map(UnixSocket).collect()
    }

    /// Unix sockets of this name, of any process.
    #[track_caller]
    pub(crate) fn unix_named(&self, name: &str) -> Vec<UnixSocket<'_>> {
        self.unix_sockets().into_iter().filter(|one| one.name() == name).collect()
    }

    /// Sockets of other families, in the order of the receipt.
    #[track_caller]
    pub(crate) fn other_sockets(&self) -> Vec<&Value> {
        list(self.at("/network/other_sockets")).iter().collect()
    }

    /// The lists have reached a limit.
    pub(crate) fn network_limited(&self) -> bool {
        let full = |limit: &Value| number(&limit["total"]) > number(&limit["kept"]);
        let ours = |limit: &Value| limit["list"].as_str().is_some_and(|list| list.starts_with("network."));
        list(self.at("/observation/limits")).iter().any(|limit| ours(limit) && full(limit))
    }

    /// What must hold of this section whatever was watched.
    #[track_caller]
    pub(crate) fn check_network(&self) {
        if !self.at("/network/connections").is_array() {
            return;
        }
        let connections = self.connections();
        let (mut sent, mut received) = (0, 0);
        let mut opened = Vec::new();
        for (index, connection) in connections.iter().enumerate() {
            assert_eq!(connection.id(), index as u64 + 1, "ids count from 1: {connection:?}");
            connection.check(self);
            opened.push(connection.0["opened_at"].as_str().unwrap_or_default().to_owned());
            sent += connection.bytes_sent();
            received += connection.bytes_received();
            if let Some(other) = connection.0["peer_connection"].as_u64() {
                let other = connections[usize::try_from(other).expect("an index") - 1];
                assert_eq!(
                    other.0["peer_connection"].as_u64(),
                    Some(connection.id()),
                    "{other:?} {connection:?}"
                );
                let mirrored = (other.remote(), other.local());
                assert_eq!(
                    (connection.local(), connection.remote()),
                    mirrored,
                    "the other side of {connection:?}"
                );
                assert_eq!(other.0["protocol"], connection.0["protocol"], "{connection:?}");
            }
        }
        assert!(opened.is_sorted(), "connections are in the order of their beginnings: {opened:?}");
        let sums = [("bytes_sent", sent), ("bytes_received", received)];
        for (name, sum) in sums {
            let total = number(&self.at("/network")[name]);
            assert!(
                total == sum || (self.network_limited() && total > sum),
                "{name}: {total}, but the sum is {sum}"
            );
        }
        for listener in self.listeners() {
            listener.check(self, &connections);
        }
        for failed in self.failed_sockets() {
            assert!(failed.count() > 0 && failed.errno().starts_with('E'), "{failed:?}");
            self.with_id(number(&failed.0["process"]));
        }
        for question in self.questions() {
            question.check(self, connections.len());
        }
        for socket in self.unix_sockets() {
            self.with_id(socket.process());
            assert!(number(&socket.0["socket"]) > 0, "{socket:?}");
        }
        for other in self.other_sockets() {
            assert!(other["family"].is_string() && other["socket_type"].is_string(), "{other}");
            assert!(number(&other["count"]) > 0, "{other}");
            self.with_id(number(&other["process"]));
        }
    }
}

impl Run {
    /// An address of this host with the port `p` that the program printed: `127.0.0.1:40000`.
    #[track_caller]
    pub(crate) fn address(&self, host: &str) -> String {
        format!("{host}:{}", fact(&self.stdout, "p"))
    }
}

/// A text, or `none` where there is none.
fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("none")
}

/// The only one of these that is ours.
#[track_caller]
fn only<T: Copy + std::fmt::Debug>(what: &str, all: &[T], ours: impl Fn(&T) -> bool) -> T {
    let found: Vec<_> = all.iter().copied().filter(ours).collect();
    assert_eq!(found.len(), 1, "{what}; there are {all:#?}");
    found[0]
}

/// `127.0.0.1:80`, `[::1]:80`, or an address alone where there is no port.
pub(crate) fn endpoint(value: &Value) -> String {
    match (value["address"].as_str(), value["port"].as_u64()) {
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address.to_owned(),
        (None, _) => "none".to_owned(),
    }
}

/// An entry of `network.connections`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection<'a>(pub(crate) &'a Value);

impl<'a> Connection<'a> {
    pub(crate) fn id(&self) -> u64 {
        number(&self.0["id"])
    }

    pub(crate) fn protocol(&self) -> &'a str {
        word(self.0, "protocol")
    }

    pub(crate) fn direction(&self) -> &'a str {
        word(self.0, "direction")
    }

    pub(crate) fn result(&self) -> &'a str {
        word(self.0, "result")
    }

    /// Name of the errno that it ended with.
    pub(crate) fn error(&self) -> &'a str {
        word(self.0, "error")
    }

    pub(crate) fn state(&self) -> &'a str {
        word(self.0, "state")
    }

    pub(crate) fn origin(&self) -> &'a str {
        word(self.0, "origin")
    }

    pub(crate) fn local(&self) -> String {
        endpoint(&self.0["local"])
    }

    pub(crate) fn remote(&self) -> String {
        endpoint(&self.0["remote"])
    }

    /// The peer's name and where it is from: `example.org dns`.
    pub(crate) fn hostname(&self) -> String {
        let remote = &self.0["remote"];
        match remote["hostname"].as_str() {
            Some(name) => format!("{name} {}", word(remote, "hostname_source")),
            None => "none".to_owned(),
        }
    }

    /// The process that made or accepted it, if that is known.
    pub(crate) fn process(&self) -> Option<u64> {
        self.0["process"].as_u64()
    }

    /// Further processes, and how they came to have it.
    #[track_caller]
    pub(crate) fn users(&self) -> BTreeMap<u64, String> {
        users(self.0)
    }

    #[track_caller]
    pub(crate) fn states(&self) -> Vec<&'a str> {
        list(&self.0["state_changes"]).iter().map(|change| word(change, "state")).collect()
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        number(&self.0["bytes_sent"])
    }

    pub(crate) fn bytes_received(&self) -> u64 {
        number(&self.0["bytes_received"])
    }

    /// Bytes sent and received.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.bytes_sent(), self.bytes_received())
    }

    /// Packets sent and received, where they are counted.
    #[track_caller]
    pub(crate) fn packets(&self) -> (u64, u64) {
        (number(&self.0["packets_sent"]), number(&self.0["packets_received"]))
    }

    /// The listener that it was accepted on.
    pub(crate) fn listener(&self) -> Option<u64> {
        self.0["listener"].as_u64()
    }

    /// The other side.
    pub(crate) fn peer(&self) -> Option<u64> {
        self.0["peer_connection"].as_u64()
    }

    #[track_caller]
    fn check(&self, receipt: &Receipt) {
        const RESULTS: [&str; 12] = [
            "established",
            "refused",
            "unreachable",
            "timed_out",
            "reset",
            "in_progress",
            "abandoned",
            "failed",
            "answered",
            "unanswered",
            "received",
            "unused",
        ];
        assert!(RESULTS.contains(&self.result()), "{self:?}");
        assert!(["outbound", "inbound", "none"].contains(&self.direction()), "{self:?}");
        assert!(self.direction() != "none" || self.0["direction_reason"].is_string(), "{self:?}");
        assert!(self.0["remote"]["address"].is_string(), "a connection has a peer: {self:?}");
        match self.process() {
            Some(process) => {
                receipt.with_id(process);
            }
            None => assert!(self.0["process_reason"].is_string(), "why it is nobody's: {self:?}"),
        }
        for user in self.users().keys() {
            receipt.with_id(*user);
            assert_ne!(Some(*user), self.process(), "users are further processes: {self:?}");
        }
        let time = |name: &str| self.0[name].as_str();
        let opened = time("opened_at").expect("opened_at");
        assert!(time("established_at").is_none_or(|at| opened <= at), "{self:?}");
        assert!(time("closed_at").is_none_or(|at| opened <= at), "{self:?}");
        assert_eq!(self.0["closed_at"].is_null(), self.0["duration_ms"].is_null(), "{self:?}");
        let changes: Vec<_> =
            list(&self.0["state_changes"]).iter().map(|change| change["at"].as_str()).collect();
        assert!(changes.is_sorted() && changes.iter().all(Option::is_some), "states by time: {self:?}");
        assert_eq!(self.0["packets_sent"].is_null(), self.0["packets_sent_reason"].is_string(), "{self:?}");
        if !self.0["packets_sent"].is_null() {
            let (sent, received) = self.packets();
            assert!(sent > 0 || self.bytes_sent() == 0, "no bytes without packets: {self:?}");
            assert!(received > 0 || self.bytes_received() == 0, "no bytes without packets: {self:?}");
        }
        if let Some(listener) = self.listener() {
            let ids: Vec<_> = receipt.listeners().iter().map(Listener::id).collect();
            assert!(ids.contains(&listener) || receipt.network_limited(), "{self:?}");
        }
    }
}

#[track_caller]
fn users(value: &Value) -> BTreeMap<u64, String> {
    let users = value["users"].as_array().map_or(&[][..], Vec::as_slice);
    let user = |user: &Value| (number(&user["process"]), word(user, "origin").to_owned());
    users.iter().map(user).collect()
}

/// An entry of `network.listeners`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener<'a>(pub(crate) &'a Value);

impl Listener<'_> {
    pub(crate) fn id(&self) -> u64 {
        number(&self.0["id"])
    }

    pub(crate) fn state(&self) -> &str {
        word(self.0, "state")
    }

    pub(crate) fn accepted(&self) -> u64 {
        number(&self.0["accepted"])
    }

    pub(crate) fn process(&self) -> Option<u64> {
        self.0["process"].as_u64()
    }

    #[track_caller]
    pub(crate) fn users(&self) -> BTreeMap<u64, String> {
        users(self.0)
    }

    #[track_caller]
    fn check(&self, receipt: &Receipt, connections: &[Connection<'_>]) {
        assert!(["listening", "bound"].contains(&self.state()), "{self:?}");
        if let Some(process) = self.process() {
            receipt.with_id(process);
        }
        let here =
            connections.iter().filter(|connection| connection.listener() == Some(self.id())).count() as u64;
        assert!(
            self.accepted() == here || (receipt.network_limited() && self.accepted() > here),
            "{self:?}: {here}"
        );
    }
}

/// An entry of `network.failed`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedSocket<'a>(pub(crate) &'a Value);

impl<'a> FailedSocket<'a> {
    pub(crate) fn operation(&self) -> &'a str {
        word(self.0, "operation")
    }

    pub(crate) fn errno(&self) -> &'a str {
        word(self.0, "errno")
    }

    pub(crate) fn count(&self) -> u64 {
        number(&self.0["count"])
    }

    /// The address that was asked for: of the internet, or a path.
    pub(crate) fn address(&self) -> String {
        match &self.0["path"] {
            Value::Null => endpoint(&self.0["address"]),
            path => String::from_utf8_lossy(&bytes(path)).into_owned(),
        }
    }

    fn line(&self) -> String {
        match self.address().as_str() {
            "none" => format!("{} {}", self.operation(), self.errno()),
            address => format!("{} {} {address}", self.operation(), self.errno()),
        }
    }
}

/// An entry of `network.dns`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a>(pub(crate) &'a Value);

impl<'a> Question<'a> {
    pub(crate) fn query(&self) -> &'a str {
        word(self.0, "query")
    }

    pub(crate) fn kind(&self) -> &'a str {
        word(self.0, "type")
    }

    /// Absent where no answer was seen.
    pub(crate) fn rcode(&self) -> Option<&'a str> {
        self.0["rcode"].as_str()
    }

    pub(crate) fn transport(&self) -> &'a str {
        word(self.0, "transport")
    }

    pub(crate) fn server(&self) -> String {
        endpoint(&self.0["server"])
    }

    /// `name TYPE value`.
    #[track_caller]
    pub(crate) fn answers(&self) -> BTreeSet<String> {
        let line =
            |answer| format!("{} {} {}", word(answer, "name"), word(answer, "type"), word(answer, "value"));
        self.0["answers"].as_array().map_or(&[][..], Vec::as_slice).iter().map(line).collect()
    }

    #[track_caller]
    fn check(&self, receipt: &Receipt, connections: usize) {
        assert!(["udp", "tcp", "mdns", "llmnr"].contains(&self.transport()), "{self:?}");
        assert!(self.0["query"].is_string() || self.0["query"].is_object(), "{self:?}");
        if let Some(process) = self.0["process"].as_u64() {
            receipt.with_id(process);
        }
        match (self.0["at"].as_str(), self.0["answered_at"].as_str()) {
            (Some(asked), Some(answered)) => assert!(asked <= answered, "{self:?}"),
            (Some(_), None) => assert!(self.0["latency_ms"].is_null(), "{self:?}"),
            (None, _) => panic!("when it was asked: {self:?}"),
        }
        if let Some(connection) = self.0["connection"].as_u64() {
            assert!((1..=connections as u64).contains(&connection) || receipt.network_limited(), "{self:?}");
        }
    }
}

/// An entry of `network.unix_sockets`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnixSocket<'a>(pub(crate) &'a Value);

impl UnixSocket<'_> {
    pub(crate) fn process(&self) -> u64 {
        number(&self.0["process"])
    }

    /// As it was bound, `@` before an abstract one.
    pub(crate) fn name(&self) -> String {
        match &self.0["name"] {
            Value::Null => "none".to_owned(),
            name => String::from_utf8_lossy(&bytes(name)).into_owned(),
        }
    }

    pub(crate) fn operation(&self, name: &str) -> u64 {
        self.0["operations"][name].as_u64().unwrap_or(0)
    }

    pub(crate) fn peer_process(&self) -> Option<u64> {
        self.0["peer_process"].as_u64()
    }
}
