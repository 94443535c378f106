//! A list of rows: which there are, which is selected, which are on the screen.

use std::ops::{Deref, DerefMut, Range};

use crate::tui::filter::Filter;

/// Which row of a list is selected, which are on the screen, and how the list was asked for: whatever its rows are.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    rows: usize,
    selected: usize,
    offset: usize,
    /// The newest row is selected.
    pub follow: bool,
    /// Number of the column that it is sorted by.
    pub sort: usize,
    /// The other way round.
    pub reverse: bool,
    /// What narrows it.
    pub filter: Filter,
    /// The same as it was typed.
    pub filter_text: String,
    /// What narrowed it last, or does so.
    pub last_filter: Filter,
    /// The same as it was typed.
    pub last_text: String,
}

/// Rows by their ids. New rows never move the selection, unless it follows the newest.
#[derive(Clone, Debug)]
pub struct List<Id> {
    ids: Vec<Id>,
    cursor: Cursor,
}

impl<Id> Default for List<Id> {
    fn default() -> Self {
        Self { ids: Vec::new(), cursor: Cursor::default() }
    }
}

impl<Id> Deref for List<Id> {
    type Target = Cursor;

    fn deref(&self) -> &Cursor {
        &self.cursor
    }
}

impl<Id> DerefMut for List<Id> {
    fn deref_mut(&mut self) -> &mut Cursor {
        &mut self.cursor
    }
}

impl<Id: Copy + PartialEq> List<Id> {
    /// All rows.
    pub fn ids(&self) -> &[Id] {
        &self.ids
    }

    /// The rows on the screen, where it has room for `height`.
    pub fn on_screen(&self, height: usize) -> &[Id] {
        self.ids.get(self.cursor.window(height)).unwrap_or_default()
    }

    /// The selected row.
    pub fn selected(&self) -> Option<Id> {
        self.ids.get(self.cursor.selected).copied()
    }

    /// Replaces the rows; what was selected stays so if it is still there.
    pub fn replace(&mut self, ids: Vec<Id>) {
        let before = self.selected();
        self.ids = ids;
        self.cursor.rows = self.ids.len();
        if self.cursor.follow {
            self.cursor.select_newest();
        } else if before != self.selected()
            && let Some(found) = before.and_then(|before| self.ids.iter().position(|id| *id == before))
        {
            // It stays where it is on the screen, too.
            self.cursor.offset = (self.cursor.offset + found).saturating_sub(self.cursor.selected);
            self.cursor.selected = found;
        }
        self.cursor.clamp();
    }

    /// Adds rows behind the others.
    pub fn extend(&mut self, ids: impl IntoIterator<Item = Id>) {
        self.ids.extend(ids);
        self.cursor.rows = self.ids.len();
        if self.cursor.follow {
            self.cursor.select_newest();
        }
        self.cursor.clamp();
    }
}

impl Cursor {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Position of the selected row.
    pub fn position(&self) -> usize {
        self.selected
    }

    /// Selects the row at a position.
    pub fn select(&mut self, position: usize) {
        self.follow = false;
        self.selected = position;
        self.clamp();
    }

    /// Moves the selection.
    pub fn step(&mut self, by: isize) {
        self.select(self.selected.saturating_add_signed(by));
    }

    /// Scrolls without another selection than is needed.
    pub fn scroll(&mut self, by: isize, height: usize) {
        self.follow = false;
        self.offset = self.offset.saturating_add_signed(by).min(self.rows.saturating_sub(height));
        let last = (self.offset + height).saturating_sub(1);
        self.selected = self.selected.clamp(self.offset, last.max(self.offset));
        self.clamp();
    }

    /// Follows the newest row, or does not any more.
    pub fn toggle_follow(&mut self) {
        self.follow = !self.follow;
        if self.follow {
            self.select_newest();
            self.clamp();
        }
    }

    /// Makes the selection visible among so many rows.
    pub fn reveal(&mut self, height: usize) {
        self.offset = self.window(height).start;
    }

    /// The rows on the screen, where it has room for `height`.
    pub fn window(&self, height: usize) -> Range<usize> {
        let height = height.max(1);
        let lowest = (self.selected + 1).saturating_sub(height);
        let highest = self.selected;
        // What is left below the end could show rows above.
        let last = self.rows.saturating_sub(height);
        let start = self.offset.min(last).clamp(lowest, highest.max(lowest));
        start..(start + height).min(self.rows)
    }

    fn select_newest(&mut self) {
        self.selected = if self.reverse { 0 } else { self.rows.saturating_sub(1) };
    }

    fn clamp(&mut self) {
        self.selected = self.selected.min(self.rows.saturating_sub(1));
        self.offset = self.offset.min(self.rows.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: u32) -> List<u32> {
        let mut list = List::default();
        list.replace((0..rows).collect());
        list
    }

    #[test]
    fn new_rows_do_not_move_the_selection() {
        let mut list = list(10);
        list.select(5);
        list.reveal(4);
        assert_eq!(list.window(4), 2..6);
        list.replace((0..10).map(|id| 100 + id).chain(0..10).collect());
        assert_eq!((list.selected(), list.window(4)), (Some(5), 12..16));
        list.extend(50..60);
        assert_eq!((list.selected(), list.window(4)), (Some(5), 12..16));
    }

    #[test]
    fn a_row_that_goes_gives_its_place_to_a_neighbour() {
        let mut list = list(10);
        list.select(9);
        list.replace((0..3).collect());
        assert_eq!(list.selected(), Some(2));
        list.replace(Vec::new());
        assert_eq!((list.selected(), list.window(4)), (None, 0..0));
        list.step(1);
        list.scroll(3, 4);
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn following_is_asked_for_and_given_up() {
        let mut list = list(10);
        list.toggle_follow();
        list.extend([10]);
        assert_eq!(list.selected(), Some(10));
        list.step(-1);
        list.extend([11]);
        assert_eq!(list.selected(), Some(9));
    }

    #[test]
    fn scrolling_takes_the_selection_along() {
        let mut list = list(100);
        list.scroll(30, 10);
        assert_eq!((list.selected(), list.window(10)), (Some(30), 30..40));
        list.scroll(-5, 10);
        assert_eq!((list.selected(), list.window(10)), (Some(30), 25..35));
        list.scroll(1000, 10);
        assert_eq!(list.window(10), 90..100);
    }
}
