//! The `glasshouse` program: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = glasshouse::hash::reader_process() {
        return code;
    }
    ExitCode::SUCCESS
}
