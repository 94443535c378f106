//! What is told of sockets beside connections, in the receipt.

use std::sync::Arc;

use super::{
    network::{Builder, address, id, origin},
    split,
};
use crate::{
    event::{self, AF_INET, AF_INET6},
    names,
    protocol::dns,
    receipt::schema::{
        self, AddressSource, Bytes, DnsAnswer, DnsQuery, DnsTransport, FailedSocketCall, Milliseconds,
        NameOwner, OtherSocket, Reason, SocketOperation, SocketOperationCounts, UnixSocket, Value,
    },
    session::{self, DnsEntry, DnsValue, SocketFailure, Text, UnixEntry},
};

const AF_NETLINK: u16 = 16;

impl Builder<'_, '_> {
    pub(super) fn failed(&mut self, index: usize, one: &SocketFailure) -> FailedSocketCall {
        let at = |field: &str| format!("/network/failed/{index}/{field}");
        let is_internet = [AF_INET, AF_INET6].contains(&one.family);
        let (process, process_reason) = self.process(Some(one.process));
        let path = one.path.as_ref().map(|name| shown(name).0);
        let (path, path_reason) = self.texts.optional(path.as_ref(), || at("path"));
        FailedSocketCall {
            operation: operation(one.operation),
            call: self.texts.call(one.call),
            family: names::address_family(one.family),
            protocol: (is_internet && one.protocol != 0).then(|| names::ip_protocol(one.protocol)),
            socket_type: (one.kind != 0).then(|| names::socket_type(one.kind)),
            address: one.address.map(address),
            path,
            path_reason,
            address_source: AddressSource::Argument,
            errno: self.texts.errno(one.errno),
            count: one.count,
            process,
            process_reason,
            first_at: self.clock.timestamp(one.first_at),
            last_at: self.clock.timestamp(one.last_at),
        }
    }

    pub(super) fn dns(&mut self, index: usize, one: &DnsEntry) -> DnsQuery {
        let at = |field: &str| format!("/network/dns/{index}/{field}");
        let (query, query_reason) = self.texts.shared(&one.query, || at("query"));
        let (process, process_reason) = self.process(one.process);
        let (rcode, rcode_reason) = split(one.rcode.map(dns::rcode_name).ok_or(Reason::Unanswered));
        let (server, server_reason) = split(one.server.map(address).ok_or(Reason::Unknown));
        let latency =
            one.asked_at.zip(one.answered_at).map(|(asked, answered)| answered.saturating_sub(asked));
        DnsQuery {
            query,
            query_reason,
            kind: dns::kind_name(one.kind),
            answers: (0..)
                .zip(&one.answers)
                .map(|(number, answer)| self.answer(index, number, answer))
                .collect(),
            rcode,
            rcode_reason,
            server,
            server_reason,
            transport: match one.transport {
                event::DnsTransport::Udp => DnsTransport::Udp,
                event::DnsTransport::Tcp => DnsTransport::Tcp,
                event::DnsTransport::Mdns => DnsTransport::Mdns,
                event::DnsTransport::Llmnr => DnsTransport::Llmnr,
            },
            received: one.received,
            process,
            process_reason,
            at: self.clock.timestamp(one.asked_at.or(one.answered_at).unwrap_or_default()),
            answered_at: one.answered_at.map(|at| self.clock.timestamp(at)),
            latency_ms: latency.map(Milliseconds),
            connection: one.connection.map(id),
            count: one.count,
        }
    }

    fn answer(&mut self, index: usize, number: usize, one: &session::DnsAnswer) -> DnsAnswer {
        let at = |field: &str| format!("/network/dns/{index}/answers/{number}/{field}");
        DnsAnswer {
            name: self.said(Some(&one.name), || at("name")),
            kind: dns::kind_name(one.kind),
            ttl: one.ttl,
            value: match &one.value {
                DnsValue::Address(address) => Some(Value::Whole(Bytes::from(address.to_string().as_bytes()))),
                DnsValue::Name(name) => self.said(Some(name), || at("value")),
                DnsValue::Other => None,
            },
        }
    }

    pub(super) fn unix(&mut self, index: usize, one: &UnixEntry) -> UnixSocket {
        let at = |field: &str| format!("/network/unix_sockets/{index}/{field}");
        let (process, process_reason) = self.process(one.process);
        let (origin, origin_reason) = split(one.origin.map(origin).ok_or(Reason::Unknown));
        let name = one.name.as_ref().map(shown);
        let path = one.path.as_ref().map(|(path, _)| path);
        let (path, path_reason) = self.texts.optional(path, || at("path"));
        UnixSocket {
            id: id(index),
            socket: one.inode,
            socket_type: names::socket_type(one.kind),
            process,
            process_reason,
            origin,
            origin_reason,
            users: self.users(&one.users),
            operations: SocketOperationCounts(
                one.operations.iter().map(|(one, count)| (operation(*one), *count)).collect(),
            ),
            name: self.said(name.as_ref().map(|(name, _)| name), || at("name")),
            is_abstract: name.is_some_and(|(_, is_abstract)| is_abstract),
            name_is: one.name.as_ref().map(|_| match one.name_is_peers {
                true => NameOwner::Peer,
                false => NameOwner::Own,
            }),
            name_source: one.name_is_argument.then_some(AddressSource::Argument),
            path,
            path_reason,
            path_source: one.path.as_ref().map(|(_, source)| super::process::source(*source)),
            peer_process: self.process_if_observed(one.peer),
            peer_pid: one.peer_pid,
            listener: one.listener.map(id),
            first_at: self.clock.timestamp(one.first_at),
            bytes_sent: one.bytes_sent,
            bytes_received: one.bytes_received,
        }
    }

    pub(super) fn other(&mut self, one: &session::OtherSocket) -> OtherSocket {
        let (process, process_reason) = self.process(one.process);
        OtherSocket {
            family: names::address_family(one.family),
            socket_type: names::socket_type(one.kind),
            protocol: one.protocol,
            protocol_name: names::netlink_protocol(one.protocol).filter(|_| one.family == AF_NETLINK),
            process,
            process_reason,
            count: one.count,
            first_at: self.clock.timestamp(one.first_at),
            bytes_sent: one.bytes_sent,
            bytes_received: one.bytes_received,
        }
    }
}

/// A unix address as it is shown, and whether it is an abstract name, which has "@" for its first NUL.
fn shown(name: &Text) -> (Text, bool) {
    match name.value().and_then(|name| name.strip_prefix(b"\0")) {
        Some(rest) => (name.as_ref().map(|_| Arc::from([b"@", rest].concat())), true),
        None => (name.clone(), false),
    }
}

fn operation(operation: event::SocketOperation) -> SocketOperation {
    match operation {
        event::SocketOperation::Create => schema::SocketOperation::Socket,
        event::SocketOperation::CreatePair => schema::SocketOperation::Pair,
        event::SocketOperation::Connect => schema::SocketOperation::Connect,
        event::SocketOperation::Bind => schema::SocketOperation::Bind,
        event::SocketOperation::Listen => schema::SocketOperation::Listen,
        event::SocketOperation::Accept => schema::SocketOperation::Accept,
        event::SocketOperation::Send => schema::SocketOperation::Send,
        event::SocketOperation::Receive => schema::SocketOperation::Receive,
        event::SocketOperation::Use => schema::SocketOperation::Use,
    }
}
