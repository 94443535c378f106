//! What happened, in order: the newest [`CAPACITY`] moments.

use std::collections::VecDeque;

use crate::{
    event::{
        AccessId, BootNs, ChangeTarget, Direction, Endpoint, Event, EventKind, FileOperation, FlowId,
        ProcessKey, SocketAddress, Syscall, TcpState,
    },
    maps::HashSet,
    session::{FileRowId, FileRows},
};

/// Moments that are kept: some 5 MiB. The session and the receipt keep the facts beyond.
pub const CAPACITY: usize = 50_000;
/// Flows that were told of; beyond, a new peer of a datagram socket may be told of again.
const MAX_FLOWS: usize = 100_000;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: BootNs,
    /// Who did it.
    pub process: ProcessKey,
    /// What.
    pub what: What,
}

/// What happened. Texts are the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It made a process.
    Forked(ProcessKey),
    /// It executed something, at this time.
    Executed,
    /// It tried to.
    ExecFailed(i32),
    /// It ended.
    Ended,
    /// Its credentials or namespaces changed by a call.
    Credentials(Syscall),
    /// Calls were denied.
    Denied(Syscall, i32),
    /// It used a file for the first time.
    Used(AccessId),
    /// It changed a file: the number of the change.
    Changed(u32),
    /// An attempt failed for the first time.
    Failed(FileRowId),
    /// It listens.
    Listens(Endpoint),
    /// It has to do with a peer.
    Connected(Direction, Endpoint),
    /// It tried to.
    NotConnected(Endpoint, i32),
    /// It made a call that matters by itself.
    Called(AccessId),
    /// A call on a socket failed.
    SocketFailed(Option<Endpoint>, i32),
}

/// The ring of moments. Each has a number that never changes.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    moments: VecDeque<Moment>,
    /// How many went to make room.
    gone: u64,
    flows: HashSet<FlowId>,
}

impl Timeline {
    /// Takes in an event that the session has taken in, whose rows of files these are.
    pub fn observe(&mut self, event: &Event, rows: FileRows<'_>) {
        let [_, changes, _] = rows.counts();
        let what = match &event.kind {
            EventKind::Fork(fork) => What::Forked(fork.child),
            EventKind::Exec(_) => What::Executed,
            EventKind::ExecFailed(failed) => What::ExecFailed(failed.errno),
            EventKind::Exit(_) => What::Ended,
            EventKind::Credentials(call) => What::Credentials(call.call),
            EventKind::Denied(denied) => What::Denied(denied.call, denied.errno),
            EventKind::FileSeen(seen) => What::Used(seen.access),
            // That it was opened says so already.
            EventKind::FileChanged(changed) if changed.operation == FileOperation::Create => {
                match changed.target {
                    ChangeTarget::Access(_) => return,
                    _ => What::Changed(changes.saturating_sub(1)),
                }
            }
            EventKind::FileChanged(_) => match changes.checked_sub(1) {
                Some(number) => What::Changed(number),
                None => return,
            },
            EventKind::FileFailed(_) => match rows.failed_first() {
                Some(row) => What::Failed(row),
                None => return,
            },
            EventKind::Called(called) => What::Called(called.access),
            EventKind::SocketFailed(failed) => {
                let end = match &failed.address {
                    Some(SocketAddress::Internet(end)) => Some(*end),
                    _ => None,
                };
                What::SocketFailed(end, failed.errno)
            }
            EventKind::Flow(flow) => {
                let connected = flow.state.is_none_or(|state| state == TcpState::Established);
                let what = match (flow.remote, flow.local) {
                    (Some(remote), _) if flow.error.is_some() && !connected => {
                        What::NotConnected(remote, flow.error.unwrap_or_default())
                    }
                    (Some(remote), _) if connected => {
                        What::Connected(flow.direction.unwrap_or(Direction::Outbound), remote)
                    }
                    (None, Some(local)) if flow.listens => What::Listens(local),
                    _ => return,
                };
                if !self.flows.insert(flow.flow) {
                    return;
                }
                if self.flows.len() > MAX_FLOWS {
                    self.flows.clear();
                }
                what
            }
            EventKind::SyscallTotals(_)
            | EventKind::ExecutableHashed(_)
            | EventKind::FileTotals(_)
            | EventKind::SocketUsed(_)
            | EventKind::UnixSocket(_)
            | EventKind::Payload(_)
            | EventKind::Dns(_)
            | EventKind::Said(_) => return,
        };
        if self.moments.len() == CAPACITY {
            self.moments.pop_front();
            self.gone += 1;
        }
        self.moments.push_back(Moment { at: event.at, process: event.process, what });
    }

    /// One moment.
    pub fn get(&self, number: u64) -> Option<&Moment> {
        let at = usize::try_from(number.checked_sub(self.gone)?).ok()?;
        self.moments.get(at)
    }

    /// Numbers of those that are kept.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.gone..self.gone + self.moments.len() as u64
    }

    /// How many are not kept any more.
    pub fn gone(&self) -> u64 {
        self.gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Denied,
        session::{Session, samples::key},
    };

    #[test]
    fn the_newest_stay() {
        let (mut timeline, session) = (Timeline::default(), Session::new());
        for at in 0..CAPACITY as u64 + 10 {
            let denied =
                Denied { call: Syscall { abi: crate::event::Abi::Native, number: 1 }, errno: 13, count: 1 };
            let event = Event { at, process: key(1, 1), tid: 1, kind: EventKind::Denied(denied) };
            timeline.observe(&event, session.file_rows());
        }
        assert_eq!(timeline.numbers(), 10..CAPACITY as u64 + 10);
        assert_eq!((timeline.get(9), timeline.get(10).map(|moment| moment.at)), (None, Some(10)));
        assert_eq!(timeline.gone(), 10);
    }
}
