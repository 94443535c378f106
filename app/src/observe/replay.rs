//! Recordings: what came from the rings in one run, read again without a kernel. Pure.
//!
//! A recording is a [`RecordingHeader`], and behind it records as they lay in the rings, one after the other, each as
//! long as its own header says: those of one ring in their order, those of several as they were drained. What is only
//! asked for at the end of an observation (denied calls, the totals of processes that live on) is in no ring, and so
//! in no recording.
//!
//! `glasshouse watch --record-records PATH` makes one.

use glasshouse_common::syscall::SLOT_MASK;
use sha2::{Digest as _, Sha256};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{assemble::Assembler, decode::DecodeError};
use crate::{event::Event, syscalls::Table};

/// What a recording begins with.
const MAGIC: [u8; 8] = *b"glassrec";

/// Version of the format, of which the layouts of the records are a part: raised with every change of theirs.
pub const VERSION: u32 = 4;

/// The beginning of a recording.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct RecordingHeader {
    magic: [u8; 8],
    version: u32,
    /// Size of a page, in which the kernel counts memory.
    pub page_bytes: u32,
    /// Nanoseconds to add to a boot time to get nanoseconds of the Unix epoch.
    pub boot_to_unix_ns: i64,
    /// Digest of the tables by which the kernel side counted system calls: records name calls by number and slot.
    tables: [u8; 8],
}

const _: () = assert!(size_of::<RecordingHeader>() == 32);

/// Why bytes are not a recording that can be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// They do not begin as one.
    #[error("this is no recording of records")]
    NotARecording,
    /// Its header has been cut off.
    #[error("the recording is {0} bytes long, which is shorter than its header")]
    Short(usize),
    /// Of another version of the format.
    #[error("the recording has version {0} of the format, and this is version {VERSION}; record it again")]
    Version(u32),
    /// Made with other tables.
    #[error(
        "the recording was made with other tables of system calls, on another architecture or by another version of \
         glasshouse; record it again"
    )]
    Tables,
}

/// A recording.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'a> {
    /// Its header.
    pub header: RecordingHeader,
    /// The records.
    pub records: &'a [u8],
}

/// What a recording's records add up to.
#[derive(Debug)]
pub struct Replayed {
    /// The events, in the order of their records.
    pub events: Vec<Event>,
    /// How many records could not be understood: the last one of a recording that was cut short.
    pub undecodable: u64,
    /// What was wrong with the first of them.
    pub first_error: Option<DecodeError>,
}

impl RecordingHeader {
    /// The header of a recording that is made here.
    pub fn new(page_bytes: u32, boot_to_unix_ns: i64) -> Self {
        Self { magic: MAGIC, version: VERSION, page_bytes, boot_to_unix_ns, tables: tables() }
    }
}

impl<'a> Recording<'a> {
    /// Reads the header. The records are read by [`Recording::replay`].
    ///
    /// # Errors
    /// When it is none, or one that cannot be understood here.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordingError> {
        let begins = bytes.get(..MAGIC.len()).unwrap_or(bytes);
        if begins.is_empty() || !MAGIC.starts_with(begins) {
            return Err(RecordingError::NotARecording);
        }
        let Ok((header, records)) = RecordingHeader::read_from_prefix(bytes) else {
            return Err(RecordingError::Short(bytes.len()));
        };
        if header.version != VERSION {
            return Err(RecordingError::Version(header.version));
        }
        if header.tables != tables() {
            return Err(RecordingError::Tables);
        }
        Ok(Self { header, records })
    }

    /// Makes events of the records, in the very way in which an observation does.
    pub fn replay(&self) -> Replayed {
        let mut assembler =
            Assembler::new(Table::native(), Table::compat(), u64::from(self.header.page_bytes));
        let mut events = Vec::new();
        assembler.events(self.records, &mut events);
        let (undecodable, first_error) = assembler.undecodable();
        Replayed { events, undecodable, first_error }
    }
}

fn tables() -> [u8; 8] {
    let mut digest = Sha256::new();
    for table in [Table::native(), Table::compat()] {
        // Which slot counts which number. What class a call is of says what the kernel side sends, not what that means.
        digest.update(table.words.map(|word| word & SLOT_MASK).as_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&digest.finalize()[..8]);
    first
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn header() -> RecordingHeader {
        RecordingHeader::new(4096, -5)
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let bytes = [header().as_bytes(), b"records"].concat();
        let recording = Recording::parse(&bytes).unwrap();
        assert_eq!((recording.header, recording.records), (header(), b"records".as_slice()));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let refusal = |header: RecordingHeader| Recording::parse(header.as_bytes()).unwrap_err();
        assert_eq!(
            refusal(RecordingHeader { magic: *b"glassres", ..header() }),
            RecordingError::NotARecording
        );
        assert_eq!(refusal(RecordingHeader { version: 0, ..header() }), RecordingError::Version(0));
        assert_eq!(refusal(RecordingHeader { tables: [0; 8], ..header() }), RecordingError::Tables);
        assert_eq!(Recording::parse(b"").unwrap_err(), RecordingError::NotARecording);
        for length in 1..size_of::<RecordingHeader>() {
            let cut = Recording::parse(&header().as_bytes()[..length]).unwrap_err();
            assert_eq!(cut, RecordingError::Short(length));
        }
    }
}
