//! Starting the command: who it runs as, where, held until it is observed, and how signals reach it.
//!
//! The child is our own fork, held on a pipe: `Command::spawn` returns only after exec, which is too late to be
//! observed from the first instruction. Everything that needs memory or a look at the user database happens before
//! the fork; between fork and exec there is nothing but async-signal-safe calls (`child.rs`).

mod candidates;
pub mod cgroup;
mod child;
pub mod command;
mod freezer;
pub mod held;
pub mod identity;
mod inherited;
mod known;
mod leader;
pub mod limits;
mod namespaces;
pub(crate) mod priority;
pub mod pty;
mod readiness;
pub mod signals;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use freezer::{Freezer, Wish, thawing_process};
pub use held::{Ended, HeldChild, RunningChild};
pub use identity::{Identity, UserSpec};
pub(crate) use inherited::stdout_was_closed;
pub(crate) use known::Known;
pub(crate) use namespaces::{detached, user_namespace_of};
pub use pty::Pty;
pub(crate) use readiness::{readable, readable_owned, writable};
pub use signals::Signals;

pub use crate::clock::boot_time;

/// Exit code when glasshouse itself failed, as `env`, `nohup` and `timeout` use it.
pub const EXIT_FAILED: u8 = 125;
/// Exit code when the command was found but could not be executed.
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// Exit code when the command was not found.
pub const EXIT_NOT_FOUND: u8 = 127;

/// Why a command could not be started. The texts name the thing and hint what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LaunchError {
    /// No such command.
    #[error("{0}")]
    NotFound(String),
    /// There is such a file, but the kernel does not execute it.
    #[error("{message}")]
    NotExecutable {
        /// What is wrong with it.
        message: String,
        /// The file, absolute.
        path: Vec<u8>,
    },
    /// Something on the way to the exec was refused: the user, the working directory, the fork.
    #[error("{0}")]
    Refused(String),
}

impl LaunchError {
    /// The exit code that stands for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => EXIT_NOT_FOUND,
            Self::NotExecutable { .. } => EXIT_NOT_EXECUTABLE,
            Self::Refused(_) => EXIT_FAILED,
        }
    }
}

/// `name` in single quotes for a message, without a byte that a terminal would act on.
pub fn quoted(name: impl AsRef<std::ffi::OsStr>) -> String {
    let mut text = String::from("'");
    for character in name.as_ref().to_string_lossy().chars() {
        match character {
            '\'' | '"' => text.push(character),
            _ => text.extend(character.escape_debug()),
        }
    }
    text.push('\'');
    text
}

/// The text of an errno, lower case, as the messages here are.
fn reason(error: nix::errno::Errno) -> String {
    error.desc().to_lowercase()
}
