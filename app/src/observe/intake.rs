//! What becomes of the batches: counted, recorded where that was asked for, and made events of.

use glasshouse_common::FAMILIES;

use super::{assemble::Assembler, record::Recorder, ring::Batch};
use crate::event::Event;

/// Takes batches in.
pub(super) struct Intake {
    pub(super) assembler: Assembler,
    pub(super) recorder: Option<Recorder>,
    /// Records so far, by family.
    pub(super) received: [u64; FAMILIES],
}

impl Intake {
    /// Adds a batch's events to `events`.
    pub(super) fn take(&mut self, batch: &Batch, events: &mut Vec<Event>) {
        for (total, new) in self.received.iter_mut().zip(batch.received) {
            *total += new;
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.add(&batch.bytes);
        }
        self.assembler.events(&batch.bytes, events);
    }
}
