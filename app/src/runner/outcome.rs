//! How a run ended, and the exit code that says so.

use crate::{
    facts::{Outcome, OutcomeStatus},
    launch::{EXIT_FAILED, Ended, LaunchError, signals::SignalNumber},
    names,
};

/// Exit code when `--timeout` was reached, as `timeout(1)` has it.
const EXIT_TIMED_OUT: u8 = 124;
/// A shell's exit code for a command that signal n killed is this plus n.
const EXIT_SIGNALED: i32 = 128;

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    /// Exit code of glasshouse.
    pub(super) exit_code: u8,
}

impl End {
    /// The command came to its own end.
    pub(super) fn of_root(ended: Ended) -> Self {
        let status = if ended.signal.is_some() { OutcomeStatus::Signaled } else { OutcomeStatus::Exited };
        let code = ended.signal.map_or(ended.code, |signal| Some(EXIT_SIGNALED + signal));
        Self::new(status, code.map_or(EXIT_FAILED, low_byte), None).with_root(Some(ended))
    }

    /// It was never run.
    pub(super) fn failed_to_start(error: &LaunchError) -> Self {
        Self::new(OutcomeStatus::FailedToStart, error.exit_code(), Some(error.to_string()))
    }

    /// `--timeout` was reached.
    pub(super) fn timed_out(error: String) -> Self {
        Self::new(OutcomeStatus::TimedOut, EXIT_TIMED_OUT, Some(error))
    }

    /// Observation was made to stop before the command ended.
    pub(super) fn interrupted(signal: SignalNumber) -> Self {
        let error = format!("{signal} again and again: stopped observing; the command is left running");
        let code = low_byte(EXIT_SIGNALED + signal.0);
        Self::new(OutcomeStatus::Interrupted, code, Some(error))
    }

    /// It has not come to an end yet.
    pub(super) fn unfinished() -> Self {
        Self::new(OutcomeStatus::Interrupted, EXIT_FAILED, Some("the command is still running".into()))
    }

    /// The end in a few words: `exited 0`.
    pub(super) fn words(&self) -> String {
        let outcome = &self.outcome;
        match (outcome.status, outcome.exit_code, outcome.signal) {
            (OutcomeStatus::TimedOut, _, _) => "timed out".into(),
            (OutcomeStatus::Interrupted, _, _) => "interrupted".into(),
            (OutcomeStatus::ObserverFailed, _, _) => "glasshouse failed".into(),
            (OutcomeStatus::FailedToStart, _, _) => "did not start".into(),
            (_, _, Some(signal)) => format!("killed by {}", names::signal(signal)),
            (_, Some(code), None) => format!("exited {code}"),
            (_, None, None) => "ended".into(),
        }
    }

    /// glasshouse failed.
    pub(super) fn observer_failed(error: String) -> Self {
        Self::new(OutcomeStatus::ObserverFailed, EXIT_FAILED, Some(error))
    }

    fn new(status: OutcomeStatus, exit_code: u8, error: Option<String>) -> Self {
        let outcome = Outcome { status, exit_code: None, signal: None, core_dumped: false, error };
        Self { outcome, exit_code }
    }

    /// Adds how the root process ended, where it did.
    pub(super) fn with_root(mut self, ended: Option<Ended>) -> Self {
        if let Some(ended) = ended {
            self.outcome.exit_code = ended.code;
            self.outcome.signal = ended.signal;
            self.outcome.core_dumped = ended.core_dumped;
        }
        self
    }
}

fn low_byte(code: i32) -> u8 {
    code.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;
    use crate::facts::Resources;

    fn ended(code: Option<i32>, signal: Option<i32>) -> Ended {
        let resources = Resources { user_ns: 0, system_ns: 0, max_rss_bytes: 0 };
        Ended { code, signal, core_dumped: false, resources }
    }

    #[test]
    fn exit_codes() {
        assert_eq!(End::of_root(ended(Some(3), None)).exit_code, 3);
        assert_eq!(End::of_root(ended(Some(255), None)).exit_code, 255);
        assert_eq!(End::of_root(ended(None, Some(9))).exit_code, 137);
        assert_eq!(End::timed_out(String::new()).exit_code, 124);
        assert_eq!(End::interrupted(Signal::SIGINT.into()).exit_code, 130);
        assert_eq!(End::failed_to_start(&LaunchError::NotFound(String::new())).exit_code, 127);
        assert_eq!(End::observer_failed(String::new()).exit_code, 125);
    }

    #[test]
    fn the_roots_own_end_is_kept_whatever_the_status() {
        let end = End::timed_out(String::new()).with_root(Some(ended(Some(7), None)));
        assert_eq!((end.outcome.status, end.outcome.exit_code), (OutcomeStatus::TimedOut, Some(7)));
    }
}
