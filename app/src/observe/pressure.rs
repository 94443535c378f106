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
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The longest time that the workload is frozen at a stretch.
const LONGEST: Duration = Duration::from_secs(1);

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
    freeze: Option<Freeze>,
    frozen_since: Option<Instant>,
    /// It was frozen as long as it may be, and the observer has not caught up since.
    is_spent: bool,
    freezes: Arc<Freezes>,
}

impl Pressure {
    pub(super) fn new(freeze: Option<Freeze>) -> Self {
        Self { freeze, frozen_since: None, is_spent: false, freezes: Arc::default() }
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
        } else if !self.is_spent
            && let Some(Freeze(freeze)) = &self.freeze
            && freeze(true).is_ok()
        {
            self.frozen_since = Some(now);
            self.freezes.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The observer is catching up.
    pub(super) fn stays(&mut self, now: Instant) {
        if self.frozen_since.is_some_and(|since| now - since >= LONGEST) {
            self.is_spent = true;
            self.thaw(now);
        }
    }

    /// The observer has caught up.
    pub(super) fn falls(&mut self, now: Instant) {
        self.is_spent = false;
        self.thaw(now);
    }

    fn thaw(&mut self, now: Instant) {
        let (Some(since), Some(Freeze(freeze))) = (self.frozen_since.take(), &self.freeze) else { return };
        // The group is thawed when it goes, at the latest.
        drop(freeze(false));
        let frozen_ns = u64::try_from((now - since).as_nanos()).unwrap_or(u64::MAX);
        self.freezes.total_ns.fetch_add(frozen_ns, Ordering::Relaxed);
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.thaw(Instant::now());
    }
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
        pressure.falls(start + LONGEST / 2);
        pressure.falls(start + LONGEST);
        assert_eq!(*asked.lock().unwrap(), [true, false]);
        assert_eq!(pressure.freezes.so_far(), (1, LONGEST.as_nanos() as u64 / 2));
    }

    #[test]
    fn it_goes_on_after_a_while_whatever_happens() {
        let (mut pressure, asked) = pressure();
        let start = Instant::now();
        for tenths in 0..100 {
            pressure.rises(start + LONGEST * tenths / 10);
        }
        assert_eq!(*asked.lock().unwrap(), [true, false]);
        pressure.falls(start + LONGEST * 10);
        pressure.rises(start + LONGEST * 11);
        assert_eq!(*asked.lock().unwrap(), [true, false, true], "once it has caught up it may be again");
        let freezes = pressure.freezes();
        drop(pressure);
        assert_eq!(*asked.lock().unwrap(), [true, false, true, false]);
        assert_eq!(freezes.so_far().0, 2);
    }

    #[test]
    fn what_cannot_be_frozen_is_not_counted() {
        let mut pressure = Pressure::new(Some(Freeze::new(|_| Err(io::Error::other("no")))));
        pressure.rises(Instant::now());
        assert!(!pressure.is_frozen());
        assert_eq!(pressure.freezes.so_far(), (0, 0));
        Pressure::new(None).rises(Instant::now());
    }
}
