//! Events of sockets.

use serde::Serializer;
use serde_json::Value;

use super::{Field, Malformed, objects, refuse, tagged, write_tagged};
use crate::event::{
    DnsMessage, DnsQuestion, DnsRecord, DnsRecordValue, Endpoint, Flow, FlowTotals, Said, SaidHttp, SaidTls,
    SocketAddress, SocketFailed, SocketUsed, UnixSocket,
};

objects! {
    Endpoint { address, port }
    Flow {
        flow, socket, listener, inode, family, kind, protocol, local, remote, direction, origin, state, entered,
        error, network_namespace, backlog, totals, ended, resumed, absolute, by_calls, bound, listens, connected,
    }
    FlowTotals { bytes_sent, bytes_received, packets_sent, packets_received, first_at, last_at }
    SocketUsed { socket, origin }
    UnixSocket {
        socket, inode, operation, kind, origin, listener, name, name_is_peers, name_is_argument, path, peer_pid,
        peer, backlog,
    }
    SocketFailed { access, totals, operation, errno, call, family, kind, protocol, address }
    DnsMessage {
        flow, socket, local, remote, sent, transport, id, is_response, rcode, questions, answers,
    }
    DnsQuestion { name, kind }
    DnsRecord { name, kind, ttl, value }
    Said { flow, tls, http, ssh_sent, ssh_received, smtp_greeting, smtp_helo }
    SaidTls { sni, alpn, versions, ja4 }
    SaidHttp { method, target, host, version }
}

impl Field for SocketAddress {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Internet(end) => write_tagged(serializer, "internet", end),
            Self::Unix(name) => write_tagged(serializer, "unix", name),
            Self::Other => write_tagged(serializer, "other", &true),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        match tagged(value)? {
            (tag, value) if tag == "internet" => Field::read(value).map(Self::Internet),
            (tag, value) if tag == "unix" => Field::read(value).map(Self::Unix),
            (tag, _) if tag == "other" => Ok(Self::Other),
            _ => Err(Malformed::new("expected an address")),
        }
    }
}

impl Field for DnsRecordValue {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Address(address) => write_tagged(serializer, "address", address),
            Self::Name(name) => write_tagged(serializer, "name", name),
            Self::Other => refuse::<S>("what is not kept is left out"),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        if value.is_null() {
            return Ok(Self::Other);
        }
        match tagged(value)? {
            (tag, value) if tag == "address" => Field::read(value).map(Self::Address),
            (tag, value) if tag == "name" => Field::read(value).map(Self::Name),
            _ => Err(Malformed::new("expected an address or a name")),
        }
    }

    fn is_absent(&self) -> bool {
        *self == Self::Other
    }
}
