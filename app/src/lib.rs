//! glasshouse runs a command and reports what the host kernel saw it do.
//!
//! In the order in which an event travels: [`launch`] and [`backend`] start the command, [`observe`] turns what the
//! kernel saw into [`event`]s, [`session`] owns the state they add up to, [`receipt`] and [`summary`] report it, and
//! [`runner`] drives them all.

pub mod backend;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod disclosure;
pub mod event;
pub mod facts;
pub mod hash;
mod hex;
pub mod host;
pub mod launch;
mod maps;
mod names;
pub mod observe;
pub mod options;
pub mod protocol;
pub mod receipt;
pub mod recording;
pub mod runner;
pub mod session;
pub mod summary;
pub mod syscalls;
mod threads;
pub mod timings;
pub mod tui;
