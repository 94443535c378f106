//! Calls that matter by themselves, and whom they were about.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Bound,
    sync::Arc,
};

use super::{Caps, Process, Session, Tally, Text};
use crate::{
    event::{AccessId, AccessTotals, Action, BootNs, Called, FileTotals, ProcessKey, Syscall, Target},
    maps::{HashMap, HashSet},
};

/// Calls that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEntry {
    /// What they do.
    pub action: Action,
    /// The call.
    pub call: Syscall,
    /// What exactly: a signal, a request, a command, an option.
    pub number: Option<u64>,
    /// A second number.
    pub value: Option<u64>,
    /// Whom they were about, as the caller said.
    pub target: Option<Target>,
    /// Who that was; filled in by [`Session::findings_and_calls`].
    pub whom: Option<Whom>,
    /// A name that they were given.
    pub text: Option<Text>,
    /// Positive errno, if they failed.
    pub errno: Option<i32>,
    /// The process.
    pub process: ProcessKey,
    /// How often.
    pub count: u64,
    /// Bytes that they moved.
    pub bytes: u64,
    /// The first.
    pub first_at: BootNs,
    /// The last.
    pub last_at: BootNs,
}

/// Who the target of a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// The caller itself.
    Itself,
    /// Another process of the run.
    Process(ProcessKey),
    /// glasshouse.
    Observer,
    /// A process that is none of the run's.
    Outside,
    /// The caller's process group, or another one.
    Group,
    /// Whoever the caller may reach.
    Everyone,
    /// It cannot be told: a thread, a process that had ended, or a number of a pid namespace whose processes are not all
    /// known by their numbers.
    Unknown,
}

/// All of them. A text is 63 bytes at most, so that their number is cap enough.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Calls {
    cap: u64,
    entries: BTreeMap<AccessId, CallEntry>,
    tally: Tally,
}

impl Calls {
    pub(super) fn new(caps: &Caps) -> Self {
        Self { cap: caps.calls, entries: BTreeMap::new(), tally: Tally::default() }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether some found no room, of which totals may still come.
    pub(super) fn has_refused(&self) -> bool {
        self.tally.seen > self.tally.kept
    }

    /// Takes in totals; gives back whether they are those of calls.
    pub(super) fn totals(&mut self, totals: &FileTotals) -> bool {
        self.entries.get_mut(&totals.access).map(|known| known.raise(&totals.totals)).is_some()
    }

    /// Takes in the first of calls that are alike; `early` are totals that came before.
    pub(super) fn called(
        &mut self,
        process: ProcessKey,
        at: BootNs,
        called: &Called,
        early: Option<AccessTotals>,
    ) {
        if let Some(known) = self.entries.get_mut(&called.access) {
            known.first_at = known.first_at.min(at);
            known.raise(&called.totals);
            return;
        }
        let room = (self.entries.len() as u64) < self.cap;
        if !self.tally.count(1, room) {
            return;
        }
        let mut entry = CallEntry {
            action: called.action,
            call: called.call,
            number: called.number,
            value: called.value,
            target: called.target,
            whom: None,
            text: called.text.as_ref().map(|text| text.as_ref().map(|text| Arc::from(text.as_slice()))),
            errno: called.errno(),
            process,
            // It is told because it was made.
            count: 1,
            bytes: 0,
            first_at: at,
            last_at: at,
        };
        entry.raise(&called.totals);
        if let Some(early) = early {
            entry.raise(&early);
        }
        self.entries.insert(called.access, entry);
    }
}

impl CallEntry {
    fn raise(&mut self, totals: &AccessTotals) {
        self.count = self.count.max(totals.failures);
        self.bytes = self.bytes.max(totals.bytes_written);
        self.last_at = self.last_at.max(totals.last_at);
    }

    /// Whether from here on system calls may be answered in the kernel's place: by a filter, or by whoever traces.
    pub(crate) fn has_calls_answered(&self) -> bool {
        let number = self.number.unwrap_or_default();
        self.errno.is_none()
            && match self.action {
                Action::Filter => number == SET_MODE_FILTER,
                Action::SetOption => number == SET_SECCOMP && self.value == Some(MODE_FILTER),
                Action::Trace => ANSWERS.contains(&number),
                _ => false,
            }
    }

    fn alike(&self) -> Alike {
        let text = self.text.as_ref().map(|text| text.value().cloned());
        let how = (self.action, self.call, self.number, self.value, self.errno);
        (self.process, how, self.target, self.whom, text)
    }
}

/// `SECCOMP_SET_MODE_FILTER` of `linux/seccomp.h`.
const SET_MODE_FILTER: u64 = 1;
/// `PR_SET_SECCOMP` of `linux/prctl.h`, and `SECCOMP_MODE_FILTER` of `linux/seccomp.h`.
const SET_SECCOMP: u64 = 22;
const MODE_FILTER: u64 = 2;
/// Requests of ptrace (`linux/ptrace.h`, `asm/ptrace-abi.h`) by which a tracer skips calls, or changes which they are and what
/// they return: `PTRACE_POKEUSR`, `PTRACE_SETREGS`, `PTRACE_SYSEMU`, `PTRACE_SYSEMU_SINGLESTEP`, `PTRACE_SETREGSET`,
/// `PTRACE_SET_SYSCALL_INFO`.
const ANSWERS: [u64; 6] = [6, 13, 31, 32, 0x4205, 0x4212];

/// What makes entries alike: the kernel side may have had to count some anew.
type Alike = (ProcessKey, How, Option<Target>, Option<Whom>, Option<Option<Arc<[u8]>>>);
type How = (Action, Syscall, Option<u64>, Option<u64>, Option<i32>);

impl Session {
    /// Says which process it is that observes, by its pid in the pid namespace that the command begins in.
    pub fn observed_by(&mut self, pid: u32) {
        self.observer = Some(pid);
    }

    /// Processes whose calls may have been answered in the kernel's place, so that what these say need not have happened: who set
    /// up a filter or changed what another does, whom it traced, and all that came from these.
    pub fn answered(&self) -> HashSet<ProcessKey> {
        let answering = self.calls.entries.values().filter(|entry| entry.has_calls_answered());
        let (mut answered, mut traced) = (HashSet::default(), HashSet::default());
        for entry in answering {
            answered.insert(entry.process);
            if let Some(Target::Process(number)) = entry.target {
                traced.insert(number as u32);
            }
        }
        if answered.is_empty() {
            return answered;
        }
        // The oldest first: a parent is older than its child.
        for (key, process) in self.processes() {
            let numbers = [Some(key.tgid), process.namespace_pid];
            let parents = [process.parent, process.created_by];
            if numbers.into_iter().flatten().any(|number| traced.contains(&number))
                || parents.into_iter().flatten().any(|parent| answered.contains(&parent))
            {
                answered.insert(key);
            }
        }
        answered
    }

    /// Takes in the first of calls that are alike.
    pub(super) fn called(&mut self, process: ProcessKey, at: BootNs, called: &Called) {
        self.process_mut(process);
        let early = self.accesses.take_orphan(called.access);
        self.calls.called(process, at, called, early);
    }

    /// Calls that are alike, by their number; whom they were about is not filled in.
    pub fn call(&self, access: AccessId) -> Option<&CallEntry> {
        self.calls.entries.get(&access)
    }
}

/// Entries and processes that are looked at in one step.
const STEP: usize = 1_024;

/// Calls being put together in steps, between which the session may go on.
#[derive(Debug, Default)]
pub(super) struct ToldCalls {
    numbers: Numbers,
    last_process: Option<ProcessKey>,
    last_entry: Option<AccessId>,
    found: BTreeMap<Alike, CallEntry>,
}

impl ToldCalls {
    /// Goes on; gives back whether that was the last step.
    pub(super) fn step(&mut self, session: &Session) -> bool {
        if session.calls.entries.is_empty() {
            return true;
        }
        let mut processes = 0;
        for (key, process) in session.processes_after(self.last_process).take(STEP) {
            self.numbers.add(key, process);
            (self.last_process, processes) = (Some(key), processes + 1);
        }
        if processes > 0 {
            return false;
        }
        let after = self.last_entry.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = 0;
        for (access, entry) in session.calls.entries.range((after, Bound::Unbounded)).take(STEP) {
            let mut entry = entry.clone();
            entry.whom = entry.target.map(|target| self.numbers.whom(session, &entry, target));
            self.take(entry);
            (self.last_entry, entries) = (Some(*access), entries + 1);
        }
        entries < STEP
    }

    fn take(&mut self, entry: CallEntry) {
        match self.found.entry(entry.alike()) {
            Entry::Vacant(place) => _ = place.insert(entry),
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.count = known.count.saturating_add(entry.count);
                known.bytes = known.bytes.saturating_add(entry.bytes);
                known.first_at = known.first_at.min(entry.first_at);
                known.last_at = known.last_at.max(entry.last_at);
            }
        }
    }

    /// All of them.
    pub(super) fn in_order(self) -> Vec<CallEntry> {
        let mut entries: Vec<_> = self.found.into_values().collect();
        entries.sort_by_key(|entry| (entry.first_at, entry.process));
        entries
    }
}

/// `PROC_PID_INIT_INO` of `linux/proc_ns.h`: the initial pid namespace.
const INITIAL_PID_NAMESPACE: u32 = 0xEFFF_FFFC;

/// The first process of a namespace, whose number no thread ever has.
const INIT: u32 = 1;

/// How many threads there were is known when they have ended.
fn may_have_threads(process: &Process) -> bool {
    process.ended.as_ref().is_none_or(|ended| ended.threads_started > 0)
}

/// Processes by their numbers.
#[derive(Debug, Default)]
struct Numbers {
    /// By pid namespace and number.
    inner: HashMap<(u32, u32), Vec<ProcessKey>>,
    /// The pid namespaces.
    namespaces: BTreeSet<u32>,
    /// By number in the initial namespace.
    initial: HashMap<u32, Vec<ProcessKey>>,
    /// Processes that had threads, or may have them yet.
    with_threads: u64,
}

impl Numbers {
    /// Takes a process in: the oldest first.
    fn add(&mut self, key: ProcessKey, process: &Process) {
        self.initial.entry(key.tgid).or_default().push(key);
        if let (Some(namespace), Some(pid)) = (process.pid_namespace, process.namespace_pid) {
            self.inner.entry((namespace, pid)).or_default().push(key);
            self.namespaces.insert(namespace);
        }
        self.with_threads += u64::from(may_have_threads(process));
    }

    /// Whether a number that is no process's may be that of a thread of one of them.
    fn may_be_thread(&self, session: &Session, entry: &CallEntry, number: u32) -> bool {
        const TAKES_THREADS: [Action; 3] = [Action::Trace, Action::ReadMemory, Action::WriteMemory];
        if number == INIT || !TAKES_THREADS.contains(&entry.action) {
            return false;
        }
        // Nobody can trace a thread of its own.
        let is_another = entry.action == Action::Trace && entry.errno.is_none();
        let own = session.process(entry.process).is_some_and(|own| is_another && may_have_threads(own));
        self.with_threads > u64::from(own)
    }

    fn whom(&self, session: &Session, entry: &CallEntry, target: Target) -> Whom {
        let namespace = session.process(entry.process).and_then(|caller| caller.pid_namespace);
        let (number, namespace, is_thread) = match target {
            Target::Process(0) if entry.action != Action::Signal => return Whom::Itself,
            Target::Process(0) => return Whom::Group,
            Target::Process(-1) => return Whom::Everyone,
            Target::Process(..0) => return Whom::Group,
            Target::Process(number) => (number as u32, namespace, false),
            Target::Thread(number) => (number as u32, namespace, true),
            Target::Descriptor(number) => (number, Some(INITIAL_PID_NAMESPACE), false),
        };
        let Some(namespace) = namespace else { return Whom::Unknown };
        let known = match namespace {
            INITIAL_PID_NAMESPACE => self.initial.get(&number),
            _ => self.inner.get(&(namespace, number)),
        };
        let at = entry.first_at;
        let last = known.into_iter().flatten().rfind(|key| key.start <= at);
        let has_ended = |key: ProcessKey| {
            let ended = session.process(key).and_then(|process| process.ended.as_ref());
            ended.is_some_and(|ended| ended.at < at)
        };
        // The namespace that the command began in, which is that of glasshouse.
        let outermost =
            session.root().and_then(|root| session.process(root)).and_then(|root| root.pid_namespace);
        let observer = session.observer.filter(|_| Some(namespace) == outermost);
        // A number of this namespace may be that of a process of the run that has another one in its own.
        let all_known = namespace == INITIAL_PID_NAMESPACE
            || self.namespaces.iter().all(|other| *other == namespace || Some(*other) == outermost);
        match last {
            Some(key) if *key == entry.process => Whom::Itself,
            // Its parent may not have asked for its end yet, or the number may be another's by now.
            Some(key) if has_ended(*key) => Whom::Unknown,
            Some(key) => Whom::Process(*key),
            None if observer == Some(number) => Whom::Observer,
            None if is_thread || !all_known || self.may_be_thread(session, entry, number) => Whom::Unknown,
            None => Whom::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Abi, Event, EventKind},
        session::{
            MAX_CALLS,
            samples::{called, event, exec, exit, fork, key},
        },
    };

    const SIGTERM: u64 = 15;

    fn told(session: &Session) -> Vec<CallEntry> {
        session.findings_and_calls().1
    }

    fn run(events: impl IntoIterator<Item = Event>) -> Session {
        let (root, child) = (key(10, 100), key(20, 101));
        let mut first = exec("sh", key(1, 1), 1000);
        (first.is_root, first.namespace_pid) = (true, 100);
        let mut session = Session::new();
        session.observed_by(90);
        for event in [
            event(11, root, crate::event::EventKind::Exec(Box::new(first))),
            event(20, root, fork(child, root, 1000)),
            event(50, child, exit(0)),
        ]
        .into_iter()
        .chain(events)
        {
            session.apply(&event);
        }
        session
    }

    #[test]
    fn whom_a_number_names() {
        let check = |at, target, expected| {
            let call = called(1, Action::Signal, Some(SIGTERM), Some(target), 0);
            let session = run([event(at, key(10, 100), call)]);
            assert_eq!(told(&session)[0].whom, Some(expected), "{target:?} at {at}");
        };
        check(30, Target::Process(100), Whom::Itself);
        check(30, Target::Process(101), Whom::Process(key(20, 101)));
        check(60, Target::Process(101), Whom::Unknown);
        check(30, Target::Process(90), Whom::Observer);
        check(30, Target::Descriptor(90), Whom::Observer);
        check(30, Target::Process(1), Whom::Outside);
        check(30, Target::Process(0), Whom::Group);
        check(30, Target::Process(-100), Whom::Group);
        check(30, Target::Process(-1), Whom::Everyone);
        check(30, Target::Thread(102), Whom::Unknown);
    }

    /// Who traces a process, or looks into its memory, may name it by any of its threads.
    #[test]
    fn a_number_may_be_that_of_a_thread() {
        let (root, child) = (key(10, 100), key(20, 101));
        let check = |action, result, number, [of_root, of_child]: [u32; 2], expected| {
            let end = |threads_started| {
                let EventKind::Exit(end) = exit(0) else { unreachable!() };
                EventKind::Exit(crate::event::Exit { threads_started, ..end })
            };
            let mut first = exec("sh", key(1, 1), 1000);
            (first.is_root, first.namespace_pid) = (true, 100);
            let mut session = Session::new();
            for event in [
                event(11, root, EventKind::Exec(Box::new(first))),
                event(20, root, fork(child, root, 1000)),
                event(30, root, called(1, action, Some(16), Some(Target::Process(number)), result)),
                event(50, child, end(of_child)),
                event(60, root, end(of_root)),
            ] {
                session.apply(&event);
            }
            assert_eq!(told(&session)[0].whom, Some(expected), "{action:?} {result} {number}");
        };
        let attach = Action::Trace;
        check(attach, 0, 200, [0, 3], Whom::Unknown);
        check(attach, 0, 200, [0, 0], Whom::Outside);
        check(attach, 0, 200, [3, 0], Whom::Outside);
        check(attach, -3, 200, [3, 0], Whom::Unknown);
        check(attach, 0, 101, [0, 3], Whom::Process(child));
        check(attach, 0, 1, [0, 3], Whom::Outside);
        check(Action::ReadMemory, 8, 200, [3, 0], Whom::Unknown);
        check(Action::WriteMemory, 8, 200, [0, 3], Whom::Unknown);
        check(Action::Signal, 0, 200, [0, 3], Whom::Outside);
    }

    #[test]
    fn equal_calls_are_one_whatever_their_order() {
        let root = key(10, 100);
        let again = |access, count| {
            let mut kind = called(access, Action::Signal, Some(0), Some(Target::Process(1)), -1);
            if let crate::event::EventKind::Called(called) = &mut kind {
                called.totals.failures = count;
            }
            event(30 + access, root, kind)
        };
        let session = run([again(1, 5), again(2, 7)]);
        let calls = told(&session);
        assert_eq!(calls.len(), 1);
        assert_eq!((calls[0].count, calls[0].first_at, calls[0].errno), (12, 31, Some(1)));
        assert_eq!(calls[0].call.abi, Abi::Native);
        assert_eq!(calls, told(&run([again(2, 7), again(1, 5)])));
        assert!(session.calls.tally().kept <= MAX_CALLS);
    }
}
