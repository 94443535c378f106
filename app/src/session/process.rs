//! What is known of one process.

use std::sync::Arc;

use super::{
    caps::MAX_EARLY_HASHES,
    texts::{ListId, TextId},
};
use crate::event::{
    BootNs, Credentials, ExecutableHashed, ExecutableRole, Exit, FileFacts, Observed, PathSource, ProcessKey,
    RootBegan, Syscall, Unreadable,
};

/// One process of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// How it came to be known.
    pub origin: Origin,
    /// The process that the kernel made its parent when it was created.
    pub parent: Option<ProcessKey>,
    /// The process that created it.
    pub created_by: Option<ProcessKey>,
    /// Its id in its innermost pid namespace.
    pub namespace_pid: Option<u32>,
    /// Inode number of that namespace.
    pub pid_namespace: Option<u32>,
    /// Its last name.
    pub name: Option<TextId>,
    /// When it began: its creation; of the root, its first exec, since it is held until then.
    pub started_at: BootNs,
    /// Its end.
    pub ended: Option<Ended>,
    /// It was alive when observation ended.
    pub alive_at_end: bool,
    /// Credentials that it began with.
    pub credentials: Option<Arc<Credentials>>,
    /// Changes of them, in order.
    pub credential_changes: Vec<CredentialChange>,
    /// Successful execs, in order.
    pub executions: Vec<Execution>,
    /// Failed execs, in order of the first of each kind.
    pub failed_executions: Vec<FailedExecution>,
    /// How often it made each system call, by call.
    pub syscalls: Arc<[(Syscall, u64)]>,
    /// Denied calls, by call and errno.
    pub denied: Vec<DeniedCalls>,
    /// State of the first thread.
    pub(super) current: Option<Arc<Credentials>>,
    /// State after the last change of any thread.
    latest: Option<Arc<Credentials>>,
    /// States of the other threads, as far as they are known.
    threads: Vec<(u32, Arc<Credentials>)>,
    /// Results that came before their exec.
    pub(super) early_hashes: Vec<ExecutableHashed>,
}

/// How a process came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is the command.
    Root,
    /// Its creation was seen.
    Forked,
    /// Only later events name it: the record of its creation was lost, or is still to come.
    Unannounced,
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: BootNs,
    /// Exit code; absent when a signal ended it.
    pub code: Option<u8>,
    /// Signal that ended it.
    pub signal: Option<u8>,
    /// A core was dumped.
    pub core_dumped: bool,
    /// User CPU time, ns.
    pub user_ns: u64,
    /// System CPU time, ns.
    pub system_ns: u64,
    /// Peak resident set, bytes.
    pub max_rss_bytes: u64,
    /// Threads started beside the first.
    pub threads_started: u32,
}

/// A change of credentials or namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialChange {
    /// When.
    pub at: BootNs,
    /// By which call.
    pub call: Syscall,
    /// Of which thread, where that is not the process's first.
    pub thread: Option<u32>,
    /// The state after it.
    pub credentials: Arc<Credentials>,
}

/// A successful exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// When.
    pub at: BootNs,
    /// The call that did it.
    pub call: Syscall,
    /// Thread that made it, where that was not the leader.
    pub from_thread: Option<u32>,
    /// The loaded image.
    pub image: Arc<KeptFile>,
    /// The script that named the image as its interpreter.
    pub script: Option<Arc<KeptFile>>,
    /// The file name given to exec.
    pub filename: Observed<TextId>,
    /// Arguments of the new image.
    pub argv: Observed<ListId>,
    /// Bytes of all arguments, NULs included.
    pub argv_bytes: u64,
    /// Environment of the new image.
    pub environment: Observed<ListId>,
    /// Bytes of all environment strings, NULs included.
    pub environment_bytes: u64,
    /// Working directory.
    pub cwd: Arc<KeptPath>,
    /// Hash of the loaded image, once there is one.
    pub image_hash: Option<Arc<Hashed>>,
    /// Hash of the script, once there is one.
    pub script_hash: Option<Arc<Hashed>>,
}

/// A path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeptPath {
    /// From the root of the mount namespace.
    pub path: Observed<TextId>,
    /// As the process sees it, where that differs; its true length is known even where it could not be kept.
    pub in_root: Option<Observed<TextId>>,
    /// Where the value comes from.
    pub source: PathSource,
    /// The file had been unlinked.
    pub unlinked: bool,
    /// Its mount belonged to no mount namespace.
    pub unreachable: bool,
}

/// A file that was executed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptFile {
    /// Its path.
    pub path: KeptPath,
    /// What the kernel says of it.
    pub facts: Option<FileFacts>,
}

impl KeptFile {
    /// No name led to it any more.
    pub fn unlinked(&self) -> bool {
        self.path.unlinked || self.facts.is_some_and(|facts| facts.unlinked)
    }

    /// It could not be reached through the file system: unlinked, a memfd, on a detached mount.
    pub fn fileless(&self) -> bool {
        self.unlinked() || self.path.unreachable || self.facts.is_some_and(|facts| facts.unreachable)
    }
}

/// Result of hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hashed {
    /// SHA-256 of the content.
    pub sha256: Result<[u8; 32], Unreadable>,
    /// Bytes hashed.
    pub size_bytes: Option<u64>,
}

/// Failed execs of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedExecution {
    /// File name given to exec.
    pub filename: Observed<TextId>,
    /// Positive errno.
    pub errno: i32,
    /// The call.
    pub call: Syscall,
    /// Directory descriptor of an `execveat`.
    pub dirfd: Option<i32>,
    /// How often.
    pub count: u64,
    /// The first.
    pub first_at: BootNs,
    /// The last.
    pub last_at: BootNs,
}

/// Denied calls of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeniedCalls {
    /// The call.
    pub call: Syscall,
    /// EPERM or EACCES, positive.
    pub errno: i32,
    /// How often.
    pub count: u64,
}

impl Process {
    /// A process of which nothing but its key is known.
    pub(crate) fn unannounced(key: ProcessKey) -> Self {
        Self {
            origin: Origin::Unannounced,
            parent: None,
            created_by: None,
            namespace_pid: None,
            pid_namespace: None,
            name: None,
            started_at: key.start,
            ended: None,
            alive_at_end: false,
            credentials: None,
            credential_changes: Vec::new(),
            executions: Vec::new(),
            failed_executions: Vec::new(),
            syscalls: Arc::default(),
            denied: Vec::new(),
            current: None,
            latest: None,
            threads: Vec::new(),
            early_hashes: Vec::new(),
        }
    }

    /// All its system calls.
    pub fn syscall_total(&self) -> u64 {
        self.calls_made(|_| true)
    }

    /// How often it made any of some system calls.
    pub(super) fn calls_made(&self, which: impl Fn(Syscall) -> bool) -> u64 {
        let counts = self.syscalls.iter().filter(|(call, _)| which(*call));
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Takes in the state of a thread, of the first where none is given. Gives back whether that is a change to be told. The C
    /// library makes every thread of a process call `setuid` and its like: the first one that is seen tells of it, and the
    /// process's first thread.
    pub(super) fn credentials_are(
        &mut self,
        thread: Option<u32>,
        credentials: &Arc<Credentials>,
        cap: usize,
    ) -> bool {
        let latest = self.latest.as_ref().or(self.current.as_ref());
        let is_latest = latest == Some(credentials);
        let known = match thread {
            None => self.current.replace(Arc::clone(credentials)),
            Some(thread) => match self.threads.iter_mut().find(|(known, _)| *known == thread) {
                Some((_, known)) => Some(std::mem::replace(known, Arc::clone(credentials))),
                None => {
                    if self.threads.len() < cap {
                        self.threads.push((thread, Arc::clone(credentials)));
                    }
                    None
                }
            },
        };
        let is_change = known.as_ref() != Some(credentials) && !(thread.is_some() && is_latest);
        if is_change {
            self.latest = Some(Arc::clone(credentials));
        }
        is_change
    }

    /// Takes in the name of a new image: no other thread is left.
    pub(super) fn take_image(&mut self, name: Option<TextId>) {
        self.name = name.or(self.name);
        self.threads = Vec::new();
    }

    /// Takes in that it is the command, of which no exec will tell.
    pub(super) fn began(&mut self, began: &RootBegan, credentials: Arc<Credentials>) {
        self.origin = Origin::Root;
        self.started_at = began.at;
        self.namespace_pid.get_or_insert(began.namespace_pid);
        self.pid_namespace.get_or_insert(began.pid_namespace);
        self.credentials = Some(Arc::clone(&credentials));
        self.current = Some(credentials);
    }

    /// Notes its end; the kernel reports one only once.
    pub(super) fn end(&mut self, at: BootNs, exit: &Exit) {
        self.ended.get_or_insert(Ended {
            at,
            code: exit.code,
            signal: exit.signal,
            core_dumped: exit.core_dumped,
            user_ns: exit.user_ns,
            system_ns: exit.system_ns,
            max_rss_bytes: exit.max_rss_bytes,
            threads_started: exit.threads_started,
        });
    }

    /// Takes in totals of system calls. They only ever grow, so the larger one is the later one. Gives back how
    /// many kinds of calls were new, and how many of these were kept.
    pub(super) fn raise_syscalls(&mut self, totals: &[(Syscall, u64)], cap: usize) -> (u64, u64) {
        let mut counts = self.syscalls.to_vec();
        let (mut new, mut kept) = (0, 0);
        for &(call, count) in totals.iter().filter(|(_, count)| *count > 0) {
            match counts.binary_search_by_key(&call, |(known, _)| *known) {
                Ok(at) => counts[at].1 = counts[at].1.max(count),
                Err(at) => {
                    new += 1;
                    if counts.len() < cap {
                        kept += 1;
                        counts.insert(at, (call, count));
                    }
                }
            }
        }
        self.syscalls = Arc::from(counts);
        (new, kept)
    }

    /// Takes in a total of denied calls. Gives back whether it was of a new kind, and if so whether it was kept.
    pub(super) fn raise_denied(&mut self, denied: DeniedCalls, cap: usize) -> Option<bool> {
        let key = |known: &DeniedCalls| (known.call, known.errno);
        match self.denied.binary_search_by_key(&key(&denied), key) {
            Ok(at) => {
                self.denied[at].count = self.denied[at].count.max(denied.count);
                None
            }
            Err(_) if self.denied.len() >= cap => Some(false),
            Err(at) => {
                grow(&mut self.denied);
                self.denied.insert(at, denied);
                Some(true)
            }
        }
    }

    /// Takes in the result of hashing a file of one of its execs.
    pub(super) fn hashed(&mut self, result: &ExecutableHashed) {
        let found = self.executions.binary_search_by_key(&result.exec_at, |execution| execution.at);
        match found.ok().and_then(|at| self.executions.get_mut(at)) {
            Some(execution) => execution.hashed(result),
            None if self.early_hashes.len() < MAX_EARLY_HASHES => {
                let key = |result: &ExecutableHashed| (result.exec_at, result.role as u8);
                let at = self.early_hashes.partition_point(|known| key(known) <= key(result));
                self.early_hashes.insert(at, result.clone());
            }
            None => {}
        }
    }

    /// Adds an execution, with the results that came before it.
    pub(super) fn push_execution(&mut self, mut execution: Execution) {
        self.early_hashes.retain(|result| {
            let matches = result.exec_at == execution.at;
            if matches {
                execution.hashed(result);
            }
            !matches
        });
        grow(&mut self.executions);
        // A process's execs come in order; what is forged may not.
        let place = self.executions.partition_point(|earlier| earlier.at <= execution.at);
        self.executions.insert(place, execution);
    }
}

impl Execution {
    /// The file that the caller named: the script, or else the image.
    pub fn named_file(&self) -> &KeptFile {
        self.script.as_deref().unwrap_or(&self.image)
    }

    fn hashed(&mut self, result: &ExecutableHashed) {
        let slot = match result.role {
            ExecutableRole::Image => &mut self.image_hash,
            ExecutableRole::Script => &mut self.script_hash,
        };
        if slot.is_none() {
            *slot = Some(Arc::new(Hashed { sha256: result.sha256, size_bytes: result.size_bytes }));
        }
    }
}

/// Makes room for one more, without the four that a vector starts with: most processes exec once.
pub(super) fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 2).max(1));
    }
}
