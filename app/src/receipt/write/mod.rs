//! Writes the receipt: atomically, and where the workload can neither redirect nor prevent it.
//!
//! The directory is opened before the command starts and kept: whatever the command does to the path that leads to
//! it, the receipt goes into that directory. A symbolic link at the destination is replaced, never followed. What is
//! renamed into place is a fresh file that only the observer could write to, and after the rename the name is
//! checked to lead to that very file. If any of this fails, the receipt goes to the temporary directory instead.

mod place;
mod sink;

use std::{
    env, io,
    path::{Path, PathBuf},
};

use place::Place;
use sink::Sink;

use super::Receipt;

/// Where the receipt will go; made before the command starts.
#[derive(Debug)]
pub struct ReceiptTarget(Target);

#[derive(Debug)]
enum Target {
    File(Place),
    Stdout,
}

/// A receipt that is in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file; absent for standard output.
    pub path: Option<PathBuf>,
    /// SHA-256 of the bytes written.
    pub sha256: [u8; 32],
    /// How many bytes.
    pub size_bytes: u64,
    /// Why it is not where it was asked to be, but in the temporary directory.
    pub fallback_reason: Option<String>,
    /// Why it could not be given to the user that it should belong to.
    pub owner_reason: Option<String>,
}

impl Written {
    /// What is to be said at once if it is not where it was asked to be.
    pub fn displaced(&self) -> Option<String> {
        let (reason, path) = self.fallback_reason.as_ref().zip(self.path.as_ref())?;
        Some(format!("{reason}; the receipt is in {}", path.display()))
    }
}

/// Why a receipt cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The directory cannot be opened.
    #[error(
        "the receipt's directory '{directory}' cannot be opened: {cause}; create it, or name another file with \
         --receipt PATH"
    )]
    Directory {
        /// The directory.
        directory: String,
        /// Why.
        cause: io::Error,
    },
    /// No file can be made in it.
    #[error(
        "no receipt can be written to the directory '{directory}': {cause}; name a file elsewhere with \
         --receipt PATH, or --receipt - for standard output"
    )]
    NotWritable {
        /// The directory.
        directory: String,
        /// Why.
        cause: io::Error,
    },
    /// The destination is something that a receipt must not replace.
    #[error("the receipt cannot replace '{path}', which is {what}; name a file with --receipt PATH{hint}")]
    NotAFile {
        /// The destination.
        path: String,
        /// What it is.
        what: &'static str,
        /// What else to type.
        hint: &'static str,
    },
    /// Neither the destination nor the temporary directory took it.
    #[error("the receipt was not written: {reason}; nor to the temporary directory '{directory}': {cause}")]
    NoFallback {
        /// Why not to the destination.
        reason: String,
        /// The temporary directory.
        directory: String,
        /// Why not there.
        cause: io::Error,
    },
    /// Standard output did not take it.
    #[error("the receipt was not written to standard output: {0}")]
    Stdout(io::Error),
}

impl ReceiptTarget {
    /// Proves that a receipt can be written to `path`, by making a file in its directory and removing it again: the
    /// command shall not find a file there that it would not find unobserved.
    ///
    /// # Errors
    ///
    /// The directory is not there or not writable, or the destination is a directory, a device or the like.
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        Place::open(path).map(Target::File).map(Self)
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Self(Target::Stdout)
    }

    /// Writes the receipt and gives it to `owner` (user and group id).
    ///
    /// # Errors
    ///
    /// Neither the destination nor the temporary directory took it, or standard output did not.
    pub fn commit(self, receipt: &Receipt, owner: Option<(u32, u32)>) -> Result<Written, WriteError> {
        self.commit_with(owner, &|out| receipt.write_json(out))
    }

    fn commit_with(self, owner: Option<(u32, u32)>, write: &WriteTo) -> Result<Written, WriteError> {
        let place = match self.0 {
            Target::File(place) => place,
            Target::Stdout => {
                let done = Sink::write_all(io::stdout(), write).map_err(WriteError::Stdout)?.1;
                return Ok(done.into_written(None, None, None));
            }
        };
        let cause = match place.write(owner, write) {
            Ok((done, owner_reason)) => return Ok(done.into_written(Some(place.path), None, owner_reason)),
            Err(cause) => cause,
        };
        let reason = format!("'{}': {cause}", place.path.display());
        let directory = env::temp_dir();
        match place::write_fresh(&directory, owner, write) {
            Ok((path, done, owner_reason)) => Ok(done.into_written(Some(path), Some(reason), owner_reason)),
            Err(cause) => {
                Err(WriteError::NoFallback { reason, directory: directory.display().to_string(), cause })
            }
        }
    }
}

/// Writes a document.
type WriteTo<'a> = dyn Fn(&mut dyn io::Write) -> io::Result<()> + 'a;

#[cfg(test)]
mod tests;
