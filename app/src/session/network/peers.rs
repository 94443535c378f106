//! The two sides of one connection, where both were observed.

use core::net::IpAddr;

use super::connections::{Connection, ConnectionResult};
use crate::{
    event::{BootNs, Endpoint},
    maps::HashMap,
};

/// What may lie between the end of one side and the beginning of the other: the last packet of a datagram socket is on
/// its way, or waits to be taken; and a side of a connection may be noticed only when its process takes it, which on a
/// busy machine can be after the other one has closed it. Ports are not used again so soon.
const SLACK_NS: BootNs = 1_000_000_000;

/// What one side has, seen from the other: equal for two sides that belong together. Socket's own end first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    protocol: u16,
    /// 0 where it need not be the same.
    namespace: u32,
    local: (Option<IpAddr>, u16),
    remote: (Option<IpAddr>, u16),
}

impl Ends {
    fn mirrored(self) -> Self {
        Self { local: self.remote, remote: self.local, ..self }
    }
}

/// An IPv4 address on an IPv6 socket is the IPv4 address.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Links connections with their other sides: the ends mirror each other, they were there at the same time, and of
/// several the nearest in time belong together.
///
/// First in one network namespace, then, of what has no side yet, between namespaces, where an address of the loopback
/// device leads nowhere. Last a socket that is bound to no address: all that is known of its own end is the port.
pub(super) fn link(connections: &mut [Connection]) {
    pass(connections, |one| ends(one, one.network_namespace));
    pass(connections, |one| {
        let ends = ends(one, 0)?;
        let leads_out = |end: (Option<IpAddr>, u16)| end.0.is_some_and(|address| !address.is_loopback());
        (one.has_states && leads_out(ends.local) && leads_out(ends.remote)).then_some(ends)
    });
    if connections.iter().any(|one| one.peer.is_none() && is_anywhere(one.local)) {
        without_address(connections);
    }
}

/// Of sockets that are bound to no address: their peer's end is compared with the whole of the other's, and their own
/// with its port.
fn without_address(connections: &mut [Connection]) {
    pass(connections, |one| {
        let ends = ends(one, one.network_namespace)?;
        Some(if is_anywhere(one.local) {
            Ends { local: (None, ends.local.1), ..ends }
        } else {
            Ends { remote: (None, ends.remote.1), ..ends }
        })
    });
    pass(connections, |one| {
        let ends = ends(one, one.network_namespace)?;
        let to_itself = ends.remote.0.is_some_and(|address| address.is_loopback());
        (to_itself && is_anywhere(one.local)).then_some(Ends {
            local: (None, ends.local.1),
            remote: (None, ends.remote.1),
            ..ends
        })
    });
}

fn is_anywhere(end: Option<Endpoint>) -> bool {
    end.is_some_and(|end| plain(end.address).is_unspecified())
}

/// Protocols without ports have no ends by which one could be told from another.
fn ends(one: &Connection, namespace: u32) -> Option<Ends> {
    let end = |end: Endpoint| {
        let port = end.port.filter(|port| *port != 0)?;
        Some((Some(plain(end.address)), port))
    };
    let (local, remote) = (end(one.local?)?, end(one.remote?)?);
    (local != remote).then_some(Ends { protocol: one.protocol, namespace, local, remote })
}

/// Links what mirrors each other by `key`, as far as it has no side yet.
fn pass(connections: &mut [Connection], key: impl Fn(&Connection) -> Option<Ends>) {
    // In order of time, as the connections are.
    let mut by_ends: HashMap<Ends, Vec<usize>> = HashMap::default();
    for (position, one) in connections.iter().enumerate() {
        let met = !matches!(one.result, ConnectionResult::Refused | ConnectionResult::Unreachable);
        if one.peer.is_none()
            && met
            && let Some(ends) = key(one)
        {
            by_ends.entry(ends).or_default().push(position);
        }
    }
    for (ends, ones) in &by_ends {
        let others = by_ends.get(&ends.mirrored());
        // Each pair of lists is met twice.
        if let Some(others) = others.filter(|others| ones[0] < others[0]) {
            pair(connections, ones, others);
        }
    }
}

/// Links the nearest ones of two lists, each in order of time, and each connection once.
fn pair(connections: &mut [Connection], ones: &[usize], others: &[usize]) {
    let opened = |position: usize| connections[position].opened_at;
    let mut near: Vec<(BootNs, usize, usize)> = Vec::with_capacity(ones.len() * 2);
    for one in ones {
        let after = others.partition_point(|other| opened(*other) < opened(*one));
        for other in [after.checked_sub(1), Some(after)].into_iter().flatten() {
            if let Some(other) = others.get(other) {
                near.push((opened(*one).abs_diff(opened(*other)), *one, *other));
            }
        }
    }
    near.sort_unstable();
    for (_, one, other) in near {
        let (first, second) = (&connections[one], &connections[other]);
        let is_free = first.peer.is_none() && second.peer.is_none();
        if is_free && overlap(first, second) {
            connections[one].peer = Some(other);
            connections[other].peer = Some(one);
        }
    }
}

fn overlap(one: &Connection, other: &Connection) -> bool {
    let until = |one: &Connection| one.closed_at.map_or(BootNs::MAX, |at| at.saturating_add(SLACK_NS));
    one.opened_at <= until(other) && other.opened_at <= until(one)
}
