//! The runner over real processes, with an observation that is not eBPF.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::Cell,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    thread,
};

use nix::sys::{
    pthread::{Pthread, pthread_kill, pthread_self},
    signal::SigSet,
};
use tempfile::TempDir;

use super::*;
use crate::{
    backend::{ProcessBackend, contract::alone},
    event::{CallsSoFar, Event},
    facts::OutcomeStatus,
    launch::cgroup::Cgroup,
};

/// What the observation does when it is asked for events.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Fails,
    Panics,
}

struct Fake {
    next: Next,
    alive: Rc<Cell<usize>>,
}

impl Observation for Fake {
    async fn next(&mut self) -> Option<Vec<Event>> {
        match self.next {
            Next::Nothing => std::future::pending().await,
            Next::Fails => None,
            Next::Panics => panic!("on purpose"),
        }
    }

    fn take_back(&mut self, _events: Vec<Event>) {}

    fn alive(&self) -> usize {
        let left = self.alive.get();
        self.alive.set(left.saturating_sub(1));
        left
    }

    fn lost(&self) -> u64 {
        0
    }

    fn calls_so_far(&self, _made_wanted: bool) -> CallsSoFar {
        CallsSoFar::default()
    }

    fn finish(self, _timings: &mut Timings) -> Finished {
        Finished { events: Vec::new(), facts: ObservationFacts::default(), alive: Vec::new() }
    }
}

fn options(argv: &[&str]) -> WatchOptions {
    WatchOptions {
        artifact_limit: 0,
        command: argv.iter().map(OsString::from).collect(),
        receipt: ReceiptDestination::Stdout,
        events: None,
        tui: false,
        quiet: true,
        user: None,
        cwd: None,
        environment: Vec::new(),
        env_values: false,
        redactor: None,
        timeout: None,
        wait_all: false,
        backpressure: true,
        timings: false,
        record_records: None,
    }
}

/// Runs up to the receipt, checks that nothing is left behind, and says how it ended.
fn run_with(
    options: &WatchOptions,
    observe: impl FnOnce(Target, &mut Timings) -> Result<Fake, ObserveError>,
) -> (End, Run) {
    let mask = SigSet::thread_get_mask().unwrap();
    let command = Command::new(
        options.command.clone(),
        &options.environment,
        options.cwd.as_deref(),
        Identity::unchanged(),
    );
    let mut run = Run::new(options, Timings::default());
    let end = run.command(options, &command, ProcessBackend::new, observe, &mut Headless);
    assert_eq!(groups_left(), [] as [PathBuf; 0]);
    mask.thread_set_mask().unwrap();
    (end, run)
}

fn groups_left() -> Vec<PathBuf> {
    let Ok(mut probe) = Cgroup::create() else { return Vec::new() };
    let siblings = probe.path().parent().unwrap().to_owned();
    probe.remove().unwrap();
    let ours = format!("glasshouse-{}-", std::process::id());
    let entries = fs::read_dir(siblings).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&ours)).collect()
}

fn run(options: &WatchOptions, next: Next) -> (End, Run) {
    run_with(options, |_, _| Ok(Fake { next, alive: Rc::default() }))
}

fn status(argv: &[&str]) -> (OutcomeStatus, u8) {
    let (end, _) = run(&options(argv), Next::Nothing);
    (end.outcome.status, end.exit_code)
}

/// Waits for a line that the command writes to a file.
fn appears(path: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while fs::read(path).map_or(true, |content| content.is_empty()) {
        assert!(Instant::now() < until, "{} did not appear", path.display());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends signals to this thread's run, once `ready` says that the command is there.
fn send_when(ready: PathBuf, signals: &'static [Signal]) -> impl FnOnce() {
    let target: Pthread = pthread_self();
    let sender = thread::spawn(move || {
        appears(&ready);
        for signal in signals {
            pthread_kill(target, *signal).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
    });
    move || sender.join().unwrap()
}

#[test]
fn the_outcome_is_the_roots_own() {
    let _alone = alone();
    assert_eq!(status(&["sh", "-c", "exit 3"]), (OutcomeStatus::Exited, 3));
    assert_eq!(status(&["sh", "-c", "kill -9 $$"]), (OutcomeStatus::Signaled, 137));
    assert_eq!(status(&["no-such-command"]), (OutcomeStatus::FailedToStart, 127));
    assert_eq!(status(&["/"]), (OutcomeStatus::FailedToStart, 126));
    let (end, run) = run(&options(&["true"]), Next::Nothing);
    assert_eq!((end.outcome.exit_code, end.outcome.error), (Some(0), None));
    assert!(run.executable.unwrap().ends_with(b"/true"));
    assert!(run.started_at.unwrap() < run.finished_at.unwrap());
    assert!(run.resources.is_some() && run.root_pid.is_some());
}

#[test]
fn nothing_runs_unobserved() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let marker = folder.path().join("it-ran");
    let options = options(&["touch", marker.to_str().unwrap()]);
    let (end, run) =
        run_with(&options, |_, _| Err(ObserveError::NotPermitted("not permitted; type: sudo".into())));
    assert_eq!((end.outcome.status, end.exit_code), (OutcomeStatus::ObserverFailed, 125));
    assert_eq!(end.outcome.error.unwrap(), "not permitted; type: sudo");
    assert_eq!(run.gaps.first().unwrap().code, "not_observed");
    let (end, run) = run_with(&options, |_, _| panic!("on purpose"));
    assert_eq!(end.exit_code, 125);
    assert_eq!(run.gaps.first().unwrap().code, "observer_panicked");
    assert!(!marker.exists());
}

#[test]
fn a_failing_observer_takes_the_command_with_it() {
    let _alone = alone();
    for next in [Next::Fails, Next::Panics] {
        let began = Instant::now();
        let (end, run) = run(&options(&["sleep", "100"]), next);
        assert_eq!((end.outcome.status, end.exit_code), (OutcomeStatus::ObserverFailed, 125));
        assert_eq!(end.outcome.signal, Some(Signal::SIGTERM as i32));
        assert_eq!(run.gaps.first().unwrap().kind, GapKind::Loss);
        assert!(began.elapsed() < KILL_AFTER);
    }
}

#[test]
fn a_timeout_ends_the_command() {
    let _alone = alone();
    let mut options = options(&["sh", "-c", "trap 'exit 7' TERM; sleep 100 & wait"]);
    options.timeout = Some(Duration::from_millis(300));
    let (end, _) = run(&options, Next::Nothing);
    assert_eq!((end.outcome.status, end.exit_code), (OutcomeStatus::TimedOut, 124));
    assert_eq!(end.outcome.exit_code, Some(7));
    assert!(end.outcome.error.unwrap().contains("300ms"));
}

/// The fake observation counts down from one look to the next; there are more of them than the time-out lets be made.
#[test]
fn a_timeout_that_ends_others_leaves_the_outcome_the_roots_own() {
    let _alone = alone();
    let mut options = options(&["sh", "-c", "sleep 100 & exit 3"]);
    (options.timeout, options.wait_all) = (Some(Duration::from_millis(300)), true);
    let alive = Rc::new(Cell::new(1_000));
    let (end, _) = run_with(&options, |_, _| Ok(Fake { next: Next::Nothing, alive }));
    assert_eq!((end.outcome.status, end.exit_code), (OutcomeStatus::Exited, 3));
    let error = end.outcome.error.unwrap();
    assert!(error.contains("ended by itself") && error.contains("300ms"), "{error}");
}

#[test]
fn a_stopped_command_gets_to_act_on_the_timeout() {
    let _alone = alone();
    let mut options = options(&["sh", "-c", "trap 'exit 7' TERM; kill -STOP $$; exit 8"]);
    options.timeout = Some(Duration::from_millis(300));
    let began = Instant::now();
    let (end, _) = run(&options, Next::Nothing);
    assert_eq!((end.outcome.status, end.outcome.exit_code), (OutcomeStatus::TimedOut, Some(7)));
    assert!(began.elapsed() < KILL_AFTER, "it was not killed");
}

#[test]
fn a_timeout_that_is_not_reached_changes_nothing() {
    let _alone = alone();
    let mut options = options(&["true"]);
    options.timeout = Some(Duration::from_secs(100));
    assert_eq!(run(&options, Next::Nothing).0.exit_code, 0);
}

#[test]
fn descendants_are_waited_for_when_asked() {
    let _alone = alone();
    let mut options = options(&["true"]);
    options.wait_all = true;
    let alive = Rc::new(Cell::new(3));
    let (end, _) = run_with(&options, |_, _| Ok(Fake { next: Next::Nothing, alive: alive.clone() }));
    assert_eq!(end.exit_code, 0);
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_signal_is_passed_on_once() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let (ready, log) = (folder.path().join("ready"), folder.path().join("log"));
    let script = format!(
        "trap 'echo TERM >> {log}' TERM; trap 'echo USR1 >> {log}' USR1; trap 'echo HUP >> {log}; exit 5' HUP; \
         echo > {ready}; while :; do sleep 0.02; done",
        log = log.display(),
        ready = ready.display()
    );
    let done = send_when(ready, &[Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGHUP]);
    let (end, _) = run(&options(&["sh", "-c", &script]), Next::Nothing);
    done();
    assert_eq!((end.outcome.status, end.exit_code), (OutcomeStatus::Exited, 5));
    assert_eq!(fs::read_to_string(log).unwrap(), "TERM\nUSR1\nHUP\n");
}

#[test]
fn insisting_stops_the_observation_and_leaves_the_command() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let ready = folder.path().join("ready");
    let script = format!("trap '' TERM; echo $$ > {}; exec sleep 100", ready.display());
    let done = send_when(ready.clone(), &[Signal::SIGTERM, Signal::SIGTERM, Signal::SIGTERM]);
    let (end, run) = run(&options(&["sh", "-c", &script]), Next::Nothing);
    done();
    assert_eq!((end.outcome.status, end.exit_code), (OutcomeStatus::Interrupted, 143));
    assert_eq!(run.gaps.first().unwrap().code, "interrupted");
    let pid = nix::unistd::Pid::from_raw(run.root_pid.unwrap().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(pid, None).unwrap();
}

#[test]
fn the_receipt_so_far_is_written_once_and_in_any_case() {
    let folder = TempDir::new().unwrap();
    let mut options = options(&["true"]);
    options.receipt = ReceiptDestination::File(folder.path().join("receipt.json"));
    let path = folder.path().join("receipt.so-far.json");
    let mut run = Run::new(&options, Timings::default());
    assert_eq!(run.write_so_far(&options), "nothing is known yet");
    let command = Command::new(options.command.clone(), &[], None, Identity::unchanged());
    run.asked = Some((command.clone(), (command.identity.uid, command.identity.gid)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for the_command_ends in [false, true] {
        assert_eq!(run.write_so_far(&options), "the receipt so far is being written");
        assert_eq!(run.write_so_far(&options), "the receipt so far is being written already");
        if the_command_ends {
            run.finish_so_far(&mut Headless);
        } else {
            let message = runtime.block_on(SoFar::written(&mut run.so_far));
            assert_eq!(message, format!("written so far: {}", path.display()));
        }
        assert!(run.so_far.is_none());
        let receipt: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(receipt["observation"]["reasons"].to_string().contains("unfinished"), "{receipt}");
        fs::remove_file(&path).unwrap();
    }
}
