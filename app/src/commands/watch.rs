//! `glasshouse watch`: runs a command, observes it and writes its receipt.

use std::path::PathBuf;

use crate::{
    backend::ProcessBackend,
    cli::WatchArgs,
    launch::EXIT_FAILED,
    observe::{Groundwork, Manner, Observer},
    options::{ReceiptDestination, WatchOptions},
    recording::FLUSH_EVERY,
    runner::{self, Headless, say},
    timings::Timings,
    tui::{Live, config::Config, screen},
};

/// Runs the subcommand; returns the exit code.
pub fn run(args: WatchArgs, timings: Timings) -> u8 {
    match WatchOptions::try_from(args) {
        Ok(options) => {
            let groundwork = Groundwork::begin();
            let observe = |target, timings: &mut Timings| {
                let manner = Manner {
                    recording: options.record_records.as_deref(),
                    patience: options.events.is_some().then_some(FLUSH_EVERY),
                    backpressure: options.backpressure,
                };
                Observer::start(groundwork, target, manner, timings)
            };
            match interface(&options) {
                Err(error) => failed(&format!("{error}; nothing was run")),
                Ok(Some(live)) => runner::run(&options, ProcessBackend::new, observe, live, timings),
                Ok(None) => runner::run(&options, ProcessBackend::new, observe, Headless, timings),
            }
        }
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(error: &str) -> u8 {
    say(error);
    EXIT_FAILED
}

/// The interface, where one is wanted and can be had; says once why there is none. An error is one of the configuration.
fn interface(options: &WatchOptions) -> Result<Option<Live>, String> {
    if !options.tui {
        return Ok(None);
    }
    let headless = |reason: &str| say(&format!("no interface: {reason}; --no-tui says that none is wanted"));
    if let Err(reason) = screen::usable() {
        headless(reason);
        return Ok(None);
    }
    let directory = match &options.receipt {
        ReceiptDestination::File(path) => path.parent().map(PathBuf::from).unwrap_or_default(),
        ReceiptDestination::Stdout => PathBuf::new(),
    };
    let live = Live::for_this_terminal(config()?, directory);
    Ok(live.inspect_err(|error| headless(&error.to_string())).ok())
}

/// The user's configuration; without a file there is none.
fn config() -> Result<Config, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let Some(path) = folder.map(|folder| folder.join("glasshouse/config.toml")) else {
        return Ok(Config::default());
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Config::parse(&text).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}
