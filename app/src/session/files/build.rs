//! How entries come about: uses, executions, changes and failed attempts, sorted by the file that they are about.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{
    super::Session,
    Change, Files, Target, index,
    kind::FileKind,
    view::{FailedEntry, FileEntry, Text, text},
};
use crate::event::{
    AccessId, BootNs, FileOperation, FileOrigin, Observed, PathSource, ProcessKey, Unreadable,
};

/// One thing that a process did with the file of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    entry: u32,
    /// Position among all processes, by key.
    pub(super) process: u32,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Access(AccessId),
    Operation(FileOperation),
    /// It only tried to.
    Failed,
}

/// What entries are ordered by and told apart by. A path that is not known comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<P> {
    path: Option<P>,
    /// The true length of a path that was cut.
    cut: Option<u64>,
    unreadable: Option<Unreadable>,
    identity: Option<((u32, u32), u64)>,
    source: u8,
}

impl<'a> Key<&'a [u8]> {
    pub(super) fn new(path: &'a Text, source: PathSource, identity: Option<((u32, u32), u64)>) -> Self {
        let (path, cut, unreadable) = match path {
            Observed::Complete(path) => (Some(&**path), None, None),
            Observed::Truncated { value, length } => (Some(&**value), Some(*length), None),
            Observed::Unreadable(why) => (None, None, Some(*why)),
        };
        Self { path, cut, unreadable, identity, source: source as u8 }
    }

    fn of(entry: &'a FileEntry) -> Self {
        Self::new(&entry.path, entry.source, entry.identity)
    }

    fn owned(&self) -> Key<Arc<[u8]>> {
        Key {
            path: self.path.map(Arc::from),
            cut: self.cut,
            unreadable: self.unreadable,
            identity: self.identity,
            source: self.source,
        }
    }
}

/// Opened is said of whoever opened it at least once, and received only of who never had it otherwise.
pub(super) fn earlier_origin(one: Option<FileOrigin>, other: FileOrigin) -> Option<FileOrigin> {
    let rank = |origin| match origin {
        FileOrigin::Opened => 0,
        FileOrigin::Inherited => 1,
        FileOrigin::Received => 2,
    };
    one.into_iter().chain([other]).min_by_key(|origin| rank(*origin))
}

/// Entries, as far as they are known.
pub(super) struct Builder<'a> {
    files: &'a Files,
    /// All, by key.
    pub(super) processes: Vec<ProcessKey>,
    /// Entries of what was opened, by key.
    opened: Vec<u32>,
    /// The others.
    others: BTreeMap<Key<Arc<[u8]>>, u32>,
    entries: Vec<FileEntry>,
    uses: Vec<Use>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(files: &'a Files, processes: Vec<ProcessKey>) -> Self {
        Self {
            files,
            processes,
            opened: Vec::new(),
            others: BTreeMap::new(),
            entries: Vec::new(),
            uses: Vec::new(),
        }
    }

    pub(super) fn accesses(&mut self, transient: &HashSet<u32>) {
        let files = self.files;
        let mut of_file = vec![u32::MAX; files.files.len()];
        let ranks: Vec<u32> = files.processes.iter().map(|key| self.rank(*key)).collect();
        self.uses.reserve_exact(files.accesses.len());
        self.entries.reserve_exact(files.files.len());
        for (id, access) in &files.accesses {
            let Some((key, known)) = files.file_of(access) else { continue };
            let entry = &mut of_file[access.file as usize];
            if *entry == u32::MAX {
                let path = text(&files.texts, key.path);
                let identity = Some((key.device, key.inode));
                *entry = self.push(path, key.source, identity);
                let made = &mut self.entries[*entry as usize];
                made.kind = Some(known.kind);
                made.unlinked = known.unlinked;
                made.unreachable = known.unreachable;
                made.transient = transient.contains(&access.file);
                let aside = |one: &super::Earliest| Box::new(text(&files.texts, one.1));
                let known = known.aside.as_deref();
                made.in_root = known.and_then(|known| known.in_root.as_ref()).map(aside);
                made.asked = known.and_then(|known| known.asked.as_ref()).map(aside);
            }
            let entry = *entry;
            let process = ranks.get(access.process as usize).copied().unwrap_or_default();
            let last_at = files.totals_of(*id, access).last_at;
            self.add(entry, process, access.first_at, What::Access(*id));
            let entry = &mut self.entries[entry as usize];
            entry.last_at = entry.last_at.max(last_at);
            entry.origin = earlier_origin(entry.origin, access.origin);
        }
        let entries = &self.entries;
        let key = |entry: &u32| Key::of(&entries[*entry as usize]);
        self.opened = (0..index(entries.len())).collect();
        self.opened.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
    }

    pub(super) fn executions(&mut self, session: &Session) {
        for (process, known) in session.processes() {
            let process = self.rank(process);
            for execution in &known.executions {
                for file in [Some(&execution.image), execution.script.as_ref()].into_iter().flatten() {
                    let path = text(session.texts(), file.path.path);
                    let identity = file.facts.map(|facts| (facts.device, facts.inode));
                    let entry = match identity {
                        Some(_) => self.entry(path, file.path.source, identity),
                        None => self.named(&path, file.path.source),
                    };
                    self.add(entry, process, execution.at, What::Operation(FileOperation::Execute));
                    let entry = &mut self.entries[entry as usize];
                    if entry.kind.is_none() {
                        let path = file.path.path.value().map(|id| session.texts().bytes_of(*id));
                        entry.kind = file.facts.map(|facts| FileKind::of_executed(&facts, path));
                        entry.unlinked = file.unlinked();
                        entry.unreachable =
                            file.path.unreachable || file.facts.is_some_and(|facts| facts.unreachable);
                        let in_root = file.path.in_root.map(|path| text(session.texts(), path));
                        entry.in_root = in_root.map(Box::new);
                    }
                }
            }
        }
    }

    pub(super) fn change(&mut self, change: &Change) {
        let operation = change.operation;
        let process = self.files.process_of(change.process).map_or(0, |process| self.rank(process));
        let path = match change.target {
            // Opening and truncating by a descriptor are in the totals of the use.
            Target::Access(_) if matches!(operation, FileOperation::Create | FileOperation::Truncate) => {
                return;
            }
            Target::Access(id) => {
                let access = self.files.accesses.get(&id);
                let file = access.and_then(|access| self.files.file_of(access)).map(|(key, _)| *key);
                let Some(key) = file else { return };
                let path = text(&self.files.texts, key.path);
                let entry = self.entry(path, key.source, Some((key.device, key.inode)));
                self.add(entry, process, change.at, What::Operation(operation));
                return;
            }
            // A mount happens to its mount point.
            Target::Path(path) if operation != FileOperation::Mount => path,
            Target::Path(_) | Target::None => match change.new_path {
                Some(path) => path,
                None => return,
            },
        };
        let Some(kept) = self.files.path_of(path).copied() else { return };
        let entry = self.named(&text(&self.files.texts, kept.path), kept.source);
        self.add(entry, process, change.at, What::Operation(operation));
        let mode = self.files.details.get_index(change.detail as usize).and_then(|detail| detail.mode);
        let entry = &mut self.entries[entry as usize];
        entry.kind = entry.kind.or(match operation {
            FileOperation::MakeDirectory
            | FileOperation::RemoveDirectory
            | FileOperation::ChangeDirectory
            | FileOperation::ChangeRoot
            | FileOperation::PivotRoot => Some(FileKind::Directory),
            FileOperation::Symlink => Some(FileKind::Symlink),
            FileOperation::MakeNode => mode.map(FileKind::of_mode),
            _ => None,
        });
    }

    /// Failed attempts, those of one kind together; they count as errors of the entries of their paths.
    pub(super) fn failures(&mut self) -> Vec<FailedEntry> {
        let files = self.files;
        let mut failed: Vec<FailedEntry> = Vec::with_capacity(files.failures.len());
        for failure in files.failures.values() {
            let (Some(path), Some(process)) =
                (files.path_of(failure.path), files.process_of(failure.process))
            else {
                continue;
            };
            let new_path = failure.new_path.and_then(|path| files.path_of(path));
            failed.push(FailedEntry {
                path: text(&files.texts, path.path),
                source: path.source,
                new_path: new_path.map(|path| text(&files.texts, path.path)),
                operation: failure.operation,
                errno: failure.errno,
                process,
                call: failure.call,
                count: failure.count,
                first_at: failure.first_at,
                last_at: failure.last_at.max(failure.first_at),
            });
        }
        failed.sort_by(|one, other| one.key().cmp(&other.key()));
        failed.dedup_by(|later, first| {
            let same = later.key() == first.key();
            if same {
                first.count = first.count.saturating_add(later.count);
                first.first_at = first.first_at.min(later.first_at);
                first.last_at = first.last_at.max(later.last_at);
            }
            same
        });
        for one in &failed {
            let entry = self.named(&one.path, one.source);
            self.add(entry, self.rank(one.process), one.first_at, What::Failed);
            let entry = &mut self.entries[entry as usize];
            entry.last_at = entry.last_at.max(one.last_at);
            match entry.errors.iter_mut().find(|(errno, _)| *errno == one.errno) {
                Some((_, count)) => *count = count.saturating_add(one.count),
                None => entry.errors.push((one.errno, one.count)),
            }
        }
        failed
    }

    fn rank(&self, process: ProcessKey) -> u32 {
        index(self.processes.binary_search(&process).unwrap_or_default())
    }

    fn add(&mut self, entry: u32, process: u32, at: BootNs, what: What) {
        self.uses.push(Use { entry, process, what });
        let entry = &mut self.entries[entry as usize];
        entry.first_at = entry.first_at.min(at);
        entry.last_at = entry.last_at.max(at);
    }

    /// The entry of what a path alone names.
    fn named(&mut self, path: &Text, source: PathSource) -> u32 {
        if let Observed::Complete(name) = path {
            let first = Key::new(path, PathSource::Kernel, None);
            let key = |entry: &u32| Key::of(&self.entries[*entry as usize]);
            let start = self.opened.partition_point(|entry| key(entry) < first);
            let opened = self.opened[start..].iter().copied();
            let others = self.others.range(first.owned()..).map(|(_, entry)| *entry);
            let here = |entry: &u32| match &self.entries[*entry as usize].path {
                Observed::Complete(path) | Observed::Truncated { value: path, .. } => path == name,
                Observed::Unreadable(_) => false,
            };
            let known = |entry: &u32| {
                let entry = &self.entries[*entry as usize];
                entry.identity.is_some() && matches!(entry.path, Observed::Complete(_))
            };
            let mut same = opened.take_while(here).chain(others.take_while(here)).filter(known);
            if let (Some(entry), None) = (same.next(), same.next()) {
                return entry;
            }
        }
        self.entry(path.clone(), source, None)
    }

    fn entry(&mut self, path: Text, source: PathSource, identity: Option<((u32, u32), u64)>) -> u32 {
        let wanted = Key::new(&path, source, identity);
        let key = |entry: &u32| Key::of(&self.entries[*entry as usize]);
        if let Ok(found) = self.opened.binary_search_by(|entry| key(entry).cmp(&wanted)) {
            return self.opened[found];
        }
        let wanted = wanted.owned();
        if let Some(found) = self.others.get(&wanted) {
            return *found;
        }
        let entry = self.push(path, source, identity);
        self.others.insert(wanted, entry);
        entry
    }

    fn push(&mut self, path: Text, source: PathSource, identity: Option<((u32, u32), u64)>) -> u32 {
        self.entries.push(FileEntry {
            path,
            source,
            in_root: None,
            asked: None,
            identity,
            kind: None,
            origin: None,
            unlinked: false,
            unreachable: false,
            transient: false,
            first_at: BootNs::MAX,
            last_at: 0,
            errors: Vec::new(),
            uses: 0..0,
        });
        index(self.entries.len() - 1)
    }

    /// Entries by key, and uses by entry and process.
    pub(super) fn ordered(self) -> (Vec<FileEntry>, Vec<Use>) {
        let Self { opened, others, mut entries, mut uses, .. } = self;
        drop((opened, others));
        let mut order: Vec<u32> = (0..index(entries.len())).collect();
        let key = |entry: &u32| Key::of(&entries[*entry as usize]);
        order.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        let mut place = vec![0; entries.len()];
        for (number, entry) in (0..).zip(&order) {
            place[*entry as usize] = number;
        }
        drop(order);
        uses.iter_mut().for_each(|one| one.entry = place[one.entry as usize]);
        uses.sort_unstable_by_key(|one| {
            let (operation, id) = match one.what {
                What::Access(id) => (None, id),
                What::Operation(operation) => (Some(operation), 0),
                What::Failed => (None, AccessId::MAX),
            };
            (one.entry, one.process, operation, id)
        });
        for at in 0..entries.len() {
            while place[at] as usize != at {
                let there = place[at] as usize;
                entries.swap(at, there);
                place.swap(at, there);
            }
        }
        let mut at = 0;
        for (number, entry) in (0..).zip(&mut entries) {
            let start = at;
            while uses.get(at as usize).is_some_and(|one| one.entry == number) {
                at += 1;
            }
            entry.uses = start..at;
            entry.errors.sort_unstable();
        }
        (entries, uses)
    }
}

impl FailedEntry {
    fn key(&self) -> impl Ord + use<'_> {
        let new_path = self.new_path.as_ref().map(|path| Key::new(path, PathSource::Argument, None));
        let path = Key::new(&self.path, self.source, None);
        (path, self.process, self.operation, self.errno, new_path, self.call)
    }
}
