//! Files as a list that only ever grows: what an interface shows while a run goes on.
//!
//! [`FilesView`](super::FilesView) puts together what belongs together, which takes a while. Here each use, change and
//! kind of failed attempt is a row of its own, found in constant time by a number that never changes.

use std::ops::Range;

use super::{
    super::{TextId, Texts},
    Access, Change, Files, Target,
    failures::{Failure, FailureKind},
    kind::FileKind,
};
use crate::event::{
    AccessId, AccessTotals, BootNs, ChangeDetail, FileOperation, FileOrigin, Observed, PathSource,
    ProcessKey, Syscall,
};

/// The number of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileRowId {
    /// A process's use of a file.
    Use(u32),
    /// A change.
    Change(u32),
    /// Failed attempts of one kind.
    Failed(u32),
}

/// A text, borrowed from the session.
pub type TextRef<'a> = Observed<&'a [u8]>;

/// What one process did with one path, or tried to.
#[derive(Clone, Copy, Debug)]
pub struct FileRow<'a> {
    /// The process.
    pub process: ProcessKey,
    /// The path; of a symbolic link that was made, where it was made.
    pub path: TextRef<'a>,
    /// Where that comes from.
    pub source: PathSource,
    /// The second path, of a rename or a link.
    pub new_path: Option<TextRef<'a>>,
    /// The first that is known of it.
    pub first_at: BootNs,
    /// The last.
    pub last_at: BootNs,
    /// What was done.
    pub done: Done,
}

/// What was done with a path.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// It was used, as these totals say.
    Used {
        /// Totals.
        totals: AccessTotals,
        /// How the process came to have it.
        origin: FileOrigin,
        /// It could be written to through the descriptor by which it was first seen.
        for_writing: bool,
        /// The sort of file.
        kind: FileKind,
        /// Device: major, minor.
        device: (u32, u32),
        /// Inode number.
        inode: u64,
    },
    /// It was changed.
    Changed {
        /// What it was, where that is known.
        kind: Option<FileKind>,
        /// How.
        operation: FileOperation,
        /// By which call.
        call: Syscall,
        /// Numbers.
        detail: ChangeDetail,
    },
    /// An attempt failed.
    Failed {
        /// What was tried.
        operation: FileOperation,
        /// By which call.
        call: Syscall,
        /// Positive errno.
        errno: i32,
        /// How often.
        count: u64,
    },
}

impl FileRow<'_> {
    /// The row tells of something that made a difference to the file system.
    pub fn changes(&self) -> bool {
        match &self.done {
            Done::Used { totals, kind, .. } => kind.has_content() && super::totals::changes_content(totals),
            // A terminal or /dev/null that is cut to no length is what it was.
            Done::Changed {
                operation: FileOperation::Truncate | FileOperation::Create,
                kind: Some(kind),
                ..
            } => kind.has_content(),
            Done::Changed { operation, .. } => {
                !matches!(operation, FileOperation::ChangeDirectory | FileOperation::Open)
            }
            Done::Failed { .. } => false,
        }
    }

    /// Bytes read and written.
    pub fn bytes(&self) -> (u64, u64) {
        match &self.done {
            Done::Used { totals, .. } => (totals.bytes_read, totals.bytes_written),
            _ => (0, 0),
        }
    }
}

/// Rows by their sort. They stay what they are while more are added.
#[derive(Clone, Debug)]
pub struct FileRowIds([Range<u32>; 3]);

impl Iterator for FileRowIds {
    type Item = FileRowId;

    fn next(&mut self) -> Option<FileRowId> {
        let [used, changed, failed] = &mut self.0;
        used.next()
            .map(FileRowId::Use)
            .or_else(|| changed.next().map(FileRowId::Change))
            .or_else(|| failed.next().map(FileRowId::Failed))
    }
}

/// The rows, as far as there are any by now.
#[derive(Clone, Copy, Debug)]
pub struct FileRows<'a>(&'a Files);

impl<'a> FileRows<'a> {
    pub(in super::super) fn new(files: &'a Files) -> Self {
        Self(files)
    }

    /// How many uses, changes and kinds of failed attempts there are.
    pub fn counts(&self) -> [u32; 3] {
        let files = self.0;
        [files.accesses.len(), files.changes.len(), files.failures.len()].map(super::index)
    }

    /// All rows, by their sort.
    pub fn ids(&self) -> FileRowIds {
        Self::ids_between([0; 3], self.counts())
    }

    /// Those that there are at some counts and were not at others.
    pub fn ids_between(from: [u32; 3], to: [u32; 3]) -> FileRowIds {
        let rows = |sort: usize| from[sort]..to[sort];
        FileRowIds([rows(0), rows(1), rows(2)])
    }

    /// One row.
    pub fn get(&self, id: FileRowId) -> Option<FileRow<'a>> {
        let files = self.0;
        match id {
            FileRowId::Use(number) => {
                let (id, access) = files.accesses.get_index(number as usize)?;
                self.used(*id, access)
            }
            FileRowId::Change(number) => self.changed(files.changes.get(number as usize)?),
            FileRowId::Failed(number) => {
                let (kind, failure) = files.failures.get(number)?;
                self.failed(kind, failure)
            }
        }
    }

    /// Those of a process.
    pub fn ids_of(&self, process: ProcessKey) -> impl Iterator<Item = FileRowId> + use<'a> {
        let files = self.0;
        let number = files.processes.get_index_of(&process).map(super::index);
        let of_process = move |id: &FileRowId| {
            let of_row = match *id {
                FileRowId::Use(at) => files.accesses.get_index(at as usize).map(|(_, access)| access.process),
                FileRowId::Change(at) => files.changes.get(at as usize).map(|change| change.process),
                FileRowId::Failed(at) => files.failures.get(at).map(|(kind, _)| kind.process),
            };
            number.is_some() && of_row == number
        };
        self.ids().filter(of_process)
    }

    /// It says nothing that the row of a use does not say: a change of what the process had open anyhow, by opening it.
    pub fn repeats(&self, id: FileRowId) -> bool {
        let FileRowId::Change(number) = id else { return false };
        let change = self.0.changes.get(number as usize);
        change.is_some_and(|change| match change.target {
            Target::Access(id) if change.operation == FileOperation::Create => {
                self.0.accesses.get(&id).is_some_and(|access| access.process == change.process)
            }
            _ => false,
        })
    }

    /// The row of the use of this number, as events name it.
    pub fn of_access(&self, access: AccessId) -> Option<FileRowId> {
        let used = self.0.accesses.get_index_of(&access).map(|at| FileRowId::Use(super::index(at)));
        used.or_else(|| self.0.failures.of_access(access).map(FileRowId::Failed))
    }

    /// The row that the failed attempt has begun that was told last, if there was none of its kind.
    pub fn failed_first(&self) -> Option<FileRowId> {
        self.0.failures.began().map(FileRowId::Failed)
    }

    fn used(&self, id: AccessId, access: &Access) -> Option<FileRow<'a>> {
        let (key, known) = self.0.file_of(access)?;
        let totals = self.0.totals_of(id, access);
        Some(FileRow {
            process: self.0.process_of(access.process)?,
            path: text(&self.0.texts, key.path),
            source: key.source,
            new_path: None,
            first_at: access.first_at,
            last_at: totals.last_at.max(access.first_at),
            done: Done::Used {
                totals,
                origin: access.origin,
                for_writing: access.for_writing,
                kind: known.kind,
                device: key.device,
                inode: key.inode,
            },
        })
    }

    fn changed(&self, change: &Change) -> Option<FileRow<'a>> {
        let new_path = change.new_path.and_then(|path| self.0.path_of(path));
        let used = match change.target {
            Target::Access(id) => self.0.accesses.get(&id).and_then(|access| self.0.file_of(access)),
            _ => None,
        };
        let own = match change.target {
            Target::Access(_) => used.map(|(key, _)| (key.path, key.source)),
            Target::Path(path) => self.0.path_of(path).map(|path| (path.path, path.source)),
            Target::None => None,
        };
        let second = new_path.map(|path| (path.path, path.source));
        let (path, source) = own.or(second)?;
        Some(FileRow {
            process: self.0.process_of(change.process)?,
            path: text(&self.0.texts, path),
            source,
            new_path: own.and(second).map(|(path, _)| text(&self.0.texts, path)),
            first_at: change.at,
            last_at: change.at,
            done: Done::Changed {
                kind: used.map(|(_, known)| known.kind),
                operation: change.operation,
                call: change.call,
                detail: self.0.details.get_index(change.detail as usize).copied().unwrap_or_default(),
            },
        })
    }

    fn failed(&self, kind: &FailureKind, failure: &Failure) -> Option<FileRow<'a>> {
        let path = self.0.path_of(kind.path)?;
        let new_path = kind.new_path.and_then(|path| self.0.path_of(path));
        Some(FileRow {
            process: self.0.process_of(kind.process)?,
            path: text(&self.0.texts, path.path),
            source: path.source,
            new_path: new_path.map(|path| text(&self.0.texts, path.path)),
            first_at: failure.first_at,
            last_at: failure.last_at,
            done: Done::Failed {
                operation: kind.operation,
                call: kind.call,
                errno: kind.errno,
                count: failure.count,
            },
        })
    }
}

fn text(texts: &Texts, id: Observed<TextId>) -> TextRef<'_> {
    id.map(|id| texts.bytes_of(id))
}
