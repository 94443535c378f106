//! Calls on sockets that failed.

use std::{collections::BTreeMap, sync::Arc};

use super::{Tally, connections::Connection, sockets::AskedService};
use crate::{
    event::{
        AccessId, AccessTotals, BootNs, Endpoint, FileTotals, ProcessKey, SocketAddress, SocketFailed,
        SocketOperation, Syscall,
    },
    session::Text,
};

/// Calls that failed alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFailure {
    /// What was tried.
    pub operation: SocketOperation,
    /// Positive errno.
    pub errno: i32,
    /// The call.
    pub call: Syscall,
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`; 0 if it is not known.
    pub kind: u16,
    /// `IPPROTO_*`; 0 if it is not known.
    pub protocol: u16,
    /// Which internet address was asked for.
    pub address: Option<Endpoint>,
    /// Which path or abstract name was asked for.
    pub path: Option<Text>,
    /// The process.
    pub process: ProcessKey,
    /// How often.
    pub count: u64,
    /// The first.
    pub first_at: BootNs,
    /// The last.
    pub last_at: BootNs,
}

/// All of them. A text is 108 bytes at most, so that their number is cap enough.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failures {
    cap: u64,
    failures: BTreeMap<AccessId, SocketFailure>,
    tally: Tally,
}

impl Failures {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, failures: BTreeMap::new(), tally: Tally::default() }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn totals(&mut self, totals: &FileTotals) -> bool {
        let known = self.failures.get_mut(&totals.access);
        known.map(|known| known.raise(&totals.totals)).is_some()
    }

    pub(super) fn failed(
        &mut self,
        process: ProcessKey,
        at: BootNs,
        failed: &SocketFailed,
        early: Option<AccessTotals>,
    ) {
        if let Some(known) = self.failures.get_mut(&failed.access) {
            known.first_at = known.first_at.min(at);
            known.raise(&failed.totals);
            return;
        }
        let room = (self.failures.len() as u64) < self.cap;
        if !self.tally.count(1, room) {
            return;
        }
        let (address, path) = match &failed.address {
            Some(SocketAddress::Internet(address)) => (Some(*address), None),
            Some(SocketAddress::Unix(name)) => {
                (None, Some(name.as_ref().map(|name| Arc::from(name.as_slice()))))
            }
            Some(SocketAddress::Other) | None => (None, None),
        };
        let mut failure = SocketFailure {
            operation: failed.operation,
            errno: failed.errno,
            call: failed.call,
            family: failed.family,
            kind: failed.kind,
            protocol: failed.protocol,
            address,
            path,
            process,
            // It is told because it happened.
            count: 1,
            first_at: at,
            last_at: at,
        };
        failure.raise(&failed.totals);
        if let Some(early) = early {
            failure.raise(&early);
        }
        self.failures.insert(failed.access, failure);
    }

    /// Services that could not be talked to.
    pub(super) fn asked_services(&self) -> impl Iterator<Item = AskedService<'_>> {
        let talks =
            |one: &&SocketFailure| matches!(one.operation, SocketOperation::Connect | SocketOperation::Send);
        self.failures.values().filter(talks).filter_map(|one| {
            Some(AskedService {
                name: one.path.as_ref()?.value()?,
                process: one.process,
                errno: Some(one.errno),
                first_at: one.first_at,
                count: one.count,
            })
        })
    }

    /// Those that are no connection, by time. Failures that are alike are one: the kernel side may have had to count them
    /// anew.
    pub(super) fn entries(&self, connections: &[Connection]) -> Vec<SocketFailure> {
        let mut attempts = attempts(connections);
        let mut entries: BTreeMap<Alike<'_>, SocketFailure> = BTreeMap::new();
        for failure in self.failures.values() {
            match entries.get_mut(&alike(failure)) {
                Some(known) => {
                    known.count = known.count.saturating_add(failure.count);
                    known.first_at = known.first_at.min(failure.first_at);
                    known.last_at = known.last_at.max(failure.last_at);
                }
                None => {
                    entries.insert(alike(failure), failure.clone());
                }
            }
        }
        let mut entries: Vec<_> = entries.into_values().collect();
        entries.sort_by_key(|one| (one.first_at, one.process));
        entries.retain_mut(|one| {
            let told = if one.operation == SocketOperation::Connect {
                one.address.and_then(|address| attempts.remove(&attempt(one.process, address, one.errno)))
            } else {
                None
            };
            one.count = one.count.saturating_sub(told.unwrap_or(0));
            one.count > 0
        });
        entries
    }
}

type Attempt = (ProcessKey, Endpoint, i32);

/// Who tried to connect where, and what it failed with.
fn attempt(process: ProcessKey, address: Endpoint, errno: i32) -> Attempt {
    (process, Endpoint { address: address.address.to_canonical(), ..address }, errno)
}

/// Connections that failed: a connect that told why is not told twice.
fn attempts(connections: &[Connection]) -> BTreeMap<Attempt, u64> {
    let mut attempts = BTreeMap::new();
    for one in connections.iter().filter(|one| one.established_at.is_none()) {
        if let (Some(process), Some(remote), Some(errno)) = (one.process, one.remote, one.error) {
            *attempts.entry(attempt(process, remote, errno)).or_default() += 1;
        }
    }
    attempts
}

type Alike<'a> =
    (ProcessKey, SocketOperation, Syscall, i32, (u16, u16, u16), Option<Endpoint>, Option<&'a [u8]>);

fn alike(one: &SocketFailure) -> Alike<'_> {
    let socket = (one.family, one.kind, one.protocol);
    let path = one.path.as_ref().and_then(|path| path.value()).map(|path| &**path);
    (one.process, one.operation, one.call, one.errno, socket, one.address, path)
}

impl SocketFailure {
    fn raise(&mut self, totals: &AccessTotals) {
        self.count = self.count.max(totals.failures);
        self.last_at = self.last_at.max(totals.last_at);
    }
}
