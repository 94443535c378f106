//! One copy of equal values.

use std::{hash::Hash, sync::Arc};

use crate::maps::HashSet;

/// Values that are looked through for unused ones only beyond this many.
const FIRST_PRUNE: usize = 1_024;

/// The distinct values of one type that are in use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shared<T: Eq + Hash> {
    values: HashSet<Arc<T>>,
    prune_at: usize,
}

impl<T: Eq + Hash> Default for Shared<T> {
    fn default() -> Self {
        Self { values: HashSet::default(), prune_at: FIRST_PRUNE }
    }
}

impl<T: Eq + Hash> Shared<T> {
    /// The one copy of a value. Copies that nobody uses any more go whenever the number has doubled, so that a
    /// process which makes new ones without end does not fill the memory.
    pub(super) fn share(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.values.get(&value) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.prune_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.prune_at = (self.values.len() * 2).max(FIRST_PRUNE);
        }
        let value = Arc::new(value);
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_unused_ones_go() {
        let mut shared = Shared::default();
        let kept = shared.share(0_u32);
        for value in 1..100_000 {
            shared.share(value);
        }
        assert!(Arc::ptr_eq(&kept, &shared.share(0)));
        assert!(shared.values.len() <= FIRST_PRUNE);
    }
}
