//! Writes the recording that [`super::replay`] reads.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use zerocopy::IntoBytes as _;

use super::{ObserveError, replay::RecordingHeader};
use crate::{
    clock::boot_time,
    facts::{Gap, GapKind},
};

/// A recording that is being written.
pub(super) struct Recorder {
    path: PathBuf,
    file: File,
    failure: Option<io::Error>,
}

impl Recorder {
    /// Begins a recording in a new file.
    pub(super) fn create(path: &Path, page_bytes: u64) -> Result<Self, ObserveError> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let boot_to_unix_ns = i64::try_from(unix).unwrap_or_default().saturating_sub_unsigned(boot_time());
        let header = RecordingHeader::new(u32::try_from(page_bytes).unwrap_or(u32::MAX), boot_to_unix_ns);
        // Never a file that is there: root may write wherever a link leads.
        let created = OpenOptions::new().write(true).create_new(true).open(path);
        created
            .and_then(|mut file| file.write_all(header.as_bytes()).map(|()| file))
            .map(|file| Self { path: path.to_owned(), file, failure: None })
            .map_err(|error| {
                ObserveError::Failed(format!(
                    "cannot write the recording {} ({error}); name a new file with --record-records PATH",
                    path.display()
                ))
            })
    }

    /// Adds records. After a failure there are none to add: the last may be there in part.
    pub(super) fn add(&mut self, records: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.file.write_all(records).err();
        }
    }

    /// What is missing of the recording.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.failure.as_ref().map(|error| Gap {
            kind: GapKind::Partial,
            code: "recording_failed".into(),
            detail: format!("the recording {} ends early: {error}", self.path.display()),
        })
    }
}
