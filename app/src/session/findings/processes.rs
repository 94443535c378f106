//! Rules about processes: what they execute, how they call themselves, where they live.

use super::{
    Fact, Found, Hit, Session,
    Severity::{High, Info, Low, Medium},
    rules::*,
};
use crate::{
    event::{Abi, BootNs, Namespaces, ProcessKey, Syscall},
    session::Process,
};

/// `open_by_handle_at` of both tables.
#[cfg(target_arch = "x86_64")]
pub(super) const OPEN_BY_HANDLE_AT: [Syscall; 2] =
    [Syscall { abi: Abi::Native, number: 304 }, Syscall { abi: Abi::Compat, number: 342 }];
/// `open_by_handle_at` of both tables.
#[cfg(target_arch = "aarch64")]
pub(super) const OPEN_BY_HANDLE_AT: [Syscall; 2] =
    [Syscall { abi: Abi::Native, number: 265 }, Syscall { abi: Abi::Compat, number: 371 }];

/// Names that threads of the kernel bear, or what they begin with.
const KERNEL_NAMES: [&str; 12] = [
    "kworker/",
    "ksoftirqd/",
    "migration/",
    "cpuhp/",
    "kthreadd",
    "kswapd",
    "kcompactd",
    "khugepaged",
    "rcu_preempt",
    "rcu_sched",
    "jbd2/",
    "scsi_eh_",
];

/// A name like those that `ps` shows of threads of the kernel: in brackets, or one of theirs. White space around it does not
/// show there.
pub(super) fn is_kernel_name(name: &[u8]) -> bool {
    let name = name.trim_ascii();
    let in_brackets = name.len() > 2 && name.starts_with(b"[") && name.ends_with(b"]");
    in_brackets || KERNEL_NAMES.iter().any(|known| name.starts_with(known.as_bytes()))
}

pub(super) fn look(session: &Session, key: ProcessKey, process: &Process, found: &mut Found) {
    names(session, key, process, found);
    fileless(session, key, process, found);
    namespaces(session, key, process, found);
    counted(key, process, found);
    if session.observation_ended && !session.root_is_alive() && session.is_still_running(process) {
        let (fact, at) = (Fact::Process(key), process.started_at);
        found.add(Hit { rule: &LEFT_RUNNING, severity: Low, process: key, fact, errno: None, at, count: 1 });
    }
}

fn names(session: &Session, key: ProcessKey, process: &Process, found: &mut Found) {
    let texts = session.texts();
    let first = process.executions.iter().filter_map(|execution| {
        let list = texts.list(*execution.argv.value()?);
        list.first().map(|id| (execution.at, *id))
    });
    // The last name may have been written into procfs, and not been set by a call.
    let last = process.name.map(|name| (process.started_at, name));
    for (at, name) in first.chain(last) {
        let name = texts.text(name);
        if is_kernel_name(&name) {
            let fact = Fact::Name(name);
            found.add(Hit {
                rule: &KERNEL_NAME,
                severity: High,
                process: key,
                fact,
                errno: None,
                at,
                count: 1,
            });
        }
    }
}

fn fileless(session: &Session, key: ProcessKey, process: &Process, found: &mut Found) {
    for execution in process.executions.iter().filter(|execution| execution.named_file().fileless()) {
        let file = execution.named_file();
        let path = file.path.path.value().map(|id| session.texts().text(*id));
        let fact = path.map_or(Fact::Process(key), Fact::Path);
        // One that had a name and lost it may be a program that was replaced while it was being started.
        let severity = if file.unlinked() && !is_in_memory(file) { Medium } else { High };
        found.add(Hit {
            rule: &FILELESS,
            severity,
            process: key,
            fact,
            errno: None,
            at: execution.at,
            count: 1,
        });
    }
}

/// Its mount belongs to no mount namespace: a memfd, for instance.
fn is_in_memory(file: &crate::session::KeptFile) -> bool {
    file.path.unreachable || file.facts.is_some_and(|facts| facts.unreachable)
}

/// Calls of which is only known that they were made, and how often.
fn counted(key: ProcessKey, process: &Process, found: &mut Found) {
    let hit = |rule, severity, errno, count| {
        let (fact, at) = (Fact::Process(key), process.started_at);
        Hit { rule, severity, process: key, fact, errno, at, count }
    };
    let is_by_handle = |call: Syscall| OPEN_BY_HANDLE_AT.contains(&call);
    let made = process.calls_made(is_by_handle);
    let refused = process.denied.iter().filter(|denied| is_by_handle(denied.call));
    let in_vain = refused.clone().fold(0, |sum: u64, denied| sum.saturating_add(denied.count));
    if made > in_vain {
        found.add(hit(&OPENED_BY_HANDLE, Medium, None, made - in_vain));
    }
    refused.for_each(|denied| found.add(hit(&OPENED_BY_HANDLE, Low, Some(denied.errno), denied.count)));
    let of_32_bit = process.calls_made(|call| call.abi == Abi::Compat);
    if of_32_bit > 0 {
        found.add(hit(&CALLS_32, Info, None, of_32_bit));
    }
}

/// What a namespace of any kind costs or hides of others is not known here, but for those that change what names mean.
fn telling(namespaces: &Namespaces) -> [u32; 4] {
    [namespaces.user, namespaces.mnt, namespaces.pid_for_children, namespaces.net]
}

fn namespaces(session: &Session, key: ProcessKey, process: &Process, found: &mut Found) {
    let states = |process: &Process| {
        let changes = process.credential_changes.iter().map(|change| telling(&change.credentials.namespaces));
        let first = process.credentials.as_ref().map(|first| telling(&first.namespaces));
        first.into_iter().chain(changes).collect::<Vec<_>>()
    };
    let own = states(process);
    let creator = process.created_by.or(process.parent).and_then(|parent| session.process(parent));
    let of_creator = creator.map(states).unwrap_or_default();
    let began_in_new = own
        .first()
        .is_some_and(|first| !of_creator.is_empty() && of_creator.iter().all(|one| differ(one, first)));
    let first_change: Option<BootNs> = process
        .credential_changes
        .iter()
        .skip(usize::from(process.credentials.is_none()))
        .zip(own.windows(2))
        .find(|(_, states)| differ(&states[0], &states[1]))
        .map(|(change, _)| change.at);
    let at = if began_in_new { Some(process.started_at) } else { first_change };
    if let Some(at) = at {
        let fact = Fact::Process(key);
        found.add(Hit { rule: &NAMESPACES, severity: Low, process: key, fact, errno: None, at, count: 1 });
    }
}

/// Two states in different namespaces. One that is not known (0, of a task that has none any more) is no other one.
fn differ(one: &[u32; 4], other: &[u32; 4]) -> bool {
    one.iter().zip(other).any(|(one, other)| one != other && *one != 0 && *other != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_kernel() {
        for name in ["[kworker/0:1]", "kworker/u8:2", "[x]", "kthreadd", "jbd2/sda1-8", " [x]\n"] {
            assert!(is_kernel_name(name.as_bytes()), "{name}");
        }
        for name in ["[", "[]", "kworks", "sh", "[ -f x", ""] {
            assert!(!is_kernel_name(name.as_bytes()), "{name}");
        }
    }
}
