//! The last resort against loss: the workload is frozen while more is waiting to be looked at than can be held.
//!
//! What comes before it is in the kernel: a task that fills a ring waits, for a moment each time. That slows a workload
//! down that is faster than the rings are emptied, and not one that leaves the rest of glasshouse no CPU to run on.
//!
//! Nothing that is frozen stays so for long: whatever keeps the observer from going on, which may be the frozen workload
//! itself, the workload goes on after [`LONGEST`], and is not frozen again before the observer has caught up.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    launch::priority::{self, First},
    threads,
};

/// The longest time that the workload is frozen at a stretch.
const LONGEST: Duration = Duration::from_secs(1);

/// Requests that may wait for the kernel; who has more waits as well. Two are made in a second, at most, as long as the
/// observer does not catch up.
const REQUESTS: usize = 64;

/// Freezes the workload (`true`), or lets it go on.
pub struct Freeze(Box<dyn Fn(bool) -> io::Result<()> + Send + Sync>);

impl Freeze {
    /// One that does what `with` does.
    pub fn new(with: impl Fn(bool) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(with))
    }
}

impl fmt::Debug for Freeze {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Freeze")
    }
}

/// How often the workload was frozen, and for how long in all.
#[derive(Debug, Default)]
pub(super) struct Freezes {
    count: AtomicU64,
    total_ns: AtomicU64,
}

impl Freezes {
    /// The count, and the total in nanoseconds.
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.total_ns.load(Ordering::Relaxed))
    }
}

/// Decides when the workload is frozen. Dropping it thaws.
pub(super) struct Pressure {
    /// Absent where nothing can be frozen, or is to be.
    freezer: Option<Freezer>,
    frozen_since: Option<Instant>,
    /// It was frozen as long as it may be, and the observer has not caught up since.
    is_spent: bool,
    freezes: Arc<Freezes>,
}

impl Pressure {
    pub(super) fn new(freeze: Option<Freeze>) -> Self {
        let freezes = Arc::<Freezes>::default();
        let freezer = freeze.map(|freeze| Freezer::Ready(freeze, Arc::clone(&freezes)));
        Self { freezer, frozen_since: None, is_spent: false, freezes }
    }

    pub(super) fn freezes(&self) -> Arc<Freezes> {
        Arc::clone(&self.freezes)
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen_since.is_some()
    }

    /// More is waiting than can be held for long.
    pub(super) fn rises(&mut self, now: Instant) {
        if self.is_frozen() {
            self.stays(now);
        } else if !self.is_spent && self.ask(true) {
            self.frozen_since = Some(now);
        }
    }

    /// The observer is catching up.
    pub(super) fn stays(&mut self, now: Instant) {
        if self.frozen_since.is_some_and(|since| now - since >= LONGEST) {
            self.is_spent = true;
            self.thaw();
        }
    }

    /// The observer has caught up.
    pub(super) fn falls(&mut self) {
        self.is_spent = false;
        self.thaw();
    }

    fn thaw(&mut self) {
        if self.frozen_since.take().is_some() {
            self.ask(false);
        }
    }

    /// Returns whether there is somebody who does it.
    fn ask(&mut self, frozen: bool) -> bool {
        match self.freezer.take() {
            Some(Freezer::Ready(freeze, freezes)) => self.freezer = Freezer::start(freeze, freezes),
            freezer => self.freezer = freezer,
        }
        match &self.freezer {
            Some(Freezer::Runs { asked, has_failed, .. }) => {
                !has_failed.load(Ordering::Relaxed) && asked.send(frozen).is_ok()
            }
            _ => false,
        }
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.thaw();
        if let Some(Freezer::Runs { asked, thread, .. }) = self.freezer.take() {
            drop(asked);
            // It panics nowhere.
            drop(thread.join());
        }
    }
}

/// What freezes and thaws: a thread, since the kernel takes tenths of a second to freeze a group whose processes start
/// programs, and the rings must be emptied meanwhile. Most runs never need it.
enum Freezer {
    Ready(Freeze, Arc<Freezes>),
    Runs { asked: SyncSender<bool>, has_failed: Arc<AtomicBool>, thread: JoinHandle<()> },
}

impl Freezer {
    fn start(freeze: Freeze, freezes: Arc<Freezes>) -> Option<Self> {
        let (asked, requests) = sync_channel(REQUESTS);
        let has_failed = Arc::<AtomicBool>::default();
        let failed = Arc::clone(&has_failed);
        let work = move || {
            priority::run_first(First::Collector);
            if follow(&requests, &freeze, &freezes).is_err() {
                failed.store(true, Ordering::Relaxed);
            }
        };
        let thread = threads::spawn("freezer", work).ok()?;
        Some(Self::Runs { asked, has_failed, thread })
    }
}

/// Does what is asked for, until nobody can ask any more or the workload cannot be frozen.
fn follow(requests: &Receiver<bool>, Freeze(freeze): &Freeze, freezes: &Freezes) -> io::Result<()> {
    while requests.recv() == Ok(true) {
        freeze(true)?;
        let since = Instant::now();
        freezes.count.fetch_add(1, Ordering::Relaxed);
        // Nobody who can ask is nobody who wants it frozen.
        let _ = requests.recv();
        // The group is thawed when it goes, at the latest.
        drop(freeze(false));
        let frozen_ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        freezes.total_ns.fetch_add(frozen_ns, Ordering::Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Mutex;

    use super::*;

    fn pressure() -> (Pressure, Arc<Mutex<Vec<bool>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let freeze = Freeze::new(move |frozen| {
            noted.lock().unwrap().push(frozen);
            Ok(())
        });
        (Pressure::new(Some(freeze)), asked)
    }

    #[test]
    fn it_is_frozen_until_the_observer_has_caught_up() {
        let (mut pressure, asked) = pressure();
        let start = Instant::now();
        pressure.rises(start);
        pressure.rises(start + LONGEST / 2);
        assert!(pressure.is_frozen());
        pressure.falls();
        pressure.falls();
        assert!(!pressure.is_frozen());
        let freezes = pressure.freezes();
        drop(pressure);
        assert_eq!(*asked.lock().unwrap(), [true, false]);
        let (count, total_ns) = freezes.so_far();
        assert_eq!(count, 1);
        assert!(total_ns > 0);
    }

    #[test]
    fn it_goes_on_after_a_while_whatever_happens() {
        let (mut pressure, asked) = pressure();
        let start = Instant::now();
        for tenths in 0..100 {
            pressure.rises(start + LONGEST * tenths / 10);
        }
        assert!(!pressure.is_frozen());
        pressure.falls();
        pressure.rises(start + LONGEST * 11);
        assert!(pressure.is_frozen(), "once it has caught up it may be again");
        let freezes = pressure.freezes();
        drop(pressure);
        assert_eq!(*asked.lock().unwrap(), [true, false, true, false]);
        assert_eq!(freezes.so_far().0, 2);
    }

    #[test]
    fn what_cannot_be_frozen_is_not_counted() {
        let mut pressure = Pressure::new(Some(Freeze::new(|_| Err(io::Error::other("no")))));
        let freezes = pressure.freezes();
        pressure.rises(Instant::now());
        drop(pressure);
        assert_eq!(freezes.so_far(), (0, 0));
        Pressure::new(None).rises(Instant::now());
    }

    /// A kernel that takes its time to freeze keeps nobody from emptying the rings.
    #[test]
    fn asking_takes_no_time() {
        let (go_on, wait) = sync_channel::<()>(0);
        let wait = Mutex::new(wait);
        let freeze = Freeze::new(move |_| {
            let _ = wait.lock().unwrap().recv();
            Ok(())
        });
        let mut pressure = Pressure::new(Some(freeze));
        pressure.rises(Instant::now());
        pressure.falls();
        assert_eq!(pressure.freezes.so_far().0, 0, "it is on its way");
        drop(go_on);
        let freezes = pressure.freezes();
        drop(pressure);
        assert_eq!(freezes.so_far().0, 1);
    }
}
