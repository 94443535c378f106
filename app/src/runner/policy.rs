//! What is to be done about signals and the passing of time while a command runs. Pure: it is told the time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::KILL_AFTER;
use crate::{
    backend::Reach,
    launch::signals::{Caught, SignalNumber},
};

/// So many SIGINT or SIGTERM within [`INSISTENCE_WITHIN`] stop the observation.
const INSISTENCE: usize = 3;
/// An interactive program gets a Ctrl-C now and then without anybody wanting it gone.
const INSISTENCE_WITHIN: Duration = Duration::from_secs(5);

/// From SIGTERM to SIGKILL when a user asks for the end, and waits.
const KILL_AFTER_REQUEST: Duration = Duration::from_secs(2);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Nothing,
    /// Send a signal.
    Send(SignalNumber, Reach),
    /// Ask everything to end: SIGTERM, and SIGCONT so that what is stopped can act on it, as `timeout(1)` does.
    Terminate,
    /// Stop observing: the user insists.
    Stop(SignalNumber),
    /// Stop waiting for what cannot be killed.
    GiveUp,
}

const KILL: Action = Action::Send(SignalNumber(Signal::SIGKILL as i32), Reach::Everything);

/// Keeps track.
#[derive(Debug)]
pub(super) struct Policy {
    insisted: VecDeque<Instant>,
    timeout: Timeout,
    /// When what was asked to end is killed.
    kill_at: Option<Instant>,
    root_ended: bool,
    /// It had ended when `--timeout` was reached.
    root_was_in_time: bool,
}

#[derive(Clone, Copy, Debug)]
enum Timeout {
    None,
    TermAt(Instant),
    KillAt(Instant),
    GiveUpAt(Instant),
    GivenUp,
}

impl Policy {
    pub(super) fn new(now: Instant, timeout: Option<Duration>) -> Self {
        let timeout =
            timeout.and_then(|timeout| now.checked_add(timeout)).map_or(Timeout::None, Timeout::TermAt);
        Self { insisted: VecDeque::new(), timeout, kill_at: None, root_ended: false, root_was_in_time: false }
    }

    /// A signal has come. `has_it_already`: the terminal gave it to the command too.
    pub(super) fn signal(&mut self, caught: Caught, has_it_already: bool, now: Instant) -> Action {
        let Caught { signal, from_terminal } = caught;
        if [Signal::SIGINT, Signal::SIGTERM].map(SignalNumber::from).contains(&signal) {
            self.insisted.push_back(now);
            if self.insisted.len() >= INSISTENCE {
                let first = self.insisted.pop_front();
                if first.is_some_and(|first| now.duration_since(first) <= INSISTENCE_WITHIN) {
                    return Action::Stop(signal);
                }
            }
        }
        // What the terminal sends to the group has reached the descendants without us; the root's own case is known.
        if from_terminal && (self.root_ended || has_it_already) {
            return Action::Nothing;
        }
        Action::Send(signal, if self.root_ended { Reach::Everything } else { Reach::Root })
    }

    /// The user wants everything to end.
    pub(super) fn end(&mut self, now: Instant) -> Action {
        self.kill_at = Some(now + KILL_AFTER_REQUEST);
        Action::Terminate
    }

    /// The user has asked for the end.
    pub(super) fn is_ending(&self) -> bool {
        self.kill_at.is_some()
    }

    /// The root process has ended.
    pub(super) fn root_ended(&mut self) {
        self.root_ended = true;
        self.root_was_in_time = !self.timed_out();
    }

    /// The root process ended before `--timeout` was reached.
    pub(super) fn root_was_in_time(&self) -> bool {
        self.root_was_in_time
    }

    /// When [`Policy::time_passed`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.timeout_at(), self.kill_at].into_iter().flatten().min()
    }

    fn timeout_at(&self) -> Option<Instant> {
        match self.timeout {
            Timeout::TermAt(at) | Timeout::KillAt(at) | Timeout::GiveUpAt(at) => Some(at),
            Timeout::None | Timeout::GivenUp => None,
        }
    }

    /// The deadline may have come.
    pub(super) fn time_passed(&mut self, now: Instant) -> Action {
        if self.kill_at.is_some_and(|at| now >= at) {
            self.kill_at = None;
            return KILL;
        }
        if self.timeout_at().is_none_or(|at| now < at) {
            return Action::Nothing;
        }
        let (next, action) = match self.timeout {
            Timeout::TermAt(_) => (Timeout::KillAt(now + KILL_AFTER), Action::Terminate),
            Timeout::KillAt(_) => (Timeout::GiveUpAt(now + KILL_AFTER), KILL),
            Timeout::GiveUpAt(_) | Timeout::GivenUp | Timeout::None => (Timeout::GivenUp, Action::GiveUp),
        };
        self.timeout = next;
        action
    }

    /// `--timeout` was reached.
    pub(super) fn timed_out(&self) -> bool {
        !matches!(self.timeout, Timeout::None | Timeout::TermAt(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn caught(signal: Signal, from_terminal: bool) -> Caught {
        Caught { signal: signal.into(), from_terminal }
    }

    #[test]
    fn what_the_terminal_sent_is_not_sent_twice() {
        let now = Instant::now();
        let mut policy = Policy::new(now, None);
        assert_eq!(policy.signal(caught(Signal::SIGINT, true), true, now), Action::Nothing);
        let other_group = policy.signal(caught(Signal::SIGQUIT, true), false, now);
        assert_eq!(other_group, Action::Send(Signal::SIGQUIT.into(), Reach::Root));
        let sent = policy.signal(caught(Signal::SIGTERM, false), true, now);
        assert_eq!(sent, Action::Send(Signal::SIGTERM.into(), Reach::Root));
        policy.root_ended();
        assert_eq!(policy.signal(caught(Signal::SIGHUP, true), false, now), Action::Nothing);
        let rest = policy.signal(caught(Signal::SIGHUP, false), false, now);
        assert_eq!(rest, Action::Send(Signal::SIGHUP.into(), Reach::Everything));
    }

    #[test]
    fn the_third_in_a_row_stops_the_observation() {
        let now = Instant::now();
        let mut policy = Policy::new(now, None);
        assert_eq!(policy.signal(caught(Signal::SIGINT, true), true, now), Action::Nothing);
        policy.signal(caught(Signal::SIGTERM, false), true, now + SECOND);
        policy.signal(caught(Signal::SIGHUP, false), true, now + SECOND);
        let third = policy.signal(caught(Signal::SIGINT, true), true, now + 4 * SECOND);
        assert_eq!(third, Action::Stop(Signal::SIGINT.into()));
    }

    #[test]
    fn now_and_then_is_no_insistence() {
        let now = Instant::now();
        let mut policy = Policy::new(now, None);
        for second in 0..20 {
            let at = now + 3 * second * SECOND;
            assert_eq!(policy.signal(caught(Signal::SIGINT, true), true, at), Action::Nothing, "{second}");
        }
        for signal in [Signal::SIGUSR1, Signal::SIGUSR1, Signal::SIGUSR1, Signal::SIGHUP] {
            assert_eq!(
                policy.signal(caught(signal, false), true, now),
                Action::Send(signal.into(), Reach::Root)
            );
        }
    }

    #[test]
    fn who_is_asked_to_end_is_killed_after_a_while() {
        let now = Instant::now();
        let mut policy = Policy::new(now, None);
        assert_eq!(policy.end(now), Action::Terminate);
        assert!(policy.is_ending() && !policy.timed_out());
        let at = policy.deadline().unwrap_or(now);
        assert_eq!(at, now + KILL_AFTER_REQUEST);
        assert_eq!(policy.time_passed(at), KILL);
        assert_eq!((policy.deadline(), policy.time_passed(at)), (None, Action::Nothing));
    }

    #[test]
    fn a_timeout_terminates_then_kills_then_gives_up() {
        let now = Instant::now();
        let mut policy = Policy::new(now, Some(SECOND));
        assert_eq!(policy.time_passed(now), Action::Nothing);
        assert!(!policy.timed_out());
        for (after, action) in [
            (SECOND, Action::Terminate),
            (SECOND + KILL_AFTER, KILL),
            (SECOND + 2 * KILL_AFTER, Action::GiveUp),
        ] {
            assert_eq!(policy.deadline(), Some(now + after));
            assert_eq!(policy.time_passed(now + after), action);
            assert!(policy.timed_out());
        }
        assert_eq!(policy.deadline(), None);
    }
}
