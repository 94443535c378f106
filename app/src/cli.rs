//! What can be typed. What it means is settled in [`crate::options`].

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Runs a command and reports what the host kernel saw it do
#[derive(Debug, Parser)]
#[command(
    name = "glasshouse",
    bin_name = "glasshouse",
    version,
    propagate_version = true,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub subcommand: Subcommands,
}

/// What glasshouse can do.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Run a command, observe it, and write its receipt
    Watch(Box<WatchArgs>),
    /// Make the receipt of a run again from its events, even if glasshouse was killed meanwhile
    Receipt(ReceiptArgs),
    /// Say what this kernel and this user can do, and what to do about what they cannot
    Doctor(DoctorArgs),
    /// Print the JSON Schema of the receipt
    Schema,
}

/// `glasshouse watch`.
#[derive(Debug, Args)]
#[command(
    override_usage = "glasshouse watch [OPTIONS] -- COMMAND [ARGUMENT]...",
    after_help = "Exit codes: the command's own; 128+N when signal N killed it; 124 when --timeout was reached; \
                  125 when glasshouse itself failed; 126 when the command was found but cannot be executed; \
                  127 when it was not found.\n\n\
                  SIGINT and the like are the command's; the third SIGINT or SIGTERM within five seconds stops \
                  observing and leaves the command running."
)]
pub struct WatchArgs {
    /// Show no interface, as is always so where standard output is no terminal
    #[arg(long)]
    pub no_tui: bool,

    /// Where the receipt goes; `-` for standard output
    #[arg(long, value_name = "PATH", default_value = "./receipt.json")]
    pub receipt: PathBuf,

    /// Also write every event to a new file as it happens, a line each, of which `glasshouse receipt` makes the receipt
    #[arg(long, value_name = "PATH")]
    pub events: Option<PathBuf>,

    /// Print no summary at the end
    #[arg(long, short)]
    pub quiet: bool,

    /// Run the command as this user [default: under sudo the user who typed it, else the caller]
    #[arg(long, value_name = "NAME|UID[:GROUP]")]
    pub user: Option<String>,

    /// Run the command in this directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,

    /// Set a variable in the command's environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,

    /// Keep the values of environment variables in the receipt, not only their SHA-256
    #[arg(long)]
    pub env_values: bool,

    /// Remove what matches this regular expression from arguments and environment in the receipt; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub redact: Vec<String>,

    /// End the command after this long: 500ms, 30s, 2m, 1h. SIGTERM first, SIGKILL five seconds later
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,

    /// Hash no more than this many bytes of the files that the command leaves behind: 500M, 4G, 0 for none
    #[arg(long, value_name = "SIZE", default_value = "4G")]
    pub artifact_limit: String,

    /// Go on until every process that the command started has ended
    #[arg(long)]
    pub wait_all: bool,

    /// Never slow the command down: under extreme load records are dropped, and the receipt says so
    #[arg(long)]
    pub no_backpressure: bool,

    /// Print where glasshouse's own time went
    #[arg(long)]
    pub timings: bool,

    /// Also write the kernel side's records to a new file, for the tests that replay them
    #[arg(long, value_name = "PATH", hide = true)]
    pub record_records: Option<PathBuf>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `glasshouse receipt`.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    /// Where the receipt goes; `-` for standard output
    #[arg(long, value_name = "PATH", default_value = "./receipt.json")]
    pub receipt: PathBuf,

    /// Print no summary at the end
    #[arg(long, short)]
    pub quiet: bool,

    /// What `glasshouse watch --events` wrote
    #[arg(value_name = "EVENTS")]
    pub events: PathBuf,
}

/// `glasshouse doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also load every eBPF program and say how many instructions the verifier walked
    #[arg(long)]
    pub programs: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
