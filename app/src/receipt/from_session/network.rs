//! Connections and listeners, in the receipt.

use super::{Clock, give_back, split, texts::Texts};
use crate::{
    event::{self, ProcessKey},
    maps::HashMap,
    names,
    receipt::schema::{
        self, Address, Bytes, ConnectionResult, Direction, HostnameSource, Http, Ip, ListenerState,
        Milliseconds, Network, Peer, Reason, Said, Smtp, SocketOrigin, SocketUser, Ssh, StateChange,
        TcpState, Tls, Value,
    },
    session::{self, Connection, Listener, NetworkView, Text, Told},
};

/// Builds the entries of the lists.
pub(super) struct Builder<'a, 'b> {
    pub(super) clock: Clock,
    pub(super) texts: &'a mut Texts<'b>,
    ids: &'a HashMap<ProcessKey, u64>,
}

/// An id of a list that is counted from 1.
pub(super) fn id(position: usize) -> u64 {
    (position as u64).saturating_add(1)
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(clock: Clock, ids: &'a HashMap<ProcessKey, u64>, texts: &'a mut Texts<'b>) -> Self {
        Self { clock, texts, ids }
    }

    /// The section.
    pub(super) fn network(&mut self, view: NetworkView) -> Network {
        let mut connections = Vec::with_capacity(view.connections.len());
        for (index, connection) in give_back(view.connections) {
            connections.push(self.connection(index, &connection));
        }
        let listeners = (0..).zip(&view.listeners).map(|(at, one)| self.listener(at, one)).collect();
        let failed = (0..).zip(&view.failed).map(|(at, one)| self.failed(at, one)).collect();
        let dns = (0..).zip(&view.dns).map(|(at, one)| self.dns(at, one)).collect();
        let unix_sockets = (0..).zip(&view.unix_sockets).map(|(at, one)| self.unix(at, one)).collect();
        let other_sockets = view.other_sockets.iter().map(|one| self.other(one)).collect();
        Network {
            bytes_sent: view.bytes_sent,
            bytes_received: view.bytes_received,
            connections,
            listeners,
            failed,
            dns,
            unix_sockets,
            other_sockets,
        }
    }

    fn connection(&mut self, index: usize, one: &Connection) -> schema::Connection {
        let at = |field: &str| format!("/network/connections/{index}/{field}");
        let (direction, direction_reason) = split(one.direction.map(direction).ok_or(Reason::Unknown));
        let (local, local_reason) = split(one.local.map(address).ok_or(Reason::Unknown));
        let (process, process_reason) = self.process(one.process);
        let (origin, origin_reason) = split(one.origin.map(origin).ok_or(Reason::Unknown));
        let (network_namespace, network_namespace_reason) = namespace(one.network_namespace);
        let packets = |count: u64| if one.by_calls { Err(Reason::CountedByCalls) } else { Ok(count) };
        let (packets_sent, packets_sent_reason) = split(packets(one.totals.packets_sent));
        let (packets_received, packets_received_reason) = split(packets(one.totals.packets_received));
        let hostname = one.hostname.as_ref();
        let (address, address_reason) = split(one.remote.map(|end| Ip(end.address)).ok_or(Reason::Unknown));
        let remote = Peer {
            address,
            address_reason,
            port: one.remote.and_then(|end| end.port),
            hostname: self.said(hostname.map(|(name, _)| name), || at("remote/hostname")),
            hostname_source: hostname.map(|(_, source)| hostname_source(*source)),
        };
        schema::Connection {
            id: id(index),
            protocol: names::ip_protocol(one.protocol),
            socket_type: names::socket_type(one.kind),
            direction,
            direction_reason,
            local,
            local_reason,
            remote,
            result: result(one.result),
            error: one.error.map(|errno| self.texts.errno(errno)),
            state: one.state.map(state),
            state_changes: one
                .entered
                .iter()
                .map(|(entered, at)| StateChange { state: state(*entered), at: self.clock.timestamp(*at) })
                .collect(),
            opened_at: self.clock.timestamp(one.opened_at),
            established_at: one.established_at.map(|at| self.clock.timestamp(at)),
            closed_at: one.closed_at.map(|at| self.clock.timestamp(at)),
            duration_ms: one.closed_at.map(|at| Milliseconds(at.saturating_sub(one.opened_at))),
            bytes_sent: one.totals.bytes_sent,
            bytes_received: one.totals.bytes_received,
            packets_sent,
            packets_sent_reason,
            packets_received,
            packets_received_reason,
            process,
            process_reason,
            origin,
            origin_reason,
            users: self.users(&one.users),
            listener: one.listener.map(id),
            peer_connection: one.peer.map(id),
            network_namespace,
            network_namespace_reason,
            socket: one.inode,
            said: one.told.as_ref().map(|told| Box::new(self.told(told, at))),
        }
    }

    fn told(&mut self, told: &Told, at: impl Fn(&str) -> String) -> Said {
        let tls = told.tls.as_ref().map(|tls| Tls {
            sni: self.said(tls.sni.as_ref(), || at("tls/sni")),
            alpn: (0..)
                .zip(&tls.alpn)
                .filter_map(|(index, name): (usize, _)| {
                    let shown = self.said(Some(name), || at(&format!("tls/alpn/{index}")));
                    shown.map(|name: Value<Bytes>| name.kept().clone())
                })
                .collect(),
            versions: tls.versions.iter().map(|version| names::tls_version(*version)).collect(),
            ja4: self.said(tls.ja4.as_ref(), || at("tls/ja4")),
        });
        let http = told.http.as_ref().map(|http| Http {
            method: self.said(Some(&http.method), || at("http/method")),
            target: self.said(http.target.as_ref(), || at("http/target")),
            host: self.said(http.host.as_ref(), || at("http/host")),
            version: http.version,
        });
        let ssh = told.ssh.as_ref().map(|ssh| Ssh {
            client: self.said(ssh.client.as_ref(), || at("ssh/client")),
            server: self.said(ssh.server.as_ref(), || at("ssh/server")),
        });
        let smtp = told.smtp.as_ref().map(|smtp| Smtp {
            greeting: self.said(smtp.greeting.as_ref(), || at("smtp/greeting")),
            helo: self.said(smtp.helo.as_ref(), || at("smtp/helo")),
        });
        Said { tls, http, ssh, smtp }
    }

    fn listener(&mut self, index: usize, one: &Listener) -> schema::Listener {
        let (local, local_reason) = split(one.local.map(address).ok_or(Reason::Unknown));
        let (process, process_reason) = self.process(one.process);
        let (origin, origin_reason) = split(one.origin.map(origin).ok_or(Reason::Unknown));
        let (network_namespace, network_namespace_reason) = namespace(one.network_namespace);
        schema::Listener {
            id: id(index),
            protocol: names::ip_protocol(one.protocol),
            socket_type: names::socket_type(one.kind),
            state: if one.listens { ListenerState::Listening } else { ListenerState::Bound },
            local,
            local_reason,
            backlog: one.backlog,
            process,
            process_reason,
            origin,
            origin_reason,
            users: self.users(&one.users),
            at: self.clock.timestamp(one.at),
            closed_at: one.closed_at.map(|at| self.clock.timestamp(at)),
            accepted: one.accepted,
            network_namespace,
            network_namespace_reason,
            socket: one.inode,
        }
    }

    /// A text that there may be none of. `pointer` leads to the field.
    pub(super) fn said(
        &mut self,
        text: Option<&Text>,
        pointer: impl FnOnce() -> String,
    ) -> Option<Value<Bytes>> {
        self.texts.shared(text?, pointer).0
    }

    pub(super) fn process(&self, process: Option<ProcessKey>) -> (Option<u64>, Option<Reason>) {
        let known = process.ok_or(Reason::Unknown);
        split(known.and_then(|key| self.ids.get(&key).copied().ok_or(Reason::Limit)))
    }

    /// The id of a process that need not be observed.
    pub(super) fn process_if_observed(&self, process: Option<ProcessKey>) -> Option<u64> {
        self.ids.get(&process?).copied()
    }

    pub(super) fn users(&self, users: &[session::SocketUser]) -> Vec<SocketUser> {
        let user = |one: &session::SocketUser| {
            let (process, process_reason) = self.process(Some(one.process));
            SocketUser { process, process_reason, origin: origin(one.origin) }
        };
        users.iter().map(user).collect()
    }
}

pub(super) fn address(end: event::Endpoint) -> Address {
    Address { address: Ip(end.address), port: end.port }
}

/// Zero is what the kernel side has where it could not read it.
fn namespace(inode: u32) -> (Option<u32>, Option<Reason>) {
    split(if inode == 0 { Err(Reason::Unknown) } else { Ok(inode) })
}

fn direction(direction: event::Direction) -> Direction {
    match direction {
        event::Direction::Outbound => Direction::Outbound,
        event::Direction::Inbound => Direction::Inbound,
    }
}

pub(super) fn origin(origin: event::SocketOrigin) -> SocketOrigin {
    match origin {
        event::SocketOrigin::Created => SocketOrigin::Created,
        event::SocketOrigin::Accepted => SocketOrigin::Accepted,
        event::SocketOrigin::Inherited => SocketOrigin::Inherited,
        event::SocketOrigin::Received => SocketOrigin::Received,
    }
}

fn hostname_source(source: session::HostnameSource) -> HostnameSource {
    match source {
        session::HostnameSource::Dns => HostnameSource::Dns,
        session::HostnameSource::Sni => HostnameSource::Sni,
        session::HostnameSource::Http => HostnameSource::Http,
    }
}

fn result(result: session::ConnectionResult) -> ConnectionResult {
    match result {
        session::ConnectionResult::Established => ConnectionResult::Established,
        session::ConnectionResult::Refused => ConnectionResult::Refused,
        session::ConnectionResult::Unreachable => ConnectionResult::Unreachable,
        session::ConnectionResult::TimedOut => ConnectionResult::TimedOut,
        session::ConnectionResult::Reset => ConnectionResult::Reset,
        session::ConnectionResult::InProgress => ConnectionResult::InProgress,
        session::ConnectionResult::Abandoned => ConnectionResult::Abandoned,
        session::ConnectionResult::Failed => ConnectionResult::Failed,
        session::ConnectionResult::Answered => ConnectionResult::Answered,
        session::ConnectionResult::Unanswered => ConnectionResult::Unanswered,
        session::ConnectionResult::Received => ConnectionResult::Received,
        session::ConnectionResult::Unused => ConnectionResult::Unused,
    }
}

fn state(state: event::TcpState) -> TcpState {
    match state {
        event::TcpState::Established => TcpState::Established,
        event::TcpState::SynSent => TcpState::SynSent,
        event::TcpState::SynReceived => TcpState::SynReceived,
        event::TcpState::FinWait1 => TcpState::FinWait1,
        event::TcpState::FinWait2 => TcpState::FinWait2,
        event::TcpState::TimeWait => TcpState::TimeWait,
        event::TcpState::Close => TcpState::Close,
        event::TcpState::CloseWait => TcpState::CloseWait,
        event::TcpState::LastAck => TcpState::LastAck,
        event::TcpState::Listen => TcpState::Listen,
        event::TcpState::Closing => TcpState::Closing,
        event::TcpState::NewSynReceived => TcpState::NewSynReceived,
    }
}
