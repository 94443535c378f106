//! When to draw, when to make the lists anew and when to count: at once for the user, and seldom for the machine.

use std::time::{Duration, Instant};

/// The shortest time from one drawing to the next, over time.
const FRAME: Duration = Duration::from_millis(34);
/// The header's clock.
const TICK: Duration = Duration::from_millis(500);
/// Making the lists anew takes at most this share of the time, so that long lists do not hold up keys; and so do counting and the search for
/// findings.
const SHARE: u32 = 8;
/// How much older the lists may get when keys come all the time, each of which is to be seen at once.
const PATIENCE: Duration = Duration::from_millis(250);
/// The shortest time from one look at the counters of system calls to the next, and from one search for findings to the next.
const COUNT: Duration = Duration::from_secs(1);

/// What there is to be done, and when.
#[derive(Debug)]
pub(super) struct Pace {
    /// What is on the screen is not what is.
    dirty: bool,
    /// The user did something since the last drawing.
    asked: bool,
    /// The lists are made anew.
    lists: Job,
    /// Findings are looked for.
    search: Job,
    drawn_at: Instant,
    frame_at: Instant,
    count_at: Instant,
}

/// What is done anew when the session has changed, in turns between which keys are answered.
#[derive(Debug)]
struct Job {
    /// The session has changed since it began the last time.
    is_due: bool,
    next_at: Instant,
    /// The shortest time from its end to when it begins anew.
    pause: Duration,
    /// How long its turns have taken, while it is under way.
    took: Option<Duration>,
}

impl Job {
    fn new(now: Instant, pause: Duration) -> Self {
        Self { is_due: true, next_at: now, pause, took: None }
    }

    /// It is to begin, which may come later by `patience`, or to be gone on with.
    fn wants_turn(&self, now: Instant, patience: Duration) -> bool {
        self.took.is_some() || (self.is_due && now >= self.next_at + patience)
    }

    /// It had a turn, which took so long; what changed before its first one is in it. `done` if it is over.
    fn turn(&mut self, took: Duration, done: bool, now: Instant) {
        let before = self.took.take().unwrap_or_else(|| {
            self.is_due = false;
            Duration::ZERO
        });
        let took = before + took;
        if done {
            self.next_at = now + (took * SHARE).max(self.pause);
        } else {
            self.took = Some(took);
        }
    }
}

impl Pace {
    /// Everything is to be done.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            dirty: true,
            asked: false,
            lists: Job::new(now, FRAME),
            search: Job::new(now, COUNT),
            drawn_at: now,
            frame_at: now,
            count_at: now,
        }
    }

    /// There is something else to be drawn.
    pub(super) fn dirty(&mut self) {
        self.dirty = true;
    }

    /// The user did something, or something took place that the next drawing is not to wait for.
    pub(super) fn asked(&mut self) {
        (self.dirty, self.asked) = (true, true);
    }

    /// The session has changed.
    pub(super) fn changed(&mut self) {
        (self.dirty, self.lists.is_due, self.search.is_due) = (true, true, true);
    }

    /// When it is to be looked what there is to do; never, if nothing changes and no clock is shown.
    pub(super) fn next(&self, has_clock: bool) -> Option<Instant> {
        if self.dirty { Some(self.may_draw_at()) } else { has_clock.then(|| self.drawn_at + TICK) }
    }

    /// There is something to be drawn, and it may be.
    pub(super) fn draws(&self, now: Instant) -> bool {
        self.dirty && now >= self.may_draw_at()
    }

    /// What the user asked for need not wait for its turn: one drawing may come early.
    fn may_draw_at(&self) -> Instant {
        if self.asked { self.frame_at - FRAME } else { self.frame_at }
    }

    /// It is drawn. One that came early makes the next one wait for longer.
    pub(super) fn drawn(&mut self, now: Instant) {
        self.drawn_at = now;
        self.frame_at = self.frame_at.max(now) + FRAME;
        self.asked = false;
        self.dirty = self.lists.is_due;
    }

    /// The lists are to be made anew, or to be gone on with.
    pub(super) fn refreshes(&self, now: Instant) -> bool {
        self.lists.wants_turn(now, self.patience())
    }

    fn patience(&self) -> Duration {
        if self.asked { PATIENCE } else { Duration::ZERO }
    }

    /// The lists had a turn, which took so long; `done` if all of them are made, and to be seen.
    pub(super) fn refreshed(&mut self, took: Duration, done: bool, now: Instant) {
        self.lists.turn(took, done, now);
        self.dirty |= done;
    }

    /// Findings are to be looked for, or to be gone on with: now and then, and at the end whatever it takes.
    pub(super) fn searches(&self, now: Instant, is_over: bool) -> bool {
        self.search.wants_turn(now, self.patience()) || (is_over && self.search.is_due)
    }

    /// The search had a turn, which took so long; `done` if all are found, and to be seen.
    pub(super) fn searched(&mut self, took: Duration, done: bool, now: Instant) {
        self.search.turn(took, done, now);
        self.dirty |= done;
    }

    /// Something has begun that need not wait for anything.
    pub(super) fn is_under_way(&self) -> bool {
        self.lists.took.is_some() || self.search.took.is_some()
    }

    /// It may be counted.
    pub(super) fn counts(&self, now: Instant) -> bool {
        now >= self.count_at
    }

    /// It was.
    pub(super) fn counted(&mut self, began: Instant, now: Instant) {
        self.count_at = now + (now.saturating_duration_since(began) * SHARE).max(COUNT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drawings in ten seconds in which something happens every millisecond, and the user presses a key so often.
    fn drawings(key_every: u64) -> u32 {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let mut drawings = 0;
        for millisecond in 0..10_000 {
            let now = begin + Duration::from_millis(millisecond);
            pace.changed();
            if millisecond % key_every == 0 {
                pace.asked();
                let due = pace.next(true).unwrap_or(now);
                assert!(key_every < 50 || due <= now, "a key that comes alone is drawn at once");
            }
            if pace.draws(now) {
                drawings += 1;
                pace.drawn(now);
            }
        }
        drawings
    }

    #[test]
    fn no_more_than_thirty_drawings_a_second() {
        for key_every in [1, 7, 40, 100, 1_000] {
            let drawings = drawings(key_every);
            assert!((280..=300).contains(&drawings), "{drawings} with a key every {key_every} ms");
        }
    }

    #[test]
    fn what_takes_long_is_done_seldom() {
        let begin = Instant::now();
        let after = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut pace = Pace::new(begin);
        assert!(pace.refreshes(begin) && pace.counts(begin));
        pace.refreshed(Duration::from_millis(5), false, after(5));
        assert!(pace.refreshes(after(5)) && pace.is_under_way(), "it goes on at once");
        pace.changed();
        pace.refreshed(Duration::from_millis(15), true, after(30));
        assert!(!pace.is_under_way());
        assert!(
            !pace.refreshes(after(189)) && pace.refreshes(after(190)),
            "what came meanwhile is to be seen, too"
        );
        pace.asked();
        assert!(!pace.refreshes(after(190)) && pace.refreshes(after(440)), "a key comes before the lists");
        pace.counted(begin, after(5));
        assert!(!pace.counts(after(1_004)) && pace.counts(after(1_005)));
        pace.counted(begin, after(200));
        assert!(!pace.counts(after(1_799)));
    }

    #[test]
    fn findings_are_looked_for_when_there_may_be_others() {
        let begin = Instant::now();
        let after = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut pace = Pace::new(begin);
        assert!(pace.searches(begin, false));
        pace.searched(Duration::from_millis(10), true, after(10));
        assert!(!pace.searches(after(5_000), true), "nothing has changed");
        pace.changed();
        assert!(!pace.searches(after(1_009), false) && pace.searches(after(1_010), false));
        assert!(pace.searches(after(20), true), "the end is looked at");
        pace.searched(Duration::from_millis(300), true, after(300));
        pace.changed();
        assert!(!pace.searches(after(2_699), false) && pace.searches(after(2_700), false));
        pace.asked();
        assert!(
            !pace.searches(after(2_949), false) && pace.searches(after(2_950), false),
            "a key comes first"
        );
    }

    #[test]
    fn at_rest_only_a_clock_is_drawn() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        pace.refreshed(Duration::ZERO, true, begin);
        pace.drawn(begin);
        assert_eq!((pace.next(true), pace.next(false)), (Some(begin + TICK), None));
    }
}
