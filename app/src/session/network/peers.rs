//! The two sides of one connection, where both were observed.

use core::net::IpAddr;

use super::connections::{Connection, ConnectionResult};
use crate::{
    event::{BootNs, Direction, Endpoint},
    maps::HashMap,
};

/// What may lie between the end of one side and the beginning of the other: the last packet of a datagram socket is on
/// its way, or waits to be taken.
const SLACK_NS: BootNs = 1_000_000_000;
/// The same where the two sides have to have met.
const SLACK_WITH_STATES_NS: BootNs = 10_000_000;

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
    end.is_some_and(|end| end.address.to_canonical().is_unspecified())
}

/// Protocols without ports have no ends by which one could be told from another.
fn ends(one: &Connection, namespace: u32) -> Option<Ends> {
    let end = |end: Endpoint| {
        let port = end.port.filter(|port| *port != 0)?;
        Some((Some(end.address.to_canonical()), port))
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

/// Links the nearest ones of two lists, each in order of time, and each connection once. Ports are used again as soon as
/// they are free, so that the side of the next connection may be nearer in time than the own one is.
fn pair(connections: &mut [Connection], ones: &[usize], others: &[usize]) {
    let opened = |position: usize| connections[position].opened_at;
    let mut near: Vec<(BootNs, usize, usize)> = Vec::with_capacity(ones.len() * 2);
    for one in ones {
        let after = others.partition_point(|other| opened(*other) < opened(*one));
        for other in [after.checked_sub(1), Some(after)].into_iter().flatten() {
            let other = others.get(other);
            if let Some(other) = other.filter(|other| may_answer(&connections[*one], &connections[**other])) {
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

/// Nobody has a connection before it is asked for.
fn may_answer(one: &Connection, other: &Connection) -> bool {
    if !(one.has_states && other.has_states) {
        return true;
    }
    match (one.direction, other.direction) {
        (Some(Direction::Outbound), Some(Direction::Inbound)) => one.opened_at <= other.opened_at,
        (Some(Direction::Inbound), Some(Direction::Outbound)) => other.opened_at <= one.opened_at,
        _ => true,
    }
}

fn overlap(one: &Connection, other: &Connection) -> bool {
    let slack = if one.has_states { SLACK_WITH_STATES_NS } else { SLACK_NS };
    let until = |one: &Connection| one.closed_at.map_or(BootNs::MAX, |at| at.saturating_add(slack));
    one.opened_at <= until(other) && other.opened_at <= until(one)
}
