//! What was meant: the validated form of what was typed.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{self, Path, PathBuf},
    time::Duration,
};

use crate::{
    cli::WatchArgs,
    disclosure::Redactor,
    launch::{UserSpec, quoted},
};

/// Options of `glasshouse watch`.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The command and its arguments; never empty.
    pub command: Vec<OsString>,
    /// Where the receipt goes.
    pub receipt: ReceiptDestination,
    /// Where events go as they happen.
    pub events: Option<PathBuf>,
    /// The interface is wanted, where there can be one.
    pub tui: bool,
    /// No summary at the end.
    pub quiet: bool,
    /// Who the command is to run as.
    pub user: Option<UserSpec>,
    /// Where it is to run.
    pub cwd: Option<PathBuf>,
    /// Variables on top of the caller's environment, in the order given.
    pub environment: Vec<(OsString, OsString)>,
    /// The receipt keeps values of variables.
    pub env_values: bool,
    /// What the receipt must not contain.
    pub redactor: Option<Redactor>,
    /// When to end the command.
    pub timeout: Option<Duration>,
    /// Bytes that are hashed of the files that the command leaves behind.
    pub artifact_limit: u64,
    /// Wait for all descendants.
    pub wait_all: bool,
    /// Slow the command down rather than lose records.
    pub backpressure: bool,
    /// Print where the time went.
    pub timings: bool,
    /// Where the kernel side's records go as well.
    pub record_records: Option<PathBuf>,
}

/// Where the receipt goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptDestination {
    /// To standard output, after the command's own.
    Stdout,
    /// To a file.
    File(PathBuf),
}

impl TryFrom<PathBuf> for ReceiptDestination {
    type Error = UsageError;

    fn try_from(path: PathBuf) -> Result<Self, UsageError> {
        match path.as_os_str().as_bytes() {
            b"-" => Ok(Self::Stdout),
            b"" => Err(UsageError("--receipt '': expected a path, or - for standard output".into())),
            _ => Ok(Self::File(path)),
        }
    }
}

/// An option whose value makes no sense. The text says what to type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl TryFrom<WatchArgs> for WatchOptions {
    type Error = UsageError;

    fn try_from(args: WatchArgs) -> Result<Self, UsageError> {
        let user = args.user.map(|user| {
            user.parse().map_err(|reason| UsageError(format!("--user {}: {reason}", quoted(&user))))
        });
        let timeout = args.timeout.map(|text| {
            duration(&text).ok_or_else(|| {
                UsageError(format!(
                    "--timeout {}: expected a number above zero with a unit, such as 500ms, 30s, 2m or 1h",
                    quoted(&text)
                ))
            })
        });
        let artifact_limit = bytes(&args.artifact_limit).ok_or_else(|| {
            UsageError(format!(
                "--artifact-limit {}: expected a number of bytes, or one with a unit, such as 500M or 4G",
                quoted(&args.artifact_limit)
            ))
        });
        let redactor = match args.redact.as_slice() {
            [] => None,
            patterns => Some(Redactor::new(patterns).map_err(|error| UsageError(error.to_string()))?),
        };
        let receipt = ReceiptDestination::try_from(args.receipt)?;
        Ok(Self {
            command: args.command,
            events: args.events.map(|path| events(path, &receipt)).transpose()?,
            receipt,
            tui: !args.no_tui,
            quiet: args.quiet,
            user: user.transpose()?,
            cwd: args.cwd,
            environment: args.env.iter().map(|entry| variable(entry)).collect::<Result<_, _>>()?,
            env_values: args.env_values,
            redactor,
            timeout: timeout.transpose()?,
            artifact_limit: artifact_limit?,
            wait_all: args.wait_all,
            backpressure: !args.no_backpressure,
            timings: args.timings,
            record_records: args.record_records,
        })
    }
}

/// Where events go: to a file, which is not the receipt's.
fn events(path: PathBuf, receipt: &ReceiptDestination) -> Result<PathBuf, UsageError> {
    let usage = |reason: &str| Err(UsageError(format!("--events {}: {reason}", quoted(&path))));
    if matches!(path.as_os_str().as_bytes(), b"" | b"-") {
        return usage("expected the path of a file that does not exist yet");
    }
    let absolute = |path: &Path| path::absolute(path).ok();
    if matches!(receipt, ReceiptDestination::File(receipt) if absolute(receipt) == absolute(&path)) {
        return usage("the receipt goes there; name another file");
    }
    Ok(path)
}

fn variable(entry: &OsStr) -> Result<(OsString, OsString), UsageError> {
    let bytes = entry.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) if at > 0 => Ok((
            OsStr::from_bytes(bytes.get(..at).unwrap_or_default()).to_owned(),
            OsStr::from_bytes(bytes.get(at + 1..).unwrap_or_default()).to_owned(),
        )),
        _ => Err(UsageError(format!("--env {}: expected NAME=VALUE", quoted(entry)))),
    }
}

/// A number with a unit; seconds without one, as `timeout(1)` has it.
fn duration(text: &str) -> Option<Duration> {
    let digits =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let duration = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
    // A century is longer than any run, and far from where clocks overflow.
    let sensible = Duration::from_nanos(1)..Duration::from_secs(100 * 366 * 86400);
    sensible.contains(&duration).then_some(duration)
}

/// A number of bytes, with a unit that is a power of 1,024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.strip_suffix("iB").unwrap_or(unit) {
        "" | "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Subcommands};

    fn watch(arguments: &[&str]) -> Result<WatchOptions, String> {
        let line = ["glasshouse", "watch"].iter().chain(arguments);
        match Cli::try_parse_from(line).map_err(|error| error.to_string())?.subcommand {
            Subcommands::Watch(args) => (*args).try_into().map_err(|error: UsageError| error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults() {
        let options = watch(&["--", "ls", "-l", "--", "--quiet"]).unwrap();
        assert_eq!(options.command, ["ls", "-l", "--", "--quiet"]);
        assert_eq!(options.receipt, ReceiptDestination::File("./receipt.json".into()));
        assert!(!options.quiet && !options.wait_all && !options.env_values && !options.timings);
        assert!(options.user.is_none() && options.timeout.is_none() && options.redactor.is_none());
    }

    #[test]
    fn everything_at_once() {
        let options = watch(&[
            "--no-tui",
            "--receipt",
            "-",
            "--quiet",
            "--user",
            "nobody:1",
            "--cwd",
            "/",
            "--env",
            "A=1",
            "--env",
            "B==",
            "--env-values",
            "--redact",
            "x+",
            "--timeout",
            "1.5s",
            "--wait-all",
            "--timings",
            "--",
            "true",
        ])
        .unwrap();
        assert_eq!(options.receipt, ReceiptDestination::Stdout);
        assert_eq!(options.environment, [("A".into(), "1".into()), ("B".into(), "=".into())]);
        assert_eq!(options.timeout, Some(Duration::from_millis(1500)));
        assert!(options.redactor.is_some() && options.user.is_some());
    }

    #[test]
    fn bad_values_say_what_is_expected() {
        for (arguments, hint) in [
            (&["--timeout", "soon"], "30s"),
            (&["--timeout", "0s"], "above zero"),
            (&["--artifact-limit", "lots"], "4G"),
            (&["--artifact-limit", "99999999T"], "4G"),
            (&["--env", "=x"], "NAME=VALUE"),
            (&["--env", "x"], "NAME=VALUE"),
            (&["--user", ":x"], "NAME:GROUP"),
            (&["--receipt", ""], "--receipt"),
            (&["--events", "-"], "does not exist yet"),
            (&["--events", "receipt.json"], "the receipt goes there"),
        ] {
            let error = watch(&[arguments.as_slice(), &["--", "true"]].concat()).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
        assert!(watch(&[]).is_err());
        assert!(watch(&["true"]).is_err());
    }

    #[test]
    fn durations() {
        let cases = [
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("3", Some(3000)),
            ("0.25s", Some(250)),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.2.3s", None),
            ("1e3s", None),
            ("99999999999999999999d", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(duration(text), milliseconds.map(Duration::from_millis), "{text}");
        }
    }
}
