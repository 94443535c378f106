//! Writes a recording, on a thread of its own.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    libc,
    unistd::{Gid, Uid, fchown},
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    Header, MAX_LINE_BYTES,
    lines::{
        ARTIFACT, EventLine, FOOTER, FirstLine, Footer, NamedLine, OBSERVATION_ENDED, ObservationEnded,
        STARTED, Started,
    },
};
use crate::{
    event::{BootNs, Event, ProcessKey},
    facts::{Gap, GapKind, RunFacts},
    threads,
};

/// How long something may wait until it is written to the file. The collector of the events waits no longer than this
/// either while a recording is made, so that what happened twice as long ago is in the file, whatever becomes of glasshouse.
pub const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Pieces on their way to the thread that writes. When there are as many the runner waits: nothing is left out. Meanwhile
/// the collector keeps what comes, and where it cannot, the kernel side counts what finds no room.
const QUEUE: usize = 8;

/// Emptied lists of events on their way back; more are given up.
const SPARES: usize = 2;

/// Events of a list whose memory is used again.
const SPARE_EVENTS: usize = 4_096;

/// Mode of the file: what is in it is for its owner.
const MODE: u32 = 0o600;

/// A recording that is being made.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    pieces: SyncSender<Piece>,
    spares: Receiver<Vec<Event>>,
    thread: JoinHandle<Sink>,
}

/// What is to be written.
enum Piece {
    Events(Vec<Event>),
    Started(Started),
    ObservationEnded(ObservationEnded),
}

/// Why a recording cannot be made. The text says what to type.
#[derive(Debug, thiserror::Error)]
#[error(
    "the recording '{path}' cannot be made: {cause}; name a file that does not exist yet with --events PATH"
)]
pub struct CreateError {
    path: String,
    cause: io::Error,
}

impl Recording {
    /// Makes the file, which must not be there yet, and writes its first line.
    ///
    /// # Errors
    ///
    /// It is there, or cannot be made or written.
    pub fn create(path: &Path, header: &Header) -> Result<Self, CreateError> {
        let error = |cause| CreateError { path: path.display().to_string(), cause };
        // Never what is there already: root may write wherever a link leads.
        let options = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path);
        let mut sink = Sink::new(options.map_err(error)?);
        sink.line(&FirstLine(header));
        sink.flush();
        if let Some(cause) = sink.failure {
            // It is ours, and good for nothing.
            let _ = std::fs::remove_file(path);
            return Err(error(cause));
        }
        let (pieces, incoming) = sync_channel(QUEUE);
        let (returned, spares) = sync_channel(SPARES);
        let write = move || sink.take_in(&incoming, &returned);
        let thread = threads::spawn("recording", write).map_err(error)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, pieces, spares, thread })
    }

    /// The command was released.
    pub fn started(&self, root_pid: u32, at: BootNs, executable: Option<Vec<u8>>) {
        self.send(Piece::Started(Started { root_pid, at, executable }));
    }

    /// Adds events. Gives back an empty list for the next ones.
    pub fn events(&self, events: Vec<Event>) -> Vec<Event> {
        self.send(Piece::Events(events));
        self.spares.try_recv().unwrap_or_default()
    }

    /// Observation has ended, and these processes live on.
    pub fn observation_ended(&self, alive: &[ProcessKey]) {
        self.send(Piece::ObservationEnded(ObservationEnded { alive: alive.to_vec() }));
    }

    fn send(&self, piece: Piece) {
        // Without the thread, joining it will say so.
        let _ = self.pieces.send(piece);
    }

    /// Closes it with the facts of the run, and gives it to `owner` (user and group id). Returns what is missing of it.
    pub fn finish(self, facts: &RunFacts, owner: (u32, u32)) -> Option<Gap> {
        drop(self.pieces);
        let failure = match self.thread.join() {
            Ok(sink) => sink.close(facts, owner, &self.path).err(),
            Err(_) => Some(io::Error::other("the thread that wrote it has failed")),
        };
        failure.map(|error| Gap {
            kind: GapKind::Partial,
            code: "recording_failed".into(),
            detail: format!("the recording {} is not whole: {error}", self.path.display()),
        })
    }
}

/// The file, with what is on the way to it.
struct Sink {
    file: File,
    buffer: Vec<u8>,
    /// Since when something is in the buffer.
    waiting: Option<Instant>,
    /// Lines so far, and their digest.
    lines: u64,
    hash: Sha256,
    /// After a failure nothing more is written: the last line may be there in part.
    failure: Option<io::Error>,
}

impl Sink {
    fn new(file: File) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Self { file, buffer, waiting: None, lines: 0, hash: Sha256::new(), failure: None }
    }

    /// Writes what comes, until nothing more can.
    fn take_in(mut self, pieces: &Receiver<Piece>, spares: &SyncSender<Vec<Event>>) -> Self {
        loop {
            let piece = match self.waiting {
                None => pieces.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => pieces.recv_timeout(FLUSH_EVERY.saturating_sub(since.elapsed())),
            };
            match piece {
                Ok(Piece::Events(mut events)) => {
                    for event in events.drain(..) {
                        self.line(&EventLine(&event));
                    }
                    if events.capacity() <= SPARE_EVENTS {
                        // With enough of them under way it goes.
                        let _ = spares.try_send(events);
                    }
                }
                Ok(Piece::Started(started)) => self.line(&NamedLine(STARTED, &started)),
                Ok(Piece::ObservationEnded(ended)) => self.line(&NamedLine(OBSERVATION_ENDED, &ended)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.waiting.is_some_and(|since| since.elapsed() >= FLUSH_EVERY) {
                self.flush();
            }
        }
        self.flush();
        self
    }

    fn line(&mut self, line: &impl Serialize) {
        if self.failure.is_some() {
            return;
        }
        let start = self.buffer.len();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            self.failure = Some(error.into());
            self.buffer.truncate(start);
            return;
        }
        let length = self.buffer.len() - start;
        if length > MAX_LINE_BYTES {
            self.failure = Some(io::Error::other(format!(
                "a line would have {length} bytes, and no line has more than {MAX_LINE_BYTES}"
            )));
            self.buffer.truncate(start);
            return;
        }
        self.buffer.push(b'\n');
        self.lines += 1;
        self.waiting.get_or_insert_with(Instant::now);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.waiting = None;
        self.hash.update(&self.buffer);
        if !self.buffer.is_empty()
            && let Err(error) = self.file.write_all(&self.buffer)
        {
            self.failure.get_or_insert(error);
        }
        self.buffer.clear();
    }

    /// Writes the last lines, and makes the file last.
    fn close(mut self, facts: &RunFacts, (uid, gid): (u32, u32), path: &Path) -> io::Result<()> {
        for artifact in &facts.artifacts {
            self.line(&NamedLine(ARTIFACT, artifact));
        }
        self.flush();
        let footer = Footer {
            executable: facts.command.executable.clone(),
            execution: facts.execution.clone(),
            observation: facts.observation.clone(),
            lines: self.lines,
            sha256: self.hash.clone().finalize().into(),
        };
        self.line(&NamedLine(FOOTER, &footer));
        self.flush();
        if self.failure.is_none() {
            self.failure = self.file.sync_all().err();
        }
        let metadata = self.file.metadata()?;
        if (metadata.uid(), metadata.gid()) != (uid, gid) {
            fchown(self.file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let there = std::fs::symlink_metadata(path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        Err(io::Error::other("it was removed, moved or replaced while the command ran"))
    }
}
