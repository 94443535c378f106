//! The threads that look and hash, and what each of them has.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Candidate, Content, Seen, State,
    content::Hashing,
    look::Finder,
    reader::{Answer, Reader, Task},
};
use crate::{
    event::Unreadable,
    hash::{mounts::Mounts, read::Failure, watched::Hanging},
};

/// Threads, at most. By now the command has ended, and the machine is not waited for by it.
const THREADS: usize = 4;

/// Candidates that are worth a thread.
const PER_THREAD: usize = 32;

/// Stack of a thread; its buffer is on the heap. Directories are found by recursion, some 2,000 deep at most.
const STACK_BYTES: usize = 2 << 20;

/// Upper bound of a pass over the candidates, however busy the threads are.
const FINISH_WITHIN: Duration = Duration::from_secs(120);

struct Shared<T> {
    state: Mutex<Results<T>>,
    /// All is done, or a thread has ended.
    done: Condvar,
    next: AtomicUsize,
    /// Grows as long as something is being done.
    progress: AtomicU64,
}

struct Results<T> {
    results: Vec<Option<T>>,
    left: usize,
    /// The waiter has gone.
    closed: bool,
}

impl<T> Shared<T> {
    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Results<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` for each index below `count` on several threads. The result is absent of what had no progress for as
/// long as `patience` and was given up; its threads are left behind.
pub(super) fn for_each<T: Send + 'static>(
    count: usize,
    worker: impl Fn() -> Worker,
    work: impl Fn(&mut Worker, usize, &mut dyn FnMut()) -> T + Send + Sync + 'static,
    patience: Duration,
) -> Vec<Option<T>> {
    let results = std::iter::repeat_with(|| None).take(count).collect();
    let shared = Arc::new(Shared {
        state: Mutex::new(Results { results, left: count, closed: false }),
        done: Condvar::new(),
        next: AtomicUsize::new(0),
        progress: AtomicU64::new(0),
    });
    let work = Arc::new(work);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores.min(THREADS).min(count.div_ceil(PER_THREAD)) {
        let (shared, work, mut worker) = (Arc::clone(&shared), Arc::clone(&work), worker());
        let thread = thread::Builder::new().name("artifacts".into()).stack_size(STACK_BYTES);
        let run = move || {
            let mut progress = || {
                shared.progress.fetch_add(1, Ordering::Relaxed);
            };
            loop {
                let index = shared.next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let result = work(&mut worker, index, &mut progress);
                progress();
                let mut state = shared.lock();
                if state.closed {
                    return;
                }
                state.results[index] = Some(result);
                state.left -= 1;
                if state.left == 0 {
                    shared.done.notify_all();
                }
            }
        };
        // Fewer threads take longer; without any nothing makes progress, and that is said.
        drop(thread.spawn(run));
    }
    wait(&shared, patience)
}

fn wait<T>(shared: &Shared<T>, patience: Duration) -> Vec<Option<T>> {
    let began = Instant::now();
    let (mut progress, mut last_progress) = (0, began);
    let mut state = shared.lock();
    while state.left > 0 {
        let now = Instant::now();
        let current = shared.progress.load(Ordering::Relaxed);
        if current != progress {
            (progress, last_progress) = (current, now);
        }
        if now - last_progress >= patience || now - began >= FINISH_WITHIN {
            break;
        }
        let timeout = patience.min(Duration::from_millis(50));
        state = shared.done.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
    }
    state.closed = true;
    std::mem::take(&mut state.results)
}

/// What a thread has of its own.
pub(super) struct Worker {
    program: PathBuf,
    hanging: Arc<Hanging>,
    finder: Finder,
    hashing: Hashing,
    /// The process that looks where this thread may not.
    reader: Option<Reader>,
}

impl Worker {
    pub(super) fn new(program: PathBuf, own: Arc<Mounts>, hanging: Arc<Hanging>) -> Self {
        Self { program, hanging, finder: Finder::new(own), hashing: Hashing::default(), reader: None }
    }

    /// What is there.
    pub(super) fn look(
        &mut self,
        candidate: &Candidate,
        progress: &mut dyn FnMut(),
    ) -> Result<Seen, Unreadable> {
        match self.finder.look(candidate) {
            Ok((seen, _)) => Ok(seen),
            Err(Failure::Final(reason)) => Err(reason),
            Err(Failure::NeedsWatching) => match self.ask(Task::Look, candidate, progress)? {
                Answer::Seen(seen) => Ok(seen),
                Answer::Content(_) => Err(Unreadable::Io(libc::EPROTO)),
            },
        }
    }

    /// The content of a file that was in this state before.
    pub(super) fn hash(
        &mut self,
        candidate: &Candidate,
        before: &State,
        progress: &mut dyn FnMut(),
    ) -> Result<Content, Unreadable> {
        match self.finder.look(candidate) {
            Ok((seen, file)) => self.hashing.content(&seen, file, before, progress),
            Err(Failure::Final(reason)) => Err(reason),
            Err(Failure::NeedsWatching) => match self.ask(Task::Hash(*before), candidate, progress)? {
                Answer::Content(content) => Ok(content),
                Answer::Seen(_) => Err(Unreadable::Io(libc::EPROTO)),
            },
        }
    }

    fn ask(
        &mut self,
        task: Task,
        candidate: &Candidate,
        progress: &mut dyn FnMut(),
    ) -> Result<Answer, Unreadable> {
        let device = candidate.device;
        if self.hanging.is_given_up(device) {
            return Err(Unreadable::TimedOut);
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start(&self.program)?),
        };
        let answer = reader.ask(task, candidate, progress);
        match answer {
            Ok(answer) => answer,
            // It hangs or has died; there will be another one for the next file.
            Err(reason) => {
                if reason == Unreadable::TimedOut {
                    self.hanging.add(device);
                }
                reader.kill();
                self.reader = None;
                Err(reason)
            }
        }
    }
}
