//! What became of files, in a few lines.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    ops::Bound,
};

use humansize::{BINARY, format_size};

use super::{escape, grouped, line, listed, named, plural, push, sensitive::is_sensitive};
use crate::{
    names::errno,
    receipt::{
        Receipt,
        schema::{
            Artifact, ArtifactChange, Bytes, FailedAttempt, FileKind, FileOperation, Filesystem,
            OperationCounts, Reason, UsedFile, Value,
        },
    },
};

/// Paths of a list that are shown; the receipt has them all.
const SHOWN: usize = 4;
/// Characters of a path that are shown: its end, which tells most.
const LENGTH: usize = 72;

/// Directories that are followed when those above them are renamed, altogether.
const MOVED: usize = 100_000;
/// `RENAME_EXCHANGE` of linux/fs.h.
const EXCHANGE: u64 = 2;
/// What makes a file.
const MAKING: [FileOperation; 3] = [FileOperation::Create, FileOperation::Mknod, FileOperation::Symlink];

/// Errors that say that somebody may not.
const DENIED: [i32; 2] = [libc::EPERM, libc::EACCES];

/// Writes the lines that there is something to say in.
pub(super) fn write(out: &mut dyn Write, receipt: &Receipt) -> io::Result<()> {
    let filesystem = &receipt.filesystem;
    if filesystem.files.is_empty() {
        return Ok(());
    }
    line(out, "files", &used(filesystem))?;
    let there = |artifact: &&Artifact| artifact.sha256_reason != Some(Reason::Gone);
    let artifacts = || receipt.artifacts.iter().filter(there);
    let of = |change, replaces| {
        let is_of = move |artifact: &&Artifact| (artifact.change, artifact.replaces) == (change, replaces);
        artifacts().filter(is_of).map(|artifact| shown(&artifact.path))
    };
    let created = of(ArtifactChange::Created, false);
    let names = Names::of(filesystem);
    let directories = names.directories.iter().map(|path| shown_bytes(path) + "/");
    paths(out, "created", created.chain(directories))?;
    paths(out, "replaced", of(ArtifactChange::Created, true))?;
    paths(out, "modified", of(ArtifactChange::Modified, false))?;
    paths(out, "deleted", names.deleted().map(shown_bytes))?;
    let made = |file: &&UsedFile| file.operations.0.iter().any(|(one, _)| MAKING.contains(one));
    let gone = filesystem.files.iter().filter(|file| file.transient).filter(made).count() as u64;
    if gone > 0 {
        line(out, "temporary", &format!("{} made and removed again", plural(gone, "file")))?;
    }
    let sensitive = sensitive(receipt);
    for (label, used) in [("read", Used::Read), ("written", Used::Written), ("denied", Used::Denied)] {
        let of_this = || sensitive.iter().filter(|(_, known)| *known == used);
        let hidden = of_this().count().saturating_sub(SHOWN);
        let told = of_this().take(SHOWN).map(|(file, used)| told(receipt, file, *used));
        if let Some(text) = listed(told, hidden) {
            line(out, "sensitive", &format!("{label}: {text}"))?;
        }
    }
    Ok(())
}

fn used(filesystem: &Filesystem) -> String {
    let used = |file: &&UsedFile| !file.operations.0.is_empty();
    let regular = |file: &&UsedFile| file.kind == Some(FileKind::Regular);
    let count = filesystem.files.iter().filter(used).filter(regular).count() as u64;
    let mut text = format!(
        "{} used, {} read, {} written",
        grouped(count),
        format_size(filesystem.bytes_read, BINARY),
        format_size(filesystem.bytes_written, BINARY)
    );
    let failed = filesystem.failed.iter().fold(0_u64, |sum, one| sum.saturating_add(one.count));
    if failed > 0 {
        push(&mut text, format_args!(", {} failed", plural(failed, "attempt")));
    }
    text
}

/// What became of names, as far as changes tell.
struct Names<'a> {
    /// Directories that were made, under their present names.
    directories: BTreeSet<Cow<'a, [u8]>>,
    /// Names that were removed at some time.
    touched: BTreeMap<&'a [u8], Touched>,
}

/// What was done to a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touched {
    /// Nothing yet.
    Not,
    /// Something was made there, or moved there.
    Made,
    /// What had been there before was removed.
    Deleted,
    /// It was removed, and there is something again.
    Remade,
}

impl<'a> Names<'a> {
    fn of(filesystem: &'a Filesystem) -> Self {
        let removed = changed(filesystem, &[FileOperation::Delete, FileOperation::Rmdir]);
        let touched = removed.map(|path| (path, Touched::Not)).collect();
        let mut names = Self { directories: BTreeSet::new(), touched };
        let mut moves = MOVED;
        for change in &filesystem.changes {
            let Some(path) = change.path.as_ref().map(|path| &*path.kept().0) else { continue };
            let details = change.details.as_deref();
            let new_path = change.new_path.as_ref().and_then(Option::as_ref).map(|path| &*path.kept().0);
            match change.operation {
                FileOperation::Mkdir => {
                    names.make(path);
                    names.directories.insert(path.into());
                }
                FileOperation::Create | FileOperation::Mknod | FileOperation::Symlink => names.make(path),
                FileOperation::Link => new_path.into_iter().for_each(|path| names.make(path)),
                FileOperation::Rename if details.and_then(|details| details.flags) == Some(EXCHANGE) => {}
                FileOperation::Rename => {
                    if let Some(new_path) = new_path {
                        names.make(new_path);
                        names.rename(path, new_path, &mut moves);
                    }
                }
                FileOperation::Delete | FileOperation::Rmdir => {
                    names.remove(path);
                    names.directories.remove(path);
                }
                _ => {}
            }
        }
        // Of what was opened, the making is among the changes.
        let transient = filesystem.files.iter().filter(|file| file.transient && file.device.is_none());
        for path in transient.filter_map(path) {
            names.touched.remove(path);
        }
        names
    }

    fn make(&mut self, path: &'a [u8]) {
        if let Some(touched) = self.touched.get_mut(path) {
            *touched = match *touched {
                Touched::Not | Touched::Made => Touched::Made,
                Touched::Deleted | Touched::Remade => Touched::Remade,
            };
        }
    }

    fn remove(&mut self, path: &'a [u8]) {
        if let Some(touched) = self.touched.get_mut(path) {
            *touched = match *touched {
                Touched::Made => Touched::Made,
                Touched::Not | Touched::Deleted | Touched::Remade => Touched::Deleted,
            };
        }
    }

    /// Moves directories, as long as there are `moves` left.
    fn rename(&mut self, from: &'a [u8], to: &'a [u8], moves: &mut usize) {
        if !self.directories.remove(from) {
            return;
        }
        self.directories.insert(to.into());
        let below = [from, b"/"].concat();
        let start = (Bound::Included(below.as_slice()), Bound::Unbounded);
        let moved = self.directories.range::<[u8], _>(start);
        let moved = moved.take_while(|path| path.starts_with(&below)).take(*moves).cloned();
        let moved: Vec<_> = moved.collect();
        *moves -= moved.len();
        for path in moved {
            self.directories.remove(&path);
            self.directories.insert([to, &path[from.len()..]].concat().into());
        }
    }

    fn deleted(&self) -> impl Iterator<Item = &'a [u8]> {
        let deleted = self.touched.iter().filter(|(_, touched)| **touched == Touched::Deleted);
        deleted.map(|(path, _)| *path)
    }
}

/// Paths that one of these was done to.
fn changed<'a>(filesystem: &'a Filesystem, operations: &[FileOperation]) -> impl Iterator<Item = &'a [u8]> {
    let done = filesystem.changes.iter().filter(|change| operations.contains(&change.operation));
    done.filter_map(|change| change.path.as_ref()).map(|path| &*path.kept().0)
}

fn paths(out: &mut dyn Write, label: &str, paths: impl Iterator<Item = String>) -> io::Result<()> {
    let mut first = Vec::with_capacity(SHOWN);
    let mut count = 0;
    for path in paths {
        count += 1;
        if first.len() < SHOWN {
            first.push(path);
        }
    }
    let hidden = count - first.len();
    match listed(first.into_iter(), hidden) {
        Some(text) if count > 1 => line(out, label, &format!("{}: {text}", grouped(count as u64))),
        Some(text) => line(out, label, &text),
        None => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    Read,
    Written,
    Denied,
}

/// Files of sensitive places that were used, or that somebody was not allowed to use.
fn sensitive(receipt: &Receipt) -> Vec<(&UsedFile, Used)> {
    let is_root = receipt.command.user.uid == 0;
    let mut found = Vec::new();
    for file in &receipt.filesystem.files {
        let uses = [use_of(&file.operations), denied_of(file)];
        if uses == [None, None] {
            continue;
        }
        let processes = file.processes.iter().filter_map(|id| process(receipt, *id));
        let pids = processes.flat_map(|process| [Some(process.pid), process.namespace_pid]);
        let pids: Vec<u32> = pids.flatten().collect();
        if path(file).is_some_and(|path| is_sensitive(path, &pids, is_root)) {
            found.extend(uses.into_iter().flatten().map(|used| (file, used)));
        }
    }
    found
}

/// The most of what was done with a file. Who opened it may have read it through a mapping.
fn use_of(operations: &OperationCounts) -> Option<Used> {
    let did = |wanted: &[FileOperation]| operations.0.iter().any(|(one, _)| wanted.contains(one));
    if did(&[
        FileOperation::Write,
        FileOperation::Truncate,
        FileOperation::Create,
        FileOperation::MapWritable,
    ]) {
        Some(Used::Written)
    } else {
        let read = [FileOperation::Open, FileOperation::Read, FileOperation::ReadDirectory];
        did(&read).then_some(Used::Read)
    }
}

fn denied_of(file: &UsedFile) -> Option<Used> {
    file.errors.0.iter().any(|(errno, _)| DENIED.contains(errno)).then_some(Used::Denied)
}

fn told(receipt: &Receipt, file: &UsedFile, used: Used) -> String {
    let mut text = shown(&file.path);
    if used == Used::Denied {
        let denied = file.errors.0.iter().filter(|(errno, _)| DENIED.contains(errno));
        let count = denied.fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        push(&mut text, format_args!(" ×{}", grouped(count)));
    }
    push_process(&mut text, receipt, first_user(receipt, file, used));
    text
}

/// The first process that used a file so, which need not be the first that had to do with it.
fn first_user(receipt: &Receipt, file: &UsedFile, used: Used) -> Option<u64> {
    if let [only] = *file.processes {
        return Some(only);
    }
    if used == Used::Denied {
        let names = DENIED.map(errno);
        let denied = |one: &&FailedAttempt| names.iter().any(|name| **name == *one.errno);
        let of_file =
            |one: &&FailedAttempt| one.path.as_ref().map(Value::kept) == file.path.as_ref().map(Value::kept);
        let attempts = receipt.filesystem.failed.iter().filter(denied).filter(of_file);
        return attempts.min_by_key(|one| one.first_at).and_then(|one| one.process);
    }
    file.by_process.iter().find(|one| use_of(&one.operations) == Some(used)).and_then(|one| one.process)
}

/// Adds by whom, if that is known.
pub(super) fn push_process(text: &mut String, receipt: &Receipt, id: Option<u64>) {
    if let Some(process) = id.and_then(|id| process(receipt, id)) {
        push(text, format_args!(" by {}", named(process)));
    }
}

fn process(receipt: &Receipt, id: u64) -> Option<&crate::receipt::schema::Process> {
    receipt.processes.get(usize::try_from(id).ok()?.checked_sub(1)?)
}

fn path(file: &UsedFile) -> Option<&[u8]> {
    file.path.as_ref().map(|path| &*path.kept().0)
}

fn shown(path: &Option<Value<Bytes>>) -> String {
    path.as_ref().map_or_else(|| "a file of unknown path".into(), |path| shown_bytes(&path.kept().0))
}

fn shown_bytes(path: &[u8]) -> String {
    let text = escape(path);
    let length = text.chars().count();
    match length > LENGTH {
        true => text.chars().skip(length - LENGTH + 1).fold(String::from("…"), |mut text, char| {
            text.push(char);
            text
        }),
        false => text,
    }
}
