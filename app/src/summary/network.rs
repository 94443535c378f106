//! Who was connected to whom, in a few lines.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Write},
};

use humansize::{BINARY, format_size};

use super::{
    escape, files::push_process, grouped, line, listed, plural, push, sensitive::is_sensitive_socket,
};
use crate::receipt::{
    Receipt,
    schema::{
        Address, Bytes, Connection, ConnectionResult, Direction, FailedSocketCall, Listener, ListenerState,
        Network, SocketOperation, UnixSocket, Value,
    },
};

/// Entries of a list that are shown; the receipt has them all.
const SHOWN: usize = 4;
/// Characters of a name that are shown: its end, which tells whose it is.
const LENGTH: usize = 60;

/// Errors that say that somebody may not.
const DENIED: [&str; 2] = ["EPERM", "EACCES"];

/// Writes the lines that there is something to say in.
pub(super) fn write(out: &mut dyn Write, receipt: &Receipt) -> io::Result<()> {
    let network = &receipt.network;
    if !network.connections.is_empty() {
        line(out, "network", &connections(receipt))?;
    }
    if let Some(text) = counted(failed(network)) {
        line(out, "not connected", &text)?;
    }
    let listeners = waiting(network);
    let shown = listeners.iter().take(SHOWN).map(|one| listener(receipt, one));
    if let Some(text) = listed(shown, listeners.len().saturating_sub(SHOWN)) {
        line(out, "listening", &text)?;
    }
    if let Some(text) = counted(names(network)) {
        line(out, "names asked", &text)?;
    }
    for (label, used) in [("connected", used(network)), ("denied", denied(network))] {
        let hidden = used.len().saturating_sub(SHOWN);
        let told = used.into_iter().take(SHOWN).map(|(name, process)| by(receipt, name, process));
        if let Some(text) = listed(told, hidden) {
            line(out, "sensitive", &format!("{label}: {text}"))?;
        }
    }
    Ok(())
}

fn connections(receipt: &Receipt) -> String {
    let network = &receipt.network;
    let limit = receipt.observation.limits.iter().find(|limit| limit.list == "network.connections");
    let beyond = limit.map_or(0, |limit| limit.total.saturating_sub(limit.kept));
    let mut text = format!(
        "{}, {} sent, {} received",
        plural((network.connections.len() as u64).saturating_add(beyond), "connection"),
        format_size(network.bytes_sent, BINARY),
        format_size(network.bytes_received, BINARY)
    );
    let mut peers: BTreeMap<String, u64> = BTreeMap::new();
    let mut inbound = 0_u64;
    for one in &network.connections {
        if one.direction == Some(Direction::Inbound) {
            inbound += 1;
        } else if failure(one).is_none() {
            *peers.entry(peer(one)).or_default() += 1;
        }
    }
    if inbound > 0 {
        push(&mut text, format_args!(", {} from others", grouped(inbound)));
    }
    if let Some(peers) = counted(peers) {
        push(&mut text, format_args!(": {peers}"));
    }
    text
}

/// Texts with their counts, the most frequent first.
fn counted(counts: BTreeMap<String, u64>) -> Option<String> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let hidden = counts.len().saturating_sub(SHOWN);
    counts.truncate(SHOWN);
    let shown = counts.into_iter().map(|(text, count)| match count {
        1 => text,
        _ => format!("{text} ×{}", grouped(count)),
    });
    listed(shown, hidden)
}

/// The name of a peer, or its address.
fn peer(one: &Connection) -> String {
    let address = || one.remote.address.map_or_else(|| "?".into(), |ip| host(&ip.0.to_string()));
    let name = one.remote.hostname.as_ref().map_or_else(address, shown);
    match one.remote.port {
        Some(port) => format!("{name}:{port}"),
        None => format!("{name} ({})", one.protocol),
    }
}

/// As before a port.
fn host(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.into() }
}

fn failure(one: &Connection) -> Option<&'static str> {
    Some(match one.result {
        ConnectionResult::Refused => "refused",
        ConnectionResult::Unreachable => "unreachable",
        ConnectionResult::TimedOut => "timed out",
        ConnectionResult::Reset => "reset",
        ConnectionResult::InProgress => "undecided",
        ConnectionResult::Abandoned => "abandoned",
        ConnectionResult::Failed => "failed",
        _ => return None,
    })
}

/// Attempts to connect that failed.
fn failed(network: &Network) -> BTreeMap<String, u64> {
    let mut failed: BTreeMap<String, u64> = BTreeMap::new();
    for one in &network.connections {
        if let Some(failure) = failure(one) {
            *failed.entry(format!("{} {failure}", peer(one))).or_default() += 1;
        }
    }
    for one in network.failed.iter().filter(|one| one.operation == SocketOperation::Connect) {
        if let Some(address) = one.address {
            let count = failed.entry(format!("{} {}", end(&address), one.errno)).or_default();
            *count = count.saturating_add(one.count);
        }
    }
    failed
}

fn end(end: &Address) -> String {
    let address = host(&end.address.0.to_string());
    end.port.map_or_else(|| address.clone(), |port| format!("{address}:{port}"))
}

/// Sockets that wait for peers. One that is only bound waits for datagrams, unless it was its own process that began
/// with all that it exchanged; what has connections waits for none before it listens.
fn waiting(network: &Network) -> Vec<&Listener> {
    const WITH_CONNECTIONS: [&str; 2] = ["stream", "seqpacket"];
    let begun = network.connections.iter().filter(|one| one.direction == Some(Direction::Outbound));
    let begun: HashSet<u64> = begun.filter_map(|one| one.socket).collect();
    let begins =
        |one: &Listener| one.accepted == 0 && one.socket.is_some_and(|socket| begun.contains(&socket));
    let waits = |one: &&Listener| {
        one.state == ListenerState::Listening
            || !WITH_CONNECTIONS.contains(&&*one.socket_type) && !begins(one)
    };
    network.listeners.iter().filter(waits).collect()
}

fn listener(receipt: &Receipt, one: &Listener) -> String {
    let local = one.local.as_ref().map_or_else(|| "?".into(), end);
    let mut text = format!("{local} ({})", one.protocol);
    push_process(&mut text, receipt, one.process);
    text
}

/// Names that were asked for, with what was wrong with them.
fn names(network: &Network) -> BTreeMap<String, u64> {
    let mut names: BTreeMap<&[u8], (Option<&str>, u64)> = BTreeMap::new();
    for one in &network.dns {
        let Some(query) = &one.query else { continue };
        let (rcode, count) = names.entry(&query.kept().0).or_default();
        *count += 1;
        // A name that was answered once is one that there is.
        if *rcode != Some("NOERROR") {
            *rcode = one.rcode.as_deref().or(*rcode);
        }
    }
    let told = |(name, (rcode, _)): (&[u8], (Option<&str>, u64))| {
        let name = shown_bytes(name);
        let text = match rcode {
            Some("NOERROR") => name,
            Some(rcode) => format!("{name} ({})", escape(rcode.as_bytes())),
            None => format!("{name} (no answer)"),
        };
        (text, 1)
    };
    names.into_iter().map(told).collect()
}

type Used<'a> = (&'a Value<Bytes>, Option<u64>);

/// Sensitive sockets that somebody was connected to.
fn used(network: &Network) -> Vec<Used<'_>> {
    let connected = |one: &&UnixSocket| {
        one.operations
            .0
            .iter()
            .any(|(one, _)| matches!(one, SocketOperation::Connect | SocketOperation::Send))
    };
    let named = network.unix_sockets.iter().filter(connected).filter_map(|one| {
        let path = one.path.as_ref().and_then(|path| path.as_deref()).or(one.name.as_ref())?;
        Some((path, one.process))
    });
    sensitive(named)
}

/// Sensitive sockets that somebody was not allowed to use.
fn denied(network: &Network) -> Vec<Used<'_>> {
    let denied = |one: &&FailedSocketCall| DENIED.contains(&&*one.errno);
    let named = network.failed.iter().filter(denied);
    sensitive(named.filter_map(|one| Some((one.path.as_ref()?.as_deref()?, one.process))))
}

fn sensitive<'a>(named: impl Iterator<Item = Used<'a>>) -> Vec<Used<'a>> {
    let mut found: Vec<Used<'a>> = named.filter(|(name, _)| is_sensitive_socket(&name.kept().0)).collect();
    found.sort_by_key(|(name, process)| (Bytes::clone(name.kept()).0, *process));
    found.dedup_by_key(|(name, process)| (Bytes::clone(name.kept()).0, *process));
    found
}

fn by(receipt: &Receipt, name: &Value<Bytes>, process: Option<u64>) -> String {
    let mut text = shown(name);
    push_process(&mut text, receipt, process);
    text
}

fn shown(name: &Value<Bytes>) -> String {
    shown_bytes(&name.kept().0)
}

fn shown_bytes(name: &[u8]) -> String {
    let text = escape(name);
    let length = text.chars().count();
    match length > LENGTH {
        true => std::iter::once('…').chain(text.chars().skip(length - LENGTH + 1)).collect(),
        false => text,
    }
}
