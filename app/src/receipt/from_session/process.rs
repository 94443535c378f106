//! One process of the receipt.

use std::sync::Arc;

use super::{
    Clock, split,
    texts::{Given, Texts},
};
use crate::{
    event::{self, BootNs, FileFacts, Observed, PathSource, ProcessKey},
    maps::HashMap,
    names,
    receipt::schema::{
        self, ArgvSource, Bytes, CallCounts, Capabilities, CapabilitySet, CredentialChange, Credentials,
        Device, EnvironmentPointer, Execution, Exit, FailedExecution, File, Interpreter, Milliseconds,
        Namespaces, Process, ProcessResources, ProcessSyscalls, Reason, Sha256, Value,
    },
    session::{self, Ended, Hashed, KeptFile, KeptPath, ListId, Origin, Session},
};

/// Builds processes in the order of the receipt.
pub(super) struct Builder<'a, 'b> {
    session: &'a Session,
    clock: Clock,
    ids: &'a HashMap<ProcessKey, u64>,
    texts: &'a mut Texts<'b>,
    /// Keyed by the address of the session's copy: it keeps one of each.
    credentials: HashMap<*const event::Credentials, Arc<Credentials>>,
    outside: Option<ProcessKey>,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(
        session: &'a Session,
        clock: Clock,
        ids: &'a HashMap<ProcessKey, u64>,
        texts: &'a mut Texts<'b>,
    ) -> Self {
        let outside = session.root().and_then(|root| session.process(root)).and_then(|root| root.parent);
        Self { session, clock, ids, texts, credentials: HashMap::default(), outside }
    }

    /// The process that stands at `index` of the list.
    pub(super) fn process(&mut self, index: usize, key: ProcessKey) -> Process {
        let unknown = session::Process::unannounced(key);
        let process = self.session.process(key).unwrap_or(&unknown);
        let still_running = self.session.is_still_running(process);
        let no_end = if still_running { Reason::StillRunning } else { Reason::Lost };
        let ended = process.ended.as_ref().ok_or(no_end);

        let (namespace_pid, namespace_pid_reason) = split(process.namespace_pid.ok_or(Reason::Lost));
        let (pid_namespace, pid_namespace_reason) = split(process.pid_namespace.ok_or(Reason::Lost));
        let (parent_id, parent_id_reason) = split(self.parent(process));
        let (parent_pid, parent_pid_reason) =
            split(process.parent.map(|parent| parent.tgid).ok_or(unknown_parent(process)));
        let (created_by, created_by_reason) = split(self.creator(process));
        let name = process.name.ok_or(Reason::Lost);
        let (name, name_reason) =
            split(name.map(|name| self.texts.text(name, || format!("/processes/{index}/name"))));
        let (ended_at, ended_at_reason) = split(ended.map(|ended| self.clock.timestamp(ended.at)));
        let duration = ended.map(|ended| Milliseconds(ended.at.saturating_sub(process.started_at)));
        let (duration_ms, duration_ms_reason) = split(duration);
        let first = process.credentials.as_ref().ok_or(Reason::Lost);
        let (credentials, credentials_reason) = split(first.map(|first| self.credentials(first)));
        let (exit, exit_reason) = split(ended.map(exit));
        let (resources, resources_reason) = split(ended.map(resources));

        Process {
            id: index as u64 + 1,
            pid: key.tgid,
            namespace_pid,
            namespace_pid_reason,
            pid_namespace,
            pid_namespace_reason,
            parent_id,
            parent_id_reason,
            parent_pid,
            parent_pid_reason,
            created_by,
            created_by_reason,
            name,
            name_reason,
            started_at: self.clock.timestamp(process.started_at),
            ended_at,
            ended_at_reason,
            still_running,
            duration_ms,
            duration_ms_reason,
            executions: (0..)
                .zip(&process.executions)
                .map(|(at, one)| self.execution(index, at, one))
                .collect(),
            failed_executions: (0..)
                .zip(&process.failed_executions)
                .map(|(at, one)| self.failed(index, at, one))
                .collect(),
            credentials,
            credentials_reason,
            credential_changes: process.credential_changes.iter().map(|change| self.change(change)).collect(),
            exit,
            exit_reason,
            resources,
            resources_reason,
            syscalls: ProcessSyscalls {
                total: process.syscall_total(),
                by_name: CallCounts(Arc::clone(&process.syscalls)),
            },
        }
    }

    /// Id of the parent. The root's parent, and with `CLONE_PARENT` that of others, is not under observation.
    fn parent(&self, process: &session::Process) -> Result<u64, Reason> {
        let parent = process.parent.ok_or(unknown_parent(process))?;
        let missing = if process.origin != Origin::Unannounced || Some(parent) == self.outside {
            Reason::OutsideScope
        } else {
            Reason::Lost
        };
        self.ids.get(&parent).copied().ok_or(missing)
    }

    fn creator(&self, process: &session::Process) -> Result<u64, Reason> {
        match process.origin {
            Origin::Root => Err(Reason::OutsideScope),
            Origin::Unannounced => Err(Reason::Lost),
            Origin::Forked => {
                let creator = process.created_by.ok_or(Reason::Inconsistent)?;
                self.ids.get(&creator).copied().ok_or(Reason::Limit)
            }
        }
    }

    fn execution(&mut self, process: usize, execution: usize, exec: &session::Execution) -> Execution {
        let here = EnvironmentPointer { process, execution };
        let at = move |field: &str| format!("/processes/{process}/executions/{execution}/{field}");
        let file = exec.named_file();
        let (path, path_reason) = self.texts.observed(file.path.path, || at("path"));
        let (filename, filename_reason) = self.texts.observed(exec.filename, || at("filename"));
        let (argv, argv_reason) = self.texts.arguments(exec.argv, || at("argv"));
        let (argv_count, argv_count_reason) = self.count(exec.argv);
        let (cwd, cwd_reason) = self.texts.observed(exec.cwd.path, || at("cwd"));
        let (environment, environment_same_as, environment_reason) =
            match self.texts.environment(exec.environment, here) {
                Ok(Given::Here(environment)) => (Some(environment), None, None),
                Ok(Given::There(pointer)) => (None, Some(pointer), None),
                Err(reason) => (None, None, Some(reason)),
            };
        let (environment_count, environment_count_reason) = self.count(exec.environment);
        let hash = if exec.script.is_some() { &exec.script_hash } else { &exec.image_hash };
        let interpreter = exec.script.is_some().then(|| Box::new(self.interpreter(exec, at)));
        Execution {
            at: self.clock.timestamp(exec.at),
            call: self.texts.call(exec.call),
            path,
            path_reason,
            path_in_root: self.in_root(&file.path, || at("path_in_root")),
            path_source: source(file.path.source),
            filename,
            filename_reason,
            argv,
            argv_reason,
            argv_count,
            argv_count_reason,
            argv_bytes: exec.argv_bytes,
            argv_source: ArgvSource::Kernel,
            cwd,
            cwd_reason,
            cwd_in_root: self.in_root(&exec.cwd, || at("cwd_in_root")),
            interpreter,
            file: self.content(exec.at, file, hash.as_deref()),
            fileless: exec.image.fileless() || file.fileless(),
            unlinked: file.unlinked(),
            from_thread: exec.from_thread.is_some(),
            environment,
            environment_reason,
            environment_same_as,
            environment_count,
            environment_count_reason,
            environment_bytes: exec.environment_bytes,
        }
    }

    fn interpreter(&mut self, exec: &session::Execution, at: impl Fn(&str) -> String) -> Interpreter {
        let path = &exec.image.path;
        let (shown, path_reason) = self.texts.observed(path.path, || at("interpreter/path"));
        Interpreter {
            path: shown,
            path_reason,
            path_in_root: self.in_root(path, || at("interpreter/path_in_root")),
            path_source: source(path.source),
            file: self.content(exec.at, &exec.image, exec.image_hash.as_deref()),
        }
    }

    fn content(&self, exec_at: BootNs, file: &KeptFile, hash: Option<&Hashed>) -> File {
        let sha256 = hash.map_or(Err(Reason::Ended), |hash| hash.sha256.map_err(Reason::from));
        let (sha256, sha256_reason) = split(sha256.map(Sha256));
        let may_be_of_later = sha256.is_some()
            && file.facts.is_some_and(|facts| may_change_unseen(self.clock.timestamp(exec_at).0, &facts));
        let facts = file.facts.ok_or(Reason::NotAvailable);
        let size = hash.and_then(|hash| hash.size_bytes).ok_or(Reason::NotAvailable);
        let (size_bytes, size_bytes_reason) = split(size.or(facts.map(|facts| facts.size)));
        let (device, device_reason) = split(facts.map(|facts| Device(facts.device)));
        let (inode, inode_reason) = split(facts.map(|facts| facts.inode));
        File {
            sha256,
            sha256_reason,
            sha256_may_be_of_later: may_be_of_later,
            size_bytes,
            size_bytes_reason,
            device,
            device_reason,
            inode,
            inode_reason,
        }
    }

    fn in_root(&mut self, path: &KeptPath, pointer: impl FnOnce() -> String) -> Option<Value<Bytes>> {
        self.texts.observed(path.in_root?, pointer).0
    }

    fn count(&self, list: Observed<ListId>) -> (Option<u64>, Option<Reason>) {
        split(match list {
            Observed::Complete(id) => Ok(self.session.texts().list(id).len() as u64),
            Observed::Truncated { length, .. } => Ok(length),
            Observed::Unreadable(why) => Err(why.into()),
        })
    }

    fn failed(&mut self, process: usize, index: usize, failed: &session::FailedExecution) -> FailedExecution {
        let pointer = || format!("/processes/{process}/failed_executions/{index}/filename");
        let (filename, filename_reason) = self.texts.observed(failed.filename, pointer);
        FailedExecution {
            filename,
            filename_reason,
            path_source: schema::PathSource::Argument,
            errno: names::errno(failed.errno),
            call: self.texts.call(failed.call),
            dirfd: failed.dirfd,
            count: failed.count,
            first_at: self.clock.timestamp(failed.first_at),
            last_at: self.clock.timestamp(failed.last_at),
        }
    }

    fn change(&mut self, change: &session::CredentialChange) -> CredentialChange {
        CredentialChange {
            at: self.clock.timestamp(change.at),
            call: self.texts.call(change.call),
            thread: change.thread,
            credentials: self.credentials(&change.credentials),
        }
    }

    fn credentials(&mut self, credentials: &Arc<event::Credentials>) -> Arc<Credentials> {
        let shown = self.credentials.entry(Arc::as_ptr(credentials));
        Arc::clone(shown.or_insert_with(|| Arc::new(show_credentials(credentials))))
    }
}

fn unknown_parent(process: &session::Process) -> Reason {
    match process.origin {
        Origin::Root => Reason::OutsideScope,
        Origin::Forked => Reason::Inconsistent,
        Origin::Unannounced => Reason::Lost,
    }
}

pub(super) fn source(source: PathSource) -> schema::PathSource {
    match source {
        PathSource::Kernel => schema::PathSource::Kernel,
        PathSource::Argument => schema::PathSource::Argument,
        PathSource::Raced => schema::PathSource::Raced,
    }
}

/// Nanoseconds between two times that the kernel gives to changes, at most: a tick of its slowest clock.
const TICK_NS: i64 = 10_000_000;

/// Whether a change of an executed file after its exec need not show in its times.
fn may_change_unseen(exec_at_unix_ns: i64, facts: &FileFacts) -> bool {
    let (seconds, ns) = facts.ctime;
    let changed_at = seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(ns));
    facts.unreachable || exec_at_unix_ns.saturating_sub(changed_at) < TICK_NS
}

fn exit(ended: &Ended) -> Exit {
    Exit {
        code: ended.code,
        signal: ended.signal,
        signal_name: ended.signal.map(|signal| names::signal(signal.into())),
        core_dumped: ended.core_dumped,
    }
}

fn resources(ended: &Ended) -> ProcessResources {
    ProcessResources {
        user_ms: Milliseconds(ended.user_ns),
        system_ms: Milliseconds(ended.system_ns),
        max_rss_bytes: ended.max_rss_bytes,
        threads_started: ended.threads_started,
    }
}

fn show_credentials(credentials: &event::Credentials) -> Credentials {
    let namespaces = &credentials.namespaces;
    let inode = |inode: u32| (inode != 0).then_some(inode);
    Credentials {
        uid: credentials.uid,
        gid: credentials.gid,
        euid: credentials.euid,
        egid: credentials.egid,
        suid: credentials.suid,
        sgid: credentials.sgid,
        fsuid: credentials.fsuid,
        fsgid: credentials.fsgid,
        securebits: credentials.securebits,
        capabilities: Capabilities {
            effective: CapabilitySet(credentials.effective),
            permitted: CapabilitySet(credentials.permitted),
            inheritable: CapabilitySet(credentials.inheritable),
            bounding: CapabilitySet(credentials.bounding),
            ambient: CapabilitySet(credentials.ambient),
        },
        namespaces: Namespaces {
            user: inode(namespaces.user),
            mnt: inode(namespaces.mnt),
            pid_for_children: inode(namespaces.pid_for_children),
            net: inode(namespaces.net),
            uts: inode(namespaces.uts),
            ipc: inode(namespaces.ipc),
            cgroup: inode(namespaces.cgroup),
        },
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_change_in_the_tick_of_the_exec_would_not_show() {
        let known = crate::session::samples::file("/a", 1).facts.expect("facts");
        let file = FileFacts { ctime: (5, 100), ..known };
        let at = |ns: i64| may_change_unseen(5_000_000_000 + ns, &file);
        assert_eq!((at(100), at(9_000_000), at(10_000_100)), (true, true, false));
        assert!(at(-1_000_000_000), "clocks are set");
        assert!(may_change_unseen(i64::MAX, &FileFacts { unreachable: true, ..file }));
    }
}
