//! `glasshouse watch`: runs a command, observes it and writes its receipt.

use std::{io::Write as _, path::PathBuf};

use crate::{
    backend::ProcessBackend,
    cli::WatchArgs,
    launch::EXIT_FAILED,
    observe::{Groundwork, Observer},
    options::{ReceiptDestination, WatchOptions},
    runner::{self, Headless},
    timings::Timings,
    tui::{Live, screen},
};

/// Runs the subcommand; returns the exit code.
pub fn run(args: WatchArgs, timings: Timings) -> u8 {
    match WatchOptions::try_from(args) {
        Ok(options) => {
            let groundwork = Groundwork::begin();
            let observe = |target, timings: &mut Timings| {
                Observer::start(groundwork, target, options.record_records.as_deref(), timings)
            };
            match interface(&options) {
                Some(live) => runner::run(&options, ProcessBackend::new, observe, live, timings),
                None => runner::run(&options, ProcessBackend::new, observe, Headless, timings),
            }
        }
        Err(error) => {
            drop(writeln!(std::io::stderr().lock(), "glasshouse: {error}"));
            EXIT_FAILED
        }
    }
}

/// The interface, where one is wanted and can be had; says once why there is none.
fn interface(options: &WatchOptions) -> Option<Live> {
    if !options.tui {
        return None;
    }
    let headless = |reason: &str| {
        let message = format!("glasshouse: no interface: {reason}; --no-tui says that none is wanted");
        drop(writeln!(std::io::stderr().lock(), "{message}"));
    };
    if let Err(reason) = screen::usable() {
        headless(reason);
        return None;
    }
    let directory = match &options.receipt {
        ReceiptDestination::File(path) => path.parent().map(PathBuf::from).unwrap_or_default(),
        ReceiptDestination::Stdout => PathBuf::new(),
    };
    Live::for_this_terminal(directory).inspect_err(|error| headless(&error.to_string())).ok()
}
