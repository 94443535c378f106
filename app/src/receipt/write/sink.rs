//! Counts and hashes what is written; of a long document beside its making.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::{
        Mutex,
        mpsc::{self, SyncSender},
    },
    thread::{self, Scope, ScopedJoinHandle},
};

use sha2::{Digest, Sha256};

use super::{WriteTo, Written};

/// Bytes written at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of a document that are written where it is made. For the rest a thread is started.
const WRITTEN_HERE: u64 = 256 * 1024;
/// Pieces on their way to that thread. When there are as many the making waits.
const PIECES: usize = 16;

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

impl<W: Write + Send> Sink<W> {
    /// Writes a document to `inner`, and gives that back flushed.
    pub(super) fn write_all(inner: W, write: &WriteTo) -> io::Result<(W, Done)> {
        let sink = Mutex::new(Self { inner, hash: Sha256::new(), size: 0 });
        thread::scope(|scope| {
            let pieces = Pieces { sink: &sink, scope, beside: None, size: 0 };
            let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, pieces);
            let result = write(&mut buffered).and_then(|()| buffered.flush());
            // Without what is still buffered: after an error it must not be written when the buffer goes.
            let (pieces, _) = buffered.into_parts();
            // What the other thread could not do is why this one could not go on.
            pieces.finish().and(result)
        })?;
        let mut sink = sink.into_inner().map_err(|_| failed())?;
        sink.inner.flush()?;
        Ok((sink.inner, Done { sha256: sink.hash.finalize().into(), size_bytes: sink.size }))
    }
}

fn failed() -> io::Error {
    io::Error::other("writing failed")
}

/// Pieces go to the one, and the other says whether they could be written.
type Beside<'scope> = (SyncSender<Vec<u8>>, ScopedJoinHandle<'scope, io::Result<()>>);

/// Takes a document in pieces.
struct Pieces<'scope, 'env, W> {
    sink: &'env Mutex<Sink<W>>,
    scope: &'scope Scope<'scope, 'env>,
    /// The thread that writes and hashes, if the document was long enough for one.
    beside: Option<Beside<'scope>>,
    size: u64,
}

impl<'scope, 'env, W: Write + Send> Pieces<'scope, 'env, W> {
    fn start(&mut self) {
        let (sender, pieces) = mpsc::sync_channel::<Vec<u8>>(PIECES);
        let sink = self.sink;
        let write = move || {
            let mut sink = sink.lock().map_err(|_| failed())?;
            pieces.into_iter().try_for_each(|piece| sink.write_all(&piece))
        };
        // Without a thread it takes a little longer.
        let thread = thread::Builder::new().spawn_scoped(self.scope, write);
        self.beside = thread.ok().map(|thread| (sender, thread));
    }

    fn finish(self) -> io::Result<()> {
        let Some((sender, thread)) = self.beside else { return Ok(()) };
        drop(sender);
        thread.join().unwrap_or_else(|_| Err(failed()))
    }
}

impl<W: Write + Send> Write for Pieces<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let was_short = self.size < WRITTEN_HERE;
        self.size += bytes.len() as u64;
        if was_short && self.size >= WRITTEN_HERE {
            self.start();
        }
        match &self.beside {
            Some((sender, _)) => sender.send(bytes.to_vec()).map_err(|_| failed())?,
            None => self.sink.lock().map_err(|_| failed())?.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
