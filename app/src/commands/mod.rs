//! The subcommands.

pub mod doctor;
pub mod receipt;
pub mod schema;
pub mod watch;

use std::{ffi::OsString, io::Write as _};

use clap::{Parser as _, error::ErrorKind};

use crate::{
    cli::{Cli, Subcommands},
    launch::{EXIT_FAILED, quoted},
    timings::Timings,
};

/// Does what was typed; returns the exit code.
pub fn run(arguments: impl Iterator<Item = OsString>, timings: Timings) -> u8 {
    let arguments: Vec<_> = arguments.collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => match cli.subcommand {
            Subcommands::Watch(args) => watch::run(*args, timings),
            Subcommands::Receipt(args) => receipt::run(args),
            Subcommands::Doctor(args) => doctor::run(args.programs),
            Subcommands::Schema => match schema::write(&mut std::io::stdout().lock()) {
                Ok(()) => 0,
                Err(error) => {
                    drop(writeln!(std::io::stderr().lock(), "glasshouse: cannot print the schema: {error}"));
                    EXIT_FAILED
                }
            },
        },
        Err(error) => report(&error, &arguments),
    }
}

/// Prints what clap has to say, with a hint for the slips that are easily made.
fn report(error: &clap::Error, arguments: &[OsString]) -> u8 {
    // Neither has anywhere else to go when it cannot be printed.
    drop(error.print());
    if !error.use_stderr() {
        return 0;
    }
    if let Some(hint) = hint(error.kind(), arguments) {
        drop(writeln!(std::io::stderr().lock(), "\nto observe a command, type: {hint}"));
    }
    EXIT_FAILED
}

fn hint(kind: ErrorKind, arguments: &[OsString]) -> Option<String> {
    let words = |words: &[OsString]| {
        words.iter().map(|word| quoted(word).trim_matches('\'').to_owned()).collect::<Vec<_>>().join(" ")
    };
    let (first, rest) = (arguments.get(1), arguments.get(2..).unwrap_or_default());
    match (kind, first) {
        (ErrorKind::InvalidSubcommand, _) => {
            Some(format!("glasshouse watch -- {}", words(arguments.get(1..).unwrap_or_default())))
        }
        // A command without the `--` before it.
        (ErrorKind::UnknownArgument, Some(first))
            if first == "watch" && !rest.iter().any(|word| word == "--") =>
        {
            let command = rest.iter().position(|word| !word.as_encoded_bytes().starts_with(b"-"))?;
            let (options, command) = rest.split_at(command);
            let options = if options.is_empty() { String::new() } else { format!("{} ", words(options)) };
            Some(format!("glasshouse watch {options}-- {}", words(command)))
        }
        (ErrorKind::MissingRequiredArgument, Some(first)) if first == "watch" => {
            Some("glasshouse watch -- COMMAND".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_corrected() {
        let hint = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
            Cli::try_parse_from(&arguments).err().and_then(|error| super::hint(error.kind(), &arguments))
        };
        assert_eq!(hint("glasshouse ls -l").as_deref(), Some("glasshouse watch -- ls -l"));
        assert_eq!(hint("glasshouse watch ls -l").as_deref(), Some("glasshouse watch -- ls -l"));
        assert_eq!(hint("glasshouse watch --quiet ls").as_deref(), Some("glasshouse watch --quiet -- ls"));
        assert_eq!(hint("glasshouse watch").as_deref(), Some("glasshouse watch -- COMMAND"));
        assert_eq!(hint("glasshouse watch --quite -- ls"), None);
        assert_eq!(hint("glasshouse watch -- ls"), None);
    }
}
