//! While the command runs: events in, signals passed on, its end waited for.

use std::{
    io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::{
    Interface, Observation, Progress, Request, Run, Stage,
    outcome::End,
    policy::{Action, Policy},
    read, release_messages, say,
    so_far::SoFar,
};
use crate::{
    backend::{Backend, Reach, RootProcess},
    facts::GapKind,
    launch::{Ended, Known, Signals, boot_time, readable, signals::SignalNumber},
    options::WatchOptions,
};

/// How often the kernel side's own counters are read for an interface: more often than anybody reads a number, and far more
/// seldom than there are events.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// How often it is looked whether descendants are left, once the root has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Why supervision ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The command has ended, and whatever else was to be waited for.
    Root(Ended),
    /// `--timeout` was reached, and everything is over that could be ended.
    TimedOut(Option<Ended>),
    /// The command had ended when `--timeout` was reached, but others that were waited for had not.
    Outlived {
        root: Ended,
        /// They are over.
        all_ended: bool,
    },
    /// The user insists.
    Stopped(SignalNumber),
    /// The observation ended by itself, or the runner's own means did.
    Failed(String),
}

impl Ending {
    /// What `--timeout` has ended: the command, or the wait for others.
    fn of_timeout(policy: &Policy, ended: Option<Ended>, all_ended: bool) -> Self {
        match ended {
            Some(root) if policy.root_was_in_time() => Self::Outlived { root, all_ended },
            _ => Self::TimedOut(ended),
        }
    }
}

impl Run {
    /// Returns when there is nothing more to wait for.
    pub(super) async fn supervise<O: Observation>(
        &mut self,
        options: &WatchOptions,
        backend: &mut impl Backend,
        observation: &mut O,
        interface: &mut impl Interface,
        signals: &Signals,
        root: &RootProcess,
    ) -> Ending {
        let watched =
            readable(signals.as_fd()).and_then(|signals| Ok((signals, readable(root.ended.as_fd())?)));
        let (signals_ready, root_ready) = match watched {
            Ok(watched) => watched,
            Err(error) => return Ending::Failed(format!("cannot watch the command: {error}")),
        };
        let mut policy = Policy::new(Instant::now(), options.timeout);
        let mut ended: Option<Ended> = None;
        let mut count_at = Instant::now();
        loop {
            if let Some(ended) = ended {
                if policy.timed_out() {
                    if !self.is_populated(backend) {
                        return Ending::of_timeout(&policy, Some(ended), true);
                    }
                } else if !options.wait_all || observation.alive() == 0 {
                    return Ending::Root(ended);
                }
            }
            // Signals and the end first: a storm of events must not hold them up.
            let action = tokio::select! {
                biased;
                ready = signals_ready.readable() => {
                    match ready {
                        Ok(mut ready) => ready.clear_ready(),
                        Err(error) => return Ending::Failed(format!("cannot wait for signals: {error}")),
                    }
                    match self.pass_on(signals, backend, interface, &mut policy) {
                        Ok(action) => action,
                        Err(error) => return Ending::Failed(format!("cannot read signals: {error}")),
                    }
                }
                ready = root_ready.readable(), if ended.is_none() => {
                    if let Err(error) = ready.and_then(|_| backend.wait().map(|end| ended = Some(end))) {
                        return Ending::Failed(format!("cannot wait for the command: {error}"));
                    }
                    self.finished_at = Some(boot_time());
                    self.resources = ended.map(|ended| ended.resources);
                    policy.root_ended();
                    Action::Nothing
                }
                () = sleep_until(policy.deadline()) => policy.time_passed(Instant::now()),
                () = interface.ready() => {
                    let stage = match self.frozen {
                        true => Stage::Frozen,
                        false if policy.is_ending() => Stage::Ending,
                        false => Stage::Running,
                    };
                    let now = Instant::now();
                    if now >= count_at {
                        (self.lost, count_at) = (observation.lost(), now + COUNT_EVERY);
                    }
                    let progress = self.progress(stage, self.lost);
                    let request = interface.turn(&read(&self.session), &progress);
                    match request {
                        Some(Request::Count { made }) => {
                            interface.counted(observation.calls_so_far(made));
                            Action::Nothing
                        }
                        Some(request) => self.requested(request, options, backend, interface, &mut policy),
                        None => Action::Nothing,
                    }
                }
                message = SoFar::written(&mut self.so_far) => {
                    interface.message(&message);
                    Action::Nothing
                }
                // What is being written is read meanwhile.
                events = observation.next(), if self.so_far.is_none() => {
                    let Some(mut events) = events else {
                        return Ending::Failed("the collector of events failed".into());
                    };
                    self.take_in(&mut events, interface);
                    observation.take_back(events);
                    Action::Nothing
                }
                event = self.hasher.next(), if self.so_far.is_none() => {
                    self.take_in_digests(Vec::from([event]), interface);
                    Action::Nothing
                }
                () = tokio::time::sleep(LOOK_EVERY), if ended.is_some() => Action::Nothing,
            };
            match (action, ended) {
                (Action::Stop(_) | Action::GiveUp, Some(ended)) if !policy.timed_out() => {
                    return Ending::Root(ended);
                }
                (Action::Stop(signal), None) => return Ending::Stopped(signal),
                (Action::Stop(_) | Action::GiveUp, _) => return Ending::of_timeout(&policy, ended, false),
                (Action::Send(signal, reach), _) => self.send(backend, signal, reach),
                (Action::Terminate, _) => self.terminate(backend),
                (Action::Nothing, _) => {}
            }
        }
    }

    /// How far the run is.
    pub(super) fn progress(&self, stage: Stage, lost: u64) -> Progress {
        Progress {
            stage,
            started_at: self.started_at.unwrap_or_default(),
            finished_at: self.finished_at,
            now: boot_time(),
            lost,
            outcome: None,
            succeeded: false,
            receipt: None,
        }
    }

    /// Does what the user asked for; gives back what is left to be done.
    fn requested(
        &mut self,
        request: Request,
        options: &WatchOptions,
        backend: &mut impl Backend,
        interface: &mut impl Interface,
        policy: &mut Policy,
    ) -> Action {
        match request {
            Request::Freeze(frozen) => match backend.freeze(frozen) {
                Ok(()) => self.frozen = frozen,
                Err(error) => interface.message(&format!("cannot freeze the command: {error}")),
            },
            Request::End => {
                self.thaw(backend);
                return policy.end(Instant::now());
            }
            Request::WriteReceipt => {
                let message = self.write_so_far(options);
                interface.message(&message);
            }
            Request::Detach => {
                self.thaw(backend);
                interface.hung_up();
                release_messages();
            }
            Request::Leave => self.leaves = true,
            // It is asked of the observation.
            Request::Count { .. } => {}
        }
        Action::Nothing
    }

    /// What is frozen can neither end nor be left alone.
    pub(super) fn thaw(&mut self, backend: &mut impl Backend) {
        if std::mem::take(&mut self.frozen)
            && let Err(error) = backend.freeze(false)
        {
            say(&format!("cannot let the command go on: {error}"));
        }
    }

    /// Passes on every signal that has arrived; returns what is left to be done.
    fn pass_on(
        &self,
        signals: &Signals,
        backend: &mut impl Backend,
        interface: &mut impl Interface,
        policy: &mut Policy,
    ) -> io::Result<Action> {
        while let Some(caught) = signals.next()? {
            // The terminal is gone.
            if caught.signal == Signal::SIGHUP.into() && interface.has_screen() {
                interface.hung_up();
                release_messages();
            }
            let has_it_already = caught.from_terminal && backend.shares_terminal();
            match policy.signal(caught, has_it_already, Instant::now()) {
                Action::Send(signal, reach) => self.send(backend, signal, reach),
                Action::Terminate => self.terminate(backend),
                Action::Nothing => {}
                action @ (Action::Stop(_) | Action::GiveUp) => return Ok(action),
            }
        }
        Ok(Action::Nothing)
    }

    /// Sends a signal. Where the backend reaches the root alone, those that the observation knows get it too.
    pub(super) fn send(&self, backend: &mut impl Backend, signal: impl Into<SignalNumber>, reach: Reach) {
        let signal = signal.into();
        let mut outcome = backend.kill(signal, reach);
        if reach == Reach::Everything {
            for process in self.known_besides(backend) {
                outcome = outcome.and(process.signal(signal));
            }
        }
        if let Err(error) = outcome {
            say(&format!("cannot send {signal} to the command: {error}"));
        }
    }

    /// Asks everything to end. What is stopped gets to know of it only when it continues.
    pub(super) fn terminate(&self, backend: &mut impl Backend) {
        self.send(backend, Signal::SIGTERM, Reach::Everything);
        self.send(backend, Signal::SIGCONT, Reach::Everything);
    }

    /// There is somebody that [`Run::send`] would reach.
    pub(super) fn is_populated(&self, backend: &impl Backend) -> bool {
        backend.is_populated() || self.known_besides(backend).next().is_some()
    }

    /// Live processes that the backend does not reach by itself. One whose fork is still to be read is not among them.
    fn known_besides(&self, backend: &impl Backend) -> impl Iterator<Item = Known> {
        let session = read(&self.session);
        // Where the kernel's pids are not those that glasshouse sees, in a container, they lead to others.
        let root = session.root().filter(|root| Some(root.tgid) == self.root_pid);
        let root = root.filter(|_| !backend.reaches_everything());
        let below = root.map(|root| session.live().filter(move |key| *key != root));
        let below: Vec<_> = below.into_iter().flatten().collect();
        below.into_iter().filter_map(Known::open)
    }

    /// What the way in which supervision ended makes of the run.
    pub(super) fn conclude(
        &mut self,
        ending: Ending,
        options: &WatchOptions,
        backend: &mut impl Backend,
    ) -> End {
        match ending {
            Ending::Root(ended) => End::of_root(ended),
            Ending::TimedOut(ended) => {
                let timeout = options.timeout.unwrap_or_default();
                let fate = if ended.is_some() { "was ended" } else { "could not be killed" };
                End::timed_out(format!("the command took longer than {timeout:?} (--timeout) and {fate}"))
                    .with_root(ended)
            }
            Ending::Outlived { root, all_ended } => {
                let timeout = options.timeout.unwrap_or_default();
                let fate = if all_ended { "were ended" } else { "could not all be killed" };
                let mut end = End::of_root(root);
                end.outcome.error = Some(format!(
                    "the command has ended by itself, but processes that it started took longer than {timeout:?} \
                     (--timeout) and {fate}"
                ));
                end
            }
            Ending::Stopped(signal) => {
                let detail = format!("{signal} stopped the observation before the command ended");
                self.misses(GapKind::Partial, "interrupted", detail);
                End::interrupted(signal)
            }
            Ending::Failed(error) => {
                self.misses(GapKind::Loss, "collector_failed", error.clone());
                let ended = self.end_command(backend);
                End::observer_failed(format!("{error}; the command was ended")).with_root(ended)
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
