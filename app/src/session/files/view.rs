//! Files as the receipt has them: everything that is known of one in one entry.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    super::{Session, TextId, Texts},
    Change, FileRows, Files, LeftBehind, Target,
    build::{Builder, Failed, Use, What, earlier_origin},
    index,
    kind::FileKind,
    left::Remains,
    totals::{join, operations},
};
use crate::event::{
    AccessTotals, BootNs, ChangeDetail, FileOperation, FileOrigin, Observed, PathSource, ProcessKey, Syscall,
    Unconfirmed, Unreadable,
};

/// A text about files.
pub type Text = Observed<Arc<[u8]>>;

/// One file: what was opened or executed under one path, or what a path led to that only a change or a failed attempt
/// names.
#[derive(Debug)]
pub struct FileEntry {
    /// Its path when it was opened.
    pub path: Text,
    /// Where that comes from.
    pub source: PathSource,
    /// The path as the first process to use it saw it, where that differs.
    pub in_root: Option<Box<Text>>,
    /// With [`PathSource::Raced`]: the name that was asked for.
    pub asked: Option<Box<Text>>,
    /// Device and inode.
    pub identity: Option<((u32, u32), u64)>,
    /// The sort of file.
    pub kind: Option<FileKind>,
    /// How the first process to use it came to have it; of processes that opened it, that they did.
    pub origin: Option<FileOrigin>,
    /// No name led to it when some process used it first.
    pub unlinked: bool,
    /// Its mount belonged to no mount namespace.
    pub unreachable: bool,
    /// It was made and removed again.
    pub transient: bool,
    /// The first that is known of it.
    pub first_at: BootNs,
    /// The last.
    pub last_at: BootNs,
    /// Failed attempts by errno.
    pub errors: Vec<(i32, u64)>,
    pub(super) uses: Range<u32>,
}

/// What one process has done with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUse {
    /// The process.
    pub process: ProcessKey,
    /// How it came to have it; absent when it did not have it open.
    pub origin: Option<FileOrigin>,
    /// What it did how often, by operation; empty when it only tried to.
    pub operations: Vec<(FileOperation, u64)>,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

/// A change, with the paths that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEntry {
    /// When.
    pub at: BootNs,
    /// The process that made it.
    pub process: ProcessKey,
    /// What was done.
    pub operation: FileOperation,
    /// The file, or the source of a rename, a link or a mount; absent for a symbolic link.
    pub path: Option<(Text, PathSource)>,
    /// Where to.
    pub new_path: Option<(Text, PathSource)>,
    /// What a symbolic link points to, the name of an attribute, the type of a file system.
    pub text: Option<Text>,
    /// Numbers.
    pub detail: ChangeDetail,
    /// The call.
    pub call: Syscall,
    /// Why it is not known whether it happened.
    pub unconfirmed: Option<Unconfirmed>,
}

/// Attempts of one kind that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEntry {
    /// On what.
    pub path: Text,
    /// Where that comes from.
    pub source: PathSource,
    /// The second path, of a rename or a link.
    pub new_path: Option<Text>,
    /// What was tried.
    pub operation: FileOperation,
    /// Positive errno.
    pub errno: i32,
    /// The process.
    pub process: ProcessKey,
    /// The call.
    pub call: Syscall,
    /// How often.
    pub count: u64,
    /// The first.
    pub first_at: BootNs,
    /// The last.
    pub last_at: BootNs,
}

/// Files, changes and failed attempts, put together.
///
/// What a path alone names (a change, a failed attempt) belongs to the file that is known under exactly this path, if
/// there is exactly one; else to an entry of its own, without device and inode.
#[derive(Debug)]
pub struct FilesView<'a> {
    files: &'a Files,
    /// By path, device and inode.
    pub entries: Vec<FileEntry>,
    /// By path, process, operation and errno.
    failed: Vec<Failed>,
    /// In order of time.
    changes: Vec<u32>,
    /// By entry and process.
    uses: Vec<Use>,
    /// By key.
    processes: Vec<ProcessKey>,
}

impl Session {
    /// What became of the files that were made or changed, from what is known by now. This takes a while, as do the
    /// other accounts of files: they are meant for the end.
    pub fn remains(&self) -> Remains {
        self.accesses.remains(&self.answered())
    }

    /// Files, changes of them and failed attempts, put together.
    pub fn files(&self) -> FilesView<'_> {
        self.files_with(&self.remains())
    }

    /// The same, where it is known already what became of them.
    pub fn files_with(&self, remains: &Remains) -> FilesView<'_> {
        FilesView::new(self, remains)
    }

    /// Uses and changes of files and failed attempts as rows, which takes no time.
    pub fn file_rows(&self) -> FileRows<'_> {
        FileRows::new(&self.accesses)
    }

    /// What the run leaves behind, by path.
    pub fn left_behind(&self) -> Vec<LeftBehind> {
        self.remains().left_behind
    }
}

impl<'a> FilesView<'a> {
    pub(in super::super) fn new(session: &'a Session, remains: &Remains) -> Self {
        let files = &session.accesses;
        let processes: BTreeSet<_> =
            session.processes().map(|(key, _)| key).chain(files.processes.iter().copied()).collect();
        let mut builder = Builder::new(files, processes.into_iter().collect());
        builder.accesses(&remains.transient);
        builder.executions(session);
        let mut changes: Vec<u32> = (0..index(files.changes.len())).collect();
        let at = |number: &u32| &files.changes[*number as usize];
        changes.sort_by_key(|number| (at(number).at, files.process_of(at(number).process)));
        changes.iter().for_each(|number| builder.change(at(number), &remains.transient_paths));
        let failed = builder.failures();
        let processes = std::mem::take(&mut builder.processes);
        let (entries, uses) = builder.ordered();
        Self { files, entries, failed, changes, uses, processes }
    }

    /// What each process has done with the file of an entry, by process.
    pub fn uses(&self, entry: &FileEntry) -> Vec<FileUse> {
        let uses = &self.uses[entry.uses.start as usize..entry.uses.end as usize];
        uses.chunk_by(|one, other| one.process == other.process)
            .filter_map(|uses| self.one_process(uses))
            .collect()
    }

    fn one_process(&self, uses: &[Use]) -> Option<FileUse> {
        let process = *self.processes.get(uses.first()?.process as usize)?;
        let mut origin = None;
        let mut totals = AccessTotals::default();
        let mut counts: Vec<(FileOperation, u64)> = Vec::new();
        for one in uses {
            match one.what {
                What::Access(id) => {
                    let access = self.files.accesses.get(&id)?;
                    origin = earlier_origin(origin, access.origin);
                    totals = join(&totals, &self.files.totals_of(id, access), u64::saturating_add);
                }
                What::Operation(operation) => add_count(&mut counts, operation, 1),
                What::Failed => {}
            }
        }
        for (operation, count) in operations(&totals) {
            add_count(&mut counts, operation, count);
        }
        Some(FileUse {
            process,
            origin,
            operations: counts,
            bytes_read: totals.bytes_read,
            bytes_written: totals.bytes_written,
        })
    }

    /// How many changes there are.
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// The changes, in order of time.
    pub fn changes(&self) -> impl Iterator<Item = ChangeEntry> {
        self.changes.iter().filter_map(|number| {
            let change = self.files.changes.get(*number as usize)?;
            Some(ChangeEntry {
                at: change.at,
                process: self.files.process_of(change.process)?,
                operation: change.operation,
                path: self.target(change),
                new_path: change.new_path.and_then(|path| self.path(path)),
                text: change.text.map(|text_id| text(&self.files.texts, text_id)),
                detail: self.files.details.get_index(change.detail as usize).copied().unwrap_or_default(),
                call: change.call,
                unconfirmed: change.unconfirmed,
            })
        })
    }

    /// How many kinds of failed attempts there are.
    pub fn failed_count(&self) -> usize {
        self.failed.len()
    }

    /// Failed attempts, by path, process, operation, errno and call.
    pub fn failed(&self) -> impl Iterator<Item = FailedEntry> {
        self.failed.iter().filter_map(|one| {
            let (kind, _) = self.files.failures.get(one.first)?;
            let (path, source) = self.path(kind.path)?;
            Some(FailedEntry {
                path,
                source,
                new_path: kind.new_path.and_then(|path| self.path(path)).map(|(path, _)| path),
                operation: kind.operation,
                errno: kind.errno,
                process: self.files.process_of(kind.process)?,
                call: kind.call,
                count: one.count,
                first_at: one.first_at,
                last_at: one.last_at,
            })
        })
    }

    fn target(&self, change: &Change) -> Option<(Text, PathSource)> {
        match change.target {
            Target::Path(path) => self.path(path),
            Target::Access(id) => {
                let access = self.files.accesses.get(&id);
                let key = access.and_then(|access| self.files.file_of(access)).map(|(key, _)| key);
                Some(match key {
                    Some(key) => (text(&self.files.texts, key.path), key.source),
                    // Its first use was lost.
                    None => (Observed::Unreadable(Unreadable::Lost), PathSource::Kernel),
                })
            }
            Target::None => None,
        }
    }

    fn path(&self, path: u32) -> Option<(Text, PathSource)> {
        let path = self.files.path_of(path)?;
        Some((text(&self.files.texts, path.path), path.source))
    }
}

/// Adds to the count of an operation, in counts that are ordered by operation and few.
pub fn add_count<T: Copy + Ord>(counts: &mut Vec<(T, u64)>, operation: T, count: u64) {
    match counts.binary_search_by_key(&operation, |(known, _)| *known) {
        Ok(at) => counts[at].1 = counts[at].1.saturating_add(count),
        Err(at) if count > 0 => counts.insert(at, (operation, count)),
        Err(_) => {}
    }
}

/// A kept text, with its bytes.
pub(in super::super) fn text(texts: &Texts, id: Observed<TextId>) -> Text {
    id.map(|id| texts.text(id))
}
