//! Where the time of a run goes: filled in along the way, printed by `--timings`.

use std::time::{Duration, Instant};

/// A list of phases with their durations.
#[derive(Debug)]
pub struct Timings {
    last: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Default for Timings {
    fn default() -> Self {
        Self { last: Instant::now(), phases: Vec::new() }
    }
}

impl Timings {
    /// Ends the phase `name`, which began when the one before it ended.
    pub fn mark(&mut self, name: &'static str) {
        let now = Instant::now();
        self.phases.push((name, now - self.last));
        self.last = now;
    }

    /// The phases so far, in order.
    pub fn phases(&self) -> &[(&'static str, Duration)] {
        &self.phases
    }
}
