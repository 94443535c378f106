//! Reads a recording, and makes of it what the receipt is made of.

use std::{
    io::{self, BufRead, Read as _},
    mem::take,
};

use sha2::{Digest as _, Sha256};

use super::{
    Header, MAX_LINE_BYTES, VERSION,
    lines::{self, Footer, Line, NoHeader, Started},
};
use crate::{
    event::BootNs,
    facts::{
        ArtifactFacts, ExecutionFacts, Gap, GapKind, ObservationFacts, Outcome, OutcomeStatus, RunFacts,
    },
    receipt::ReceiptOptions,
    session::Session,
};

/// What a receipt is made of.
#[derive(Debug)]
pub struct Rebuilt {
    /// What the events add up to.
    pub session: Session,
    /// The facts of the run.
    pub facts: RunFacts,
    /// How texts are to be read.
    pub options: ReceiptOptions,
    /// Where it was cut, in words, if it was.
    pub cut: Option<String>,
}

/// Why something cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not begin as one.
    #[error("line 1: this is no recording of events; glasshouse watch --events PATH makes one")]
    NotARecording,
    /// There is not even one line.
    #[error("line 1: the recording was cut within its first line, and nothing is known of the run")]
    Nothing,
    /// Another version of the format.
    #[error(
        "line 1: the recording has version {0} of the format, and this glasshouse reads version {VERSION}"
    )]
    Version(u64),
    /// A line that is none.
    #[error("line {line}: {wrong}")]
    Malformed {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        wrong: String,
    },
    /// A line that is longer than any.
    #[error("line {line}: it is longer than {MAX_LINE_BYTES} bytes, which no line of a recording is")]
    TooLong {
        /// Its number.
        line: u64,
    },
    /// Its last line says otherwise.
    #[error(
        "line {line}: the lines before are not those that were recorded ({wrong}): the recording was altered"
    )]
    Altered {
        /// Number of the last line.
        line: u64,
        /// What differs.
        wrong: String,
    },
    /// Something is behind the last line.
    #[error("line {line}: the recording goes on behind its end")]
    BehindTheEnd {
        /// Number of the line.
        line: u64,
    },
    /// It cannot be read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Takes line by line.
struct Lines<R> {
    input: R,
    /// Lines that were whole, and their digest.
    number: u64,
    hash: Sha256,
    /// Bytes of the last one, and of those before.
    line: Vec<u8>,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next whole line, without its end; `None` when there is none.
    fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.bytes += self.line.len() as u64;
        self.hash.update(take(&mut self.line));
        let limit = MAX_LINE_BYTES as u64 + 1;
        self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        let is_whole = self.line.last() == Some(&b'\n');
        if self.line.len() - usize::from(is_whole) > MAX_LINE_BYTES {
            return Err(ReadError::TooLong { line: self.number + 1 });
        }
        if !is_whole {
            self.line.clear();
            return Ok(None);
        }
        self.number += 1;
        Ok(self.line.split_last().map(|(_, line)| line))
    }
}

/// Reads a recording to its end. One that was cut, by a crash or a full disk, gives what its whole lines tell.
///
/// # Errors
///
/// It is none, was altered, or cannot be read. The text names the line.
pub fn rebuild(input: impl BufRead) -> Result<Rebuilt, ReadError> {
    let mut lines = Lines { input, number: 0, hash: Sha256::new(), line: Vec::new(), bytes: 0 };
    let header = match lines.next()? {
        Some(line) => lines::header(line).map_err(|no| match no {
            NoHeader::NotARecording => ReadError::NotARecording,
            NoHeader::Version(version) => ReadError::Version(version),
            NoHeader::Malformed(wrong) => ReadError::Malformed { line: 1, wrong: wrong.to_string() },
        })?,
        None => return Err(ReadError::Nothing),
    };
    let mut so_far = SoFar::default();
    so_far.session.observed_by(header.observer_pid);
    loop {
        let number = lines.number + 1;
        let Some(line) = lines.next()? else { break };
        if so_far.footer.is_some() {
            return Err(ReadError::BehindTheEnd { line: number });
        }
        let line = lines::line(line)
            .map_err(|wrong| ReadError::Malformed { line: number, wrong: wrong.to_string() })?;
        if let Line::Footer(footer) = &line {
            check(footer, number, lines.hash.clone().finalize().into())?;
        }
        so_far.take_in(line);
    }
    Ok(so_far.rebuilt(header, lines.number, lines.bytes))
}

/// Whether the last line tells of the lines that are there.
fn check(footer: &Footer, number: u64, sha256: [u8; 32]) -> Result<(), ReadError> {
    let wrong = match footer.lines == number - 1 {
        true if footer.sha256 == sha256 => return Ok(()),
        true => "their SHA-256 is another".to_owned(),
        false => format!("there were {}", footer.lines),
    };
    Err(ReadError::Altered { line: number, wrong })
}

/// What was read so far.
#[derive(Default)]
struct SoFar {
    session: Session,
    started: Option<Started>,
    artifacts: Vec<ArtifactFacts>,
    footer: Option<Box<Footer>>,
    /// The latest time that something happened at.
    latest: BootNs,
}

impl SoFar {
    fn take_in(&mut self, line: Line) {
        match line {
            Line::Event(event) => {
                self.latest = self.latest.max(event.at);
                self.session.apply(&event);
            }
            Line::Started(started) => {
                self.latest = self.latest.max(started.at);
                self.started = Some(started);
            }
            Line::ObservationEnded(ended) => self.session.observation_ended(&ended.alive),
            Line::Artifact(artifact) => self.artifacts.push(artifact),
            Line::Footer(footer) => self.footer = Some(footer),
        }
    }

    fn rebuilt(self, header: Header, lines: u64, bytes: u64) -> Rebuilt {
        let options = ReceiptOptions { env_values: header.env_values, redacts: header.redacts };
        let Self { session, started, artifacts, footer, latest } = self;
        let Header { receipt_id, tool, boot_to_unix_ns, mut command, host, .. } = header;
        let facts = |executable, execution, observation, artifacts| {
            command.executable = executable;
            RunFacts { receipt_id, tool, command, host, execution, observation, artifacts, boot_to_unix_ns }
        };
        if let Some(footer) = footer {
            let Footer { executable, execution, observation, .. } = *footer;
            let facts = facts(executable, execution, observation, artifacts);
            return Rebuilt { session, facts, options, cut: None };
        }
        let cut = format!("the recording ends behind line {lines}, at byte {bytes}, without its last line");
        let root_pid = started.as_ref().map(|started| started.root_pid);
        let execution = ExecutionFacts {
            backend: header.backend,
            isolation: header.isolation,
            root_pid,
            started_at: started.as_ref().map_or(latest, |started| started.at),
            finished_at: latest,
            outcome: Outcome {
                status: OutcomeStatus::ObserverFailed,
                exit_code: None,
                signal: None,
                core_dumped: false,
                error: Some("glasshouse ended, or could write no more, before the run was over".into()),
            },
            resources: None,
        };
        let observation = ObservationFacts {
            gaps: vec![Gap { kind: GapKind::Loss, code: "recording_cut".into(), detail: cut.clone() }],
            blind_spots: if root_pid.is_some() { header.blind_spots } else { Vec::new() },
            ..ObservationFacts::default()
        };
        // Of files that were found at the end not all may be there, and none is.
        let facts = facts(started.and_then(|started| started.executable), execution, observation, Vec::new());
        Rebuilt { session, facts, options, cut: Some(cut) }
    }
}
