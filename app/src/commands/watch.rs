//! `glasshouse watch`: runs a command, observes it and writes its receipt.

use std::io::Write as _;

use crate::{
    backend::ProcessBackend,
    cli::WatchArgs,
    launch::EXIT_FAILED,
    observe::{Groundwork, Observer},
    options::WatchOptions,
    runner,
    timings::Timings,
};

/// Runs the subcommand; returns the exit code.
pub fn run(args: WatchArgs, timings: Timings) -> u8 {
    match WatchOptions::try_from(args) {
        Ok(options) => {
            let groundwork = Groundwork::begin();
            let observe = |target, timings: &mut Timings| {
                Observer::start(groundwork, target, options.record_records.as_deref(), timings)
            };
            runner::run(&options, ProcessBackend::new, observe, timings)
        }
        Err(error) => {
            drop(writeln!(std::io::stderr().lock(), "glasshouse: {error}"));
            EXIT_FAILED
        }
    }
}
