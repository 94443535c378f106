//! The state that events add up to: one owner, fed by [`Session::apply`], read by everybody else.

use crate::event::{Event, ProcessKey};

/// What is known of a run so far.
#[derive(Debug, Default)]
pub struct Session {}

impl Session {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one event.
    pub fn apply(&mut self, _event: &Event) {}

    /// Says which processes were alive when observation ended (`observe::Finished::alive`), so that a missing exit
    /// can be told from a lost one.
    pub fn observation_ended(&mut self, _alive: &[ProcessKey]) {}

    /// The root process, once its exec was seen.
    pub fn root(&self) -> Option<ProcessKey> {
        None
    }

    /// The root was seen to exec and not yet to end.
    pub fn root_is_alive(&self) -> bool {
        false
    }

    /// Processes that were not seen to end.
    pub fn live(&self) -> impl Iterator<Item = ProcessKey> {
        std::iter::empty()
    }

    /// How many processes there were, ended ones included.
    pub fn process_count(&self) -> u64 {
        0
    }
}
