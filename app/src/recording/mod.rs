//! Recordings of events: a run as it happens, line by line, and its receipt made of them again.
//!
//! `glasshouse watch --events PATH` writes one, `glasshouse receipt PATH` reads it; `assets/docs/EVENTS.md` describes the
//! lines. What is recorded is what the session takes in, in the order in which it does, so that both give the same
//! receipt, byte for byte. It has passed [`crate::disclosure`].

mod fields;
mod lines;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use lines::Header;
pub use read::{ReadError, Rebuilt, rebuild};
pub use write::{FLUSH_EVERY, Recording};

/// What a recording says it is.
const FORMAT: &str = "glasshouse-events";

/// Version of the format. Fields can be added to a version: a reader ignores those that it does not know.
const VERSION: u32 = 1;

/// The longest line, in bytes: a command with the most arguments and variables that the kernel takes, escaped, and nothing
/// that fills the memory of whoever reads it.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
