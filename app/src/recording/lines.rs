//! The lines of a recording.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

use super::{
    FORMAT, VERSION,
    fields::{Field, Malformed, Object, Written, kind_of, member, object, objects, put, write_kind},
};
use crate::{
    event::{BootNs, Event, ProcessKey},
    facts::{ArtifactFacts, BlindSpot, CommandFacts, ExecutionFacts, HostFacts, ObservationFacts, ToolFacts},
};

/// What is known before a run begins: the first line.
#[derive(Clone, Debug)]
pub struct Header {
    /// Id of the receipt of this run.
    pub receipt_id: String,
    /// The program that observes.
    pub tool: ToolFacts,
    /// Pid of its process, as the pid namespace has it in which the command begins.
    pub observer_pid: u32,
    /// Nanoseconds to add to a boot time to get nanoseconds of the Unix epoch.
    pub boot_to_unix_ns: i64,
    /// Variables have values, and not their SHA-256.
    pub env_values: bool,
    /// Parts of texts may have been removed.
    pub redacts: bool,
    /// What was asked for; its executable is not known yet.
    pub command: CommandFacts,
    /// Where it runs.
    pub host: HostFacts,
    /// Name of the backend, and the isolation that it gives.
    pub backend: std::borrow::Cow<'static, str>,
    /// See [`ExecutionFacts`].
    pub isolation: std::borrow::Cow<'static, str>,
    /// What a command of this user could hide or change.
    pub blind_spots: Vec<BlindSpot>,
}

/// The command was released.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) root_pid: u32,
    pub(super) at: BootNs,
    pub(super) executable: Option<Vec<u8>>,
}

/// Observation has ended.
pub(super) struct ObservationEnded {
    /// Processes that were alive.
    pub(super) alive: Vec<ProcessKey>,
}

/// The last line.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) executable: Option<Vec<u8>>,
    pub(super) execution: ExecutionFacts,
    pub(super) observation: ObservationFacts,
    /// Lines before this one.
    pub(super) lines: u64,
    /// SHA-256 of them all, with the ends of the lines.
    pub(super) sha256: [u8; 32],
}

objects! {
    Header {
        receipt_id, tool, observer_pid, boot_to_unix_ns, env_values, redacts, command, host, backend, isolation, blind_spots,
    }
    Started { root_pid, at, executable }
    ObservationEnded { alive }
    Footer { executable, execution, observation, lines, sha256 }
}

/// The first line, as it is written.
pub(super) struct FirstLine<'a>(pub(super) &'a Header);

impl Serialize for FirstLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", FORMAT)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("run", &Written(self.0))?;
        map.end()
    }
}

/// An event, as it is written.
pub(super) struct EventLine<'a>(pub(super) &'a Event);

impl Serialize for EventLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Event { at, process, tid, kind } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", at)?;
        map.serialize_entry("process", &Written(process))?;
        put(&mut map, "tid", tid)?;
        write_kind(&mut map, kind)?;
        map.end()
    }
}

/// Another line, as it is written: its name, and what it has.
pub(super) struct NamedLine<'a, T>(pub(super) &'a str, pub(super) &'a T);

impl<T: Field> Serialize for NamedLine<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &Written(self.1))?;
        map.end()
    }
}

/// Names of the lines that are no events.
pub(super) const STARTED: &str = "started";
pub(super) const OBSERVATION_ENDED: &str = "observation_ended";
pub(super) const ARTIFACT: &str = "artifact";
pub(super) const FOOTER: &str = "end";

/// A line behind the first, as it is read.
pub(super) enum Line {
    Event(Event),
    Started(Started),
    ObservationEnded(ObservationEnded),
    Artifact(ArtifactFacts),
    Footer(Box<Footer>),
}

/// Why a first line is none.
pub(super) enum NoHeader {
    NotARecording,
    Version(u64),
    Malformed(Malformed),
}

/// Reads the first line.
pub(super) fn header(line: &[u8]) -> Result<Header, NoHeader> {
    let value: Value = serde_json::from_slice(line).map_err(|_| NoHeader::NotARecording)?;
    let mut object = object(value).map_err(|_| NoHeader::NotARecording)?;
    if object.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(NoHeader::NotARecording);
    }
    let version: u64 = member(&mut object, "version").map_err(NoHeader::Malformed)?;
    if version != u64::from(VERSION) {
        return Err(NoHeader::Version(version));
    }
    member(&mut object, "run").map_err(NoHeader::Malformed)
}

/// Reads another line.
pub(super) fn line(line: &[u8]) -> Result<Line, Malformed> {
    let value: Value = serde_json::from_slice(line).map_err(|_| Malformed::new("this is no JSON"))?;
    let mut object = object(value)?;
    if let Some(kind) = kind_of(&mut object) {
        return Ok(Line::Event(Event {
            kind: kind?,
            at: member(&mut object, "at")?,
            process: member(&mut object, "process")?,
            tid: member(&mut object, "tid")?,
        }));
    }
    let line = named(&mut object, STARTED, Line::Started)
        .or_else(|| named(&mut object, OBSERVATION_ENDED, Line::ObservationEnded))
        .or_else(|| named(&mut object, ARTIFACT, Line::Artifact))
        .or_else(|| named(&mut object, FOOTER, |footer| Line::Footer(Box::new(footer))));
    line.unwrap_or_else(|| Err(Malformed::new("this is no line of a recording")))
}

fn named<T: Field>(
    object: &mut Object,
    name: &str,
    make: impl FnOnce(T) -> Line,
) -> Option<Result<Line, Malformed>> {
    object.contains_key(name).then(|| member(object, name).map(make))
}
