//! Each distinct text is kept once. A build starts thousands of processes with the same environment, the same
//! programs and nearly the same arguments; kept as they come they would fill the memory of the observer.

use std::sync::Arc;

use super::{caps::Tally, process::KeptPath};
use crate::{
    event::{Observed, ResolvedPath},
    maps::IndexSet,
};

/// A text of [`Texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(u32);

/// A list of texts of [`Texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(u32);

/// All texts of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Texts {
    texts: IndexSet<Arc<[u8]>>,
    lists: IndexSet<Arc<[TextId]>>,
    budget: u64,
    bytes: Tally,
    last: Option<Environment>,
}

/// The environment that was kept last, and what it became: the one after it is mostly the same allocation.
#[derive(Debug, PartialEq, Eq)]
struct Environment {
    strings: Arc<[Vec<u8>]>,
    kept: Observed<ListId>,
}

impl Texts {
    /// Keeps at most `budget` bytes of distinct texts.
    pub(super) fn new(budget: u64) -> Self {
        Self {
            texts: IndexSet::default(),
            lists: IndexSet::default(),
            budget,
            bytes: Tally::default(),
            last: None,
        }
    }

    /// The text.
    pub fn text(&self, id: TextId) -> Arc<[u8]> {
        self.texts.get_index(id.0 as usize).cloned().unwrap_or_default()
    }

    /// The text, borrowed.
    pub fn bytes_of(&self, id: TextId) -> &[u8] {
        self.texts.get_index(id.0 as usize).map_or(&[], |text| text)
    }

    /// The texts of a list, in order.
    pub fn list(&self, id: ListId) -> &[TextId] {
        self.lists.get_index(id.0 as usize).map_or(&[], |list| list)
    }

    /// How many bytes of distinct texts were seen and kept.
    pub(super) fn bytes(&self) -> Tally {
        self.bytes
    }

    /// The id of a text that is kept already.
    pub(super) fn find(&self, text: &[u8]) -> Option<TextId> {
        self.texts.get_index_of(text).map(id).map(TextId)
    }

    /// What [`keep_path`](Self::keep_path) would give of a path of which all texts are kept already.
    pub(super) fn find_path(&self, path: &ResolvedPath) -> Option<KeptPath> {
        let find = |text: &Observed<Vec<u8>>| {
            Some(match text {
                Observed::Complete(value) => Observed::Complete(self.find(value)?),
                Observed::Truncated { value, length } => {
                    Observed::Truncated { value: self.find(value)?, length: *length }
                }
                Observed::Unreadable(why) => Observed::Unreadable(*why),
            })
        };
        Some(KeptPath {
            path: find(&path.path)?,
            in_root: match &path.in_root {
                Some(text) => Some(Observed::Complete(self.find(text)?)),
                None => None,
            },
            source: path.source,
            unlinked: path.unlinked,
            unreachable: path.unreachable,
        })
    }

    /// Keeps a text; `None` when there is no room for it.
    pub(super) fn keep(&mut self, text: &[u8]) -> Option<TextId> {
        if let Some(found) = self.find(text) {
            return Some(found);
        }
        if !self.spend(text.len() as u64) {
            return None;
        }
        Some(TextId(id(self.texts.insert_full(Arc::from(text)).0)))
    }

    /// Keeps a text as far as there is room: without room its length is what remains of it.
    pub(super) fn keep_observed(&mut self, text: &Observed<Vec<u8>>) -> Observed<TextId> {
        match text {
            Observed::Complete(value) => self.keep_whole(value),
            Observed::Truncated { value, length } => match self.keep(value) {
                Some(value) => Observed::Truncated { value, length: *length },
                None => self.nothing_of(*length),
            },
            Observed::Unreadable(why) => Observed::Unreadable(*why),
        }
    }

    /// Keeps a path as far as there is room.
    pub(super) fn keep_path(&mut self, path: &ResolvedPath) -> KeptPath {
        KeptPath {
            path: self.keep_observed(&path.path),
            in_root: path.in_root.as_ref().map(|text| self.keep_whole(text)),
            source: path.source,
            unlinked: path.unlinked,
            unreachable: path.unreachable,
        }
    }

    /// Keeps a text of which all is known, as far as there is room.
    pub(super) fn keep_whole(&mut self, text: &[u8]) -> Observed<TextId> {
        match self.keep(text) {
            Some(id) => Observed::Complete(id),
            None => self.nothing_of(text.len() as u64),
        }
    }

    /// Keeps a list of texts as far as there is room.
    pub(super) fn keep_list(&mut self, list: &Observed<Vec<Vec<u8>>>) -> Observed<ListId> {
        match list {
            Observed::Complete(list) => self.keep_texts(list, list.len() as u64),
            Observed::Truncated { value, length } => self.keep_texts(value, *length),
            Observed::Unreadable(why) => Observed::Unreadable(*why),
        }
    }

    /// Keeps an environment as far as there is room.
    pub(super) fn keep_environment(&mut self, list: &Observed<Arc<[Vec<u8>]>>) -> Observed<ListId> {
        let list = match list {
            Observed::Complete(list) => list,
            Observed::Truncated { value, length } => return self.keep_texts(value, *length),
            Observed::Unreadable(why) => return Observed::Unreadable(*why),
        };
        if let Some(last) = &self.last
            && Arc::ptr_eq(&last.strings, list)
        {
            return last.kept;
        }
        let kept = self.keep_texts(list, list.len() as u64);
        self.last = Some(Environment { strings: Arc::clone(list), kept });
        kept
    }

    fn keep_texts(&mut self, list: &[Vec<u8>], length: u64) -> Observed<ListId> {
        let mut ids: Vec<TextId> = list.iter().map_while(|text| self.keep(text)).collect();
        let found = match self.lists.get_index_of(ids.as_slice()) {
            Some(found) => found,
            None => {
                if !self.spend(size_of_val(ids.as_slice()) as u64) {
                    ids.clear();
                }
                self.lists.insert_full(Arc::from(ids.as_slice())).0
            }
        };
        let value = ListId(id(found));
        if ids.len() as u64 == length {
            Observed::Complete(value)
        } else {
            Observed::Truncated { value, length }
        }
    }

    fn nothing_of(&mut self, length: u64) -> Observed<TextId> {
        let empty = TextId(id(self.texts.insert_full(Arc::default()).0));
        Observed::Truncated { value: empty, length }
    }

    fn spend(&mut self, bytes: u64) -> bool {
        self.bytes.count(bytes, self.bytes.kept.saturating_add(bytes) <= self.budget)
    }
}

/// Positions fit: every text costs a byte of the budget, but for the empty one.
fn id(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Unreadable;

    #[test]
    fn equal_texts_are_kept_once() {
        let mut texts = Texts::new(1_000);
        let first = texts.keep_list(&Observed::Complete(vec![b"a".to_vec(), b"b".to_vec(), b"a".to_vec()]));
        let second = texts.keep_list(&Observed::Complete(vec![b"a".to_vec(), b"b".to_vec(), b"a".to_vec()]));
        assert_eq!(first, second);
        assert_eq!(texts.texts.len(), 2);
        let Observed::Complete(list) = first else { unreachable!() };
        let words: Vec<_> = texts.list(list).iter().map(|id| texts.text(*id).to_vec()).collect();
        assert_eq!(words, [b"a", b"b", b"a"]);
    }

    #[test]
    fn beyond_the_budget_the_length_remains() {
        let mut texts = Texts::new(4);
        assert!(matches!(texts.keep_observed(&Observed::Complete(b"1234".to_vec())), Observed::Complete(_)));
        let refused = texts.keep_observed(&Observed::Complete(b"56789".to_vec()));
        let Observed::Truncated { value, length: 5 } = refused else { panic!("{refused:?}") };
        assert!(texts.text(value).is_empty());
        assert_eq!(texts.bytes(), Tally { seen: 9, kept: 4 });
        let list = texts.keep_list(&Observed::Complete(vec![b"1234".to_vec(), b"x".to_vec()]));
        assert!(matches!(list, Observed::Truncated { length: 2, .. }));
    }

    #[test]
    fn unreadable_stays_unreadable() {
        let mut texts = Texts::new(4);
        let why = Observed::Unreadable(Unreadable::Fault(14));
        assert_eq!(texts.keep_observed(&why), Observed::Unreadable(Unreadable::Fault(14)));
    }

    #[test]
    fn a_shared_environment_is_looked_at_once() {
        let mut texts = Texts::new(1_000);
        let shared: Arc<[Vec<u8>]> = Arc::from([b"A=1".to_vec()]);
        let first = texts.keep_environment(&Observed::Complete(Arc::clone(&shared)));
        let again = texts.keep_environment(&Observed::Complete(shared));
        let equal = texts.keep_environment(&Observed::Complete(Arc::from([b"A=1".to_vec()])));
        assert_eq!(first, again);
        assert_eq!(first, equal);
    }
}
