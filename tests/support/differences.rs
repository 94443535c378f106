//! What two accounts of the same run do not agree on, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Facts that only one side has: strace's trace, or the receipt.
#[derive(Default)]
pub(crate) struct Differences(Vec<String>);

impl Differences {
    pub(crate) fn add(&mut self, difference: String) {
        self.0.push(difference);
    }

    /// Whatever is not counted as often on both sides.
    pub(crate) fn counts<K: Ord + Debug>(
        &mut self,
        what: &str,
        traced: &BTreeMap<K, u64>,
        seen: &BTreeMap<K, u64>,
    ) {
        let keys: BTreeSet<_> = traced.keys().chain(seen.keys()).collect();
        for key in keys {
            let (traced, seen) = (traced.get(key).copied().unwrap_or(0), seen.get(key).copied().unwrap_or(0));
            if traced != seen {
                self.add(format!("{what} of {key:?}: {traced} in the trace, {seen} in the receipt"));
            }
        }
    }

    /// Whatever is on one side alone.
    pub(crate) fn sets<K: Ord + Debug>(&mut self, what: &str, traced: &BTreeSet<K>, seen: &BTreeSet<K>) {
        let traced_alone = traced.difference(seen).map(|one| format!("{what}: {one:?} in the trace alone"));
        let seen_alone = seen.difference(traced).map(|one| format!("{what}: {one:?} in the receipt alone"));
        self.0.extend(traced_alone.chain(seen_alone));
    }

    /// Fails if there are any, and shows the first.
    #[track_caller]
    pub(crate) fn expect_none(&self) {
        let shown = self.0.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.0.is_empty(), "{} differences:\n{shown}", self.0.len());
    }
}
