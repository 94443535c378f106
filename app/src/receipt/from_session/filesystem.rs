//! Files and what is left of them, in the receipt.

mod artifacts;

use std::{mem::take, sync::Arc};

use super::{Clock, give_back, split, texts::Texts};
use crate::{
    event::{self, ChangeDetail, FileOperation as Operation, ProcessKey, Unconfirmed},
    maps::HashMap,
    receipt::schema::{
        self, Bytes, ChangeDetails, Device, ErrorCounts, FailedAttempt, FileChange, FileOrigin, Filesystem,
        Mode, OperationCounts, ProcessUse, Reason, UsedFile, Value,
    },
    session::{ChangeEntry, FailedEntry, FileEntry, FileKind, FileUse, FilesView, Text, add_count},
};

/// Builds the entries of the lists, of which many share names and counts.
pub(super) struct Builder<'a, 'b> {
    clock: Clock,
    ids: &'a HashMap<ProcessKey, u64>,
    texts: &'a mut Texts<'b>,
    operations: HashMap<Vec<(Operation, u64)>, OperationCounts>,
    processes: HashMap<Vec<u64>, Arc<[u64]>>,
    details: HashMap<ChangeDetail, Arc<ChangeDetails>>,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(clock: Clock, ids: &'a HashMap<ProcessKey, u64>, texts: &'a mut Texts<'b>) -> Self {
        Self {
            clock,
            ids,
            texts,
            operations: HashMap::default(),
            processes: HashMap::default(),
            details: HashMap::default(),
        }
    }

    /// The section.
    pub(super) fn filesystem(&mut self, mut view: FilesView<'_>) -> Filesystem {
        let mut files = Vec::with_capacity(view.entries.len());
        let (mut bytes_read, mut bytes_written) = (0_u64, 0_u64);
        for (index, entry) in give_back(take(&mut view.entries)) {
            let uses = view.uses(&entry);
            let file = self.file(index, entry, uses);
            if file.kind == Some(schema::FileKind::Regular) {
                bytes_read = bytes_read.saturating_add(file.bytes_read);
                bytes_written = bytes_written.saturating_add(file.bytes_written);
            }
            files.push(file);
        }
        let mut changes = Vec::with_capacity(view.change_count());
        for (index, change) in view.changes().enumerate() {
            changes.push(self.change(index, change));
        }
        let mut failed = Vec::with_capacity(view.failed_count());
        for (index, one) in view.failed().enumerate() {
            failed.push(self.failed(index, &one));
        }
        Filesystem { bytes_read, bytes_written, files, changes, failed }
    }

    fn file(&mut self, index: usize, entry: FileEntry, uses: Vec<FileUse>) -> UsedFile {
        let at = |field: &str| format!("/filesystem/files/{index}/{field}");
        let mut operations = Vec::new();
        for (operation, count) in uses.iter().flat_map(|one| &one.operations) {
            add_count(&mut operations, *operation, *count);
        }
        let total = |bytes: fn(&FileUse) -> u64| uses.iter().map(bytes).fold(0, u64::saturating_add);
        let (path, path_reason) = self.texts.shared(&entry.path, || at("path"));
        let known = |known: bool| (!known).then_some(Reason::PathOnly);
        let users: Vec<&FileUse> = uses.iter().filter(|one| !one.operations.is_empty()).collect();
        // Also where only one of several did something: nothing else would say which.
        let by_process = if uses.len() > 1 { &users[..] } else { &[] };
        UsedFile {
            path,
            path_reason,
            path_in_root: self.aside(entry.in_root.as_deref(), || at("path_in_root")),
            path_source: super::process::source(entry.source),
            asked: self.aside(entry.asked.as_deref(), || at("asked")),
            kind: entry.kind.map(kind),
            kind_reason: known(entry.kind.is_some()),
            device: entry.identity.map(|(device, _)| Device(device)),
            device_reason: known(entry.identity.is_some()),
            inode: entry.identity.map(|(_, inode)| inode),
            inode_reason: known(entry.identity.is_some()),
            origin: entry.origin.and_then(origin),
            unlinked: entry.unlinked,
            unreachable: entry.unreachable,
            transient: entry.transient,
            operations: self.operations(&operations),
            errors: ErrorCounts(entry.errors),
            bytes_read: total(|one| one.bytes_read),
            bytes_written: total(|one| one.bytes_written),
            processes: self.processes(&uses),
            by_process: by_process.iter().map(|one| self.process_use(one)).collect(),
            first_at: self.clock.timestamp(entry.first_at),
            last_at: self.clock.timestamp(entry.last_at),
        }
    }

    fn process_use(&mut self, one: &FileUse) -> ProcessUse {
        let (process, process_reason) = self.process(one.process);
        ProcessUse {
            process,
            process_reason,
            origin: one.origin.and_then(origin),
            operations: self.operations(&one.operations),
            bytes_read: one.bytes_read,
            bytes_written: one.bytes_written,
        }
    }

    fn change(&mut self, index: usize, change: ChangeEntry) -> FileChange {
        let at = |field: &str| format!("/filesystem/changes/{index}/{field}");
        // A symbolic link is what was made, and its path the new one.
        let (path, new_path) = match change.operation {
            Operation::Symlink => (change.new_path, None),
            _ => (change.path, change.new_path),
        };
        let source = path.as_ref().map_or(event::PathSource::Argument, |(_, source)| *source);
        let (path, path_reason) = match &path {
            Some((path, _)) => self.texts.shared(path, || at("path")),
            // A mount may have no source.
            None => (None, Some(Reason::None)),
        };
        let new_path = new_path.map(|(path, _)| path);
        let (new_path, new_path_reason) = self.texts.optional(new_path.as_ref(), || at("new_path"));
        let text = |operations: &[Operation]| {
            change.text.as_ref().filter(|_| operations.contains(&change.operation))
        };
        let attributes = text(&[Operation::SetAttribute, Operation::RemoveAttribute]);
        let (target, target_reason) = self.texts.optional(text(&[Operation::Symlink]), || at("target"));
        let (attribute, attribute_reason) = self.texts.optional(attributes, || at("attribute"));
        // Where the kernel does not ask for a type, there is nothing to read where it would be.
        let is_type = |text: &&Text| text.value().is_some() || !change.detail.has_no_type();
        let file_system = text(&[Operation::Mount]).filter(is_type);
        let (file_system, file_system_reason) = self.texts.optional(file_system, || at("file_system"));
        let (process, process_reason) = self.process(change.process);
        let detail = change.detail;
        let result_reason = change.unconfirmed.map(|why| match why {
            Unconfirmed::NoCompletion => Reason::CompletionSkipped,
            Unconfirmed::Ended => Reason::Ended,
        });
        let details = ChangeDetails {
            result: result_reason.map(|_| None),
            result_reason,
            target,
            target_reason,
            attribute,
            attribute_reason,
            file_system,
            file_system_reason,
            flags: detail.flags,
            uid: detail.uid,
            gid: detail.gid,
            length_bytes: detail.length,
            node_device: detail.device,
            inode_flags: detail.inode_flags,
            extended_flags: detail.extended_flags,
            attributes_set: detail.set,
            attributes_cleared: detail.cleared,
            propagation: detail.propagation,
        };
        let details = (details != ChangeDetails::default()).then(|| {
            // Nothing but numbers, which many have in common.
            if change.text.is_none() && change.unconfirmed.is_none() {
                Arc::clone(self.details.entry(detail).or_insert_with(|| Arc::new(details)))
            } else {
                Arc::new(details)
            }
        });
        FileChange {
            at: self.clock.timestamp(change.at),
            operation: operation(change.operation),
            path,
            path_reason,
            path_source: super::process::source(source),
            new_path,
            new_path_reason,
            details,
            mode: detail.mode.map(Mode),
            call: self.texts.call(change.call),
            process,
            process_reason,
        }
    }

    fn failed(&mut self, index: usize, failed: &FailedEntry) -> FailedAttempt {
        let at = |field: &str| format!("/filesystem/failed/{index}/{field}");
        let (path, path_reason) = self.texts.shared(&failed.path, || at("path"));
        let (new_path, new_path_reason) = self.texts.optional(failed.new_path.as_ref(), || at("new_path"));
        let (process, process_reason) = self.process(failed.process);
        FailedAttempt {
            path,
            path_reason,
            path_source: super::process::source(failed.source),
            new_path,
            new_path_reason,
            operation: operation(failed.operation),
            errno: self.texts.errno(failed.errno),
            call: self.texts.call(failed.call),
            count: failed.count,
            process,
            process_reason,
            first_at: self.clock.timestamp(failed.first_at),
            last_at: self.clock.timestamp(failed.last_at),
        }
    }

    /// A text that is only there where it says something.
    fn aside(&mut self, text: Option<&Text>, pointer: impl FnOnce() -> String) -> Option<Box<Value<Bytes>>> {
        self.texts.shared(text?, pointer).0.map(Box::new)
    }

    fn process(&self, key: ProcessKey) -> (Option<u64>, Option<Reason>) {
        split(self.ids.get(&key).copied().ok_or(Reason::Limit))
    }

    fn processes(&mut self, uses: &[FileUse]) -> Arc<[u64]> {
        let mut ids: Vec<u64> = uses.iter().filter_map(|one| self.ids.get(&one.process).copied()).collect();
        ids.sort_unstable();
        let shared = self.processes.entry(ids);
        let made = Arc::from(shared.key().as_slice());
        Arc::clone(shared.or_insert(made))
    }

    fn operations(&mut self, counts: &[(Operation, u64)]) -> OperationCounts {
        if let Some(made) = self.operations.get(counts) {
            return made.clone();
        }
        let made = counts.iter().map(|(one, count)| (operation(*one), *count)).collect();
        let made = OperationCounts(made);
        self.operations.insert(counts.to_vec(), made.clone());
        made
    }
}

/// Opened is what goes without saying.
fn origin(origin: event::FileOrigin) -> Option<FileOrigin> {
    match origin {
        event::FileOrigin::Opened => None,
        event::FileOrigin::Inherited => Some(FileOrigin::Inherited),
        event::FileOrigin::Received => Some(FileOrigin::Received),
    }
}

fn kind(kind: FileKind) -> schema::FileKind {
    match kind {
        FileKind::Regular => schema::FileKind::Regular,
        FileKind::Directory => schema::FileKind::Directory,
        FileKind::Symlink => schema::FileKind::Symlink,
        FileKind::BlockDevice => schema::FileKind::BlockDevice,
        FileKind::CharDevice => schema::FileKind::CharDevice,
        FileKind::Fifo => schema::FileKind::Fifo,
        FileKind::Socket => schema::FileKind::Socket,
        FileKind::Proc => schema::FileKind::Proc,
        FileKind::Kernel => schema::FileKind::Kernel,
        FileKind::Memfd => schema::FileKind::Memfd,
        FileKind::Namespace => schema::FileKind::Namespace,
        FileKind::Anonymous => schema::FileKind::Anonymous,
    }
}

fn operation(operation: Operation) -> schema::FileOperation {
    match operation {
        Operation::Open => schema::FileOperation::Open,
        Operation::Create => schema::FileOperation::Create,
        Operation::Truncate => schema::FileOperation::Truncate,
        Operation::Read => schema::FileOperation::Read,
        Operation::Write => schema::FileOperation::Write,
        Operation::ReadDirectory => schema::FileOperation::ReadDirectory,
        Operation::MapExecutable => schema::FileOperation::MapExecutable,
        Operation::MapWritable => schema::FileOperation::MapWritable,
        Operation::Execute => schema::FileOperation::Execute,
        Operation::Delete => schema::FileOperation::Delete,
        Operation::RemoveDirectory => schema::FileOperation::Rmdir,
        Operation::MakeDirectory => schema::FileOperation::Mkdir,
        Operation::Rename => schema::FileOperation::Rename,
        Operation::Link => schema::FileOperation::Link,
        Operation::Symlink => schema::FileOperation::Symlink,
        Operation::ChangeMode => schema::FileOperation::Chmod,
        Operation::ChangeOwner => schema::FileOperation::Chown,
        Operation::ChangeTimes => schema::FileOperation::Utimens,
        Operation::SetAttribute => schema::FileOperation::Setxattr,
        Operation::RemoveAttribute => schema::FileOperation::Removexattr,
        Operation::MakeNode => schema::FileOperation::Mknod,
        Operation::Mount => schema::FileOperation::Mount,
        Operation::Unmount => schema::FileOperation::Umount,
        Operation::ChangeDirectory => schema::FileOperation::Chdir,
        Operation::ChangeRoot => schema::FileOperation::Chroot,
        Operation::PivotRoot => schema::FileOperation::PivotRoot,
        Operation::Stat => schema::FileOperation::Stat,
        Operation::CheckAccess => schema::FileOperation::Access,
        Operation::ReadLink => schema::FileOperation::Readlink,
        Operation::GetAttribute => schema::FileOperation::Getxattr,
        Operation::ListAttributes => schema::FileOperation::Listxattr,
        Operation::Watch => schema::FileOperation::Watch,
        Operation::Quota => schema::FileOperation::Quotactl,
        Operation::Account => schema::FileOperation::Acct,
        Operation::StartSwap => schema::FileOperation::Swapon,
        Operation::StopSwap => schema::FileOperation::Swapoff,
        Operation::SetFlags => schema::FileOperation::Chattr,
        Operation::SetMountAttributes => schema::FileOperation::MountSetattr,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::names::file_operation;

    #[test]
    fn operations_have_the_same_name_everywhere() {
        let all = [
            Operation::Open,
            Operation::Create,
            Operation::Truncate,
            Operation::Read,
            Operation::Write,
            Operation::ReadDirectory,
            Operation::MapExecutable,
            Operation::MapWritable,
            Operation::Execute,
            Operation::Delete,
            Operation::RemoveDirectory,
            Operation::MakeDirectory,
            Operation::Rename,
            Operation::Link,
            Operation::Symlink,
            Operation::ChangeMode,
            Operation::ChangeOwner,
            Operation::ChangeTimes,
            Operation::SetAttribute,
            Operation::RemoveAttribute,
            Operation::MakeNode,
            Operation::Mount,
            Operation::Unmount,
            Operation::ChangeDirectory,
            Operation::ChangeRoot,
            Operation::PivotRoot,
            Operation::Stat,
            Operation::CheckAccess,
            Operation::ReadLink,
            Operation::GetAttribute,
            Operation::ListAttributes,
            Operation::Watch,
            Operation::Quota,
            Operation::Account,
            Operation::StartSwap,
            Operation::StopSwap,
            Operation::SetFlags,
            Operation::SetMountAttributes,
        ];
        for known in all {
            assert_eq!(serde_json::to_value(operation(known)).unwrap(), file_operation(known));
        }
        let schema = serde_json::to_value(schemars::schema_for!(schema::FileOperation)).unwrap();
        let written: BTreeSet<_> =
            schema["oneOf"].as_array().unwrap().iter().map(|one| one["const"].as_str().unwrap()).collect();
        assert_eq!(written, all.map(file_operation).into(), "every operation of the format has such a name");
    }
}
