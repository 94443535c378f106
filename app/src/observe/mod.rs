//! From the kernel to [`Event`]s: the probe plan, loading and attaching, the ring buffers, decoding.
//!
//! The only part that knows eBPF. It never imports the session, the receipt or the interface.

use crate::{
    event::{Event, ProcessKey},
    facts::ObservationFacts,
    timings::Timings,
};

/// What is to be observed: a process that is held until observation is in place. Its successful exec is where
/// observation starts.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its pid, as glasshouse sees it.
    pub pid: u32,
    /// Inode number of the pid namespace of which `pid` is a number (`/proc/self/ns/pid`).
    pub pid_namespace: u64,
}

/// Observation in progress.
pub struct Observer {}

/// What is left when observation has ended.
pub struct Finished {
    /// Events that had not been taken yet, then those of the final sweep.
    pub events: Vec<Event>,
    /// How well it went.
    pub facts: ObservationFacts,
    /// Processes that were in scope and alive when observation ended.
    pub alive: Vec<ProcessKey>,
}

/// Why observation could not begin. The text says what is missing and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The user may not load eBPF programs.
    #[error("{0}")]
    NotPermitted(String),
    /// The kernel lacks something that is needed.
    #[error("{0}")]
    Unsupported(String),
    /// Something else failed.
    #[error("{0}")]
    Failed(String),
}

impl Observer {
    /// Loads and attaches everything. When this returns, nothing the target does after its exec goes unseen.
    pub fn start(_target: Target, _timings: &mut Timings) -> Result<Self, ObserveError> {
        Err(ObserveError::Unsupported("not built yet".into()))
    }

    /// The next batch of events, in the order in which the kernel recorded them (per ring). `None` when the
    /// collector has failed. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        None
    }

    /// How many processes are in scope and alive now.
    pub fn alive(&self) -> usize {
        0
    }

    /// Detaches, drains and sweeps.
    pub fn finish(self, _timings: &mut Timings) -> Finished {
        Finished { events: Vec::new(), facts: ObservationFacts::default(), alive: Vec::new() }
    }
}
