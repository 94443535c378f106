//! How entries come about: uses, executions, changes and failed attempts, sorted by the file that they are about.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{KeptPath, Session, TextId},
    Access, Change, FileKey, Files, Target, index,
    kind::FileKind,
    view::{FileEntry, Text, text},
};
use crate::{
    event::{AccessId, BootNs, FileOperation, FileOrigin, Observed, PathSource, ProcessKey, Unreadable},
    maps::{HashMap, HashSet},
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

/// Failed attempts of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    /// One of them, by number.
    pub(super) first: u32,
    pub(super) count: u64,
    pub(super) first_at: BootNs,
    pub(super) last_at: BootNs,
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
        Self::of_text(path, |path| path, source, identity)
    }

    fn of_text<T>(
        path: &'a Observed<T>,
        bytes: impl FnOnce(&'a T) -> &'a [u8],
        source: PathSource,
        identity: Option<((u32, u32), u64)>,
    ) -> Self {
        let (path, cut, unreadable) = match path {
            Observed::Complete(path) => (Some(bytes(path)), None, None),
            Observed::Truncated { value, length } => (Some(bytes(value)), Some(*length), None),
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
    /// Positions among these, by the number of a process.
    ranks: Vec<u32>,
    /// Entries of what was opened, by key.
    opened: Vec<u32>,
    /// The others.
    others: BTreeMap<Key<Arc<[u8]>>, u32>,
    entries: Vec<FileEntry>,
    uses: Vec<Use>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(files: &'a Files, processes: Vec<ProcessKey>) -> Self {
        let rank = |process: &ProcessKey| index(processes.binary_search(process).unwrap_or_default());
        let ranks = files.processes.iter().map(rank).collect();
        Self {
            files,
            processes,
            ranks,
            opened: Vec::new(),
            others: BTreeMap::new(),
            entries: Vec::new(),
            uses: Vec::new(),
        }
    }

    pub(super) fn accesses(&mut self, transient: &HashSet<u32>) {
        let files = self.files;
        let mut of_file = vec![u32::MAX; files.files.len()];
        self.uses.reserve_exact(files.accesses.len());
        self.entries.reserve_exact(files.files.len());
        let raced = Raced::new(files);
        for (id, access) in &files.accesses {
            let file = raced.file_of(access).unwrap_or(access.file);
            let Some((key, known)) = files.files.get_index(file as usize) else { continue };
            let entry = &mut of_file[file as usize];
            if *entry == u32::MAX {
                let path = text(&files.texts, key.path);
                let identity = Some((key.device, key.inode));
                *entry = self.push(path, key.source, identity);
                let made = &mut self.entries[*entry as usize];
                made.kind = Some(known.kind);
                made.unlinked = known.unlinked;
                made.unreachable = known.unreachable;
                made.transient = transient.contains(&file);
                let aside = |one: &super::Earliest| Box::new(text(&files.texts, one.1));
                let known = known.aside.as_deref();
                made.in_root = known.and_then(|known| known.in_root.as_ref()).map(aside);
                made.asked = known.and_then(|known| known.asked.as_ref()).map(aside);
            }
            let entry = *entry;
            let process = self.rank_of(access.process);
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

    pub(super) fn change(&mut self, change: &Change, transient: &HashSet<u32>) {
        let operation = change.operation;
        let process = self.rank_of(change.process);
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
        // Of regular files that were opened it is known from that.
        entry.transient |=
            transient.contains(&path) && (entry.identity.is_none() || entry.kind != Some(FileKind::Regular));
    }

    /// Failed attempts, those of one kind together; they count as errors of the entries of their paths.
    pub(super) fn failures(&mut self) -> Vec<Failed> {
        let files = self.files;
        let places = places(files);
        let place = |path: u32| places.get(path as usize).copied().unwrap_or_default();
        // By path and process first, in one number: most processes try one thing with a path.
        let mut order: Vec<(u64, u32)> = (0..)
            .zip(files.failures.iter())
            .map(|(number, (kind, _))| {
                let (place, process) = (place(kind.path).with_source, self.rank_of(kind.process));
                (u64::from(place) << 32 | u64::from(process), number)
            })
            .collect();
        order.sort_unstable();
        let what = |number: u32| {
            let (kind, failure) = files.failures.get(number)?;
            let new_path = kind.new_path.map(|path| place(path).alone);
            Some(((kind.operation, kind.errno, new_path, kind.call), number, kind.path, failure))
        };
        let mut attempts = Vec::new();
        let mut failed = Vec::with_capacity(order.len());
        // Nearly all programs look for the same files in vain: the entry of a path is looked for once.
        for of_path in order.chunk_by(|(one, _), (other, _)| one >> 32 == other >> 32) {
            let path = what(of_path[0].1).and_then(|(.., path, _)| files.path_of(path));
            let Some(path) = path else { continue };
            let mut of_path_itself = None;
            for of_process in of_path.chunk_by(|(one, _), (other, _)| one == other) {
                let process = of_process[0].0 as u32;
                let mut before = None;
                attempts.clear();
                attempts.extend(of_process.iter().filter_map(|(_, number)| what(*number)));
                attempts.sort_unstable_by_key(|(what, number, ..)| (*what, *number));
                for same in attempts.chunk_by(|(one, ..), (other, ..)| one == other) {
                    let ((_, errno, ..), first, ..) = same[0];
                    let mut one = Failed { first, count: 0, first_at: BootNs::MAX, last_at: 0 };
                    for (.., failure) in same {
                        one.count = one.count.saturating_add(failure.count);
                        one.first_at = one.first_at.min(failure.first_at);
                        one.last_at = one.last_at.max(failure.last_at.max(failure.first_at));
                    }
                    failed.push(one);
                    let entry = match self.mount_point(first) {
                        Some(point) => self.named(&text(&files.texts, point.path), point.source),
                        None => *of_path_itself
                            .get_or_insert_with(|| self.named(&text(&files.texts, path.path), path.source)),
                    };
                    if before.replace(entry) != Some(entry) {
                        self.uses.push(Use { entry, process, what: What::Failed });
                    }
                    let entry = &mut self.entries[entry as usize];
                    entry.first_at = entry.first_at.min(one.first_at);
                    entry.last_at = entry.last_at.max(one.last_at);
                    match entry.errors.iter_mut().find(|(known, _)| *known == errno) {
                        Some((_, count)) => *count = count.saturating_add(one.count),
                        None => entry.errors.push((errno, one.count)),
                    }
                }
            }
        }
        failed
    }

    /// The mount point, of an attempt to mount: like a mount it happens to that, and not to its source.
    fn mount_point(&self, attempt: u32) -> Option<&'a KeptPath> {
        let (kind, _) = self.files.failures.get(attempt)?;
        self.files.path_of(kind.new_path.filter(|_| kind.operation == FileOperation::Mount)?)
    }

    /// Position of a process, by its number.
    fn rank_of(&self, number: u32) -> u32 {
        self.ranks.get(number as usize).copied().unwrap_or_default()
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

    /// The entry of what a path alone names. One that is relative to what has no name is not the name of a file, though it
    /// may look like what a file without one is called.
    fn named(&mut self, path: &Text, source: PathSource) -> u32 {
        if let Observed::Complete(name) = path
            && name.starts_with(b"/")
        {
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

/// Files (by number) that processes (by number) opened under a name that they do not bear, by path, device and inode.
/// Under their own names there are files with the same: what such a process does with one that it did not open is what
/// it does with the one that it opened.
struct Raced<'a> {
    files: &'a Files,
    opened: HashMap<(FileKey, u32), (u32, BootNs)>,
}

impl<'a> Raced<'a> {
    fn new(files: &'a Files) -> Self {
        let mut opened: HashMap<_, (u32, BootNs)> = HashMap::default();
        for access in files.accesses.values().filter(|access| access.origin == FileOrigin::Opened) {
            let Some((key, _)) = files.file_of(access) else { continue };
            if key.source == PathSource::Raced {
                let own = FileKey { source: PathSource::Kernel, ..*key };
                let (_, first_at) =
                    opened.entry((own, access.process)).or_insert((access.file, access.first_at));
                *first_at = access.first_at.min(*first_at);
            }
        }
        Self { files, opened }
    }

    fn file_of(&self, access: &Access) -> Option<u32> {
        if self.opened.is_empty() || access.origin != FileOrigin::Received {
            return None;
        }
        let (key, _) = self.files.file_of(access)?;
        let (file, opened_at) = self.opened.get(&(*key, access.process))?;
        (*opened_at <= access.first_at).then_some(*file)
    }
}

/// Where a path stands among all that changes and failed attempts name: equal ones share a place.
#[derive(Clone, Copy, Default)]
struct Place {
    /// By path, and then by where it comes from.
    with_source: u32,
    /// By path.
    alone: u32,
}

/// The places of all paths, by number. There are few of them and many attempts, which are ordered by these numbers.
fn places(files: &Files) -> Vec<Place> {
    let key = |path: &KeptPath| (path.path, path.source);
    let keys: Vec<(Observed<TextId>, PathSource)> = files.paths.iter().map(key).collect();
    let bytes = |id: &TextId| files.texts.bytes_of(*id);
    let key = |number: u32, source: PathSource| Key::of_text(&keys[number as usize].0, bytes, source, None);
    let with_source = |number: u32| key(number, keys[number as usize].1);
    let mut order: Vec<u32> = (0..index(keys.len())).collect();
    order.sort_unstable_by(|one, other| with_source(*one).cmp(&with_source(*other)));
    let mut places = vec![Place::default(); keys.len()];
    let mut last: Option<(u32, Place)> = None;
    for number in order {
        let place = match last {
            None => Place::default(),
            Some((before, place)) if with_source(before) == with_source(number) => place,
            Some((before, Place { with_source, alone })) => {
                let same = key(before, PathSource::Kernel) == key(number, PathSource::Kernel);
                Place { with_source: with_source + 1, alone: alone + u32::from(!same) }
            }
        };
        places[number as usize] = place;
        last = Some((number, place));
    }
    places
}
