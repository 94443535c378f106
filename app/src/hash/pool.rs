//! The threads that hash.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    mounts::Mounts,
    read::{self, Failure, Hashed, Mode, Request},
    watched::{self, Hanging},
};
use crate::event::Unreadable;

/// Threads, at most: hashing is to leave the machine to the workload.
const THREADS: usize = 4;

/// Stack of a thread; its buffer is on the heap.
const STACK_BYTES: usize = 256 * 1024;

pub(super) type JobId = u64;
pub(super) type Outcome = Result<Hashed, Unreadable>;

/// Threads, the jobs that wait for them and the outcomes that wait to be taken. Jobs and outcomes together are never
/// more than the requests of the hasher, which bounds them.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// There is a job, or the pool is closed.
    work: Condvar,
    /// There is an outcome.
    done: Condvar,
    /// The same, for a task that awaits it.
    ready: Notify,
    /// Pieces hashed so far.
    progress: AtomicU64,
    /// The program to run as a reading process.
    reader: PathBuf,
    hanging: Hanging,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(JobId, Request)>,
    outcomes: Vec<(JobId, Outcome)>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    pub(super) fn new(reader: PathBuf) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                work: Condvar::new(),
                done: Condvar::new(),
                ready: Notify::new(),
                progress: AtomicU64::new(0),
                reader,
                hanging: Hanging::default(),
            }),
        }
    }

    /// Queues a job, and starts a thread if all are busy.
    pub(super) fn submit(&self, id: JobId, request: Request) {
        let mut state = self.shared.lock();
        state.jobs.push_back((id, request));
        if state.jobs.len() > state.idle && state.threads < THREADS {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("hash".into()).stack_size(STACK_BYTES);
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    let errno = error.raw_os_error().unwrap_or(libc::EAGAIN);
                    for (id, _) in std::mem::take(&mut state.jobs) {
                        state.outcomes.push((id, Err(Unreadable::Io(errno))));
                    }
                    self.shared.announce();
                }
                Err(_) => {}
            }
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// The outcomes so far.
    pub(super) fn take(&self) -> Vec<(JobId, Outcome)> {
        std::mem::take(&mut self.shared.lock().outcomes)
    }

    /// Waits until [`take`](Self::take) has something to give. Cancel safe.
    pub(super) async fn ready(&self) {
        self.shared.ready.notified().await;
    }

    /// Waits for an outcome, at most so long.
    pub(super) fn wait(&self, timeout: Duration) {
        let state = self.shared.lock();
        if state.outcomes.is_empty() {
            // Whichever of the two ended the wait, the caller looks again.
            let _ = self.shared.done.wait_timeout(state, timeout);
        }
    }

    /// A number that grows as long as something is being hashed.
    pub(super) fn progress(&self) -> u64 {
        self.shared.progress.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        // They are not waited for: none of them can hold up the end of the process.
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// No code panics while it holds the lock, and if it did, the queues would still be sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.done.notify_all();
        self.ready.notify_one();
    }

    /// What each thread does.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.closed {
                return;
            }
            let Some((id, request)) = state.jobs.pop_front() else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            let outcome = self.hash(&request);
            state = self.lock();
            state.outcomes.push((id, outcome));
            self.announce();
        }
    }

    fn hash(&self, request: &Request) -> Outcome {
        let mut progress = || {
            self.progress.fetch_add(1, Ordering::Relaxed);
        };
        let device = request.facts.map(|facts| facts.device);
        let own = Mounts::own();
        if device.is_some_and(|device| own.is_local(device)) {
            match read::hash(request, Mode::Local, &own, &mut |_| progress()) {
                Ok(hashed) => return Ok(hashed),
                Err(Failure::Final(reason)) => return Err(reason),
                Err(Failure::NeedsWatching) => {}
            }
        }
        if self.hanging.is_given_up(device) {
            return Err(Unreadable::TimedOut);
        }
        let outcome = watched::hash(&self.reader, request, &mut progress);
        if outcome == Err(Unreadable::TimedOut) {
            self.hanging.add(device);
        }
        outcome
    }
}
