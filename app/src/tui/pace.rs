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
    /// The session has changed since the lists were made.
    changed: bool,
    /// The session has changed since findings were looked for.
    unsearched: bool,
    drawn_at: Instant,
    frame_at: Instant,
    refresh_at: Instant,
    count_at: Instant,
    search_at: Instant,
}

impl Pace {
    /// Everything is to be done.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            dirty: true,
            asked: false,
            changed: true,
            unsearched: true,
            drawn_at: now,
            frame_at: now,
            refresh_at: now,
            count_at: now,
            search_at: now,
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
        (self.dirty, self.changed, self.unsearched) = (true, true, true);
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
        self.dirty = self.changed;
    }

    /// The lists are to be made anew.
    pub(super) fn refreshes(&self, now: Instant) -> bool {
        self.changed && now >= self.refresh_at + self.patience()
    }

    fn patience(&self) -> Duration {
        if self.asked { PATIENCE } else { Duration::ZERO }
    }

    /// It has begun: what changes from now on is not in them.
    pub(super) fn refreshing(&mut self) {
        self.changed = false;
    }

    /// They are made, which took so long in all, and are to be seen.
    pub(super) fn refreshed(&mut self, took: Duration, now: Instant) {
        self.refresh_at = now + (took * SHARE).max(FRAME);
        self.dirty = true;
    }

    /// Findings are to be looked for: now and then, and at the end whatever it takes.
    pub(super) fn searches(&self, now: Instant, is_over: bool) -> bool {
        self.unsearched && (is_over || now >= self.search_at + self.patience())
    }

    /// It has begun.
    pub(super) fn searching(&mut self) {
        self.unsearched = false;
    }

    /// They are found, which took so long in all, and are to be seen.
    pub(super) fn searched(&mut self, took: Duration, now: Instant) {
        self.search_at = now + (took * SHARE).max(COUNT);
        self.dirty = true;
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
        pace.refreshing();
        pace.changed();
        pace.refreshed(Duration::from_millis(20), after(30));
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
        pace.searching();
        pace.searched(Duration::from_millis(10), after(10));
        assert!(!pace.searches(after(5_000), true), "nothing has changed");
        pace.changed();
        assert!(!pace.searches(after(1_009), false) && pace.searches(after(1_010), false));
        assert!(pace.searches(after(20), true), "the end is looked at");
        pace.searching();
        pace.searched(Duration::from_millis(300), after(300));
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
        pace.refreshing();
        pace.refreshed(Duration::ZERO, begin);
        pace.drawn(begin);
        assert_eq!((pace.next(true), pace.next(false)), (Some(begin + TICK), None));
    }
}
