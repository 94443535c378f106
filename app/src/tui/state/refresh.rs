//! Makes the lists of what the session has by now, as far as the user's choices let it through.

use super::{
    App, CallCount, Overlay, Pane, Scope, World, describe, details,
    network::{self, Row},
    subjects::{CallSubject, FileSubject, MomentSubject, NetworkSubject, ProcessSubject},
    tree::Family,
};
use crate::{
    event::{BootNs, ProcessKey, Syscall},
    maps::HashMap,
    session::{FileRow, FileRowId, FileRows},
    tui::filter::Filterable as _,
};

impl App {
    /// Brings all lists up to date. With many rows this takes a while; the caller says how often.
    pub fn refresh(&mut self, world: World<'_>) {
        self.refresh_tree(world);
        self.refresh_files(world);
        self.refresh_network(world);
        self.refresh_moments(world);
        self.refresh_calls(world);
        self.refresh_findings(world);
        self.refresh_page(world);
        self.is_stale = false;
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

    fn refresh_files(&mut self, world: World<'_>) {
        let rows = world.session.file_rows();
        let counts = rows.counts();
        let plain = self.files.filter.is_empty()
            && self.scoped.is_none()
            && !self.changes_only
            && self.window == (None, None)
            && self.files.sort == 0
            && !self.files.reverse;
        let seen = std::mem::replace(&mut self.files_seen, counts);
        if plain && !self.is_stale && self.files.ids().len() as u64 == self.files_all {
            let mut new = file_ids(&rows, seen, counts);
            self.files_all += new.len() as u64;
            new.sort_by_key(|id| rows.get(*id).map(|row| row.first_at));
            self.files.extend(new);
            return;
        }
        let mut ids: Vec<FileRowId> = file_ids(&rows, [0; 3], counts);
        self.files_all = ids.len() as u64;
        if !plain {
            ids.retain(|id| rows.get(*id).is_some_and(|row| self.shows_file(world, &row)));
        }
        sort_files(&mut ids, &rows, self.files.sort);
        if self.files.reverse {
            ids.reverse();
        }
        self.files.replace(ids);
    }

    fn shows_file(&self, world: World<'_>, row: &FileRow<'_>) -> bool {
        self.in_scope(Some(row.process))
            && self.in_window(row.first_at, row.last_at)
            && (!self.changes_only || row.changes())
            && self.files.filter.matches(&FileSubject(world.session, *row))
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

    fn refresh_moments(&mut self, world: World<'_>) {
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
        let goes_on =
            !self.is_stale && !self.moments.reverse && oldest.is_some_and(|oldest| oldest >= numbers.start);
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

/// Rows from some counts to others, those left out that only repeat what others say.
fn file_ids(rows: &FileRows<'_>, from: [u32; 3], to: [u32; 3]) -> Vec<FileRowId> {
    FileRows::ids_between(from, to).filter(|id| !rows.repeats(*id)).collect()
}

fn sort_files(ids: &mut [FileRowId], rows: &FileRows<'_>, sort: usize) {
    match sort {
        1 => {
            let path =
                |id: &FileRowId| rows.get(*id).and_then(|row| row.path.value().copied().map(<[u8]>::to_vec));
            ids.sort_by_cached_key(path);
        }
        2 => ids.sort_by_cached_key(|id| {
            rows.get(*id).map(|row| {
                let (read, written) = row.bytes();
                read.saturating_add(written)
            })
        }),
        3 => ids.sort_by_cached_key(|id| rows.get(*id).map(|row| row.last_at)),
        _ => ids.sort_by_cached_key(|id| rows.get(*id).map(|row| row.first_at)),
    }
}
