//! Rules about files.

use std::sync::Arc;

use super::{
    Fact, Found, Hit, Rule, Session,
    Severity::{self, High, Info, Low, Medium},
    kin::Kin,
    places,
    rules::*,
};
use crate::{
    event::{FileOperation, FileOrigin, ProcessKey},
    session::{Done, FileRow},
};

/// Errors by which the kernel refuses: `EPERM`, `EACCES` and `EROFS` of `asm-generic/errno-base.h`.
const REFUSALS: [i32; 3] = [1, 13, 30];

pub(super) fn look(session: &Session, row: &FileRow<'_>, kin: &mut Kin, found: &mut Found) {
    let second = row.new_path.filter(|_| !is_mount(row));
    let first = if is_mount(row) { row.new_path.unwrap_or(row.path) } else { row.path };
    let paths = [Some(first), second].into_iter().flatten().filter_map(|path| path.value().copied());
    for path in paths {
        if let Some((rule, severity, errno)) = judge(session, row, path, kin) {
            found.add(Hit {
                rule,
                severity,
                process: row.process,
                fact: Fact::Path(Arc::from(path)),
                errno,
                at: row.first_at,
                count: 1,
            });
        }
    }
}

/// A mount is done to the mount point, and to nothing that it has for a source.
fn is_mount(row: &FileRow<'_>) -> bool {
    let (Done::Changed { operation, .. } | Done::Failed { operation, .. }) = row.done else { return false };
    operation == FileOperation::Mount
}

/// Whether a process was executed from a path.
fn was_executed_from(session: &Session, process: ProcessKey, path: &[u8]) -> bool {
    session.process(process).is_some_and(|process| {
        let mut named =
            process.executions.iter().filter_map(|execution| execution.named_file().path.path.value());
        named.any(|id| session.texts().bytes_of(*id) == path)
    })
}

fn judge(
    session: &Session,
    row: &FileRow<'_>,
    path: &[u8],
    kin: &mut Kin,
) -> Option<(&'static Rule, Severity, Option<i32>)> {
    if let Some(pid) = process_of_memory(path) {
        return memory(session, row, pid, kin);
    }
    if let Some(attempt) = attempt_to_change(row)
        && let Some(place) = places::place(path)
    {
        let severity = if attempt.is_some() { place.refused } else { place.changed };
        return Some((place.rule, severity, attempt));
    }
    match row.done {
        Done::Changed { operation: FileOperation::ChangeRoot | FileOperation::PivotRoot, .. } => {
            Some((&ROOT_CHANGED, Low, None))
        }
        Done::Changed { operation: FileOperation::SetMountAttributes, .. } => Some((&MOUNTED, Low, None)),
        Done::Changed { operation: FileOperation::Mount, detail, .. } => {
            (!detail.only_propagates()).then_some((&MOUNTED, Low, None))
        }
        Done::Changed { operation: FileOperation::Delete, .. }
            if was_executed_from(session, row.process, path) =>
        {
            Some((&SELF_DELETED, Medium, None))
        }
        _ => None,
    }
}

/// Whether a use changed a file, or made ready to.
fn is_meant_to_change(row: &FileRow<'_>) -> bool {
    match &row.done {
        Done::Used { totals, origin, for_writing, .. } => {
            let opened = *for_writing && *origin == FileOrigin::Opened;
            opened || totals.writes | totals.creates | totals.truncates | totals.writable_maps != 0
        }
        Done::Changed { operation: FileOperation::Mount, detail, .. } => !detail.only_propagates(),
        Done::Changed { operation, .. } => {
            !matches!(operation, FileOperation::ChangeDirectory | FileOperation::Open)
        }
        Done::Failed { .. } => false,
    }
}

/// The errno of an attempt to change a file that was refused, none within if it was not; `None` of what was no attempt.
fn attempt_to_change(row: &FileRow<'_>) -> Option<Option<i32>> {
    match row.done {
        Done::Failed { operation, errno, .. } => {
            let asks = matches!(
                operation,
                FileOperation::Stat
                    | FileOperation::CheckAccess
                    | FileOperation::ReadLink
                    | FileOperation::GetAttribute
                    | FileOperation::ListAttributes
                    | FileOperation::Watch
                    | FileOperation::Quota
            );
            (!asks && REFUSALS.contains(&errno)).then_some(Some(errno))
        }
        _ => is_meant_to_change(row).then_some(None),
    }
}

/// The process whose memory a path leads to: `/proc/PID/mem`, or that of a thread.
fn process_of_memory(path: &[u8]) -> Option<u32> {
    let rest = path.strip_prefix(b"/proc/")?;
    let mut parts = rest.split(|byte| *byte == b'/');
    let pid = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let is_memory = match parts.next()? {
        b"mem" => parts.next().is_none(),
        b"task" => parts.nth(1) == Some(b"mem") && parts.next().is_none(),
        _ => false,
    };
    is_memory.then_some(pid)
}

fn memory(
    session: &Session,
    row: &FileRow<'_>,
    pid: u32,
    kin: &mut Kin,
) -> Option<(&'static Rule, Severity, Option<i32>)> {
    // As numbered by the procfs that it was opened in, which is nearly always that of the process's own namespace.
    let own = session.process(row.process).and_then(|known| known.namespace_pid);
    if row.process.tgid == pid || own == Some(pid) {
        return None;
    }
    let target = kin.by_number(session, pid);
    let is_observer = target.is_none() && session.observer == Some(pid);
    let errno = match row.done {
        Done::Failed { operation: FileOperation::Open, errno, .. } => Some(errno),
        Done::Failed { .. } => return None,
        _ => None,
    };
    let is_own = target.is_some_and(|target| kin.is_descendant(session, target, row.process));
    Some(if is_observer {
        (&OBSERVER, High, errno)
    } else if is_meant_to_change(row) {
        (
            &INJECTION,
            if is_own {
                Low
            } else if target.is_some() {
                Medium
            } else {
                High
            },
            errno,
        )
    } else {
        (
            &MEMORY_READ,
            if is_own {
                Info
            } else if target.is_some() {
                Low
            } else {
                Medium
            },
            errno,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_what_else_is_in_procfs() {
        let check = |path: &str, expected| assert_eq!(process_of_memory(path.as_bytes()), expected, "{path}");
        check("/proc/7/mem", Some(7));
        check("/proc/7/task/8/mem", Some(7));
        check("/proc/7/mem/x", None);
        check("/proc/7/maps", None);
        check("/proc/self/mem", None);
        check("/srv/proc/7/mem", None);
    }
}
