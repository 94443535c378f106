//! Findings as rows, and what else was looked for with them.

use super::{App, World, describe};
use crate::{
    event::ProcessKey,
    maps::HashMap,
    session::{CallEntry, Evidence, Fact, Finding, Findings, Session, Severity},
    tui::text::clean,
};

/// Orders of the pane.
pub const SORTS: [&str; 4] = ["severity", "time", "count", "rule"];

/// A row: the position of a finding, which changes when a worse one is found.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    severity: Severity,
    rule: &'static str,
    process: ProcessKey,
    position: usize,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        (self.severity, self.rule, self.process) == (other.severity, other.rule, other.process)
    }
}

/// What was found the last time that it was looked for.
#[derive(Debug, Default)]
pub struct Found {
    /// Findings, worst first.
    pub findings: Findings,
    /// Calls that matter by themselves, to whose positions evidence refers.
    pub calls: Vec<CallEntry>,
    /// The worst of each process.
    worst: HashMap<ProcessKey, Severity>,
}

impl From<(Findings, Vec<CallEntry>)> for Found {
    fn from((findings, calls): (Findings, Vec<CallEntry>)) -> Self {
        let mut worst = HashMap::default();
        for one in &findings.list {
            // The worst ones come first.
            worst.entry(one.process).or_insert(one.severity);
        }
        Self { findings, calls, worst }
    }
}

impl Found {
    /// All rows, worst first.
    pub fn rows(&self) -> impl Iterator<Item = (Row, &Finding)> {
        self.findings.list.iter().enumerate().map(|(position, one)| {
            let row = Row { severity: one.severity, rule: one.rule.id, process: one.process, position };
            (row, one)
        })
    }

    /// What a row tells of.
    pub fn get(&self, row: Row) -> Option<&Finding> {
        self.findings.list.get(row.position)
    }

    /// The worst that was found of a process.
    pub fn worst_of(&self, process: ProcessKey) -> Option<Severity> {
        self.worst.get(&process).copied()
    }

    /// How many matter: those of medium and higher severity.
    pub fn serious(&self) -> usize {
        self.findings.list.iter().filter(|one| one.severity >= Severity::Medium).count()
    }

    /// A fact in words, and the errno of what was tried in vain.
    pub fn evidence(&self, session: &Session, one: &Evidence) -> String {
        let mut words = match &one.fact {
            Fact::Path(name) | Fact::Socket(name) | Fact::Name(name) => clean(name).into_owned(),
            // A call says itself what became of it.
            Fact::Call(position) => {
                let call = self.calls.get(*position);
                return call.map(|call| describe::call(session, call)).unwrap_or_default();
            }
            Fact::Process(key) => format!("{} {}", key.tgid, describe::name(session, *key)),
        };
        if let Some(errno) = one.errno {
            words.push(' ');
            words.push_str(&crate::names::errno(errno));
        }
        words
    }
}

impl App {
    /// Goes on with looking for findings until all are found or it is time to stop. Returns whether all are.
    pub fn look(&mut self, world: World<'_>, is_time: &mut dyn FnMut() -> bool) -> bool {
        let search = self.search.get_or_insert_default();
        while !search.step(world.session) {
            if is_time() {
                return false;
            }
        }
        self.found = self.search.take().unwrap_or_default().found().into();
        self.refresh_findings(world);
        true
    }

    pub(super) fn refresh_findings(&mut self, world: World<'_>) {
        let shown = |one: &Finding| {
            let subject = super::subjects::FindingSubject(world.session, &self.found, one);
            self.in_scope(Some(one.process))
                && self.in_window(one.first_at, one.first_at)
                && self.findings.filter.matches(&subject)
        };
        let mut rows: Vec<_> = self.found.rows().filter(|(_, one)| shown(one)).collect();
        match self.findings.sort {
            0 => {}
            1 => rows.sort_by_key(|(_, one)| one.first_at),
            2 => rows.sort_by_key(|(_, one)| one.count),
            _ => rows.sort_by_key(|(row, _)| row.rule),
        }
        if self.findings.reverse {
            rows.reverse();
        }
        let rows = rows.into_iter().map(|(row, _)| row).collect();
        self.findings.replace(rows);
    }
}
