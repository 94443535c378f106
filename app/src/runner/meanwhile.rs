//! When the command has ended there is work that takes its time. The interface shows which, and has its keys meanwhile.

use std::thread;

use tokio::sync::oneshot;

use super::{Interface, Progress, Request, Run, Stage, read, release_messages};
use crate::{launch::boot_time, session::Session};

impl Run {
    /// Shows a stage before it begins, where there is a screen to show it on.
    pub(super) fn show(&mut self, stage: Stage, interface: &mut impl Interface) {
        if interface.has_screen() {
            let progress = self.progress(stage, self.lost);
            let request = interface.turn(&read(&self.session), &progress);
            self.leaves |= request.is_some_and(|request| heed(request, interface));
        }
    }

    /// Does some work, while the interface is attended to on another thread; where there is no screen, or no thread to be
    /// had, nobody waits for it.
    pub(super) fn meanwhile<T>(
        &mut self,
        stage: Stage,
        interface: &mut impl Interface,
        work: impl FnOnce(&Session) -> T,
    ) -> T {
        self.show(stage, interface);
        let runtime = self.runtime.clone().filter(|_| interface.has_screen());
        let (progress, session) = (self.progress(stage, self.lost), read(&self.session));
        let Some(runtime) = runtime else { return work(&session) };
        let mut leaves = false;
        let result = thread::scope(|scope| {
            // It goes when the work is done, or has panicked.
            let (working, is_done) = oneshot::channel();
            let attendant = thread::Builder::new().name("attendant".into()).spawn_scoped(scope, || {
                leaves = runtime.block_on(attend(&session, progress, interface, is_done));
            });
            drop(attendant);
            let result = work(&session);
            drop(working);
            result
        });
        drop(session);
        self.leaves |= leaves;
        result
    }
}

/// Reads keys and draws until the work is done; says whether the user wants to leave.
async fn attend(
    session: &Session,
    mut progress: Progress,
    interface: &mut impl Interface,
    mut is_done: oneshot::Receiver<()>,
) -> bool {
    let mut leaves = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut is_done => return leaves,
            () = interface.ready() => {
                progress.now = boot_time();
                if let Some(request) = interface.turn(session, &progress) {
                    leaves |= heed(request, interface);
                }
            }
        }
    }
}

/// Does what can still be asked for; says whether the user wants to leave.
fn heed(request: Request, interface: &mut impl Interface) -> bool {
    match request {
        Request::Leave => {
            interface.message("leaving when the receipt is written");
            return true;
        }
        Request::Detach => {
            interface.hung_up();
            release_messages();
        }
        Request::WriteReceipt => interface.message("the receipt is about to be written"),
        Request::Freeze(_) | Request::End | Request::Count { .. } => {}
    }
    false
}
