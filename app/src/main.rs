//! The `glasshouse` program: see the library for what it does.

use std::process::ExitCode;

use glasshouse::{commands, hash, timings::Timings};

fn main() -> ExitCode {
    let timings = Timings::default();
    // glasshouse also runs itself, to read files that may hang.
    if let Some(code) = hash::reader_process() {
        return code;
    }
    // Without the hooks a panic is reported a little less well, and that is all.
    drop(color_eyre::install());
    ExitCode::from(commands::run(std::env::args_os(), timings))
}
