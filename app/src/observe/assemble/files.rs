//! Events about files.

use glasshouse_common::{
    FileChangeRecord, FileFailedRecord, FileRecord, Header, RingResultRecord, flags, kind, limits, operation,
    syscall::{FS_IOC_FSSETXATTR, FileCall, NO_ARGUMENT, TABLE_LEN},
};

use super::{
    arguments::{by_argument, lost, normal, paths},
    event, file_facts, syscall,
    texts::{Texts, Walk, plain_text, walked_path},
};
use crate::{
    event::{
        Abi, AccessId, AccessTotals, ChangeDetail, ChangeTarget, Event, EventKind, FileChanged, FileFailed,
        FileOperation, FileOrigin, FileSeen, FileTotals, Observed, PathSource, ResolvedPath, Syscall,
        Unconfirmed, Unreadable,
    },
    maps::HashMap,
    syscalls::Table,
};

/// `AT_REMOVEDIR` of `linux/fcntl.h`.
const AT_REMOVEDIR: u64 = 0x200;
/// `AT_EMPTY_PATH` there.
const AT_EMPTY_PATH: u64 = 0x1000;
/// `MOVE_MOUNT_F_EMPTY_PATH` and `MOVE_MOUNT_T_EMPTY_PATH` of `linux/mount.h`.
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
/// `ENOENT` and `EFAULT` of `asm-generic/errno-base.h`.
const ENOENT: i32 = 2;
const EFAULT: i32 = 14;
/// `MS_BIND`, `MS_MOVE` of `linux/mount.h`: the source is a path.
const MS_PATHS: u64 = 0x1000 | 0x2000;
/// Requests that wait for their completion: more than the kernel side follows.
const MAX_REQUESTS: usize = 2 * limits::RING_REQUESTS as usize;
/// `S_IFSOCK` of `linux/stat.h`.
const S_IFSOCK: u32 = 0o14_0000;
/// Permission bits of a mode.
const PERMISSIONS: u64 = 0o7777;
/// The bits of a mode that say what kind of node is made.
const NODE_BITS: u64 = 0o17_7777;

/// Totals as they travel.
pub(in crate::observe) fn totals(record: &glasshouse_common::AccessTotals) -> AccessTotals {
    AccessTotals {
        opens: record.opens,
        creates: record.creates,
        truncates: record.truncates,
        reads: record.reads,
        writes: record.writes,
        directory_reads: record.directory_reads,
        executable_maps: record.executable_maps,
        writable_maps: record.writable_maps,
        failures: record.failures,
        bytes_read: record.bytes_read,
        bytes_written: record.bytes_written,
        last_at: record.last_at,
    }
}

pub(super) fn seen(record: &FileRecord, components: &[u8], texts: &mut Texts) -> Option<EventKind> {
    let raced = record.flags & flags::FILE_RACED != 0;
    let mut path = walked_path(Walk {
        components,
        flags: record.path_flags as u16,
        errno: 0,
        total: record.total,
        in_root: record.in_root,
    });
    if raced {
        path.source = PathSource::Raced;
    }
    Some(EventKind::FileSeen(Box::new(FileSeen {
        access: record.access,
        path,
        asked: raced.then(|| plain_text(texts.remove(kind::TEXT_ARGUMENT))),
        origin: match record.origin {
            flags::ORIGIN_OPENED => FileOrigin::Opened,
            flags::ORIGIN_INHERITED => FileOrigin::Inherited,
            _ => FileOrigin::Received,
        },
        facts: file_facts(&record.facts)?,
        file_system: record.magic,
        open_flags: record.open_flags,
        totals: totals(&record.totals),
    })))
}

pub(in crate::observe) fn file_totals(
    access: AccessId,
    counted: &glasshouse_common::AccessTotals,
) -> EventKind {
    EventKind::FileTotals(FileTotals { access, totals: totals(counted) })
}

pub(super) fn failed(
    record: &FileFailedRecord,
    argument: &[u8],
    texts: &mut Texts,
    native: &Table,
    compat: &Table,
) -> Option<EventKind> {
    let call = syscall(record.abi, record.call);
    let operation = operation_of(record.operation)?;
    let word = word_of(call, record.operation, native, compat);
    let call_flags = record.flags >> flags::CALL_FLAGS;
    let source_name = source_name(operation, word, texts)
        .filter(|source| call_flags & MS_PATHS as u32 == 0 || source.path.value().is_some_and(Vec::is_empty));
    let follows = record.flags & flags::CHANGE_FOLLOWS != 0;
    let (path, new_path) = if follows && record.flags & (flags::CHANGE_BASE | flags::CHANGE_NO_BASE) == 0 {
        (Some(by_argument(Observed::Complete(normal(b"", argument)))), None)
    } else {
        if follows {
            // What it is relative to was sent before.
            let text = texts.of(kind::TEXT_ARGUMENT);
            (text.bytes, text.total) = (argument.to_vec(), argument.len() as u32);
        }
        let empty_is_descriptor =
            [(FileCall::BASE, false), (FileCall::NEW_BASE, true)].map(|(base, is_second)| {
                word.argument(base) != NO_ARGUMENT
                    && takes_empty(operation, word, call_flags, record.errno, is_second)
            });
        paths(record.flags, texts, empty_is_descriptor)
    };
    let mut path = source_name.or(path).unwrap_or_else(lost);
    if operation == FileOperation::Mount
        && record.errno as i32 != EFAULT
        && matches!(path.path, Observed::Unreadable(Unreadable::Fault(_)))
    {
        // The kernel has read it, as far as there was one.
        path.path = Observed::Unreadable(Unreadable::Absent);
    }
    if record.flags & flags::FAILED_RACED != 0 {
        path.source = PathSource::Raced;
    }
    if record.flags & flags::CHANGE_RESOLVED != 0 && path.unreachable {
        // No name leads to it, and which file it was is not told.
        (path.path, path.in_root) = (Observed::Unreadable(Unreadable::NotAvailable), None);
    }
    Some(EventKind::FileFailed(Box::new(FileFailed {
        access: record.access,
        operation,
        errno: record.errno as i32,
        path,
        new_path,
        call,
        totals: totals(&record.totals),
    })))
}

pub(super) fn changed(
    record: &FileChangeRecord,
    texts: &mut Texts,
    native: &Table,
    compat: &Table,
) -> Option<EventKind> {
    let call = syscall(record.abi, record.call);
    let word = word_of(call, record.operation, native, compat);
    let text = (record.flags & flags::CHANGE_EXTRA != 0).then(|| plain_text(texts.remove(kind::TEXT_EXTRA)));
    let mut operation = operation_of(record.operation)?;
    if operation == FileOperation::Delete && record.call_flags & AT_REMOVEDIR != 0 {
        operation = FileOperation::RemoveDirectory;
    }
    let source_name = source_name(operation, word, texts).filter(|_| record.call_flags & MS_PATHS == 0);
    // A call that has succeeded was given what it takes.
    let is_call = call.abi != Abi::Ring;
    let by_descriptor = operation == FileOperation::Link && record.call_flags & AT_EMPTY_PATH != 0;
    let (mut path, mut new_path) = paths(record.flags, texts, [is_call || by_descriptor, is_call]);
    if source_name.is_some() {
        path = source_name;
    }
    if operation == FileOperation::Symlink {
        new_path = path.take();
    }
    let has_name = record.flags & flags::CHANGE_ARGUMENT != 0;
    let mut detail = detail(operation, record, word);
    detail.named = (has_name && record.access != 0).then_some(record.access);
    let target = match path {
        _ if record.access != 0 && !has_name => ChangeTarget::Access(record.access),
        Some(path) => ChangeTarget::Path(path),
        // Accounting is switched off by no path.
        None if matches!(
            operation,
            FileOperation::Symlink | FileOperation::Mount | FileOperation::Account
        ) =>
        {
            ChangeTarget::None
        }
        None => ChangeTarget::Path(lost()),
    };
    Some(EventKind::FileChanged(Box::new(FileChanged {
        operation,
        target,
        new_path,
        text,
        detail,
        call,
        unconfirmed: None,
    })))
}

/// Whether a call that failed takes an empty path for what its descriptor leads to. Flags say so, of which the lower half is
/// known; of calls whose flags are not told it is taken from the error, which is ENOENT of an empty name.
fn takes_empty(
    operation: FileOperation,
    word: FileCall,
    call_flags: u32,
    errno: u32,
    is_second: bool,
) -> bool {
    let has_flags = word.argument(FileCall::FLAGS) != NO_ARGUMENT;
    match operation {
        FileOperation::Mount if is_second => call_flags & MOVE_MOUNT_T_EMPTY_PATH != 0,
        FileOperation::Mount => call_flags & MOVE_MOUNT_F_EMPTY_PATH != 0,
        _ if is_second => false,
        FileOperation::Open if has_flags => false,
        FileOperation::MakeDirectory
        | FileOperation::MakeNode
        | FileOperation::Delete
        | FileOperation::Rename
        | FileOperation::Symlink => false,
        _ if has_flags => u64::from(call_flags) & AT_EMPTY_PATH != 0,
        _ => errno as i32 != ENOENT,
    }
}

/// What a call is known to do.
fn word_of(call: Syscall, operation: u32, native: &Table, compat: &Table) -> FileCall {
    match call.abi {
        Abi::Native => FileCall(native.file_calls[call.number as usize % TABLE_LEN]),
        Abi::Compat => FileCall(compat.file_calls[call.number as usize % TABLE_LEN]),
        Abi::Ring => of_ring(operation),
    }
}

/// What is to be mounted, as it was given, if it may be the name of something that has no path.
fn source_name(operation: FileOperation, word: FileCall, texts: &Texts) -> Option<ResolvedPath> {
    if operation != FileOperation::Mount || word.argument(FileCall::BASE) != NO_ARGUMENT {
        return None;
    }
    let source = texts.get(kind::TEXT_ARGUMENT)?;
    let is_name = source.flags & flags::TEXT_UNREADABLE == 0 && !source.bytes.starts_with(b"/");
    is_name.then(|| by_argument(Observed::Complete(source.bytes.clone())))
}

/// Which numbers the record of a request through a ring has: where they come from in a call does not matter.
fn of_ring(operation: u32) -> FileCall {
    let call = FileCall::new(operation);
    match operation {
        operation::OPEN => call.with(FileCall::FLAGS, 0).with(FileCall::FIRST, 0),
        operation::MKDIR => call.with(FileCall::FIRST, 0),
        operation::DELETE | operation::RENAME | operation::LINK => call.with(FileCall::FLAGS, 0),
        _ => call,
    }
}

/// A request through a ring that waits for its completion.
#[derive(Debug)]
pub(super) struct Request {
    header: Header,
    changed: Box<FileChanged>,
}

/// Requests through rings, by their number.
#[derive(Debug, Default)]
pub(super) struct Requests(HashMap<u64, Request>);

impl Requests {
    /// Takes in a request. Gives what will never be known better.
    pub(super) fn add(
        &mut self,
        record: &FileChangeRecord,
        texts: &mut Texts,
        native: &Table,
        compat: &Table,
    ) -> Option<Event> {
        let number = record.access;
        let kind = changed(&FileChangeRecord { access: 0, ..*record }, texts, native, compat)?;
        let EventKind::FileChanged(mut changed) = kind else { return None };
        if record.flags & flags::CHANGE_UNCONFIRMED == 0 && self.0.len() < MAX_REQUESTS {
            self.0.insert(number, Request { header: record.header, changed });
            return None;
        }
        changed.unconfirmed = Some(Unconfirmed::NoCompletion);
        Some(event(&record.header, EventKind::FileChanged(changed)))
    }

    /// Takes in the result of a request.
    pub(super) fn complete(&mut self, record: &RingResultRecord) -> Option<Event> {
        let Request { header, mut changed } = self.0.remove(&record.request)?;
        let header = Header { at: record.header.at, ..header };
        if record.result < 0 {
            let path = match changed.target {
                ChangeTarget::Path(path) => path,
                _ => changed.new_path.take().unwrap_or_else(lost),
            };
            let totals = AccessTotals { failures: 1, last_at: header.at, ..AccessTotals::default() };
            let failed = FileFailed {
                access: 0,
                operation: changed.operation,
                errno: -record.result,
                path,
                new_path: changed.new_path,
                call: changed.call,
                totals,
            };
            return Some(event(&header, EventKind::FileFailed(Box::new(failed))));
        }
        if changed.operation == FileOperation::Open && record.access != 0 {
            changed.target = ChangeTarget::Access(record.access);
            changed.operation = match record.made {
                1 => FileOperation::Create,
                2 => FileOperation::Truncate,
                // That it was opened its first use says.
                _ => return None,
            };
        }
        Some(event(&header, EventKind::FileChanged(changed)))
    }

    /// Those that were not completed when observation ended.
    pub(super) fn unfinished(&mut self) -> Vec<Event> {
        let mut requests: Vec<_> = self.0.drain().collect();
        requests.sort_unstable_by_key(|(number, request)| (request.header.at, *number));
        let told = requests.into_iter().map(|(_, Request { header, mut changed })| {
            changed.unconfirmed = Some(Unconfirmed::Ended);
            event(&header, EventKind::FileChanged(changed))
        });
        told.collect()
    }
}

fn detail(operation: FileOperation, record: &FileChangeRecord, word: FileCall) -> ChangeDetail {
    let has = |shift| word.argument(shift) != NO_ARGUMENT;
    let FileChangeRecord { first, second, call_flags, .. } = *record;
    // An owner that is −1 stays; the oldest calls of 32-bit ABIs have owners of 16 bits.
    let owner = |id: u64| Some(id as u32).filter(|id| *id != u32::MAX && *id != 0xffff);
    let mut detail =
        ChangeDetail { flags: has(FileCall::FLAGS).then_some(call_flags), ..ChangeDetail::default() };
    match operation {
        FileOperation::ChangeMode | FileOperation::MakeDirectory => {
            detail.mode = Some((first & PERMISSIONS) as u32);
        }
        FileOperation::Create | FileOperation::Open
            if has(FileCall::FIRST) || word.0 & FileCall::FLAGS_IN_MEMORY != 0 =>
        {
            detail.mode = Some((first & PERMISSIONS) as u32);
        }
        FileOperation::MakeNode if word.0 & FileCall::SOCKET_ADDRESS != 0 => detail.mode = Some(S_IFSOCK),
        FileOperation::MakeNode => {
            detail.mode = Some((first & NODE_BITS) as u32);
            detail.device = Some(second);
        }
        FileOperation::ChangeOwner => (detail.uid, detail.gid) = (owner(first), owner(second)),
        // With its length in two halves where registers have 32 bits.
        FileOperation::Truncate if word.operation() == operation::TRUNCATE => {
            detail.length = Some(if has(FileCall::SECOND) { first | second << 32 } else { first });
        }
        FileOperation::Truncate => detail.length = Some(0),
        FileOperation::SetFlags if has(FileCall::FD) => {
            // The flags of the call are its request.
            detail.flags = None;
            let flags = Some(first & u64::from(u32::MAX));
            match call_flags as u32 {
                FS_IOC_FSSETXATTR => detail.extended_flags = flags,
                _ => detail.inode_flags = flags,
            }
        }
        FileOperation::SetFlags => {
            (detail.flags, detail.extended_flags) = (Some(call_flags & u64::from(u32::MAX)), Some(first));
        }
        FileOperation::SetMountAttributes => {
            detail.flags = Some(call_flags & u64::from(u32::MAX));
            (detail.set, detail.cleared) = (Some(first), Some(second));
            detail.propagation = Some(call_flags >> 32).filter(|propagation| *propagation != 0);
        }
        _ => {}
    }
    detail
}

fn operation_of(code: u32) -> Option<FileOperation> {
    Some(match code {
        operation::OPEN => FileOperation::Open,
        operation::CREATE => FileOperation::Create,
        operation::TRUNCATE => FileOperation::Truncate,
        operation::READ => FileOperation::Read,
        operation::WRITE | operation::TRANSFER => FileOperation::Write,
        operation::READ_DIRECTORY => FileOperation::ReadDirectory,
        operation::DELETE => FileOperation::Delete,
        operation::RMDIR => FileOperation::RemoveDirectory,
        operation::MKDIR => FileOperation::MakeDirectory,
        operation::RENAME => FileOperation::Rename,
        operation::LINK => FileOperation::Link,
        operation::SYMLINK => FileOperation::Symlink,
        operation::CHMOD => FileOperation::ChangeMode,
        operation::CHOWN => FileOperation::ChangeOwner,
        operation::UTIMENS => FileOperation::ChangeTimes,
        operation::SETXATTR => FileOperation::SetAttribute,
        operation::REMOVEXATTR => FileOperation::RemoveAttribute,
        operation::MKNOD => FileOperation::MakeNode,
        operation::MOUNT => FileOperation::Mount,
        operation::UMOUNT => FileOperation::Unmount,
        operation::CHDIR => FileOperation::ChangeDirectory,
        operation::CHROOT => FileOperation::ChangeRoot,
        operation::PIVOT_ROOT => FileOperation::PivotRoot,
        operation::STAT => FileOperation::Stat,
        operation::ACCESS => FileOperation::CheckAccess,
        operation::READLINK => FileOperation::ReadLink,
        operation::GETXATTR => FileOperation::GetAttribute,
        operation::LISTXATTR => FileOperation::ListAttributes,
        operation::WATCH => FileOperation::Watch,
        operation::QUOTACTL => FileOperation::Quota,
        operation::ACCT => FileOperation::Account,
        operation::SWAPON => FileOperation::StartSwap,
        operation::SWAPOFF => FileOperation::StopSwap,
        operation::CHATTR => FileOperation::SetFlags,
        operation::MOUNT_SETATTR => FileOperation::SetMountAttributes,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_a_name() {
        for code in (0..=u32::from(u8::MAX)).filter(|code| operation::is_change(*code)) {
            assert!(operation_of(code).is_some(), "{code}");
        }
    }
}
