//! How single values look in the receipt.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::super::time::rfc3339;
use crate::{
    event::{Syscall, Unreadable, marks::CutBy},
    hex::hex_digits,
    syscalls,
};

/// Bytes that a program or the kernel chose: a string where they are UTF-8, else an object with their base64.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bytes(pub Arc<[u8]>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The exact bytes: a string where they are UTF-8, else an object with their base64.",
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                    "required": ["base64"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

/// A value, or the beginning of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Observed_{T}")]
pub enum Value<T> {
    /// All of it.
    Whole(T),
    /// The beginning of it.
    Truncated {
        /// What was kept.
        value: T,
        /// Always true.
        truncated: True,
        /// The true length: bytes of a text, entries of a list.
        length: u64,
    },
}

impl<T> Value<T> {
    /// What there is of it.
    pub fn kept(&self) -> &T {
        match self {
            Self::Whole(value) | Self::Truncated { value, .. } => value,
        }
    }
}

/// One text of a list, or the beginning of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Listed {
    /// All of it.
    Whole(Bytes),
    /// The beginning of it: the list was cut in the middle of it.
    Cut {
        /// What was kept.
        value: Bytes,
        /// Always true.
        truncated: True,
        /// Why there is no more of it.
        truncated_reason: Reason,
        /// The true length, bytes.
        length: Option<u64>,
        /// Why `length` is null.
        #[serde(skip_serializing_if = "Option::is_none")]
        length_reason: Option<Reason>,
    },
}

/// The literal `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct True;

impl Serialize for True {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl JsonSchema for True {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "True".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}

/// Why a value is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The record that carried it found no room.
    Lost,
    /// The memory that held it could not be read.
    Fault,
    /// This kernel, or this host, does not tell.
    NotAvailable,
    /// The file was not there any more, or was another one by then.
    Gone,
    /// The file was changed after it was executed, or while it was read.
    Changed,
    /// The file is not a regular one.
    NotRegular,
    /// Reading it failed.
    IoError,
    /// It took too long.
    TimedOut,
    /// Observation ended before it could be read.
    Ended,
    /// It was asked for through a ring (io_uring) that was told not to say what became of it.
    CompletionSkipped,
    /// A pattern of `--redact` matches it.
    Redacted,
    /// It belongs to a process that was not under observation.
    OutsideScope,
    /// The process was still running.
    StillRunning,
    /// There was no room for it within the observer's limits.
    Limit,
    /// What was recorded contradicts itself.
    Inconsistent,
    /// The command was never run.
    NotStarted,
    /// Only its path is known: nobody opened it.
    PathOnly,
    /// Nothing told it.
    Unknown,
    /// Only calls were seen, and not the packets.
    CountedByCalls,
    /// No answer was seen.
    Unanswered,
    /// There is none: an environment string without an equals sign has no value.
    None,
}

impl Reason {
    /// The code as it stands in the receipt.
    pub fn code(self) -> String {
        let value = serde_json::to_value(self);
        value.ok().and_then(|value| value.as_str().map(Into::into)).unwrap_or_default()
    }
}

impl From<Unreadable> for Reason {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Lost => Self::Lost,
            Unreadable::Fault(_) => Self::Fault,
            Unreadable::NotAvailable => Self::NotAvailable,
            Unreadable::Absent => Self::None,
            Unreadable::Changed => Self::Changed,
            Unreadable::Gone => Self::Gone,
            Unreadable::NotRegular => Self::NotRegular,
            Unreadable::Io(_) => Self::IoError,
            Unreadable::TimedOut => Self::TimedOut,
            Unreadable::Ended => Self::Ended,
        }
    }
}

impl From<CutBy> for Reason {
    fn from(why: CutBy) -> Self {
        match why {
            CutBy::Limit => Self::Limit,
            CutBy::Fault => Self::Fault,
            CutBy::Lost => Self::Lost,
        }
    }
}

/// Declares a type that is a string with a pattern in the receipt.
macro_rules! string_type {
    ($(#[$doc:meta])* $name:ident($inner:ty), $description:literal, $schema:tt, $bytes:ty, $format:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let format: fn(&$inner) -> $bytes = $format;
                let text = format(&self.0);
                serializer.serialize_str(std::str::from_utf8(text.as_ref()).map_err(serde::ser::Error::custom)?)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($schema);
                schema.insert("description".into(), $description.into());
                schema
            }
        }
    };
}

string_type! {
    /// SHA-256.
    Sha256([u8; 32]),
    "SHA-256, in hexadecimal.",
    { "type": "string", "pattern": "^[0-9a-f]{64}$" },
    [u8; 64],
    hex_digits
}

string_type! {
    /// A point of time, ns of the Unix epoch.
    Timestamp(i64),
    "A point of time: RFC 3339 with nanoseconds, UTC.",
    { "type": "string", "format": "date-time" },
    [u8; 30],
    |ns| rfc3339(*ns)
}

string_type! {
    /// An internet address.
    Ip(IpAddr),
    "An IPv4 or IPv6 address, as the socket has it.",
    { "type": "string" },
    String,
    |address| address.to_string()
}

string_type! {
    /// A device: major, minor.
    Device((u32, u32)),
    "The device of a file's superblock: major:minor.",
    { "type": "string", "pattern": "^[0-9]+:[0-9]+$" },
    String,
    |(major, minor)| format!("{major}:{minor}")
}

string_type! {
    /// Permissions of a file, or a whole `mode_t` as a call was given it.
    Mode(u32),
    "Permissions of a file, in octal; with the type of the file where a call was given one.",
    { "type": "string", "pattern": "^[0-7]{4,}$" },
    String,
    |mode| format!("{mode:04o}")
}

string_type! {
    /// A capability set, bit n for capability n.
    CapabilitySet(u64),
    "A capability set as in /proc/PID/status: hexadecimal, bit n for capability n.",
    { "type": "string", "pattern": "^[0-9a-f]{16}$" },
    [u8; 16],
    |set| hex_digits(&set.to_be_bytes())
}

/// A duration in milliseconds, kept in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Milliseconds(pub u64);

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e6)
    }
}

impl JsonSchema for Milliseconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Milliseconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

/// How often each system call was made.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallCounts(pub Arc<[(Syscall, u64)]>);

impl CallCounts {
    /// Names and counts, by name.
    pub fn by_name(&self) -> Vec<(String, u64)> {
        let mut counts: Vec<_> = self.0.iter().map(|(call, count)| (syscalls::name(*call), *count)).collect();
        counts.sort_unstable();
        counts
    }

    /// Names and counts, the most frequent first.
    pub fn by_count(&self) -> Vec<(String, u64)> {
        let mut counts = self.by_name();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

impl Serialize for CallCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.by_name())
    }
}

impl JsonSchema for CallCounts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CallCounts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 1 } })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;
    use crate::event::Abi;

    #[test]
    fn texts_are_strings_or_base64_and_say_when_cut() {
        let check = |value: Value<Bytes>, expected| assert_eq!(to_value(value).ok(), Some(expected));
        check(Value::Whole(Bytes::from(&b"caf\xc3\xa9"[..])), json!("café"));
        check(Value::Whole(Bytes::from(&b"\xff\0"[..])), json!({ "base64": "/wA=" }));
        let value = Bytes::from(&b"ab"[..]);
        check(
            Value::Truncated { value, truncated: True, length: 9 },
            json!({ "value": "ab", "truncated": true, "length": 9 }),
        );
    }

    #[test]
    fn scalars_look_as_the_schema_says() {
        assert_eq!(to_value(Device((259, 3))).ok(), Some(json!("259:3")));
        assert_eq!(to_value(CapabilitySet(0x1ff)).ok(), Some(json!("00000000000001ff")));
        assert_eq!(to_value(Milliseconds(1_500_000)).ok(), Some(json!(1.5)));
    }

    #[test]
    fn calls_are_ordered_by_name() {
        let call = |number| Syscall { abi: Abi::Native, number };
        let counts = CallCounts(Arc::from([(call(60_009), 1), (call(60_010), 1), (call(60_002), 5)]));
        let names: Vec<_> = counts.by_name().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["syscall_60002", "syscall_60009", "syscall_60010"]);
        assert_eq!(counts.by_count()[0].1, 5);
    }
}
