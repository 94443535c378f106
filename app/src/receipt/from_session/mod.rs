//! From the session and the facts of the run to the receipt. Pure.

mod calls;
mod filesystem;
mod findings;
mod network;
mod observation;
mod process;
mod sockets;
mod texts;

use std::{collections::BTreeMap, mem::take, sync::Arc};

use super::{
    Receipt,
    schema::{
        CallCounts, Command, Denied, Executable, ExecutionSummary, File, Host, Milliseconds, NotableCall,
        Outcome, OutcomeStatus, Process, Reason, RunResources, SCHEMA_VERSION, Sha256, Syscalls, Timestamp,
        Tool, User,
    },
};
use crate::{
    event::{BootNs, ProcessKey, Syscall},
    facts::{self, RunFacts},
    maps::HashMap,
    names,
    session::{Remains, Session},
    syscalls,
};

/// How its texts are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiptOptions {
    /// Variables have values, and not their SHA-256.
    pub env_values: bool,
    /// Parts of texts may have been removed.
    pub redacts: bool,
}

/// Makes the receipt. What it does not need any more of what it is given goes as soon as that is so: of a run with very
/// many files each list is large.
pub fn from_session(
    session: &Session,
    mut remains: Remains,
    mut facts: RunFacts,
    options: &ReceiptOptions,
) -> Receipt {
    let mut texts = texts::Texts::new(session.texts(), options);
    let command_argv = texts.command_argv(&facts.command.argv);
    let command_cwd = texts.redacted(&facts.command.cwd, || "/command/cwd".into());
    let command_environment = texts.command_environment(&facts.command.environment);
    let error = facts.execution.outcome.error.as_deref().map(str::as_bytes);
    let error = error.map(|error| texts.redacted(error, || "/execution/outcome/error".into()));
    let executable = facts
        .command
        .executable
        .as_deref()
        .map(|path| texts.redacted(path, || "/command/executable/path".into()));

    let clock = Clock(facts.boot_to_unix_ns);
    let order = order(session);
    let ids: HashMap<ProcessKey, u64> = order.iter().copied().zip(1..).collect();
    let mut builder = process::Builder::new(session, clock, &ids, &mut texts);
    let processes: Vec<Process> =
        order.iter().enumerate().map(|(index, key)| builder.process(index, *key)).collect();
    let mut builder = filesystem::Builder::new(clock, &ids, &mut texts);
    let artifacts = builder.artifacts(take(&mut remains.left_behind), take(&mut facts.artifacts));
    let filesystem = builder.filesystem(session.files_with(&remains));
    drop(remains);
    let network = network::Builder::new(clock, &ids, &mut texts).network(session.network());
    let (found, calls) = session.findings_and_calls();
    let mut builder = calls::Builder::new(clock, &ids, &mut texts);
    let notable = builder.calls(&calls);
    let findings = findings::findings(&mut builder, &found);
    let started =
        processes.first().and_then(|root| root.executions.first()).filter(|_| session.root().is_some());

    Receipt {
        schema_version: SCHEMA_VERSION,
        receipt_id: take(&mut facts.receipt_id),
        tool: Tool {
            name: facts.tool.name.clone(),
            version: facts.tool.version.clone(),
            bpf_object_sha256: Sha256(facts.tool.bpf_object_sha256),
        },
        command: Command {
            argv: command_argv,
            cwd: command_cwd,
            user: user(&facts.command.user),
            executable_reason: executable.is_none().then_some(Reason::None),
            executable: executable
                .map(|path| executable_file(path, started.map(|execution| &execution.file))),
            environment: command_environment,
        },
        host: host(&facts.host),
        execution: execution(
            &facts.execution,
            clock,
            session.root().and_then(|root| ids.get(&root).copied()),
            error,
        ),
        observation: observation::observation(session, &facts, &found),
        syscalls: syscalls(session, &order, notable),
        processes,
        filesystem,
        network,
        artifacts,
        findings,
        redactions: texts.redactions,
    }
}

/// Turns boot time into calendar time.
#[derive(Clone, Copy, Debug)]
struct Clock(i64);

impl Clock {
    fn timestamp(self, at: BootNs) -> Timestamp {
        Timestamp(i64::try_from(at).unwrap_or(i64::MAX).saturating_add(self.0))
    }
}

/// The order of the receipt: the root, then by start and pid.
fn order(session: &Session) -> Vec<ProcessKey> {
    let mut keys: Vec<_> = session.processes().map(|(key, process)| (process.started_at, key)).collect();
    keys.sort_unstable_by_key(|(start, key)| (Some(*key) != session.root(), *start, key.tgid, key.start));
    keys.into_iter().map(|(_, key)| key).collect()
}

/// Entries of the session whose memory is given back at once, when they have become entries of the receipt.
const GIVEN_BACK: usize = 8_192;

/// Takes entries of the session one by one, with their positions. Their list and that of the receipt are both large: its
/// memory is given back on the way.
fn give_back<T>(mut entries: Vec<T>) -> impl Iterator<Item = (usize, T)> {
    entries.reverse();
    (0..).map_while(move |index: usize| {
        let entry = entries.pop()?;
        if index.is_multiple_of(GIVEN_BACK) {
            entries.shrink_to_fit();
        }
        Some((index, entry))
    })
}

/// Splits a value from the reason why there is none.
fn split<T>(value: Result<T, Reason>) -> (Option<T>, Option<Reason>) {
    match value {
        Ok(value) => (Some(value), None),
        Err(reason) => (None, Some(reason)),
    }
}

/// The reason why an optional fact is null, if it is.
fn unless<T>(value: &Option<T>, reason: Reason) -> Option<Reason> {
    value.is_none().then_some(reason)
}

fn user(user: &facts::UserFacts) -> User {
    User {
        uid: user.uid,
        gid: user.gid,
        name: user.name.clone(),
        name_reason: unless(&user.name, Reason::None),
    }
}

fn executable_file(path: super::schema::Bytes, file: Option<&File>) -> Executable {
    match file {
        Some(file) => Executable {
            path,
            sha256: file.sha256,
            sha256_reason: file.sha256_reason,
            size_bytes: file.size_bytes,
            size_bytes_reason: file.size_bytes_reason,
        },
        None => Executable {
            path,
            sha256: None,
            sha256_reason: Some(Reason::NotStarted),
            size_bytes: None,
            size_bytes_reason: Some(Reason::NotStarted),
        },
    }
}

fn host(host: &facts::HostFacts) -> Host {
    Host {
        kernel: host.kernel.clone(),
        architecture: host.architecture.clone(),
        os: host.os.clone(),
        os_reason: unless(&host.os, Reason::NotAvailable),
        hostname: host.hostname.clone(),
        hostname_reason: unless(&host.hostname, Reason::NotAvailable),
        boot_id: host.boot_id.clone(),
        boot_id_reason: unless(&host.boot_id, Reason::NotAvailable),
        lsm: host.lsm.clone(),
        lsm_reason: unless(&host.lsm, Reason::NotAvailable),
        virtualization: host.virtualization.clone(),
        virtualization_reason: unless(&host.virtualization, Reason::None),
    }
}

fn execution(
    run: &facts::ExecutionFacts,
    clock: Clock,
    root: Option<u64>,
    error: Option<super::schema::Bytes>,
) -> ExecutionSummary {
    let outcome = &run.outcome;
    let resources = run.resources.map(|used| RunResources {
        user_ms: Milliseconds(used.user_ns),
        system_ms: Milliseconds(used.system_ns),
        max_rss_bytes: used.max_rss_bytes,
    });
    let not_run = if outcome.status == facts::OutcomeStatus::FailedToStart || run.root_pid.is_none() {
        Reason::NotStarted
    } else {
        Reason::Ended
    };
    ExecutionSummary {
        backend: run.backend.clone(),
        isolation: run.isolation.clone(),
        root_pid: run.root_pid,
        root_pid_reason: unless(&run.root_pid, Reason::NotStarted),
        root_process: root,
        root_process_reason: unless(&root, not_run),
        started_at: clock.timestamp(run.started_at),
        finished_at: clock.timestamp(run.finished_at),
        duration_ms: Milliseconds(run.finished_at.saturating_sub(run.started_at)),
        outcome: Outcome {
            status: status(outcome.status),
            exit_code: outcome.exit_code,
            signal: outcome.signal,
            signal_name: outcome.signal.map(names::signal),
            core_dumped: outcome.core_dumped,
            error,
        },
        resources,
        resources_reason: unless(&resources, not_run),
    }
}

fn status(status: facts::OutcomeStatus) -> OutcomeStatus {
    match status {
        facts::OutcomeStatus::Exited => OutcomeStatus::Exited,
        facts::OutcomeStatus::Signaled => OutcomeStatus::Signaled,
        facts::OutcomeStatus::FailedToStart => OutcomeStatus::FailedToStart,
        facts::OutcomeStatus::TimedOut => OutcomeStatus::TimedOut,
        facts::OutcomeStatus::Interrupted => OutcomeStatus::Interrupted,
        facts::OutcomeStatus::ObserverFailed => OutcomeStatus::ObserverFailed,
    }
}

fn syscalls(session: &Session, order: &[ProcessKey], notable: Vec<NotableCall>) -> Syscalls {
    let mut totals: BTreeMap<Syscall, u64> = BTreeMap::new();
    let mut denied = Vec::new();
    for (id, process) in (1..).zip(order.iter().filter_map(|key| session.process(*key))) {
        for &(call, count) in process.syscalls.iter() {
            let total = totals.entry(call).or_default();
            *total = total.saturating_add(count);
        }
        let calls = process.denied.iter().map(|calls| Denied {
            name: syscalls::name(calls.call),
            errno: names::errno(calls.errno),
            count: calls.count,
            process: id,
        });
        denied.extend(calls);
    }
    denied.sort_by(|a, b| (a.process, &a.name, &a.errno).cmp(&(b.process, &b.name, &b.errno)));
    Syscalls {
        total: totals.values().fold(0, |sum, count| sum.saturating_add(*count)),
        by_name: CallCounts(Arc::from_iter(totals)),
        denied,
        notable,
    }
}

#[cfg(test)]
pub(crate) mod tests;
