//! What may be known of an event: between the observation and everything that keeps, shows or writes events.
//!
//! Payloads become what they mean, and their bytes go no further.

mod streams;

use crate::event::{Event, EventKind};
use streams::Streams;

/// Lets events through, in the order in which they came.
#[derive(Debug, Default)]
pub struct Disclosure {
    streams: Streams,
}

impl Disclosure {
    /// Adds to `out` what may be known of an event.
    pub fn pass(&mut self, event: Event, out: &mut Vec<Event>) {
        match &event.kind {
            EventKind::Payload(payload) => {
                let Event { at, process, tid, .. } = event;
                let told = self.streams.payload(payload).into_iter();
                out.extend(told.map(|kind| Event { at, process, tid, kind }));
                return;
            }
            EventKind::Flow(flow) => self.streams.flow(flow),
            _ => {}
        }
        out.push(event);
    }

    /// The same of several.
    pub fn pass_all(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let mut out = Vec::new();
        events.into_iter().for_each(|event| self.pass(event, &mut out));
        out
    }
}
