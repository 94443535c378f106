//! Writes the receipt, atomically and where the workload cannot redirect it.

use std::path::{Path, PathBuf};

use super::Receipt;

/// Where the receipt will go; made before the command starts.
#[derive(Debug)]
pub struct ReceiptTarget {}

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
}

/// Why a receipt cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WriteError(String);

impl ReceiptTarget {
    /// Proves that a file can be made at `path`.
    pub fn open(_path: &Path) -> Result<Self, WriteError> {
        Ok(Self {})
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Self {}
    }

    /// Writes the receipt; `owner` is the user and group that it shall belong to.
    pub fn commit(self, _receipt: &Receipt, _owner: Option<(u32, u32)>) -> Result<Written, WriteError> {
        Err(WriteError("to come".into()))
    }
}
