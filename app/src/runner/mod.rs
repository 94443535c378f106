//! One run, from what was asked for to the receipt: prepare → start → wait → cleanup, around an observation.
//!
//! Knows no backend by name. Whatever happens in between, three things happen at the end: the backend is cleaned up,
//! a receipt is written, and the exit code says what became of the command.
//!
//! Nothing is left running unobserved by a failure of glasshouse itself: when the collector fails or glasshouse
//! panics, the command is ended (SIGTERM, SIGKILL after [`KILL_AFTER`]). Only a user who insists by repeated signals
//! stops the observation and leaves the command running.

mod explore;
mod interface;
mod meanwhile;
mod observation;
mod outcome;
mod policy;
mod report;
mod so_far;
mod supervise;
#[cfg(test)]
mod tests;

use std::{
    io::Write as _,
    mem::take,
    os::fd::AsFd as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::runtime::Runtime;

pub use interface::{Headless, Interface, Progress, Request, Stage};
pub use observation::Observation;
use outcome::End;
use so_far::SoFar;

use crate::{
    backend::{Backend, ExecutionMetadata, Reach},
    disclosure::Disclosure,
    event::{BootNs, Event, EventKind},
    facts::{Gap, GapKind, HostFacts, ObservationFacts, OutcomeStatus, Resources, ToolFacts},
    hash::Hasher,
    launch::{
        Command, EXIT_FAILED, Ended, Identity, LaunchError, Signals, boot_time, identity::Caller,
        signals::CallerSignals, stdout_was_closed,
    },
    observe::{Finished, ObserveError, Target},
    options::{ReceiptDestination, WatchOptions},
    receipt::write::ReceiptTarget,
    recording::Recording,
    session::Session,
    timings::Timings,
};

/// From SIGTERM to SIGKILL when a command is ended: for `--timeout`, and when glasshouse failed.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// How long the hashing of executed files may go on without progress once everything else is done.
const HASH_PATIENCE: Duration = Duration::from_secs(5);

/// Events that are taken in at once, at most.
const AT_ONCE: usize = 4_096;

/// What becomes known in the course of a run.
struct Run {
    receipt_id: String,
    session: Arc<RwLock<Session>>,
    /// The receipt of what is known so far, while it is being written.
    so_far: Option<SoFar>,
    disclosure: Disclosure,
    /// Events on their way to the session; empty but for their memory in between.
    disclosed: Vec<Event>,
    hasher: Hasher,
    timings: Timings,
    boot_to_unix_ns: i64,
    /// Where it runs, and what observes it, if that was asked for already.
    host: Option<HostFacts>,
    tool: Option<ToolFacts>,
    root_pid: Option<u32>,
    executable: Option<Vec<u8>>,
    /// Where the root directory of glasshouse is, if it is not that of the mount namespace.
    chroot: Option<Vec<u8>>,
    started_at: Option<BootNs>,
    finished_at: Option<BootNs>,
    resources: Option<Resources>,
    observation: Option<ObservationFacts>,
    /// What is written of events as they happen.
    recording: Option<Recording>,
    /// Gaps beside those that the observation knows of.
    gaps: Vec<Gap>,
    metadata: ExecutionMetadata,
    /// What was asked for, and whose the receipt is.
    asked: Option<(Command, (u32, u32))>,
    /// The workload is frozen.
    frozen: bool,
    /// The user wants to see nothing more.
    leaves: bool,
    /// Records that the kernel side could not send, as of late.
    lost: u64,
    /// The event loop, once there is one.
    runtime: Option<Arc<Runtime>>,
}

/// Runs a command as `options` say, with the backend that `make_backend` makes and the observation that `observe`
/// begins. Returns the exit code.
pub fn run<B: Backend, O: Observation>(
    options: &WatchOptions,
    make_backend: impl FnOnce(Command, CallerSignals) -> B,
    observe: impl FnOnce(Target, &mut Timings) -> Result<O, ObserveError>,
    mut interface: impl Interface,
    timings: Timings,
) -> u8 {
    // First, so that a receipt that cannot be written is known before anything runs.
    let target = match &options.receipt {
        ReceiptDestination::Stdout if stdout_was_closed() => {
            say(
                "standard output is closed, so the receipt cannot go there; nothing was run; type: --receipt FILE",
            );
            return EXIT_FAILED;
        }
        ReceiptDestination::Stdout => ReceiptTarget::stdout(),
        ReceiptDestination::File(path) => match ReceiptTarget::open(path) {
            Ok(target) => target,
            Err(error) => {
                say(&format!("{error}; nothing was run"));
                return EXIT_FAILED;
            }
        },
    };
    let caller = Caller::current();
    let mut run = Run::new(options, timings);
    let resolve = |identity| {
        Command::new(options.command.clone(), &options.environment, options.cwd.as_deref(), identity)
    };
    let (command, owner, failed) = match Identity::resolve(options.user.as_ref(), &caller) {
        Ok(identity) => {
            let mut command = resolve(identity);
            if let Some(terminal) = interface.terminal() {
                command.give_terminal(terminal, &options.environment);
            }
            run.timings.mark("options");
            let owner = (command.identity.uid, command.identity.gid);
            run.asked = Some((command.clone(), owner));
            (command, owner, None)
        }
        // Nobody was found to run it as: the receipt belongs to who asked.
        Err(error) => (resolve(Identity::unchanged()), caller.owner(), Some(End::failed_to_start(&error))),
    };
    if let Some(path) = &options.events {
        match Recording::create(path, &run.header(options, &command)) {
            Ok(recording) => run.recording = Some(recording),
            Err(error) => {
                say(&format!("{error}; nothing was run"));
                return EXIT_FAILED;
            }
        }
        run.timings.mark("begin the recording");
    }
    let end = match failed {
        Some(end) => end,
        None => run.command(options, &command, make_backend, observe, &mut interface),
    };
    if let Some(error) = &end.outcome.error {
        // It names what was asked for, and a log keeps it longer than a terminal does.
        let redacted = options.redactor.as_ref().and_then(|redactor| redactor.message(error));
        say(redacted.as_ref().unwrap_or(error));
    }
    // A defect in the report must not change into an exit code that could be the command's.
    let reported =
        catch_unwind(AssertUnwindSafe(|| run.report(options, &command, owner, &end, target, &mut interface)));
    if let Ok(reported) = &reported
        && interface.has_screen()
        && !run.leaves
        // Who insists by signals does not look on.
        && end.outcome.status != OutcomeStatus::Interrupted
    {
        // Whatever happens here, the receipt is written.
        drop(catch_unwind(AssertUnwindSafe(|| run.explore(&end, reported, &mut interface))));
    }
    interface.leave();
    release_messages();
    reported.map_or(EXIT_FAILED, |reported| {
        // The receipt is in place; a closed stderr is no failure of the run.
        drop(std::io::stderr().lock().write_all(&reported.summary));
        reported.exit_code
    })
}

impl Run {
    fn new(options: &WatchOptions, timings: Timings) -> Self {
        let mut session = Session::new();
        session.observed_by(std::process::id());
        Self {
            receipt_id: uuid::Uuid::new_v4().to_string(),
            session: Arc::new(RwLock::new(session)),
            so_far: None,
            disclosure: Disclosure::new(options.env_values, options.redactor.clone()),
            disclosed: Vec::new(),
            hasher: Hasher::new(),
            timings,
            boot_to_unix_ns: report::boot_to_unix_ns(),
            host: None,
            tool: None,
            root_pid: None,
            executable: None,
            chroot: None,
            started_at: None,
            finished_at: None,
            resources: None,
            observation: None,
            recording: None,
            gaps: Vec::new(),
            metadata: ExecutionMetadata { backend: "process", isolation: "none", gaps: Vec::new() },
            asked: None,
            frozen: false,
            leaves: false,
            lost: 0,
            runtime: None,
        }
    }

    /// Everything but the receipt. The backend is cleaned up when this returns, also after a panic.
    fn command<B: Backend, O: Observation>(
        &mut self,
        options: &WatchOptions,
        command: &Command,
        make_backend: impl FnOnce(Command, CallerSignals) -> B,
        observe: impl FnOnce(Target, &mut Timings) -> Result<O, ObserveError>,
        interface: &mut impl Interface,
    ) -> End {
        let signals = match Signals::take() {
            Ok(signals) => signals,
            Err(error) => return End::observer_failed(format!("cannot take signals: {error}")),
        };
        let mut backend = make_backend(command.clone(), signals.caller());
        let observed = catch_unwind(AssertUnwindSafe(|| {
            self.observe(options, &mut backend, observe, interface, &signals)
        }));
        let end = observed.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            self.misses(GapKind::Loss, "observer_panicked", message.to_owned());
            let ended = self.end_command(&mut backend);
            End::observer_failed(format!("glasshouse has a defect and stopped: {message}")).with_root(ended)
        });
        self.metadata = backend.metadata();
        if let Err(error) = backend.cleanup() {
            say(&error.to_string());
        }
        self.timings.mark("clean up");
        end
    }

    fn observe<B: Backend, O: Observation>(
        &mut self,
        options: &WatchOptions,
        backend: &mut B,
        observe: impl FnOnce(Target, &mut Timings) -> Result<O, ObserveError>,
        interface: &mut impl Interface,
        signals: &Signals,
    ) -> End {
        let target = match backend.prepare() {
            Ok(target) => target,
            Err(error) => return End::failed_to_start(&error),
        };
        self.timings.mark("hold the command");
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Arc::new(runtime),
            Err(error) => return End::observer_failed(format!("cannot start the event loop: {error}")),
        };
        self.runtime = Some(Arc::clone(&runtime));
        // What the observation registers with the loop finds it here.
        let _entered = runtime.enter();
        let mut observation = match observe(target, &mut self.timings) {
            Ok(observation) => observation,
            Err(error) => {
                self.misses(
                    GapKind::Partial,
                    "not_observed",
                    format!("observation could not begin: {error}"),
                );
                return End::observer_failed(error.to_string());
            }
        };
        let end = match backend.start(Some(signals.as_fd())) {
            Ok(root) => {
                self.timings.mark("execute the command");
                // The command has another CPU, if there is one: in the end it would be waited for.
                self.look_around();
                self.root_pid = Some(root.pid);
                self.started_at = Some(root.released_at);
                self.executable.clone_from(&root.executable);
                if let Some(recording) = &self.recording {
                    let executable = self.executable.as_ref().map(|path| self.disclosure.path(path));
                    recording.started(root.pid, root.released_at, executable);
                }
                interface.enter();
                if interface.has_screen() {
                    hold_messages();
                }
                let watching = self.supervise(options, backend, &mut observation, interface, signals, &root);
                let ending = runtime.block_on(watching);
                self.timings.mark("the command");
                self.conclude(ending, options, backend)
            }
            Err(error) => {
                if let LaunchError::NotExecutable { path, .. } = &error {
                    self.executable = Some(path.clone());
                }
                End::failed_to_start(&error)
            }
        };
        self.finished_at.get_or_insert_with(boot_time);
        self.show(Stage::Concluding, interface);
        let finished = observation.finish(&mut self.timings);
        self.take_in_the_rest(finished, interface);
        self.timings.mark("end the observation");
        end
    }

    /// Takes in events, and leaves their list empty. So many at a time: what was left in the kernel comes all at once.
    fn take_in(&mut self, events: &mut Vec<Event>, interface: &mut impl Interface) {
        let mut coming = events.drain(..).peekable();
        while coming.peek().is_some() {
            for event in coming.by_ref().take(AT_ONCE) {
                self.hasher.observe(&event);
                if let EventKind::Exec(exec) = &event.kind
                    && exec.is_root
                {
                    // The command begins in the directory that is glasshouse's own root.
                    self.chroot = report::chroot(&exec.cwd).or_else(|| report::chroot(&exec.image.path));
                }
                self.disclosure.pass(event, &mut self.disclosed);
            }
            self.apply(&self.disclosed, interface);
            let disclosed = take(&mut self.disclosed);
            self.disclosed = self.record(disclosed);
        }
    }

    /// Takes in what was found out of files that were executed.
    fn take_in_digests(&mut self, events: Vec<Event>, interface: &mut impl Interface) {
        self.apply(&events, interface);
        self.record(events);
    }

    /// Has the session take in events, and the interface show them.
    fn apply(&self, events: &[Event], interface: &mut impl Interface) {
        let mut session = write(&self.session);
        for event in events {
            session.apply(event);
            interface.observed(event, &session);
        }
    }

    /// Writes down what the session has taken in, if that was asked for; gives back an empty list.
    fn record(&self, mut events: Vec<Event>) -> Vec<Event> {
        match &self.recording {
            Some(recording) if !events.is_empty() => recording.events(events),
            _ => {
                events.clear();
                events
            }
        }
    }

    /// Takes in what was left when the observation ended, and waits for the digests.
    fn take_in_the_rest(&mut self, mut finished: Finished, interface: &mut impl Interface) {
        self.finish_so_far(interface);
        self.take_in(&mut finished.events, interface);
        write(&self.session).observation_ended(&finished.alive);
        if let Some(recording) = &self.recording {
            recording.observation_ended(&finished.alive);
        }
        self.observation = Some(finished.facts);
        let hasher = take(&mut self.hasher);
        let digests = self.meanwhile(Stage::Hashing, interface, |_| hasher.finish(HASH_PATIENCE));
        self.take_in_digests(digests, interface);
    }

    /// Ends a command that must not go on unobserved; blocks for [`KILL_AFTER`] at most, and a moment.
    fn end_command(&mut self, backend: &mut impl Backend) -> Option<Ended> {
        // Without a root nothing was released, and cleaning up ends what is held.
        self.root_pid?;
        self.thaw(backend);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            match signal {
                Signal::SIGTERM => self.terminate(backend),
                signal => self.send(backend, signal, Reach::Everything),
            }
            let until = Instant::now() + KILL_AFTER;
            while self.is_populated(backend) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if !self.is_populated(backend) {
                break;
            }
        }
        let ended = if backend.is_populated() { None } else { backend.wait().ok() };
        self.finished_at = Some(boot_time());
        self.resources = ended.map(|ended| ended.resources);
        ended
    }

    fn misses(&mut self, kind: GapKind, code: &'static str, detail: String) {
        self.gaps.push(Gap { kind, code: code.into(), detail });
    }
}

/// The session, to be read: nobody changes it meanwhile.
fn read(session: &RwLock<Session>) -> RwLockReadGuard<'_, Session> {
    session.read().unwrap_or_else(PoisonError::into_inner)
}

/// The session, to be changed, once nobody reads it.
fn write(session: &RwLock<Session>) -> RwLockWriteGuard<'_, Session> {
    session.write().unwrap_or_else(PoisonError::into_inner)
}

/// Messages that wait until an interface gives the screen back.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<Vec<String>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the screen belongs to an interface.
fn hold_messages() {
    held().get_or_insert_default();
}

/// The screen is free again: says what there was to say.
fn release_messages() {
    let messages = held().take();
    messages.into_iter().flatten().for_each(|message| say(&message));
}

/// A message of glasshouse's own.
pub(crate) fn say(message: &str) {
    if let Some(held) = &mut *held() {
        held.push(message.to_owned());
        return;
    }
    // There is nowhere else to say that it could not be said.
    drop(writeln!(std::io::stderr().lock(), "glasshouse: {message}"));
}
