//! Names of peers.

use core::net::IpAddr;
use std::sync::Arc;

use super::{Network, connections::Connection, dns};
use crate::{
    event::{BootNs, Direction, Observed},
    maps::HashMap,
    session::{Text, TextId, files::text},
};

/// Where a name of a peer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostnameSource {
    /// The last answer with its address before the connection was opened.
    Dns,
    /// The client asked for it by TLS.
    Sni,
    /// The client asked for it by HTTP.
    Http,
}

/// Gives each connection the name that its peer is known by.
pub(super) fn name(network: &Network, connections: &mut [Connection]) {
    let mut by_address: HashMap<IpAddr, Vec<(BootNs, Observed<TextId>)>> = HashMap::default();
    for named in dns::addresses(network) {
        by_address.entry(named.address.to_canonical()).or_default().push((named.at, named.name));
    }
    by_address.values_mut().for_each(|names| names.sort_by_key(|(at, _)| *at));
    for connection in connections {
        let answered = connection.remote.and_then(|remote| {
            let names = by_address.get(&remote.address.to_canonical())?;
            let before = names.partition_point(|(at, _)| *at <= connection.opened_at);
            names[..before].last().map(|(_, name)| text(&network.texts, *name))
        });
        connection.hostname = match answered {
            Some(name) => Some((name, HostnameSource::Dns)),
            None => said(connection),
        };
    }
}

/// What the client said whom it wants. Of a connection that came in, that is a name of this side; of a request to a
/// proxy, that of somebody else.
fn said(connection: &Connection) -> Option<(Text, HostnameSource)> {
    let told = connection.told.as_ref().filter(|_| connection.direction != Some(Direction::Inbound))?;
    if let Some(http) = &told.http {
        let method = http.method.value().map(|method| &**method);
        let target = http.target.as_ref().and_then(|target| target.value());
        let to_a_proxy = method == Some(b"CONNECT")
            || target.is_some_and(|target| !target.starts_with(b"/") && **target != *b"*");
        if to_a_proxy {
            return None;
        }
        return named(without_port(http.host.as_ref()?), HostnameSource::Http);
    }
    let sni = told.tls.as_ref()?.sni.clone()?;
    named(sni, HostnameSource::Sni)
}

/// An address is no name.
fn named(name: Text, source: HostnameSource) -> Option<(Text, HostnameSource)> {
    let is_address = name.value().and_then(|name| std::str::from_utf8(name).ok()?.parse::<IpAddr>().ok());
    is_address.is_none().then_some((name, source))
}

/// A host without the port that may follow it, and an IPv6 address without its brackets.
fn without_port(host: &Text) -> Text {
    let Observed::Complete(bytes) = host else { return host.clone() };
    let name: &[u8] = match bytes.strip_prefix(b"[") {
        Some(rest) => rest.split(|byte| *byte == b']').next().unwrap_or_default(),
        None => bytes.split(|byte| *byte == b':').next().unwrap_or_default(),
    };
    if name.len() == bytes.len() { host.clone() } else { Observed::Complete(Arc::from(name)) }
}
