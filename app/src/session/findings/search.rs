//! The search in steps, so that whoever has something better to do is not kept for long.

use super::{Findings, Found, calls, files, kin::Kin, processes, sockets};
use crate::{
    event::ProcessKey,
    session::{CallEntry, FileRowIds, Session, calls::ToldCalls},
};

/// What is looked at in one step: some tens of microseconds to a millisecond.
const STEP: usize = 1_024;

/// A search for findings. The session may go on between its steps: what becomes known then is found, or is not.
#[derive(Debug, Default)]
pub struct Search {
    place: Place,
    found: Found,
    calls: Vec<CallEntry>,
    kin: Kin,
}

/// How far a search has come.
#[derive(Debug)]
enum Place {
    Gathering(Box<ToldCalls>),
    /// At a position in the calls.
    Calls(usize),
    Files(FileRowIds),
    /// After a process.
    Processes(Option<ProcessKey>),
    Sockets,
    Over,
}

impl Default for Place {
    fn default() -> Self {
        Self::Gathering(Box::default())
    }
}

impl Search {
    /// Goes on; gives back whether the search is over.
    pub fn step(&mut self, session: &Session) -> bool {
        let Self { place, found, calls, kin } = self;
        let next = match place {
            Place::Gathering(told) => told.step(session).then(|| {
                *calls = std::mem::take(&mut **told).in_order();
                Place::Calls(0)
            }),
            Place::Calls(at) => {
                for (index, entry) in calls.iter().enumerate().skip(*at).take(STEP) {
                    calls::look(session, index, entry, kin, found);
                }
                *at += STEP;
                (*at >= calls.len()).then(|| Place::Files(session.file_rows().ids()))
            }
            Place::Files(ids) => {
                let rows = session.file_rows();
                let mut looked = 0;
                for id in ids.take(STEP) {
                    looked += 1;
                    if let Some(row) = rows.get(id) {
                        files::look(session, &row, kin, found);
                    }
                }
                (looked < STEP).then_some(Place::Processes(None))
            }
            Place::Processes(last) => {
                let before = *last;
                for (key, process) in session.processes_after(before).take(STEP) {
                    processes::look(session, key, process, found);
                    *last = Some(key);
                }
                (*last == before).then_some(Place::Sockets)
            }
            Place::Sockets => {
                sockets::look(session, found);
                Some(Place::Over)
            }
            Place::Over => None,
        };
        if let Some(next) = next {
            *place = next;
        }
        matches!(place, Place::Over)
    }

    /// What was found so far, and the calls that evidence refers to.
    pub fn found(self) -> (Findings, Vec<CallEntry>) {
        (self.found.findings(), self.calls)
    }
}
