//! After the end: the interface stays until the user has seen enough.

use nix::sys::signal::Signal;

use super::{Interface, Request, Run, Stage, outcome::End, read, report::Reported};
use crate::{
    facts::OutcomeStatus,
    hex::hex,
    launch::{Signals, readable},
};

impl Run {
    /// Returns when the user leaves, or a signal says so.
    pub(super) fn explore(&mut self, end: &End, reported: &Reported, interface: &mut impl Interface) {
        let Ok(signals) = Signals::take() else { return };
        let Some(runtime) = self.runtime.clone() else { return };
        let families = self.observation.iter().flat_map(|observation| &observation.families);
        let mut progress = self.progress(
            Stage::Finished,
            families.map(|family| family.dropped.saturating_sub(family.recovered)).sum(),
        );
        progress.outcome = Some(end.words());
        progress.succeeded = end.outcome.status == OutcomeStatus::Exited && end.outcome.exit_code == Some(0);
        progress.receipt = Some(match (&reported.written, &reported.failure) {
            (Some(written), _) => Ok((written.path.clone(), hex(&written.sha256))),
            (None, failure) => Err(failure.clone().unwrap_or_default()),
        });
        runtime.block_on(async {
            let Ok(asked_to_end) = readable(std::os::fd::AsFd::as_fd(&signals)) else { return };
            let mut message = Some(format!(
                "{}; {}",
                end.words(),
                match &progress.receipt {
                    Some(Ok((Some(path), sha256))) => format!("receipt in {}, sha256 {sha256}", path.display()),
                    Some(Ok((None, _))) => "receipt on standard output".to_owned(),
                    _ => "there is no receipt".to_owned(),
                }
            ));
            loop {
                if let Some(message) = message.take() {
                    interface.message(&message);
                }
                tokio::select! {
                    biased;
                    _ = asked_to_end.readable() => {
                        let caught = signals.next().ok().flatten();
                        if caught.is_some_and(|caught| caught.signal == Signal::SIGHUP.into()) {
                            interface.hung_up();
                        }
                        return;
                    }
                    () = interface.ready() => {
                        let request = interface.turn(&read(&self.session), &progress);
                        match request {
                            Some(Request::Leave | Request::Detach) => return,
                            Some(Request::WriteReceipt) => message = Some("the receipt is written already".into()),
                            Some(Request::Freeze(_) | Request::End | Request::Count { .. }) | None => {}
                        }
                    }
                }
            }
        });
    }
}
