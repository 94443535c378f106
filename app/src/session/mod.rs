//! The state that events add up to: one owner, fed by [`Session::apply`], read by everybody else.
//!
//! Events of one ring arrive in the order in which they happened; between rings there is no order. A process can
//! therefore be named before its creation is known, and its totals can come after its end. Whatever the order, the
//! state at the end is the same.

mod calls;
mod caps;
mod files;
mod findings;
mod network;
mod process;
mod shared;
mod texts;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::Arc,
};

use calls::Calls;
pub use calls::{CallEntry, Whom};
pub use caps::*;
use files::Files;
pub use files::{
    ChangeEntry, Done, FailedEntry, FileEntry, FileKind, FileRow, FileRowId, FileRowIds, FileRows, FileUse,
    FilesView, LeftBehind, LeftChange, Remains, Standing, Text, TextRef, add_count,
};
pub use findings::{Evidence, Fact, Finding, Findings, RULES, Rule, Search, Severity};
use network::Network;
pub use network::*;
use process::grow;
pub use process::{
    CredentialChange, DeniedCalls, Ended, Execution, FailedExecution, Hashed, KeptFile, KeptPath, Origin,
    Process,
};
use shared::Shared;
pub use texts::{ListId, TextId, Texts};

use crate::event::{
    BootNs, CredentialCall, Credentials, Denied, Event, EventKind, Exec, ExecFailed, ExecutedFile, Exit,
    Fork, Observed, ProcessKey, Syscall,
};

/// What is known of a run so far.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    caps: Caps,
    /// By key, that is by start and pid.
    processes: BTreeMap<ProcessKey, Box<Process>>,
    root: Option<ProcessKey>,
    texts: Texts,
    credentials: Shared<Credentials>,
    files: Shared<KeptFile>,
    paths: Shared<KeptPath>,
    accesses: Files,
    network: Network,
    calls: Calls,
    /// Pid of glasshouse, in its own pid namespace.
    observer: Option<u32>,
    /// Of all processes: those created beyond the cap.
    untracked: u64,
    live: u64,
    /// Parents that were refused because they are younger than their child.
    impossible_parents: u64,
    observation_ended: bool,
    tallies: Tallies,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tallies {
    executions: Tally,
    failed_executions: Tally,
    credential_changes: Tally,
    syscalls: Tally,
    denied: Tally,
}

impl Default for Session {
    fn default() -> Self {
        Self::with_caps(Caps::default())
    }
}

impl Session {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing known yet, and other caps than the usual.
    pub fn with_caps(caps: Caps) -> Self {
        Self {
            caps,
            processes: BTreeMap::new(),
            root: None,
            texts: Texts::new(caps.text_bytes),
            credentials: Shared::default(),
            files: Shared::default(),
            paths: Shared::default(),
            accesses: Files::new(&caps),
            network: Network::new(&caps),
            calls: Calls::new(&caps),
            observer: None,
            untracked: 0,
            live: 0,
            impossible_parents: 0,
            observation_ended: false,
            tallies: Tallies::default(),
        }
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        let key = event.process;
        match &event.kind {
            EventKind::Fork(fork) => self.fork(key, fork),
            EventKind::Exec(exec) => self.exec(key, event.at, exec),
            EventKind::ExecFailed(failed) => self.exec_failed(key, event.at, failed),
            EventKind::Exit(exit) => self.exit(key, event.at, exit),
            EventKind::Credentials(call) => self.credential_call(event, call),
            EventKind::SyscallTotals(totals) => self.syscall_totals(key, totals),
            EventKind::Denied(denied) => self.denied(key, denied),
            EventKind::ExecutableHashed(result) => {
                if let Some(process) = self.process_mut(key) {
                    process.hashed(result);
                }
            }
            EventKind::FileSeen(seen) => {
                self.process_mut(key);
                self.accesses.seen(key, event.at, seen);
            }
            EventKind::FileTotals(totals) => {
                if !self.network.totals(totals) && !self.calls.totals(totals) {
                    self.accesses.totals(totals);
                }
            }
            EventKind::FileChanged(changed) => {
                self.process_mut(key);
                self.accesses.changed(key, event.at, changed);
            }
            EventKind::FileFailed(failed) => {
                self.process_mut(key);
                self.accesses.failed(key, event.at, failed);
            }
            EventKind::Called(called) => self.called(key, event.at, called),
            EventKind::Flow(_)
            | EventKind::SocketUsed(_)
            | EventKind::UnixSocket(_)
            | EventKind::SocketFailed(_)
            | EventKind::Dns(_)
            | EventKind::Said(_) => self.socket_event(event),
            // It has been said already what it means.
            EventKind::Payload(_) => {}
        }
    }

    /// Says which processes were alive when observation ended, so that one that lives on can be told from one whose
    /// end was lost.
    pub fn observation_ended(&mut self, alive: &[ProcessKey]) {
        self.observation_ended = true;
        for key in alive {
            if let Some(process) = self.process_mut(*key) {
                process.alive_at_end = true;
            }
        }
    }

    /// The root process, once its first exec was seen.
    pub fn root(&self) -> Option<ProcessKey> {
        self.root
    }

    /// The root was seen to exec and not yet to end.
    pub fn root_is_alive(&self) -> bool {
        self.root.and_then(|root| self.process(root)).is_some_and(|root| root.ended.is_none())
    }

    /// Processes that were not seen to end, oldest first.
    pub fn live(&self) -> impl Iterator<Item = ProcessKey> {
        self.processes.iter().filter(|(_, process)| process.ended.is_none()).map(|(key, _)| *key)
    }

    /// How many processes were not seen to end.
    pub fn live_count(&self) -> u64 {
        self.live
    }

    /// How many processes there were, ended ones included.
    pub fn process_count(&self) -> u64 {
        (self.processes.len() as u64).saturating_add(self.untracked)
    }

    /// All processes that were kept, oldest first.
    pub fn processes(&self) -> impl Iterator<Item = (ProcessKey, &Process)> {
        self.processes.iter().map(|(key, process)| (*key, &**process))
    }

    /// Those after one, or all.
    fn processes_after(&self, last: Option<ProcessKey>) -> impl Iterator<Item = (ProcessKey, &Process)> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.processes.range((after, Bound::Unbounded)).map(|(key, process)| (*key, &**process))
    }

    /// One process.
    pub fn process(&self, key: ProcessKey) -> Option<&Process> {
        self.processes.get(&key).map(|process| &**process)
    }

    /// The texts that processes refer to.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Whether a process without an end was alive when observation ended; before that, it is taken to be alive.
    pub fn is_still_running(&self, process: &Process) -> bool {
        process.ended.is_none() && (process.alive_at_end || !self.observation_ended)
    }

    /// Parents that were refused because they were not older than their child. Only forged or damaged records do
    /// that.
    pub fn impossible_parents(&self) -> u64 {
        self.impossible_parents
    }

    /// Uses of files that have totals, and of which the first use was not recorded.
    pub fn unannounced_accesses(&self) -> u64 {
        let refused = self.network.has_refused_failures() || self.calls.has_refused();
        if refused { 0 } else { self.accesses.unannounced() }
    }

    /// What is known of sockets by now.
    pub fn network(&self) -> NetworkView {
        NetworkView::new(&self.network).with_ended_peers(self)
    }

    /// Every list that has a cap.
    pub fn limits(&self) -> Vec<Limit> {
        let kept = self.processes.len() as u64;
        let processes = Tally { seen: self.process_count(), kept };
        let tallies = &self.tallies;
        let own = [
            ("processes", processes),
            ("processes[].executions", tallies.executions),
            ("processes[].failed_executions", tallies.failed_executions),
            ("processes[].credential_changes", tallies.credential_changes),
            ("processes[].syscalls", tallies.syscalls),
            ("syscalls.denied", tallies.denied),
            ("text_bytes", self.texts.bytes()),
        ];
        own.into_iter()
            .chain(self.accesses.limits())
            .chain(self.network.limits())
            .chain([("syscalls.notable", self.calls.tally())])
            .map(|(list, tally)| Limit { list, tally })
            .collect()
    }

    /// The process, made if need be; `None` when there are too many.
    fn process_mut(&mut self, key: ProcessKey) -> Option<&mut Process> {
        find_or_add(&mut self.processes, &mut self.live, self.caps.processes, key)
    }

    fn fork(&mut self, caller: ProcessKey, fork: &Fork) {
        self.process_mut(caller);
        if self.process_mut(fork.child).is_none() {
            self.untracked = self.untracked.saturating_add(1);
            return;
        }
        let name = self.texts.keep(&fork.comm);
        let credentials = self.credentials.share(fork.credentials);
        let Some(child) = self.processes.get_mut(&fork.child) else { return };
        if child.origin != Origin::Unannounced {
            return;
        }
        child.origin = Origin::Forked;
        child.namespace_pid = Some(fork.namespace_pid);
        child.pid_namespace = Some(fork.pid_namespace);
        if child.name.is_none() {
            child.name = name;
        }
        if child.current.is_none() {
            child.current = Some(Arc::clone(&credentials));
        }
        child.credentials = Some(credentials);
        child.created_by = older(caller, fork.child);
        child.parent = older(fork.parent, fork.child);
        if child.parent.is_none() {
            self.impossible_parents += 1;
        }
    }

    fn exec(&mut self, key: ProcessKey, at: BootNs, exec: &Exec) {
        if self.process_mut(key).is_none() {
            self.tallies.executions.count(1, false);
            return;
        }
        let is_root = exec.is_root && self.root.is_none();
        let credentials = self.credentials.share(exec.credentials);
        let name = self.texts.keep(&exec.comm);
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.take_image(name);
        process.namespace_pid.get_or_insert(exec.namespace_pid);
        process.pid_namespace.get_or_insert(exec.pid_namespace);
        if is_root {
            process.origin = Origin::Root;
            process.started_at = at;
            process.parent = older(exec.parent, key);
            process.created_by = None;
            let first = exec
                .credentials_before
                .map_or(Arc::clone(&credentials), |before| self.credentials.share(before));
            process.credentials = Some(Arc::clone(&first));
            process.current = Some(first);
            self.root = Some(key);
        } else if process.origin == Origin::Unannounced {
            process.parent = process.parent.or(older(exec.parent, key));
            if process.credentials.is_none() && process.current.is_none() {
                process.credentials = Some(Arc::clone(&credentials));
                process.current = Some(Arc::clone(&credentials));
            }
        }
        self.credentials_are(key, CredentialChange { at, call: exec.call, thread: None, credentials });
        self.add_execution(key, at, exec);
    }

    fn add_execution(&mut self, key: ProcessKey, at: BootNs, exec: &Exec) {
        let room = self.tallies.executions.kept < self.caps.executions;
        if !self.tallies.executions.count(1, room) {
            return;
        }
        let image = self.keep_file(&exec.image);
        let script = exec.script.as_ref().map(|script| self.keep_file(script));
        let cwd = self.texts.keep_path(&exec.cwd);
        let cwd = self.paths.share(cwd);
        let execution = Execution {
            at,
            call: exec.call,
            from_thread: exec.from_thread,
            image,
            script,
            filename: self.texts.keep_observed(&exec.filename),
            argv: self.texts.keep_list(&exec.argv),
            argv_bytes: exec.argv_bytes,
            environment: self.texts.keep_environment(&exec.environment),
            environment_bytes: exec.environment_bytes,
            cwd,
            image_hash: None,
            script_hash: None,
        };
        if let Some(process) = self.processes.get_mut(&key) {
            process.push_execution(execution);
        }
    }

    fn exec_failed(&mut self, key: ProcessKey, at: BootNs, failed: &ExecFailed) {
        if self.process_mut(key).is_none() {
            self.tallies.failed_executions.count(1, false);
            return;
        }
        if let Some(began) = failed.root.as_ref().filter(|_| self.root.is_none()) {
            let credentials = self.credentials.share(began.credentials);
            self.processes.get_mut(&key).into_iter().for_each(|root| root.began(began, credentials.clone()));
            self.root = Some(key);
        }
        let filename = match &failed.filename {
            Observed::Complete(text) => self.texts.find(text).map(Observed::Complete),
            Observed::Truncated { value, length } => {
                self.texts.find(value).map(|value| Observed::Truncated { value, length: *length })
            }
            Observed::Unreadable(why) => Some(Observed::Unreadable(*why)),
        };
        let Some(process) = self.processes.get_mut(&key) else { return };
        let known = process.failed_executions.iter_mut().find(|known| {
            Some(known.filename) == filename
                && (known.errno, known.call, known.dirfd) == (failed.errno, failed.call, failed.dirfd)
        });
        if let Some(known) = known {
            known.count = known.count.saturating_add(1);
            known.first_at = known.first_at.min(at);
            known.last_at = known.last_at.max(at);
            return;
        }
        let room = process.failed_executions.len() < self.caps.failed_executions_per_process
            && self.tallies.failed_executions.kept < self.caps.failed_executions;
        if !self.tallies.failed_executions.count(1, room) {
            return;
        }
        grow(&mut process.failed_executions);
        process.failed_executions.push(FailedExecution {
            filename: filename.unwrap_or_else(|| self.texts.keep_observed(&failed.filename)),
            errno: failed.errno,
            call: failed.call,
            dirfd: failed.dirfd,
            count: 1,
            first_at: at,
            last_at: at,
        });
    }

    fn exit(&mut self, key: ProcessKey, at: BootNs, exit: &Exit) {
        let Some(process) = find_or_add(&mut self.processes, &mut self.live, self.caps.processes, key) else {
            return;
        };
        if process.ended.is_none() {
            self.live = self.live.saturating_sub(1);
        }
        process.end(at, exit);
        // Of a process with several threads this is the name of whichever ended last.
        if process.name.is_none() || exit.threads_started == 0 {
            process.name = self.texts.keep(&exit.comm).or(process.name);
        }
    }

    fn credential_call(&mut self, event: &Event, call: &CredentialCall) {
        if self.process_mut(event.process).is_none() {
            self.tallies.credential_changes.count(1, false);
            return;
        }
        let thread = (event.tid != event.process.tgid).then_some(event.tid);
        let credentials = self.credentials.share(call.credentials);
        self.credentials_are(
            event.process,
            CredentialChange { at: event.at, call: call.call, thread, credentials },
        );
    }

    /// Notes a change, if it is one.
    fn credentials_are(&mut self, key: ProcessKey, change: CredentialChange) {
        let cap = self.caps.credential_changes_per_process;
        let Some(process) = self.processes.get_mut(&key) else { return };
        if !process.credentials_are(change.thread, &change.credentials, cap) {
            return;
        }
        let room = process.credential_changes.len() < cap
            && self.tallies.credential_changes.kept < self.caps.credential_changes;
        if self.tallies.credential_changes.count(1, room) {
            grow(&mut process.credential_changes);
            process.credential_changes.push(change);
        }
    }

    fn syscall_totals(&mut self, key: ProcessKey, totals: &[(Syscall, u64)]) {
        let cap = self.caps.syscalls_per_process;
        let Some(process) = self.process_mut(key) else {
            self.tallies.syscalls.count(totals.len() as u64, false);
            return;
        };
        let (new, kept) = process.raise_syscalls(totals, cap);
        self.tallies.syscalls.count(kept, true);
        self.tallies.syscalls.count(new - kept, false);
    }

    fn denied(&mut self, key: ProcessKey, denied: &Denied) {
        let cap = self.caps.denied_per_process;
        let denied = DeniedCalls { call: denied.call, errno: denied.errno, count: denied.count };
        match self.process_mut(key).map(|process| process.raise_denied(denied, cap)) {
            Some(None) => {}
            Some(Some(kept)) => {
                self.tallies.denied.count(1, kept);
            }
            None => {
                self.tallies.denied.count(1, false);
            }
        }
    }

    fn keep_file(&mut self, file: &ExecutedFile) -> Arc<KeptFile> {
        let path = self.texts.keep_path(&file.path);
        self.files.share(KeptFile { path, facts: file.facts })
    }
}

/// A parent is older than its child: what is not cannot be one. Thereby no chain of parents can be a circle.
fn older(parent: ProcessKey, child: ProcessKey) -> Option<ProcessKey> {
    (parent < child).then_some(parent)
}

fn find_or_add<'a>(
    processes: &'a mut BTreeMap<ProcessKey, Box<Process>>,
    live: &mut u64,
    cap: u64,
    key: ProcessKey,
) -> Option<&'a mut Process> {
    let room = (processes.len() as u64) < cap;
    match processes.entry(key) {
        Entry::Occupied(known) => Some(known.into_mut()),
        Entry::Vacant(_) if !room => None,
        Entry::Vacant(new) => {
            *live += 1;
            Some(new.insert(Box::new(Process::unannounced(key))))
        }
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod tests;
