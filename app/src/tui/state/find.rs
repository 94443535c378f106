//! Rows that the last filter matches, also after it was taken back.

use super::{
    App, Pane, World,
    subjects::{CallSubject, FileSubject, FindingSubject, MomentSubject, NetworkSubject, ProcessSubject},
};

impl App {
    /// Position of the next row of the focused pane that its last filter matches, or of the one before; past the end it goes
    /// on from the other one. The selected row comes last.
    pub fn find(&self, world: World<'_>, forward: bool) -> Option<usize> {
        let cursor = self.cursor(self.focus)?;
        let (at, rows) = (cursor.position(), cursor.rows());
        let others = (1..=rows).map(|by| if forward { at + by } else { at + rows - by } % rows);
        others.into_iter().find(|position| self.is_found(world, *position))
    }

    fn is_found(&self, world: World<'_>, position: usize) -> bool {
        let Some(filter) = self.cursor(self.focus).map(|cursor| &cursor.last_filter) else { return false };
        let session = world.session;
        let found =
            match self.focus {
                Pane::Processes => self.tree.ids().get(position).map(|node| {
                    filter.matches(&ProcessSubject(session, node.key, self.has_denied(node.key)))
                }),
                Pane::Files => self.files.ids().get(position).and_then(|id| {
                    let row = session.file_rows().get(*id)?;
                    Some(filter.matches(&FileSubject(session, row)))
                }),
                Pane::Network => self.network.ids().get(position).and_then(|row| {
                    let subject = NetworkSubject::new(session, self.connections.as_ref()?, *row)?;
                    Some(filter.matches(&subject))
                }),
                Pane::Timeline => self.moments.ids().get(position).and_then(|number| {
                    let moment = self.timeline.get(*number)?;
                    Some(filter.matches(&MomentSubject(session, *moment)))
                }),
                Pane::Syscalls => self.calls.ids().get(position).map(|call| {
                    let denied = self.call_counts.get(call).map_or(0, |counts| counts.denied);
                    filter.matches(&CallSubject(*call, denied))
                }),
                Pane::Findings => self.findings.ids().get(position).and_then(|row| {
                    let finding = self.found.get(*row)?;
                    Some(filter.matches(&FindingSubject(session, &self.found, finding)))
                }),
                Pane::Terminal => None,
            };
        found == Some(true)
    }
}
