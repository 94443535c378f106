//! The interface: what is known of a run, live in a terminal.
//!
//! [`update`] is the only place that changes [`state`], and [`view`] only looks at it. Neither does IO or reads a clock:
//! [`interface`] brings them keys, events and the time, and does what they ask for.

pub mod config;
mod export;
pub mod filter;
pub mod keys;
pub mod live;
mod pace;
#[cfg(test)]
mod samples;
pub mod screen;
pub mod state;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
mod wait;

pub use live::Live;
