//! The collector: a thread that drains the rings and hands on what it found, whole, in batches. It decodes nothing:
//! a consumer that spends time per record is what loses records under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use glasshouse_common::FAMILIES;
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    eventfd::{EfdFlags, EventFd},
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{decode::family, load::raise_priority};

/// Batches under way to the session. When there is no room for another one, the collector goes on with the one that it
/// has; when that is [`HELD_BYTES`] long, it waits, the rings fill, and what the kernel side cannot send is counted there:
/// nothing is dropped here.
const BATCHES: usize = 32;
/// Bytes after which a batch is handed on.
const BATCH_BYTES: usize = 256 * 1024;
/// Bytes of a batch that nobody takes.
const HELD_BYTES: usize = 16 * 1024 * 1024;
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
pub(super) struct Rings(pub(super) [RingBuf<MapData>; RINGS]);

impl Rings {
    /// Moves what lies in the rings into a batch, until they are empty or the batch is so long. Returns whether there may
    /// be more.
    fn drain_to(&mut self, batch: &mut Batch, bytes: usize) -> bool {
        for ring in &mut self.0 {
            while let Some(record) = ring.next() {
                batch.bytes.extend_from_slice(&record);
                batch.received[family(&record) as usize] += 1;
                if batch.bytes.len() >= bytes {
                    return true;
                }
            }
        }
        false
    }

    /// The same, for a batch that is handed on.
    pub(super) fn drain(&mut self, batch: &mut Batch) -> bool {
        self.drain_to(batch, BATCH_BYTES)
    }
}

/// The running collector.
pub(super) struct Collector {
    thread: JoinHandle<(Rings, Batch)>,
    stop: Arc<AtomicBool>,
    wake: Arc<EventFd>,
    batches: mpsc::Receiver<Batch>,
    spares: SyncSender<Vec<u8>>,
}

impl Collector {
    /// Starts it.
    pub(super) fn start(mut rings: Rings) -> std::io::Result<Self> {
        let (sender, batches) = mpsc::channel(BATCHES);
        let (spares, returned) = sync_channel::<Vec<u8>>(SPARES);
        let stop = Arc::new(AtomicBool::new(false));
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        // Edge-triggered: a ring that holds records is ready at all times, but only a wake-up by its kernel side, at
        // a quarter full, is to end the sleep.
        let sleeper = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        sleeper.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        for ring in &rings.0 {
            sleeper.add(ring, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 1))?;
        }
        let stopped = stop.clone();
        let thread =
            std::thread::Builder::new().name("collector".into()).stack_size(256 * 1024).spawn(move || {
                // A workload that takes every CPU fills the rings meanwhile.
                raise_priority();
                let mut sleep = BUSY_SLEEP;
                let mut batch = Batch::default();
                while !stopped.load(Ordering::Acquire) {
                    if batch.bytes.capacity() == 0 {
                        batch.bytes = returned.try_recv().unwrap_or_default();
                    }
                    let held = batch.bytes.len();
                    let more = rings.drain_to(&mut batch, if held > 0 { HELD_BYTES } else { BATCH_BYTES });
                    let found = batch.bytes.len() > held;
                    if !batch.bytes.is_empty() {
                        let sent = match sender.try_send(std::mem::take(&mut batch)) {
                            Err(TrySendError::Full(full)) if full.bytes.len() < HELD_BYTES => {
                                batch = full;
                                Ok(())
                            }
                            Err(TrySendError::Full(full)) => sender.blocking_send(full).map_err(drop),
                            sent => sent.map_err(drop),
                        };
                        if sent.is_err() {
                            break;
                        }
                    }
                    if more {
                        continue;
                    }
                    let busy = found || !batch.bytes.is_empty();
                    sleep = if busy { BUSY_SLEEP } else { (sleep * 2).min(IDLE_SLEEP) };
                    let timeout = EpollTimeout::try_from(sleep).unwrap_or(EpollTimeout::ZERO);
                    let _ = sleeper.wait(&mut [EpollEvent::empty()], timeout);
                }
                (rings, batch)
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
        // The collector may be waiting for room.
        while !self.thread.is_finished() {
            match self.batches.try_recv() {
                Ok(batch) => left.push(batch),
                Err(_) => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        let (rings, last) = self.thread.join().ok()?;
        while let Ok(batch) = self.batches.try_recv() {
            left.push(batch);
        }
        left.push(last);
        Some((rings, left))
    }
}
