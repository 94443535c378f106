//! Events about files.

use glasshouse_common::{
    FileChangeRecord, FileFailedRecord, FileRecord, Header, RingResultRecord, flags, kind, limits, operation,
    syscall::{FS_IOC_FSSETXATTR, FileCall, NO_ARGUMENT, TABLE_LEN},
};

use super::{
    event, file_facts, syscall,
    texts::{Text, Texts, Walk, plain_text, resolved_path, walked_path},
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
    // With which flags is not told: what has no slash is rather a name than what is to be bound.
    let is_name = |source: &Vec<u8>| !source.is_empty() && !source.contains(&b'/');
    let source_name =
        source_name(operation, word, texts).filter(|source| source.path.value().is_some_and(is_name));
    let follows = record.flags & flags::CHANGE_FOLLOWS != 0;
    let (path, new_path) = if follows && record.flags & (flags::CHANGE_BASE | flags::CHANGE_NO_BASE) == 0 {
        (Some(by_argument(Observed::Complete(normal(b"", argument)))), None)
    } else {
        if follows {
            // What it is relative to was sent before.
            let text = texts.of(kind::TEXT_ARGUMENT);
            (text.bytes, text.total) = (argument.to_vec(), argument.len() as u32);
        }
        paths(record.flags, texts)
    };
    let mut path = source_name.or(path).unwrap_or_else(lost);
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
    let (mut path, mut new_path) = paths(record.flags, texts);
    if source_name.is_some() {
        path = source_name;
    }
    if operation == FileOperation::Symlink {
        new_path = path.take();
    }
    let target = match path {
        _ if record.access != 0 => ChangeTarget::Access(record.access),
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
        detail: detail(operation, record, word),
        call,
        unconfirmed: None,
    })))
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
    let source = &texts.get(kind::TEXT_ARGUMENT)?.bytes;
    (!source.starts_with(b"/")).then(|| by_argument(Observed::Complete(source.clone())))
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

/// A path of which nothing arrived.
pub(in crate::observe) fn lost() -> ResolvedPath {
    by_argument(Observed::Unreadable(Unreadable::Lost))
}

fn by_argument(path: Observed<Vec<u8>>) -> ResolvedPath {
    ResolvedPath { path, in_root: None, source: PathSource::Argument, unlinked: false, unreachable: false }
}

/// The two paths of a call, as far as it has them.
fn paths(bits: u32, texts: &mut Texts) -> (Option<ResolvedPath>, Option<ResolvedPath>) {
    let base = (bits & flags::CHANGE_BASE != 0).then(|| texts.remove(kind::TEXT_BASE));
    let nowhere = by_argument(Observed::Unreadable(Unreadable::NotAvailable));
    let path = if bits & flags::CHANGE_NO_BASE != 0 {
        texts.remove(kind::TEXT_ARGUMENT);
        Some(nowhere.clone())
    } else if bits & flags::CHANGE_RESOLVED != 0 {
        Some(reached(resolved_path(base.flatten())))
    } else {
        let is_root = bits & flags::CHANGE_IN_ROOT != 0;
        (bits & flags::CHANGE_ARGUMENT != 0)
            .then(|| join_argument(base, texts.remove(kind::TEXT_ARGUMENT), is_root))
    };
    let new_base = (bits & flags::CHANGE_NEW_BASE != 0).then(|| texts.remove(kind::TEXT_NEW_BASE));
    let new_path = (bits & flags::CHANGE_NEW_ARGUMENT != 0)
        .then(|| join_argument(new_base, texts.remove(kind::TEXT_NEW_ARGUMENT), false));
    let new_path = if bits & flags::CHANGE_NO_BASE << 2 != 0 { Some(nowhere) } else { new_path };
    (path, new_path)
}

/// A path argument, made absolute against what it is relative to: nothing but its own slash if `base` is absent. With
/// `is_root` that stands for the root directory.
pub(super) fn join_argument(
    base: Option<Option<Text>>,
    argument: Option<Text>,
    is_root: bool,
) -> ResolvedPath {
    let argument = plain_text(argument);
    let Some(base) = base else { return by_argument(argument.map(|text| normal(b"", &text))) };
    let base = resolved_path(base);
    let (Observed::Complete(root) | Observed::Truncated { value: root, .. }) = &base.path else {
        return match argument.value() {
            Some(_) => lost(),
            None => by_argument(argument),
        };
    };
    let is_absolute = argument.value().is_some_and(|text| text.starts_with(b"/"));
    // `..` does not lead out of the process's own root directory.
    let (outside, inside): (&[u8], &[u8]) = match &base.in_root {
        _ if is_absolute || is_root => (root, b""),
        // The root directory itself.
        Some(inside) if inside == b"/" => (root, b""),
        Some(inside) if root.ends_with(inside) => (&root[..root.len() - inside.len()], inside),
        _ => (b"", root),
    };
    let outside = outside.strip_suffix(b"/").unwrap_or(outside);
    let in_root = (!outside.is_empty() || base.in_root.is_some())
        .then(|| argument.value().map(|text| normal(inside, text)))
        .flatten();
    let in_root = if is_root {
        let own = base.in_root.as_ref().zip(in_root);
        own.map(|(own, below)| normal(own, &below))
    } else {
        in_root
    };
    let path = argument.map(|text| {
        let inside = normal(inside, &text);
        match outside {
            b"" => inside,
            _ if inside == b"/" => outside.to_vec(),
            _ => [outside, &inside].concat(),
        }
    });
    let path = match (path, &base.path) {
        (Observed::Complete(value), Observed::Truncated { length, .. }) => {
            // What the argument has added or taken back.
            let length = length.saturating_add(value.len() as u64).saturating_sub(root.len() as u64);
            Observed::Truncated { length, value }
        }
        (path, _) => path,
    };
    let unlinked = base.unlinked;
    reached(ResolvedPath {
        path,
        in_root,
        source: PathSource::Argument,
        unlinked,
        unreachable: base.unreachable,
    })
}

/// The same path, but without a slash at its beginning where that is not the root directory: what has no name (a pipe, a
/// memfd), a mount that is nowhere.
fn reached(path: ResolvedPath) -> ResolvedPath {
    if !path.unreachable {
        return path;
    }
    let relative = path.path.map(|path| match path.strip_prefix(b"/").unwrap_or(&path) {
        b"" => b".".to_vec(),
        relative => relative.to_vec(),
    });
    ResolvedPath { path: relative, ..path }
}

/// `path` below `base`, without `.`, `..` and doubled slashes: by its letters alone, so that a `..` behind a symbolic
/// link is taken back the way it was written.
fn normal(base: &[u8], path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(base.len() + path.len() + 2);
    for path in [base, path] {
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => normal.truncate(normal.iter().rposition(|byte| *byte == b'/').unwrap_or_default()),
                name => {
                    normal.push(b'/');
                    normal.extend_from_slice(name);
                }
            }
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], in_root: u32) -> Option<Text> {
        Some(Text { bytes: bytes.to_vec(), total: bytes.len() as u32, in_root, ..Text::default() })
    }

    fn joined(base: Option<&[u8]>, in_root: u32, argument: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let path = join_argument(base.map(|base| text(base, in_root)), text(argument, u32::MAX), false);
        let Observed::Complete(value) = path.path else { panic!("{:?}", path.path) };
        (value, path.in_root)
    }

    #[test]
    fn arguments_are_made_absolute() {
        let whole = u32::MAX;
        assert_eq!(joined(None, whole, b"//a/./b/../c/"), (b"/a/c".to_vec(), None));
        assert_eq!(joined(None, whole, b"/../.."), (b"/".to_vec(), None));
        assert_eq!(joined(Some(b"work\0home\0"), 10, b"x/../../y"), (b"/home/y".to_vec(), None));
        assert_eq!(joined(Some(b"work\0home\0"), 10, b"."), (b"/home/work".to_vec(), None));
    }

    #[test]
    fn a_root_directory_of_its_own_is_not_left() {
        // cwd /jail/a, root /jail.
        let cwd: &[u8] = b"a\0jail\0";
        assert_eq!(joined(Some(cwd), 2, b"b"), (b"/jail/a/b".to_vec(), Some(b"/a/b".to_vec())));
        assert_eq!(joined(Some(cwd), 2, b"../../../b"), (b"/jail/b".to_vec(), Some(b"/b".to_vec())));
        // From the root directory itself.
        assert_eq!(joined(Some(b"jail\0"), 0, b"../b"), (b"/jail/b".to_vec(), Some(b"/b".to_vec())));
        // An absolute path, relative to the root itself.
        assert_eq!(joined(Some(b"jail\0"), 0, b"/etc/../b"), (b"/jail/b".to_vec(), Some(b"/b".to_vec())));
        assert_eq!(joined(Some(b"jail\0"), 0, b"/"), (b"/jail".to_vec(), Some(b"/".to_vec())));
    }

    #[test]
    fn a_directory_that_stands_for_the_root_is_not_left() {
        let joined = |base: &[u8], in_root, argument| {
            let path = join_argument(Some(text(base, in_root)), text(argument, u32::MAX), true);
            (path.path, path.in_root)
        };
        assert_eq!(joined(b"a\0w\0", u32::MAX, b"/../b"), (Observed::Complete(b"/w/a/b".to_vec()), None));
        assert_eq!(joined(b"a\0w\0", u32::MAX, b"../../b"), (Observed::Complete(b"/w/a/b".to_vec()), None));
        assert_eq!(
            joined(b"a\0jail\0", 2, b"/b"),
            (Observed::Complete(b"/jail/a/b".to_vec()), Some(b"/a/b".to_vec()))
        );
        assert_eq!(joined(b"", u32::MAX, b"/b"), (Observed::Complete(b"/b".to_vec()), None));
    }

    #[test]
    fn what_no_name_leads_to_has_no_absolute_path() {
        let joined = |base: &[u8], argument| {
            let base = Text { flags: flags::PATH_UNREACHABLE, ..text(base, u32::MAX).unwrap_or_default() };
            let path = join_argument(Some(Some(base)), text(argument, u32::MAX), false);
            (path.path, path.unreachable)
        };
        assert_eq!(joined(b"memfd:a\0", b"b"), (Observed::Complete(b"memfd:a/b".to_vec()), true));
        assert_eq!(joined(b"", b"../b"), (Observed::Complete(b"b".to_vec()), true));
        assert_eq!(joined(b"c\0a\0", b"../b"), (Observed::Complete(b"a/b".to_vec()), true));
        assert_eq!(joined(b"", b"."), (Observed::Complete(b".".to_vec()), true));
    }

    #[test]
    fn every_change_has_a_name() {
        for code in (0..=u32::from(u8::MAX)).filter(|code| operation::is_change(*code)) {
            assert!(operation_of(code).is_some(), "{code}");
        }
    }

    #[test]
    fn what_was_lost_is_said() {
        let base_lost = join_argument(Some(None), text(b"x", u32::MAX), false);
        assert_eq!(base_lost.path, Observed::Unreadable(Unreadable::Lost));
        let argument_lost = join_argument(None, None, false);
        assert_eq!(argument_lost.path, Observed::Unreadable(Unreadable::Lost));
    }
}
