//! What programs do to hide, to outlive a run, or to act through others: rules over what the session knows. Pure.
//!
//! A rule looks at facts and gives hits; hits of one rule, one severity and one process are a finding. A rule says what was
//! seen, not what it was for: a debugger traces, an installer writes units. Its severity says how ordinary that is.

mod calls;
mod files;
mod kin;
mod places;
mod processes;
mod rules;
mod search;
mod sockets;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

pub use self::{
    rules::{RULES, Rule},
    search::Search,
};
use super::{CallEntry, Session, Tally};
use crate::event::{BootNs, ProcessKey};

/// Findings that are kept: rules times processes, so a fork loop can make many of one.
const MAX_FINDINGS: usize = 1_000;
/// Facts that are named of one finding; `count` has them all.
const MAX_EVIDENCE: usize = 16;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Ordinary programs do it, too.
    Low,
    /// Few ordinary programs do it, or it was tried in vain.
    Medium,
    /// It changes others, the kernel or what observes.
    High,
}

/// What one process did that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Who did it.
    pub process: ProcessKey,
    /// The facts, the first ones.
    pub evidence: Vec<Evidence>,
    /// The first of them.
    pub first_at: BootNs,
    /// How often.
    pub count: u64,
    /// Something of it was no attempt in vain.
    pub succeeded: bool,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// What it is about.
    pub fact: Fact,
    /// Positive errno, where it was tried in vain.
    pub errno: Option<i32>,
}

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A file.
    Path(Arc<[u8]>),
    /// A unix socket, by its name.
    Socket(Arc<[u8]>),
    /// The name of a process or thread.
    Name(Arc<[u8]>),
    /// A call: its position among the calls of [`Session::findings_and_calls`].
    Call(usize),
    /// The process itself.
    Process(ProcessKey),
}

/// All findings, worst first, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// By severity, then in order of time.
    pub list: Vec<Finding>,
    /// How many there were, and how many of them are in the list.
    pub tally: Tally,
}

/// What a rule has come upon.
struct Hit {
    rule: &'static Rule,
    severity: Severity,
    process: ProcessKey,
    fact: Fact,
    errno: Option<i32>,
    at: BootNs,
    count: u64,
}

impl Session {
    /// What the rules find in what is known by now. This takes a while: it looks at everything.
    pub fn findings(&self) -> Findings {
        self.findings_and_calls().0
    }

    /// The same, and the calls that evidence refers to.
    pub fn findings_and_calls(&self) -> (Findings, Vec<CallEntry>) {
        let mut search = Search::default();
        while !search.step(self) {}
        search.found()
    }
}

/// Hits, put together.
#[derive(Debug, Default)]
struct Found(BTreeMap<(Reverse<Severity>, &'static str, ProcessKey), Finding>);

impl Found {
    fn add(&mut self, hit: Hit) {
        let Hit { rule, severity, process, fact, errno, at, count } = hit;
        let evidence = Evidence { fact, errno };
        match self.0.entry((Reverse(severity), rule.id, process)) {
            Entry::Vacant(place) => {
                place.insert(Finding {
                    rule,
                    severity,
                    process,
                    evidence: vec![evidence],
                    first_at: at,
                    count,
                    succeeded: errno.is_none(),
                });
            }
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.first_at = known.first_at.min(at);
                known.count = known.count.saturating_add(count);
                known.succeeded |= errno.is_none();
                if known.evidence.len() < MAX_EVIDENCE && !known.evidence.contains(&evidence) {
                    known.evidence.push(evidence);
                }
            }
        }
    }

    fn findings(self) -> Findings {
        let mut list: Vec<_> = self.0.into_values().collect();
        list.sort_by_key(|one| (Reverse(one.severity), one.first_at, one.rule.id, one.process));
        let seen = list.len() as u64;
        list.truncate(MAX_FINDINGS);
        for one in &mut list {
            one.evidence.sort();
        }
        Findings { tally: Tally { seen, kept: list.len() as u64 }, list }
    }
}

#[cfg(test)]
mod tests;
