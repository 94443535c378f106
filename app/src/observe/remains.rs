//! What processes leave. The end of a process that has used many files tells of the first thousands, for nothing else runs on
//! that CPU meanwhile; a thread fetches the others from the kernel side's map, which has room for as many again then.
//!
//! Whatever it does not come to stays in the map, for the sweep at the end of observation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::maps::{HashMap, MapData};
use glasshouse_common::{limits, state};
use tokio::sync::mpsc;

use super::{
    assemble::{Left, files},
    load::Plain,
};
use crate::{event::Event, launch::priority, threads};

/// The uses of files that the kernel side keeps.
pub(super) type Accesses = HashMap<MapData, u64, Plain<state::Access>>;

/// Processes whose remains wait to be fetched.
const WAITING: usize = 4_096;
/// Events that are handed on at a time, and how often that many may be under way.
const EVENTS: usize = 1_024;
const BATCHES: usize = 8;
/// From one batch to the next one others have the CPU: the kernel itself, which brings keys from a terminal to the interface, is
/// as ordinary to it as the workload, and would come after all of them.
const PAUSE: Duration = Duration::from_micros(100);

/// Fetches what processes leave, on a thread that most runs never need.
pub(super) struct Remains(State);

enum State {
    /// The map that they will be in.
    Idle(Accesses),
    Runs(Fetcher),
    /// No thread could be had.
    Failed,
}

struct Fetcher {
    thread: JoinHandle<()>,
    waiting: SyncSender<Left>,
    events: mpsc::Receiver<Vec<Event>>,
    stop: Arc<AtomicBool>,
    /// Dropped records that it has made up for.
    recovered: Arc<AtomicU64>,
}

impl Remains {
    pub(super) fn new(accesses: Accesses) -> Self {
        Self(State::Idle(accesses))
    }

    /// Has them fetched, if not too many others are to be.
    pub(super) fn fetch(&mut self, left: Left) {
        self.0 = match std::mem::replace(&mut self.0, State::Failed) {
            State::Idle(accesses) => Fetcher::start(accesses).map_or(State::Failed, State::Runs),
            state => state,
        };
        if let State::Runs(fetcher) = &self.0 {
            // What there is no room for is found at the end.
            let _ = fetcher.waiting.try_send(left);
        }
    }

    /// The next that were fetched. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<Event> {
        if let State::Runs(fetcher) = &mut self.0
            && let Some(events) = fetcher.events.recv().await
        {
            return events;
        }
        std::future::pending().await
    }

    /// Ends it, and adds what was fetched to `events`. Gives how many dropped records that makes up for, since the beginning.
    pub(super) fn stop(self, events: &mut Vec<Event>) -> u64 {
        let State::Runs(mut fetcher) = self.0 else { return 0 };
        fetcher.stop.store(true, Ordering::Release);
        drop(fetcher.waiting);
        // It panics nowhere.
        drop(threads::join(fetcher.thread, &mut fetcher.events, |fetched| events.extend(fetched)));
        fetcher.recovered.load(Ordering::Relaxed)
    }
}

impl Fetcher {
    fn start(mut accesses: Accesses) -> Option<Self> {
        let (waiting, processes) = sync_channel(WAITING);
        let (sender, events) = mpsc::channel(BATCHES);
        let (stop, recovered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, made_up) = (Arc::clone(&stop), Arc::clone(&recovered));
        let work = move || {
            // The map has room for what comes only when this is done.
            priority::prefer();
            follow(&processes, &mut accesses, &sender, &stopped, &made_up);
        };
        let thread = threads::spawn("remains", work).ok()?;
        Some(Self { thread, waiting, events, stop, recovered })
    }
}

/// Fetches what is left of one process after the other, until it is to stop or nobody takes it any more.
fn follow(
    processes: &Receiver<Left>,
    accesses: &mut Accesses,
    sender: &mpsc::Sender<Vec<Event>>,
    stop: &AtomicBool,
    recovered: &AtomicU64,
) {
    while let Ok(left) = processes.recv() {
        let mut chain = Chain { next: left.first, steps: limits::ACCESS_ENTRIES };
        while chain.next != 0 && !stop.load(Ordering::Acquire) {
            let mut events = Vec::with_capacity(EVENTS);
            while events.len() < EVENTS
                && let Some((access, entry)) = chain.step(accesses)
            {
                // What was never told has no name, which the sweep counts.
                if entry.seen == 0 || accesses.remove(&access).is_err() {
                    continue;
                }
                recovered.fetch_add(entry.dropped.into(), Ordering::Relaxed);
                if entry.dirty != 0 {
                    let kind = files::file_totals(access, &entry.totals);
                    let Left { process, at, .. } = left;
                    events.push(Event { at, process, tid: process.tgid, kind });
                }
            }
            if !events.is_empty() && sender.blocking_send(events).is_err() {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Entries of a process that has ended, each of which names the next one.
struct Chain {
    next: u64,
    /// There cannot be more.
    steps: u32,
}

impl Chain {
    /// The next entry, if there is one.
    fn step(&mut self, accesses: &Accesses) -> Option<(u64, state::Access)> {
        let access = std::mem::take(&mut self.next);
        self.steps = self.steps.checked_sub(1).filter(|_| access != 0)?;
        let Plain(entry) = accesses.get(&access, 0).ok()?;
        self.next = entry.next;
        Some((access, entry))
    }
}
