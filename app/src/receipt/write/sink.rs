//! Counts and hashes what is written.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use sha2::{Digest, Sha256};

use super::{WriteTo, Written};

/// Bytes written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Passes everything on, and hashes it.
pub(super) struct Sink<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

/// What was written.
pub(super) struct Done {
    sha256: [u8; 32],
    size_bytes: u64,
}

impl<W: Write> Sink<W> {
    /// Writes a document to `inner`, and gives that back flushed.
    pub(super) fn write_all(inner: W, write: &WriteTo) -> io::Result<(W, Done)> {
        let mut buffered =
            BufWriter::with_capacity(BUFFER_BYTES, Self { inner, hash: Sha256::new(), size: 0 });
        let result = write(&mut buffered).and_then(|()| buffered.flush());
        // Without what is still buffered: after an error it must not be written when the buffer goes.
        let (mut sink, _) = buffered.into_parts();
        result?;
        sink.inner.flush()?;
        Ok((sink.inner, Done { sha256: sink.hash.finalize().into(), size_bytes: sink.size }))
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Done {
    pub(super) fn into_written(
        self,
        path: Option<PathBuf>,
        fallback_reason: Option<String>,
        owner_reason: Option<String>,
    ) -> Written {
        Written { path, sha256: self.sha256, size_bytes: self.size_bytes, fallback_reason, owner_reason }
    }
}
