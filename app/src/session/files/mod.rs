//! Files: who used them how, how they were changed, what was tried in vain.
//!
//! What the kernel side tells is kept as it comes, by the number of each use, in small values: a run may have a
//! million of them. [`FilesView`] puts it together at the end, when everything is known that ever will be; so it does
//! not matter whether totals come before or after the first use that they belong to.

mod build;
mod elsewhere;
mod failures;
mod kind;
mod left;
mod mounts;
mod names;
mod object;
mod rows;
mod steps;
mod totals;
mod tree;
mod view;

use std::collections::BTreeMap;

use indexmap::map::Entry;

pub(super) use self::view::text;
use self::{
    failures::{FailureKind, Failures},
    totals::{SmallTotals, later},
};
pub use self::{
    kind::FileKind,
    left::{LeftBehind, LeftChange, Remains, Standing},
    rows::{Done, FileRow, FileRowId, FileRowIds, FileRows, TextRef},
    view::{ChangeEntry, FailedEntry, FileEntry, FileUse, FilesView, Text, add_count},
};
use super::{Caps, KeptPath, Tally, TextId, Texts};
use crate::{
    event::{
        AccessId, AccessTotals, BootNs, ChangeDetail, ChangeTarget, FileChanged, FileFailed, FileOperation,
        FileOrigin, FileSeen, FileTotals, Observed, PathSource, ProcessKey, ResolvedPath, Syscall,
        Unconfirmed,
    },
    maps::{HashSet, IndexMap, IndexSet},
};

/// What is known of files.
///
/// Texts, processes and paths have numbers in the order in which they were named by first uses, changes and failures.
/// These come through one ring; the session's own are numbered apart, as they come through another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    caps: FileCaps,
    texts: Texts,
    processes: IndexSet<ProcessKey>,
    files: IndexMap<FileKey, KnownFile>,
    paths: IndexSet<KeptPath>,
    details: IndexSet<ChangeDetail>,
    accesses: IndexMap<AccessId, Access>,
    /// Totals of accesses that are too large for [`SmallTotals`].
    large: BTreeMap<AccessId, AccessTotals>,
    failures: Failures,
    /// Totals of what was not announced yet.
    orphans: BTreeMap<AccessId, AccessTotals>,
    changes: Vec<Change>,
    tallies: Tallies,
}

#[derive(Debug, PartialEq, Eq)]
struct FileCaps {
    files: u64,
    accesses: u64,
    changes: u64,
    failures: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tallies {
    files: Tally,
    accesses: Tally,
    changes: Tally,
    failures: Tally,
}

/// `O_ACCMODE` of `asm-generic/fcntl.h`: of `open_flags`, whether it is for more than reading.
const O_ACCMODE: u32 = 3;

/// What makes a file one and the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileKey {
    path: Observed<TextId>,
    source: PathSource,
    device: (u32, u32),
    inode: u64,
}

/// What is known of it beside that.
#[derive(Debug, PartialEq, Eq)]
struct KnownFile {
    kind: FileKind,
    unlinked: bool,
    unreachable: bool,
    aside: Option<Box<Aside>>,
}

/// What is known of few files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Aside {
    in_root: Option<Earliest>,
    asked: Option<Earliest>,
}

/// What the first of several uses told.
type Earliest = ((BootNs, ProcessKey), Observed<TextId>);

/// A use of a file by a process.
#[derive(Debug, PartialEq, Eq)]
struct Access {
    totals: SmallTotals,
    first_at: BootNs,
    file: u32,
    process: u32,
    origin: FileOrigin,
    unlinked: bool,
    for_writing: bool,
}

/// A change.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    at: BootNs,
    process: u32,
    operation: FileOperation,
    target: Target,
    new_path: Option<u32>,
    text: Option<Observed<TextId>>,
    detail: u32,
    call: Syscall,
    unconfirmed: Option<Unconfirmed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Access(AccessId),
    Path(u32),
    None,
}

impl Files {
    pub(super) fn new(caps: &Caps) -> Self {
        Self {
            caps: FileCaps {
                files: caps.files,
                accesses: caps.accesses,
                changes: caps.file_changes,
                failures: caps.file_failures,
            },
            texts: Texts::new(caps.file_text_bytes),
            processes: IndexSet::default(),
            files: IndexMap::default(),
            paths: IndexSet::default(),
            details: IndexSet::default(),
            accesses: IndexMap::default(),
            large: BTreeMap::new(),
            failures: Failures::default(),
            orphans: BTreeMap::new(),
            changes: Vec::new(),
            tallies: Tallies::default(),
        }
    }

    /// Every list that has a cap.
    pub(super) fn limits(&self) -> [(&'static str, Tally); 5] {
        [
            ("filesystem.files", self.tallies.files),
            ("filesystem.files[].by_process", self.tallies.accesses),
            ("filesystem.changes", self.tallies.changes),
            ("filesystem.failed", self.tallies.failures),
            ("filesystem.text_bytes", self.texts.bytes()),
        ]
    }

    /// Uses that have totals and were never announced. Those that found no room are not among them.
    pub(super) fn unannounced(&self) -> u64 {
        let refused = [self.tallies.accesses, self.tallies.failures, self.tallies.files];
        if refused.iter().any(|tally| tally.seen > tally.kept) { 0 } else { self.orphans.len() as u64 }
    }

    /// What became of the files that were made or changed; what `answered` did need not have happened.
    pub(super) fn remains(&self, answered: &HashSet<ProcessKey>) -> Remains {
        names::remains(self, answered)
    }

    /// Takes in a first use.
    pub(super) fn seen(&mut self, process: ProcessKey, at: BootNs, seen: &FileSeen) {
        let known = self.accesses.get(&seen.access);
        // One that was announced before, but without its path.
        let again = known.is_some();
        let better = known.is_none_or(|known| {
            let path = self.files.get_index(known.file as usize).map(|(key, _)| key.path);
            path.is_none_or(|path| path.value().is_none()) && seen.path.path.value().is_some()
        });
        if !better {
            if let Some(known) = self.accesses.get_mut(&seen.access) {
                known.first_at = known.first_at.min(at);
                raise(known, &mut self.large, seen.access, &seen.totals);
            }
            return;
        }
        let room = again || (self.accesses.len() as u64) < self.caps.accesses;
        let file = if room { self.file(process, at, seen) } else { None };
        if !again {
            self.tallies.accesses.count(1, file.is_some());
        }
        let Some(file) = file else { return };
        let process = index(self.processes.insert_full(process).0);
        let unlinked = seen.path.unlinked || seen.facts.unlinked;
        let new = Access {
            totals: SmallTotals::default(),
            first_at: at,
            file,
            process,
            origin: seen.origin,
            unlinked,
            for_writing: seen.open_flags & O_ACCMODE != 0,
        };
        let access = match self.accesses.entry(seen.access) {
            Entry::Vacant(place) => place.insert(new),
            Entry::Occupied(known) => {
                let known = known.into_mut();
                let (totals, first_at) = (known.totals, known.first_at.min(at));
                *known = Access { totals, first_at, ..new };
                known
            }
        };
        raise(access, &mut self.large, seen.access, &seen.totals);
        if let Some(totals) = self.orphans.remove(&seen.access) {
            raise(access, &mut self.large, seen.access, &totals);
        }
    }

    /// The file, made if need be; `None` when there are too many.
    fn file(&mut self, process: ProcessKey, at: BootNs, seen: &FileSeen) -> Option<u32> {
        let facts = &seen.facts;
        let nameless = kind::name_of_nameless(facts, seen.file_system, &seen.path.path);
        let path = match &nameless {
            Some(name) => self.texts.keep_whole(name),
            None => self.texts.keep_observed(&seen.path.path),
        };
        let source = seen.path.source;
        let key = FileKey { path, source, device: facts.device, inode: facts.inode };
        let room = (self.files.len() as u64) < self.caps.files;
        let entry = self.files.entry(key);
        if let Entry::Vacant(_) = entry {
            if room {
                self.tallies.files.count(1, true);
            } else {
                // How many different ones there are beyond the cap is not known: at least one.
                self.tallies.files.seen = self.tallies.files.kept.saturating_add(1);
                return None;
            }
        }
        let kind = FileKind::of(facts, seen.file_system, seen.path.path.value().map(Vec::as_slice));
        let in_root = seen.path.in_root.as_ref().map(|text| self.texts.keep_whole(text));
        let asked = seen.asked.as_ref().map(|text| self.texts.keep_observed(text));
        let file = index(entry.index());
        let known = entry.or_insert(KnownFile { kind, unlinked: false, unreachable: false, aside: None });
        known.kind = known.kind.min(kind);
        known.unlinked |= seen.path.unlinked || facts.unlinked;
        // What never has a name cannot be reached by one; to say so would say nothing.
        known.unreachable |= nameless.is_none() && (seen.path.unreachable || facts.unreachable);
        if in_root.is_some() || asked.is_some() {
            let aside = known.aside.get_or_insert_default();
            let when = (at, process);
            keep_earliest(&mut aside.in_root, when, in_root);
            keep_earliest(&mut aside.asked, when, asked);
        }
        Some(file)
    }

    /// Takes in totals.
    pub(super) fn totals(&mut self, totals: &FileTotals) {
        let FileTotals { access, totals } = totals;
        if let Some(known) = self.accesses.get_mut(access) {
            raise(known, &mut self.large, *access, totals);
            return;
        }
        if self.failures.totals(*access, totals) {
            return;
        }
        if let Some(orphan) = self.orphans.get_mut(access) {
            *orphan = later(orphan, totals);
        } else if (self.orphans.len() as u64) < self.caps.accesses {
            self.orphans.insert(*access, *totals);
        }
    }

    /// Totals that nothing of files was announced for; what they are of is told of elsewhere.
    pub(super) fn take_orphan(&mut self, access: AccessId) -> Option<AccessTotals> {
        self.orphans.remove(&access)
    }

    fn totals_of(&self, id: AccessId, access: &Access) -> AccessTotals {
        self.large.get(&id).copied().unwrap_or_else(|| access.totals.totals())
    }

    /// Takes in a change.
    pub(super) fn changed(&mut self, process: ProcessKey, at: BootNs, changed: &FileChanged) {
        let room = (self.changes.len() as u64) < self.caps.changes;
        if !self.tallies.changes.count(1, room) {
            return;
        }
        let target = match &changed.target {
            ChangeTarget::Access(access) => Target::Access(*access),
            ChangeTarget::Path(path) => Target::Path(self.path(path)),
            ChangeTarget::None => Target::None,
        };
        let change = Change {
            at,
            process: index(self.processes.insert_full(process).0),
            operation: changed.operation,
            target,
            new_path: changed.new_path.as_ref().map(|path| self.path(path)),
            text: changed.text.as_ref().map(|text| self.texts.keep_observed(text)),
            detail: index(self.details.insert_full(changed.detail).0),
            call: changed.call,
            unconfirmed: changed.unconfirmed,
        };
        self.changes.push(change);
    }

    /// Takes in a failed attempt.
    pub(super) fn failed(&mut self, process: ProcessKey, at: BootNs, failed: &FileFailed) {
        let FileFailed { access, totals, .. } = failed;
        if self.failures.again(*access, at, totals) {
            return;
        }
        let room = (self.failures.len() as u64) < self.caps.failures;
        let kind = self.kind(process, failed, room).filter(|kind| room || self.failures.contains(kind));
        let Some(kind) = kind else {
            // How many different ones there are beyond the cap is not known: at least one.
            self.tallies.failures.seen = self.tallies.failures.kept.saturating_add(1);
            return;
        };
        if self.failures.add(kind, *access, at, totals) {
            self.tallies.failures.count(1, true);
        }
        if *access != 0
            && let Some(totals) = self.orphans.remove(access)
        {
            self.failures.totals(*access, &totals);
        }
    }

    /// The kind of an attempt. Without room for more, only what is known already has one.
    fn kind(&mut self, process: ProcessKey, failed: &FileFailed, room: bool) -> Option<FailureKind> {
        let process = if room {
            Some(self.processes.insert_full(process).0)
        } else {
            self.processes.get_index_of(&process)
        };
        let mut number = |path| if room { Some(self.path(path)) } else { self.known_path(path) };
        Some(FailureKind {
            path: number(&failed.path)?,
            new_path: match &failed.new_path {
                Some(new_path) => Some(number(new_path)?),
                None => None,
            },
            process: index(process?),
            operation: failed.operation,
            errno: failed.errno,
            call: failed.call,
        })
    }

    fn path(&mut self, path: &ResolvedPath) -> u32 {
        let kept = self.texts.keep_path(path);
        index(self.paths.insert_full(kept).0)
    }

    /// The same of a path that is kept already.
    fn known_path(&self, path: &ResolvedPath) -> Option<u32> {
        self.paths.get_index_of(&self.texts.find_path(path)?).map(index)
    }

    fn file_of(&self, access: &Access) -> Option<(&FileKey, &KnownFile)> {
        self.files.get_index(access.file as usize)
    }

    fn process_of(&self, number: u32) -> Option<ProcessKey> {
        self.processes.get_index(number as usize).copied()
    }

    fn path_of(&self, number: u32) -> Option<&KeptPath> {
        self.paths.get_index(number as usize)
    }
}

/// Takes totals into a use; `large` has those that are too large for it.
fn raise(
    access: &mut Access,
    large: &mut BTreeMap<AccessId, AccessTotals>,
    id: AccessId,
    totals: &AccessTotals,
) {
    let before = large.get(&id).copied().unwrap_or_else(|| access.totals.totals());
    // What fails is told apart, under numbers of its own.
    let totals = AccessTotals { failures: 0, ..later(&before, totals) };
    match SmallTotals::new(&totals) {
        Some(small) => access.totals = small,
        None => {
            large.insert(id, totals);
        }
    }
}

fn keep_earliest(slot: &mut Option<Earliest>, when: (BootNs, ProcessKey), text: Option<Observed<TextId>>) {
    let Some(text) = text else { return };
    if slot.as_ref().is_none_or(|(known, _)| when < *known) {
        *slot = Some((when, text));
    }
}

/// Positions fit: every list is capped far below.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
