//! What the runner needs of an observation; tests run it without eBPF.

use crate::{
    event::{CallsSoFar, Event},
    observe::{Finished, Observer},
    timings::Timings,
};

/// Observation in progress.
pub trait Observation {
    /// The next batch of events; `None` when the collector has failed. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Option<Vec<Event>>>;

    /// Takes back a batch that was looked at, for the memory of it.
    fn take_back(&mut self, events: Vec<Event>);

    /// How many processes are in scope and alive now.
    fn alive(&self) -> usize;

    /// Records that the kernel side could not send by now, and whose facts nothing will bring.
    fn lost(&self) -> u64;

    /// System calls as they were counted by now, those that were made only if they are wanted.
    fn calls_so_far(&self, made_wanted: bool) -> CallsSoFar;

    /// Detaches, drains and sweeps.
    fn finish(self, timings: &mut Timings) -> Finished;
}

impl Observation for Observer {
    fn next(&mut self) -> impl Future<Output = Option<Vec<Event>>> {
        Self::next(self)
    }

    fn take_back(&mut self, events: Vec<Event>) {
        Self::take_back(self, events);
    }

    fn alive(&self) -> usize {
        Self::alive(self)
    }

    fn lost(&self) -> u64 {
        Self::lost(self)
    }

    fn calls_so_far(&self, made_wanted: bool) -> CallsSoFar {
        Self::calls_so_far(self, made_wanted)
    }

    fn finish(self, timings: &mut Timings) -> Finished {
        Self::finish(self, timings)
    }
}
