//! The list of files, which is the longest: hundreds of thousands of rows take tens of milliseconds to filter and to sort,
//! so that it is made anew in steps, between which keys are answered.

use super::{App, World, subjects::FileSubject};
use crate::session::{FileRow, FileRowId, FileRowIds, FileRows};

/// Rows that are filtered and sorted in one step.
const STEP: usize = 8_192;

/// By what rows are sorted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(u64),
    Path(Vec<u8>),
}

/// Rows with what they are sorted by, in order.
type Sorted = Vec<(Key, FileRowId)>;

/// The list, as far as it is made anew.
pub(super) struct Rebuild {
    /// Those that are to be looked at.
    ahead: FileRowIds,
    /// What there was when it began.
    counts: [u32; 3],
    /// How many there are, also those that are not shown.
    all: u64,
    /// Those that are shown, in lists of which each is longer than the next one, once they are merged.
    sorted: Vec<Sorted>,
}

impl Rebuild {
    /// Adds a list, and merges lists of about the same length, so that no row is merged often.
    fn add(&mut self, mut rows: Sorted) {
        sort(&mut rows);
        self.sorted.push(rows);
        while let [.., before, last] = self.sorted.as_slice()
            && before.len() < 2 * last.len()
        {
            self.merge_last();
        }
    }

    /// Makes one list of the last two.
    fn merge_last(&mut self) {
        let Some(last) = self.sorted.pop() else { return };
        let Some(before) = self.sorted.last_mut() else { return self.sorted.push(last) };
        before.extend(last);
        sort(before);
    }
}

/// Of rows that are alike, those that come first stay first. Lists that are sorted already are found to be, and merged.
fn sort(rows: &mut Sorted) {
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
}

impl App {
    /// Goes on with bringing the list of files up to date; `whole` if it is not enough to add what is new. Returns whether that is done.
    pub(super) fn refresh_files(
        &mut self,
        world: World<'_>,
        whole: bool,
        rebuild: &mut Option<Rebuild>,
    ) -> bool {
        let rows = world.session.file_rows();
        let plain = self.files.filter.is_empty()
            && self.scoped.is_none()
            && !self.changes_only
            && self.window == (None, None)
            && self.files.sort == 0
            && !self.files.reverse;
        if plain && !whole && self.files.ids().len() as u64 == self.files_all {
            let counts = rows.counts();
            let seen = std::mem::replace(&mut self.files_seen, counts);
            let mut new: Vec<_> = shown_ids(&rows, FileRows::ids_between(seen, counts)).collect();
            self.files_all += new.len() as u64;
            new.sort_by_key(|id| rows.get(*id).map(|row| row.first_at));
            self.files.extend(new);
            return true;
        }
        let under_way = rebuild.get_or_insert_with(|| {
            let (ahead, counts) = (rows.ids(), rows.counts());
            Rebuild { ahead, counts, all: 0, sorted: Vec::new() }
        });
        let mut looked = 0;
        let step = under_way.ahead.by_ref().take(STEP).inspect(|_| looked += 1);
        let mut found = Sorted::new();
        for id in shown_ids(&rows, step) {
            under_way.all += 1;
            if let Some(row) = rows.get(id).filter(|row| plain || self.shows_file(world, row)) {
                found.push((key(&row, self.files.sort), id));
            }
        }
        if !found.is_empty() {
            under_way.add(found);
        }
        if looked == STEP {
            return false;
        }
        if under_way.sorted.len() > 1 {
            under_way.merge_last();
            return false;
        }
        let Some(done) = rebuild.take() else { return true };
        (self.files_all, self.files_seen) = (done.all, done.counts);
        let mut ids: Vec<_> = done.sorted.into_iter().flatten().map(|(_, id)| id).collect();
        if self.files.reverse {
            ids.reverse();
        }
        self.files.replace(ids);
        true
    }

    fn shows_file(&self, world: World<'_>, row: &FileRow<'_>) -> bool {
        self.in_scope(Some(row.process))
            && self.in_window(row.first_at, row.last_at)
            && (!self.changes_only || row.changes())
            && self.files.filter.matches(&FileSubject(world.session, *row))
    }
}

/// Rows, those left out that only repeat what others say.
fn shown_ids(rows: &FileRows<'_>, ids: impl Iterator<Item = FileRowId>) -> impl Iterator<Item = FileRowId> {
    ids.filter(|id| !rows.repeats(*id))
}

fn key(row: &FileRow<'_>, sort: usize) -> Key {
    match sort {
        1 => Key::Path(row.path.value().map(|path| path.to_vec()).unwrap_or_default()),
        2 => {
            let (read, written) = row.bytes();
            Key::Number(read.saturating_add(written))
        }
        3 => Key::Number(row.last_at),
        _ => Key::Number(row.first_at),
    }
}
