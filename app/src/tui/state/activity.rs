//! How much happens, by time and by process.

use std::collections::VecDeque;

use crate::{
    event::{BootNs, Event, EventKind, ProcessKey},
    maps::HashMap,
};

/// Columns of the sparkline.
pub const COLUMNS: usize = 16;
/// Time of one column, ns.
const COLUMN_NS: BootNs = 500_000_000;
/// Processes whose activity is counted; those of a long build.
const MAX_PROCESSES: usize = 200_000;

/// Counts of what happened.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    /// All events.
    pub events: u64,
    columns: VecDeque<u32>,
    /// Number of the newest column.
    newest: u64,
    badges: HashMap<ProcessKey, Badges>,
}

/// What one process did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Badges {
    /// It changed files.
    pub changes: bool,
    /// Sockets that it used.
    pub sockets: u32,
    /// Calls that were denied.
    pub denied: u32,
    /// Sensitive files that it opened or tried to.
    pub secrets: u32,
}

impl Activity {
    /// Counts an event. `now` is when it was taken in.
    pub fn count(&mut self, event: &Event, now: BootNs, is_secret: bool, is_change: bool) {
        self.events += 1;
        self.advance(now);
        if let Some(column) = self.columns.back_mut() {
            *column = column.saturating_add(1);
        }
        if !self.badges.contains_key(&event.process) && self.badges.len() >= MAX_PROCESSES {
            return;
        }
        let add = |count: &mut u32| *count = count.saturating_add(1);
        let badges = self.badges.entry(event.process).or_default();
        match &event.kind {
            EventKind::Denied(_) => add(&mut badges.denied),
            EventKind::Flow(flow) if flow.remote.is_some() || flow.listens => add(&mut badges.sockets),
            _ => {}
        }
        badges.changes |= is_change;
        if is_secret {
            add(&mut badges.secrets);
        }
    }

    /// Lets time pass without events.
    pub fn advance(&mut self, now: BootNs) {
        let column = now / COLUMN_NS;
        let passed = column.saturating_sub(self.newest).min(COLUMNS as u64 + 1);
        self.newest = self.newest.max(column);
        for _ in 0..passed {
            if self.columns.len() > COLUMNS {
                self.columns.pop_front();
            }
            self.columns.push_back(0);
        }
    }

    /// What a process did.
    pub fn of(&self, process: ProcessKey) -> Badges {
        self.badges.get(&process).copied().unwrap_or_default()
    }

    /// Events by column, oldest first; the one that is not over yet is not among them.
    pub fn columns(&self) -> impl Iterator<Item = u32> {
        let whole = self.columns.len().saturating_sub(1);
        std::iter::repeat_n(0, COLUMNS.saturating_sub(whole)).chain(self.columns.iter().take(whole).copied())
    }

    /// Events a second, over the last two whole columns.
    pub fn rate(&self) -> u64 {
        self.columns().skip(COLUMNS - 2).map(u64::from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::samples::key;

    #[test]
    fn columns_are_half_seconds() {
        let mut activity = Activity::default();
        let event = Event { at: 0, process: key(1, 1), tid: 1, kind: EventKind::SyscallTotals(Vec::new()) };
        for at in [0, 1, 2, 3] {
            activity.count(&event, COLUMN_NS * 10 + at, false, false);
        }
        activity.count(&event, COLUMN_NS * 12, false, false);
        let columns: Vec<_> = activity.columns().collect();
        assert_eq!(columns.len(), COLUMNS);
        assert_eq!(columns[COLUMNS - 2..], [4, 0]);
        assert_eq!((activity.rate(), activity.events), (4, 5));
        activity.advance(COLUMN_NS * 1000);
        assert_eq!(activity.columns().sum::<u32>(), 0);
    }
}
