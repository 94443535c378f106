//! The collector: a thread that drains the rings and hands on what it found, whole, in batches. It decodes nothing:
//! a consumer that spends time per record is what loses records under load.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use glasshouse_common::FAMILIES;
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    eventfd::{EfdFlags, EventFd},
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{decode::family, load::Ring, pressure::Pressure};
use crate::{
    launch::priority::{self, First},
    threads,
};

/// Batches under way to the session. When there is no room for another one, the collector holds more: from [`FREEZE`] on
/// the workload is frozen, where that can be done; at [`HELD`] the rings fill, and what the kernel side cannot send is
/// counted there: nothing is dropped here.
const BATCHES: usize = 32;
/// Bytes after which a batch is handed on.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that are held when the workload is frozen: 8 MiB.
const FREEZE: usize = 32;
/// Batches that are held while nobody takes them: 128 MiB. A task is frozen when its system call returns, and the calls
/// that are under way by then may be hundreds, each an exec with half a megabyte of strings.
const HELD: usize = 512;
/// How long the collector sleeps while it waits for room for a batch.
const FULL_SLEEP: Duration = Duration::from_millis(1);
/// Empty batches on their way back to the collector; more are given up, and so is one that has grown longer than usual.
const SPARES: usize = 2;
/// How long the collector sleeps after it found something. Records wake nobody (a wake-up costs ten times what a
/// record does) until a ring is a quarter full. With a quarter of this time, 5,000 forks took 4 % longer: each look
/// takes a CPU from the workload.
const BUSY_SLEEP: Duration = Duration::from_millis(20);
/// How long it sleeps, at most, while nothing happens: the sleep doubles from one empty look to the next. Long, for a
/// look takes CPU time; what cannot wait wakes the collector: a ring that fills up, a file that is to be hashed.
const IDLE_SLEEP: Duration = Duration::from_secs(1);

/// Records as they lay in the rings, one after the other, each as long as its header says.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Records in it, by family.
    pub(super) received: [u64; FAMILIES],
}

/// How many rings there are.
pub(super) const RINGS: usize = 3;

/// The rings.
pub(super) struct Rings {
    rings: [Ring; RINGS],
    /// One of them cannot be read any further.
    pub(super) has_failed: bool,
}

impl Rings {
    /// Those that are to be read.
    pub(super) fn new(rings: [Ring; RINGS]) -> Self {
        Self { rings, has_failed: false }
    }

    /// Moves what lies in the rings into a batch, until they are empty or the batch is long enough to be handed on. Returns
    /// whether there may be more.
    pub(super) fn drain(&mut self, batch: &mut Batch) -> bool {
        for ring in &mut self.rings {
            loop {
                let found = ring.next(|record| {
                    batch.bytes.extend_from_slice(record);
                    batch.received[family(record) as usize] += 1;
                });
                match found {
                    Ok(true) if batch.bytes.len() >= BATCH_BYTES => return true,
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => {
                        self.has_failed = true;
                        break;
                    }
                }
            }
        }
        false
    }
}

/// Batches on their way out.
struct Outlet {
    sender: mpsc::Sender<Batch>,
    returned: Receiver<Vec<u8>>,
    /// Those that nobody takes yet, the oldest first.
    held: VecDeque<Batch>,
    pressure: Pressure,
}

impl Outlet {
    /// An empty batch, or the last one if it is held and there is room in it.
    fn batch(&mut self) -> Batch {
        let is_short = |last: &Batch| last.bytes.len() < BATCH_BYTES;
        match self.held.pop_back_if(|last| is_short(last)) {
            Some(last) => last,
            None => Batch { bytes: self.returned.try_recv().unwrap_or_default(), ..Batch::default() },
        }
    }

    fn is_full(&self) -> bool {
        self.held.len() >= HELD
    }

    /// Hands on what there is room for. Returns whether there is still somebody who takes it.
    fn hand_on(&mut self) -> bool {
        while let Some(batch) = self.held.pop_front() {
            match self.sender.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Full(batch)) => {
                    self.held.push_front(batch);
                    break;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        if self.held.len() >= FREEZE {
            self.pressure.rises(Instant::now());
        } else if self.held.is_empty() && self.sender.capacity() >= BATCHES / 2 {
            self.pressure.falls();
        } else if self.pressure.is_frozen() {
            self.pressure.stays(Instant::now());
        }
        true
    }

    /// Whether it is waiting for somebody who takes what there is.
    fn waits(&self) -> bool {
        !self.held.is_empty() || self.pressure.is_frozen()
    }
}

/// The running collector.
pub(super) struct Collector {
    thread: JoinHandle<(Rings, VecDeque<Batch>)>,
    stop: Arc<AtomicBool>,
    wake: Arc<EventFd>,
    batches: mpsc::Receiver<Batch>,
    spares: SyncSender<Vec<u8>>,
}

impl Collector {
    /// Starts it. With `patience` it never sleeps longer than that.
    pub(super) fn start(
        mut rings: Rings,
        pressure: Pressure,
        patience: Option<Duration>,
    ) -> std::io::Result<Self> {
        let longest = patience.map_or(IDLE_SLEEP, |patience| patience.min(IDLE_SLEEP));
        let (sender, batches) = mpsc::channel(BATCHES);
        let (spares, returned) = sync_channel::<Vec<u8>>(SPARES);
        let stop = Arc::new(AtomicBool::new(false));
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        // Edge-triggered: a ring that holds records is ready at all times, but only a wake-up by its kernel side, at
        // a quarter full, is to end the sleep.
        let sleeper = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        sleeper.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        for ring in &rings.rings {
            sleeper.add(ring, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 1))?;
        }
        let stopped = stop.clone();
        let thread =
            std::thread::Builder::new().name("collector".into()).stack_size(256 * 1024).spawn(move || {
                // A workload that takes every CPU fills the rings meanwhile.
                priority::run_first(First::Collector);
                let mut outlet = Outlet { sender, returned, held: VecDeque::new(), pressure };
                let mut sleep = BUSY_SLEEP;
                while !stopped.load(Ordering::Acquire) && !rings.has_failed {
                    let (mut found, mut more) = (false, false);
                    if !outlet.is_full() {
                        let mut batch = outlet.batch();
                        let before = batch.bytes.len();
                        more = rings.drain(&mut batch);
                        found = batch.bytes.len() > before;
                        if !batch.bytes.is_empty() {
                            outlet.held.push_back(batch);
                        }
                    }
                    if !outlet.hand_on() {
                        break;
                    }
                    if more {
                        continue;
                    }
                    sleep = match (outlet.waits(), found) {
                        (true, _) => FULL_SLEEP,
                        (false, true) => BUSY_SLEEP,
                        (false, false) => (sleep * 2).clamp(BUSY_SLEEP, longest),
                    };
                    let timeout = EpollTimeout::try_from(sleep).unwrap_or(EpollTimeout::ZERO);
                    let _ = sleeper.wait(&mut [EpollEvent::empty()], timeout);
                }
                (rings, outlet.held)
            })?;
        Ok(Self { thread, stop, wake, batches, spares })
    }

    /// The next batch; `None` when the collector has ended.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// Takes back a batch, so that its memory is used again: fresh memory takes the kernel longer than the copying of
    /// records does.
    pub(super) fn take_back(&self, Batch { mut bytes, .. }: Batch) {
        bytes.clear();
        if bytes.capacity() <= 2 * BATCH_BYTES {
            // With enough of them under way it goes.
            let _ = self.spares.try_send(bytes);
        }
    }

    /// Ends it. Gives the rings back, and the batches that nobody had taken.
    pub(super) fn stop(mut self) -> Option<(Rings, Vec<Batch>)> {
        self.stop.store(true, Ordering::Release);
        // A full counter would wake it just the same.
        let _ = self.wake.write(1);
        let mut left = Vec::new();
        let (rings, held) = threads::join(self.thread, &mut self.batches, |batch| left.push(batch)).ok()?;
        left.extend(held);
        Some((rings, left))
    }
}
