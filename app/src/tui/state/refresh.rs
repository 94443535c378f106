//! Makes the lists of what the session has by now, as far as the user's choices let it through.

use super::{
    App, CallCount, Overlay, Pane, Scope, World, describe, details,
    files::Rebuild,
    network::{self, Row},
    subjects::{CallSubject, MomentSubject, NetworkSubject, ProcessSubject},
    tree::Family,
};
use crate::{
    event::{BootNs, ProcessKey, Syscall},
    maps::HashMap,
    tui::filter::Filterable as _,
};

/// Lists that are being made anew, one after the other.
#[derive(Default)]
pub(super) struct Renewal {
    /// From the beginning, since the user has chosen otherwise: it is not enough to add what is new.
    whole: bool,
    next: Part,
    files: Option<Rebuild>,
}

/// What is made anew at a time.
#[derive(Clone, Copy, Default)]
enum Part {
    #[default]
    Tree,
    Files,
    Network,
    Moments,
    Calls,
    Findings,
    Page,
}

impl App {
    /// Brings all lists up to date. With many rows this takes a while.
    pub fn refresh(&mut self, world: World<'_>) {
        while !self.renew(world, &mut || false) {}
    }

    /// Goes on with bringing the lists up to date until all are or it is time to stop. Returns whether all are; when the user
    /// has chosen otherwise meanwhile it begins again.
    pub fn renew(&mut self, world: World<'_>, is_time: &mut dyn FnMut() -> bool) -> bool {
        let mut renewal = self.renewal.take().unwrap_or_default();
        if std::mem::take(&mut self.is_stale) {
            renewal = Renewal { whole: true, ..Renewal::default() };
        }
        loop {
            let whole = renewal.whole;
            renewal.next = match renewal.next {
                Part::Tree => {
                    self.refresh_tree(world);
                    Part::Files
                }
                Part::Files if self.refresh_files(world, whole, &mut renewal.files) => Part::Network,
                Part::Files => Part::Files,
                Part::Network => {
                    self.refresh_network(world);
                    Part::Moments
                }
                Part::Moments => {
                    self.refresh_moments(world, whole);
                    Part::Calls
                }
                Part::Calls => {
                    self.refresh_calls(world);
                    Part::Findings
                }
                Part::Findings => {
                    self.refresh_findings(world);
                    Part::Page
                }
                Part::Page => {
                    self.refresh_page(world);
                    return true;
                }
            };
            if is_time() {
                self.renewal = Some(renewal);
                return false;
            }
        }
    }

    /// Opens an overlay.
    pub fn open(&mut self, overlay: Overlay, world: World<'_>) {
        self.overlay = Some(overlay);
        self.refresh_page(world);
    }

    /// All that is known of one thing may have to be looked for among everything.
    fn refresh_page(&mut self, world: World<'_>) {
        self.page = match self.overlay {
            Some(Overlay::Details) => details::selected(self, world),
            Some(Overlay::Ancestors) => details::ancestors(self, world),
            _ => Vec::new(),
        };
    }

    /// The user has chosen otherwise since the lists were made.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    fn refresh_tree(&mut self, world: World<'_>) {
        let session = world.session;
        let family = Family::new(session);
        let filter = &self.tree.filter;
        let touched = self.touched.as_ref();
        let wanted = |key: ProcessKey| {
            touched.is_none_or(|touched| touched.processes.contains(&key))
                && filter.matches(&ProcessSubject(session, key, self.has_denied(key)))
        };
        let narrowed = touched.is_some() || !filter.is_empty();
        let mut rows = if self.tree.sort == 0 {
            family.rows(&self.collapsed, narrowed.then_some(&wanted as &dyn Fn(ProcessKey) -> bool))
        } else {
            let all = family.rows(&Default::default(), None);
            let flat = |mut node: super::tree::Node| {
                (node.depth, node.lines, node.has_children, node.last) = (0, 0, false, true);
                node
            };
            all.into_iter().filter(|node| wanted(node.key)).map(flat).collect()
        };
        let process = |key: ProcessKey| session.process(key);
        let now = world.progress.now;
        match self.tree.sort {
            1 => rows.sort_by_key(|node| node.key),
            2 => rows.sort_by_cached_key(|node| process(node.key).map(|process| describe::ran(process, now))),
            3 => rows.sort_by_cached_key(|node| describe::name(session, node.key).into_owned()),
            _ => {}
        }
        if self.tree.reverse && self.tree.sort != 0 {
            rows.reverse();
        }
        self.tree.replace(rows);
        self.scoped = match (self.scope, self.selected_process()) {
            (Scope::All, _) | (_, None) => None,
            (Scope::Process, Some(key)) => Some([key].into_iter().collect()),
            (Scope::Subtree, Some(key)) => Some(family.subtree(key)),
        };
    }

    pub(super) fn in_scope(&self, process: Option<ProcessKey>) -> bool {
        self.scoped.as_ref().is_none_or(|scoped| process.is_some_and(|process| scoped.contains(&process)))
    }

    pub(super) fn in_window(&self, first: BootNs, last: BootNs) -> bool {
        self.window.0.is_none_or(|from| last >= from) && self.window.1.is_none_or(|to| first <= to)
    }

    fn refresh_network(&mut self, world: World<'_>) {
        let view = world.session.network();
        let mut rows: Vec<_> = network::rows(&view).collect();
        rows.retain(|row| {
            let Some(subject) = NetworkSubject::new(world.session, &view, *row) else { return false };
            self.in_scope(row.process(&view))
                && self.in_window(row.at, BootNs::MAX)
                && (!self.changes_only || subject.is(crate::tui::filter::Condition::Changed))
                && self.network.filter.matches(&subject)
        });
        match self.network.sort {
            1 => rows.sort_by_key(|row| row.at),
            2 => rows.sort_by_key(|row: &Row| row.bytes(&view)),
            _ => {}
        }
        if self.network.reverse {
            rows.reverse();
        }
        self.connections = Some(view);
        self.network.replace(rows);
    }

    fn refresh_moments(&mut self, world: World<'_>, whole: bool) {
        let numbers = self.timeline.numbers();
        let oldest = self.moments.ids().first().copied();
        let seen = std::mem::replace(&mut self.moments_seen, numbers.end);
        let shown = |number: &u64| {
            let Some(moment) = self.timeline.get(*number) else { return false };
            let subject = MomentSubject(world.session, *moment);
            self.in_scope(Some(moment.process))
                && self.in_window(moment.at, moment.at)
                && (!self.changes_only || subject.is(crate::tui::filter::Condition::Changed))
                && self.moments.filter.matches(&subject)
        };
        // What is kept of the past does not change, so that only what is new need be looked at.
        let goes_on = !whole && !self.moments.reverse && oldest.is_some_and(|oldest| oldest >= numbers.start);
        if goes_on {
            let new: Vec<_> = (seen..numbers.end).filter(shown).collect();
            self.moments.extend(new);
            return;
        }
        let mut ids: Vec<_> = numbers.filter(shown).collect();
        if self.moments.reverse {
            ids.reverse();
        }
        self.moments.replace(ids);
    }

    /// Of every process each call is added up, so only where it is seen.
    fn refresh_calls(&mut self, world: World<'_>) {
        if self.lower != Pane::Syscalls {
            return;
        }
        let mut counts: HashMap<Syscall, CallCount> = HashMap::default();
        for (key, process) in world.session.processes() {
            if !self.in_scope(Some(key)) {
                continue;
            }
            for (call, count) in self.made(key, process) {
                let known = counts.entry(*call).or_default();
                known.count = known.count.saturating_add(*count);
            }
            for denied in self.denied(key, process) {
                let known = counts.entry(denied.call).or_default();
                known.denied = known.denied.saturating_add(denied.count);
            }
        }
        self.call_counts = counts.into_iter().collect();
        let filter = &self.calls.filter;
        let mut calls: Vec<_> = self
            .call_counts
            .iter()
            .filter(|(call, count)| filter.matches(&CallSubject(**call, count.denied)))
            .map(|(call, _)| *call)
            .collect();
        let count = |call: &Syscall| self.call_counts.get(call).copied().unwrap_or_default();
        match self.calls.sort {
            0 => calls.sort_by_key(|call| count(call).count),
            1 => calls.sort_by_cached_key(|call| crate::syscalls::name(*call)),
            _ => calls.sort_by_key(|call| count(call).denied),
        }
        if self.calls.reverse {
            calls.reverse();
        }
        // The counts go on all the time: who looks at the largest goes on doing so.
        let is_at_first = self.calls.position() == 0 && !self.calls.follow;
        self.calls.replace(calls);
        if is_at_first {
            self.calls.select(0);
        }
    }

    /// How many rows a pane shows, and how many there are.
    pub fn counts(&self, pane: Pane, world: World<'_>) -> (u64, u64) {
        let shown = |rows: usize| rows as u64;
        match pane {
            Pane::Processes => (shown(self.tree.ids().len()), world.session.process_count()),
            Pane::Files => (shown(self.files.ids().len()), self.files_all),
            Pane::Network => {
                let all = self.connections.as_ref().map_or(0, |view| network::rows(view).count());
                (shown(self.network.ids().len()), shown(all))
            }
            Pane::Timeline => {
                let numbers = self.timeline.numbers();
                (shown(self.moments.ids().len()), numbers.end)
            }
            Pane::Syscalls => (shown(self.calls.ids().len()), shown(self.call_counts.len())),
            Pane::Findings => (shown(self.findings.ids().len()), self.found.findings.tally.seen),
            Pane::Terminal => (0, 0),
        }
    }
}
