//! Rules about files.

use std::sync::Arc;

use super::{
    Fact, Found, Hit, Rule, Session,
    Severity::{self, High, Info, Low, Medium},
    places,
    rules::*,
};
use crate::{
    event::{FileOperation, FileOrigin, ProcessKey},
    maps::HashMap,
    session::{Done, FileRow},
};

/// Errors by which the kernel refuses: `EPERM`, `EACCES` and `EROFS` of `asm-generic/errno-base.h`.
const REFUSALS: [i32; 3] = [1, 13, 30];

pub(super) fn look(session: &Session, found: &mut Found) {
    let executed = executed(session);
    let rows = session.file_rows();
    for row in rows.ids().filter_map(|id| rows.get(id)) {
        let paths =
            [Some(row.path), row.new_path].into_iter().flatten().filter_map(|path| path.value().copied());
        for path in paths {
            if let Some((rule, severity, errno)) = judge(session, &executed, &row, path) {
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
}

/// The paths that each process was executed from.
fn executed(session: &Session) -> HashMap<ProcessKey, Vec<&[u8]>> {
    let paths =
        session.processes().filter(|(_, process)| !process.executions.is_empty()).map(|(key, process)| {
            let named =
                process.executions.iter().filter_map(|execution| execution.named_file().path.path.value());
            (key, named.map(|id| session.texts().bytes_of(*id)).collect())
        });
    paths.collect()
}

fn judge(
    session: &Session,
    executed: &HashMap<ProcessKey, Vec<&[u8]>>,
    row: &FileRow<'_>,
    path: &[u8],
) -> Option<(&'static Rule, Severity, Option<i32>)> {
    if let Some(pid) = process_of_memory(path) {
        return memory(session, row, pid);
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
        Done::Changed { operation: FileOperation::Mount, .. } => Some((&MOUNTED, Low, None)),
        Done::Changed { operation: FileOperation::Delete, .. }
            if executed.get(&row.process).is_some_and(|paths| paths.contains(&path)) =>
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
                FileOperation::Stat | FileOperation::CheckAccess | FileOperation::ReadLink
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

fn memory(session: &Session, row: &FileRow<'_>, pid: u32) -> Option<(&'static Rule, Severity, Option<i32>)> {
    // As numbered by the procfs that it was opened in, which is nearly always that of the process's own namespace.
    let is = |key: ProcessKey| {
        key.tgid == pid || session.process(key).is_some_and(|known| known.namespace_pid == Some(pid))
    };
    if is(row.process) {
        return None;
    }
    let target = session.processes().map(|(key, _)| key).find(|key| is(*key));
    let is_observer = target.is_none() && session.observer == Some(pid);
    let errno = match row.done {
        Done::Failed { operation: FileOperation::Open, errno, .. } => Some(errno),
        Done::Failed { .. } => return None,
        _ => None,
    };
    let is_own = target.is_some_and(|target| session.is_descendant(target, row.process));
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
