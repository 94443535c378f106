//! What may be known of an event: between the observation and everything that keeps, shows or writes events.
//!
//! Payloads become what they mean, and their bytes go no further. The value of a variable becomes its SHA-256, and what a
//! pattern of `--redact` matches a mark ([`crate::event::marks`]).

mod redact;
mod removal;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::{
    event::{Event, EventKind},
    facts::CommandFacts,
};
pub use redact::{RedactError, Redactor};
use removal::Removal;
use streams::Streams;

/// Lets events through, in the order in which they came.
#[derive(Debug)]
pub struct Disclosure {
    streams: Streams,
    removal: Removal,
}

impl Default for Disclosure {
    fn default() -> Self {
        Self::new(false, None)
    }
}

impl Disclosure {
    /// With the values of variables or without, and without what a redactor finds.
    pub fn new(env_values: bool, redactor: Option<Redactor>) -> Self {
        Self { streams: Streams::default(), removal: Removal::new(env_values, redactor) }
    }

    /// Adds to `out` what may be known of an event.
    pub fn pass(&mut self, mut event: Event, out: &mut Vec<Event>) {
        if let EventKind::Payload(payload) = &event.kind {
            for mut kind in self.streams.payload(payload) {
                self.removal.remove(&mut kind);
                out.push(Event { kind, ..event });
            }
            return;
        }
        if let EventKind::Flow(flow) = &event.kind {
            self.streams.flow(flow);
        }
        self.removal.remove(&mut event.kind);
        out.push(event);
    }

    /// The same of several.
    pub fn pass_all(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let mut out = Vec::new();
        events.into_iter().for_each(|event| self.pass(event, &mut out));
        out
    }

    /// What may be known of the command.
    pub fn command(&mut self, command: CommandFacts) -> CommandFacts {
        let CommandFacts { mut argv, mut cwd, user, mut executable, environment } = command;
        argv.iter_mut().for_each(|argument| self.removal.text(argument));
        self.removal.path_text(&mut cwd);
        executable.iter_mut().for_each(|path| self.removal.path_text(path));
        CommandFacts { argv, cwd, user, executable, environment: self.removal.environment(&environment) }
    }

    /// What may be known of a message.
    pub fn message(&mut self, text: &str) -> String {
        let mut text = text.as_bytes().to_vec();
        self.removal.text(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// What may be known of a path.
    pub fn path(&mut self, path: &[u8]) -> Vec<u8> {
        let mut path = path.to_vec();
        self.removal.path_text(&mut path);
        path
    }

    /// The text that this was, for whoever must find a file; `None` if that is not known any more.
    pub fn original(&self, text: &Arc<[u8]>) -> Option<Arc<[u8]>> {
        self.removal.original(text)
    }
}
