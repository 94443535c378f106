//! Attempts that failed: each kind once, however often it is told.
//!
//! The kernel side tells most attempts by themselves, and only of those that are made again it gives totals under a number;
//! one kind may have been told in both ways, and under several numbers.

use crate::{
    event::{AccessId, AccessTotals, BootNs, FileOperation, Syscall},
    maps::{HashMap, IndexMap},
};

/// What attempts of one kind have in common: texts and processes by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FailureKind {
    pub(super) process: u32,
    pub(super) operation: FileOperation,
    pub(super) errno: i32,
    pub(super) path: u32,
    pub(super) new_path: Option<u32>,
    pub(super) call: Syscall,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) count: u64,
    pub(super) first_at: BootNs,
    pub(super) last_at: BootNs,
}

/// What was told under a number so far.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    kind: u32,
    count: u64,
}

/// All of them, by kind in the order in which they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    kinds: IndexMap<FailureKind, Failure>,
    told: HashMap<AccessId, Told>,
    /// The number of the kind that the last one began.
    began: Option<u32>,
}

impl Failures {
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn get(&self, number: u32) -> Option<(&FailureKind, &Failure)> {
        self.kinds.get_index(number as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FailureKind, &Failure)> {
        self.kinds.iter()
    }

    pub(super) fn contains(&self, kind: &FailureKind) -> bool {
        self.kinds.contains_key(kind)
    }

    /// The number of the kind of which totals come under a number.
    pub(super) fn of_access(&self, access: AccessId) -> Option<u32> {
        self.told.get(&access).map(|told| told.kind)
    }

    /// The number of the kind that was not known before the last attempt that was told.
    pub(super) fn began(&self) -> Option<u32> {
        self.began
    }

    /// Takes in another record of what is known under its number. Gives back whether anything is.
    pub(super) fn again(&mut self, access: AccessId, at: BootNs, totals: &AccessTotals) -> bool {
        self.began = None;
        if access == 0 {
            return false;
        }
        let Some(failure) = self.raise(access, totals) else { return false };
        failure.first_at = failure.first_at.min(at);
        true
    }

    /// Takes in totals. Gives back whether something is known under their number.
    pub(super) fn totals(&mut self, access: AccessId, totals: &AccessTotals) -> bool {
        self.raise(access, totals).is_some()
    }

    fn raise(&mut self, access: AccessId, totals: &AccessTotals) -> Option<&mut Failure> {
        let told = self.told.get_mut(&access)?;
        let (_, failure) = self.kinds.get_index_mut(told.kind as usize)?;
        failure.count = failure.count.saturating_add(totals.failures.saturating_sub(told.count));
        told.count = told.count.max(totals.failures);
        failure.last_at = failure.last_at.max(totals.last_at);
        Some(failure)
    }

    /// Takes in what was not known under its number, or has none: 0. Gives back whether there was none of its kind.
    pub(super) fn add(
        &mut self,
        kind: FailureKind,
        access: AccessId,
        at: BootNs,
        totals: &AccessTotals,
    ) -> bool {
        let entry = self.kinds.entry(kind);
        let number = super::index(entry.index());
        self.began = matches!(entry, indexmap::map::Entry::Vacant(_)).then_some(number);
        let failure = entry.or_insert(Failure { count: 0, first_at: at, last_at: at });
        // It is told because it happened.
        let count = totals.failures.max(1);
        failure.count = failure.count.saturating_add(count);
        failure.first_at = failure.first_at.min(at);
        failure.last_at = failure.last_at.max(at).max(totals.last_at);
        if access != 0 {
            self.told.insert(access, Told { kind: number, count });
        }
        self.began.is_some()
    }
}
