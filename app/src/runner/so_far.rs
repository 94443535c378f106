//! The receipt of what is known while the command runs. A thread makes it: of a long run it takes a second, in which keys are
//! answered and events wait, for the receipt is of one moment.

use std::{path::PathBuf, sync::Arc, thread::JoinHandle};

use tokio::sync::oneshot;

use super::{Interface, Run, Stage, outcome::End, read, report::texts};
use crate::{
    facts::{Gap, GapKind},
    launch::priority,
    options::{ReceiptDestination, WatchOptions},
    receipt::{self, write::ReceiptTarget},
    threads,
};

/// One that is being written.
pub(super) struct SoFar {
    thread: JoinHandle<()>,
    /// What is to be said when it is written.
    message: oneshot::Receiver<String>,
}

impl SoFar {
    /// Waits for its end, and forgets it; without one for ever. Cancel safe.
    pub(super) async fn written(so_far: &mut Option<Self>) -> String {
        let Some(writing) = so_far else { return std::future::pending().await };
        let message = (&mut writing.message).await.ok();
        *so_far = None;
        said(message)
    }
}

/// What the thread said at its end; it says nothing if it has panicked.
fn said(message: Option<String>) -> String {
    message.unwrap_or_else(|| "the receipt so far was not written: glasshouse has a defect".into())
}

impl Run {
    /// Begins to write the receipt so far, beside the one to come; gives back what there is to say about it.
    pub(super) fn write_so_far(&mut self, options: &WatchOptions) -> String {
        if self.so_far.is_some() {
            return "the receipt so far is being written already".into();
        }
        let Some((command, owner)) = self.asked.clone() else { return "nothing is known yet".into() };
        let path = match &options.receipt {
            ReceiptDestination::File(path) => path.with_extension("so-far.json"),
            ReceiptDestination::Stdout => PathBuf::from("receipt.so-far.json"),
        };
        let target = match ReceiptTarget::open(&path) {
            Ok(target) => target,
            Err(error) => return error.to_string(),
        };
        let mut facts = self.facts(&command, &End::unfinished());
        facts.receipt_id = uuid::Uuid::new_v4().to_string();
        facts.observation.gaps.push(Gap {
            kind: GapKind::Partial,
            code: "unfinished".into(),
            detail: "written while the command was running".into(),
        });
        let how = texts(options);
        let session = Arc::clone(&self.session);
        let (sender, message) = oneshot::channel();
        let thread = threads::spawn("receipt so far", move || {
            // Events wait for it, and the command does when too many of them do.
            priority::prefer();
            let written = {
                let session = read(&session);
                let receipt = receipt::from_session(&session, session.remains(), facts, &how);
                target.commit(&receipt, Some(owner))
            };
            // Nobody waits for it any more when glasshouse itself ends.
            drop(sender.send(match written {
                Ok(_) => format!("written so far: {}", path.display()),
                Err(error) => error.to_string(),
            }));
        });
        match thread {
            Ok(thread) => {
                self.so_far = Some(SoFar { thread, message });
                "the receipt so far is being written".into()
            }
            Err(error) => format!("cannot write the receipt so far: {error}"),
        }
    }

    /// Waits until none is being written any more.
    pub(super) fn finish_so_far(&mut self, interface: &mut impl Interface) {
        let Some(SoFar { thread, mut message }) = self.so_far.take() else { return };
        drop(self.meanwhile(Stage::Concluding, interface, |_| thread.join()));
        interface.message(&said(message.try_recv().ok()));
    }
}
