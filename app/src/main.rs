//! The `glasshouse` program: see the library for what it does.

use std::process::ExitCode;

use glasshouse::{
    commands, hash,
    launch::{limits, signals::ignore_file_size_signal, thawing_process},
    timings::Timings,
};

fn main() -> ExitCode {
    let timings = Timings::default();
    ignore_file_size_signal();
    limits::raise();
    // glasshouse also runs itself, to read files that may hang, and to thaw what it has frozen when it is gone.
    if let Some(code) = hash::reader_process().or_else(thawing_process) {
        return code;
    }
    // Without the hooks a panic is reported a little less well, and that is all.
    drop(color_eyre::install());
    ExitCode::from(commands::run(std::env::args_os(), timings))
}
