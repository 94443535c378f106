//! The SHA-256 of every file that was executed, found out beside the stream of events.
//!
//! Each file is hashed once per (device, inode, size, modification time, change time), on threads of its own. A file
//! is believed to be the executed one only if the kernel's facts about it say so, and what cannot be read says why.
//! Files on file systems that may hang are read by another process, see [`reader_process`].

pub mod artifacts;
mod keep;
mod mounts;
mod pool;
mod read;
mod watched;

use std::{
    collections::{HashMap, VecDeque},
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::{Duration, Instant},
};

pub use watched::reader_process;

use crate::event::{
    BootNs, Event, EventKind, Exec, ExecutableHashed, ExecutableRole, ExecutedFile, FileFacts, Observed,
    ProcessKey, Unreadable,
};
use keep::{Keeper, Lent};
use pool::{JobId, Outcome, Pool};
use read::{Candidate, Hashed, Request};

/// Requests that may be outstanding. Further ones are answered at once with [`Unreadable::Lost`]: it takes executions
/// of thousands of files that hang, or of many more than can be hashed in the meantime, to come here.
const OUTSTANDING: usize = 16_384;

/// Requests that may be outstanding for the next one's file to be held, which takes a descriptor.
const HOLDING: usize = 256;

/// Digests that are remembered; when there are more, all are forgotten and files are hashed again as they come.
const REMEMBERED: usize = 65_536;

/// Upper bound of [`Hasher::finish`], however busy the threads are: some 100 GB of executables.
const FINISH_WITHIN: Duration = Duration::from_secs(120);

/// Inode number of the initial pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Identity of a file and of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileKey {
    device: (u32, u32),
    inode: u64,
    size: u64,
    mtime: (i64, u32),
    ctime: (i64, u32),
}

impl From<FileFacts> for FileKey {
    fn from(facts: FileFacts) -> Self {
        let FileFacts { device, inode, size, mtime, ctime, .. } = facts;
        Self { device, inode, size, mtime, ctime }
    }
}

/// One file of one exec, waiting for its digest.
struct Waiter {
    exec_at: BootNs,
    process: ProcessKey,
    tid: u32,
    role: ExecutableRole,
}

impl Waiter {
    fn answer(self, outcome: Outcome) -> Event {
        let hashed = ExecutableHashed {
            exec_at: self.exec_at,
            role: self.role,
            sha256: outcome.map(|hashed| hashed.sha256),
            size_bytes: outcome.ok().map(|hashed| hashed.size),
        };
        Event {
            at: self.exec_at,
            process: self.process,
            tid: self.tid,
            kind: EventKind::ExecutableHashed(hashed),
        }
    }
}

/// One file being hashed.
struct Job {
    key: Option<FileKey>,
    /// The first one's request is under way. The others' are kept, as a later process may lead to a file that the
    /// first does not lead to any more.
    waiters: VecDeque<(Waiter, Request)>,
}

/// Hashes the files of the exec events that it is shown.
pub struct Hasher {
    pool: Pool,
    keeper: Keeper,
    jobs: HashMap<JobId, Job>,
    under_way: HashMap<FileKey, JobId>,
    remembered: HashMap<FileKey, Hashed>,
    /// Answers that have not been taken yet: no more than execs were shown since.
    answers: VecDeque<Event>,
    outstanding: usize,
    next_job: JobId,
    /// Inode number of glasshouse's own pid namespace: which ids lead to processes in /proc.
    pid_namespace: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// Nothing is started before there is something to hash.
    pub fn new() -> Self {
        Self::with_reader("/proc/self/exe".into())
    }

    /// `reader` is the program whose `main` calls [`reader_process`]; glasshouse itself but for tests.
    pub fn with_reader(reader: PathBuf) -> Self {
        Self {
            pool: Pool::new(reader),
            keeper: Keeper::new(),
            jobs: HashMap::new(),
            under_way: HashMap::new(),
            remembered: HashMap::new(),
            answers: VecDeque::new(),
            outstanding: 0,
            next_job: 0,
            pid_namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()),
        }
    }

    /// Takes note of the files of an exec, and of who has a mount namespace of its own; other events are none of its
    /// business.
    pub fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Exec(exec) => self.observe_exec(event, exec),
            EventKind::Fork(fork) if fork.clone_flags & libc::CLONE_NEWNS as u64 != 0 => {
                let pid = self.pid_in_proc(fork.child.tgid, fork.namespace_pid, fork.pid_namespace);
                self.keeper.enter(&fork.credentials.namespaces, pid);
            }
            EventKind::Credentials(call) => {
                let thread = (self.pid_namespace == INITIAL_PID_NAMESPACE).then_some(event.tid);
                self.keeper.enter(&call.credentials.namespaces, thread);
            }
            _ => {}
        }
    }

    fn observe_exec(&mut self, event: &Event, exec: &Exec) {
        let pids = Pids {
            process: self.pid_in_proc(event.process.tgid, exec.namespace_pid, exec.pid_namespace),
            parent: self.parent_in_proc(exec),
        };
        self.keeper.enter(&exec.credentials.namespaces, pids.process);
        self.request(event, exec, ExecutableRole::Image, &exec.image, pids);
        if let Some(script) = &exec.script {
            self.request(event, exec, ExecutableRole::Script, script, pids);
        }
    }

    /// The next answer, an [`EventKind::ExecutableHashed`]; waits for ever if nothing is outstanding. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return answer;
            }
            self.collect();
            if self.answers.is_empty() {
                tokio::select! {
                    () = self.pool.ready() => {}
                    () = self.keeper.attend() => {}
                }
            }
        }
    }

    /// Answers that are still to come.
    pub fn outstanding(&self) -> usize {
        self.outstanding + self.answers.len()
    }

    /// Waits for what is outstanding, as long as no more than `patience` passes without progress, and answers the
    /// rest with [`Unreadable::TimedOut`].
    pub fn finish(mut self, patience: Duration) -> Vec<Event> {
        let began = Instant::now();
        let mut progress = (self.pool.progress(), self.outstanding);
        let mut last_progress = began;
        loop {
            self.collect();
            let now = Instant::now();
            let current = (self.pool.progress(), self.outstanding);
            if current != progress {
                (progress, last_progress) = (current, now);
            }
            if self.outstanding == 0 || now - last_progress >= patience || now - began >= FINISH_WITHIN {
                break;
            }
            self.pool.wait(patience.min(Duration::from_millis(50)));
        }
        let mut rest: Vec<_> = self.jobs.into_iter().collect();
        rest.sort_unstable_by_key(|(id, _)| *id);
        let rest = rest.into_iter().flat_map(|(_, job)| job.waiters);
        self.answers.extend(rest.map(|(waiter, _)| waiter.answer(Err(Unreadable::TimedOut))));
        self.answers.into()
    }

    /// The number under which /proc shows a process, if it can be told.
    fn pid_in_proc(&self, tgid: u32, namespace_pid: u32, pid_namespace: u32) -> Option<u32> {
        if self.pid_namespace == INITIAL_PID_NAMESPACE {
            Some(tgid)
        } else if self.pid_namespace == u64::from(pid_namespace) {
            Some(namespace_pid)
        } else {
            None
        }
    }

    /// The same for its parent, whose namespace is not told.
    fn parent_in_proc(&self, exec: &Exec) -> Option<u32> {
        (self.pid_namespace == INITIAL_PID_NAMESPACE).then_some(exec.parent.tgid)
    }

    fn request(&mut self, event: &Event, exec: &Exec, role: ExecutableRole, file: &ExecutedFile, pids: Pids) {
        let waiter = Waiter { exec_at: event.at, process: event.process, tid: event.tid, role };
        let key = file.facts.map(FileKey::from);
        if let Some(hashed) = key.and_then(|key| self.remembered.get(&key)) {
            self.answers.push_back(waiter.answer(Ok(*hashed)));
            return;
        }
        if self.outstanding >= OUTSTANDING {
            self.answers.push_back(waiter.answer(Err(Unreadable::Lost)));
            return;
        }
        let processes = pids.process.into_iter().chain(pids.parent);
        if file.facts.is_some_and(|facts| !self.keeper.may_read(facts.device, processes)) {
            self.answers.push_back(waiter.answer(Err(Unreadable::Gone)));
            return;
        }
        let namespace = exec.credentials.namespaces.mnt;
        let place = Place {
            pids,
            foreign: self.keeper.is_foreign(namespace),
            namespace: self.keeper.namespace(namespace),
            filename: exec.filename.value().map(Vec::as_slice),
        };
        let mut request = Request { candidates: candidates(role, file, place), facts: file.facts };
        let under_way = key.and_then(|key| self.under_way.get(&key));
        if let Some(job) = under_way.and_then(|id| self.jobs.get_mut(id)) {
            job.waiters.push_back((waiter, request));
            self.outstanding += 1;
            return;
        }
        if self.outstanding < HOLDING
            && let Some(held) = self.keeper.file(&request)
        {
            request.candidates.insert(0, Candidate::Held(held));
        }
        self.outstanding += 1;
        let id = self.next_job;
        self.next_job += 1;
        self.pool.submit(id, request.clone());
        self.jobs.insert(id, Job { key, waiters: VecDeque::from([(waiter, request)]) });
        if let Some(key) = key {
            self.under_way.insert(key, id);
        }
    }

    fn collect(&mut self) {
        for (id, outcome) in self.pool.take() {
            self.settle(id, outcome);
        }
    }

    fn settle(&mut self, id: JobId, outcome: Outcome) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        if let (Ok(hashed), Some(key)) = (outcome, job.key) {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.clear();
            }
            self.remembered.insert(key, hashed);
        }
        // A file that hangs does so for everybody; one that the first process does not lead to, a later one may.
        let for_all = outcome.is_ok() || outcome == Err(Unreadable::TimedOut);
        let answered = if for_all { job.waiters.len() } else { 1 };
        self.outstanding -= answered;
        for (waiter, _) in job.waiters.drain(..answered) {
            self.answers.push_back(waiter.answer(outcome));
        }
        if let Some((_, request)) = job.waiters.front() {
            self.pool.submit(id, request.clone());
            self.jobs.insert(id, job);
        } else if let Some(key) = job.key {
            self.under_way.remove(&key);
        }
    }
}

/// The processes in /proc that may lead to a file.
#[derive(Clone, Copy)]
struct Pids {
    process: Option<u32>,
    /// It often lives longer, and mostly sees the same files.
    parent: Option<u32>,
}

/// Where the process of an exec is, and what it called the file.
struct Place<'a> {
    pids: Pids,
    /// It is known to be in another mount namespace than glasshouse.
    foreign: bool,
    /// That one.
    namespace: Option<Lent>,
    filename: Option<&'a [u8]>,
}

/// Where a file may be found, the surest first.
fn candidates(role: ExecutableRole, file: &ExecutedFile, place: Place<'_>) -> Vec<Candidate> {
    let Place { pids, foreign, namespace, filename } = place;
    let mut candidates = Vec::with_capacity(6);
    if let Some(pid) = pids.process {
        match role {
            ExecutableRole::Image => candidates.push(Candidate::Exe(pid)),
            ExecutableRole::Script => {
                let number = filename.and_then(descriptor_in);
                candidates.extend(number.map(|number| Candidate::Descriptor(pid, number)));
            }
        }
    }
    // A mount that is in no namespace is reached by no path.
    let unreachable = file.path.unreachable || file.facts.is_some_and(|facts| facts.unreachable);
    let path = match &file.path.path {
        Observed::Complete(path) if path.starts_with(b"/") && !unreachable => Some(path),
        _ => None,
    };
    if let Some(path) = path {
        let seen = file.path.in_root.as_ref().unwrap_or(path);
        candidates.extend(pids.process.map(|pid| Candidate::InRoot(pid, seen.clone())));
        // Without facts any file would be believed: one of another namespace, or the parent's.
        if file.facts.is_some() || !foreign {
            candidates.push(Candidate::Path(path.clone()));
        }
        if file.facts.is_some() {
            candidates.extend(pids.parent.map(|pid| Candidate::InRoot(pid, seen.clone())));
        }
    }
    if let (ExecutableRole::Script, Some(_), Some(pid)) = (role, file.facts, pids.process) {
        candidates.push(Candidate::AnyDescriptor(pid));
    }
    if let (Some(path), Some(namespace)) = (path, namespace) {
        candidates.push(Candidate::InNamespace(namespace, path.clone()));
    }
    candidates
}

/// The number of the descriptor that a file name stands for: the kernel makes up `/dev/fd/N` for `fexecve`.
fn descriptor_in(filename: &[u8]) -> Option<u32> {
    let number = filename.strip_prefix(b"/dev/fd/").or_else(|| filename.strip_prefix(b"/proc/self/fd/"))?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
