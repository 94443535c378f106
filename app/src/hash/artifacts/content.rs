//! What is in a file: the digest, and the media type from its beginning.

use std::{collections::HashSet, fs::File, os::unix::fs::MetadataExt, sync::Arc};

use file_format::FileFormat;

use super::{Content, Seen, State};
use crate::{
    event::Unreadable,
    hash::read::{self, reopen},
};

/// Bytes at the beginning of a file that its media type is told by.
const BEGINNING_BYTES: usize = 64 * 1024;

/// The means of hashing, used for one file after the other.
#[derive(Default)]
pub(super) struct Hashing {
    buffer: Vec<u8>,
    media_types: MediaTypes,
}

/// One copy of each media type: there are few, and many files.
#[derive(Default)]
pub(super) struct MediaTypes(HashSet<Arc<str>>);

/// Media types that are kept; whoever tells more makes them up.
const MEDIA_TYPES: usize = 1_024;

impl MediaTypes {
    pub(super) fn shared(&mut self, media_type: &str) -> Arc<str> {
        if let Some(known) = self.0.get(media_type) {
            return Arc::clone(known);
        }
        let made: Arc<str> = media_type.into();
        if self.0.len() < MEDIA_TYPES {
            self.0.insert(Arc::clone(&made));
        }
        made
    }
}

impl Hashing {
    /// Hashes a file that was found, if it still is as it was before.
    pub(super) fn content(
        &mut self,
        seen: &Seen,
        file: Option<File>,
        before: &State,
        progress: &mut dyn FnMut(),
    ) -> Result<Content, Unreadable> {
        let (Seen::Regular(state), Some(named)) = (seen, file) else {
            return Err(if *seen == Seen::Gone { Unreadable::Gone } else { Unreadable::Changed });
        };
        if state != before {
            return Err(Unreadable::Changed);
        }
        let io_error = |error: std::io::Error| Unreadable::Io(error.raw_os_error().unwrap_or(libc::EIO));
        let file = reopen(&named).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if State::of(&metadata) != *before {
            return Err(Unreadable::Changed);
        }
        let mut format = None;
        let mut piece = |piece: &[u8]| {
            progress();
            format.get_or_insert_with(|| by_content(piece, piece.len() as u64 == metadata.size()));
        };
        let hashed = read::digest(&file, &metadata, &mut self.buffer, &mut piece)?;
        let format = format.unwrap_or_else(|| by_content(&[], true));
        Ok(Content { sha256: hashed.sha256, media_type: self.media_types.shared(format.media_type()) })
    }
}

/// What a file is that begins so, or that is so as a whole.
fn by_content(beginning: &[u8], whole: bool) -> FileFormat {
    let whole = whole && beginning.len() <= BEGINNING_BYTES;
    let beginning = &beginning[..beginning.len().min(BEGINNING_BYTES)];
    match FileFormat::from_bytes(beginning) {
        FileFormat::ArbitraryBinaryData if is_text(beginning, whole) => FileFormat::PlainText,
        format => format,
    }
}

/// UTF-8 without NULs. Where the text is cut, so may be its last character.
fn is_text(beginning: &[u8], whole: bool) -> bool {
    let text = match std::str::from_utf8(beginning) {
        Ok(_) => true,
        Err(error) => !whole && error.error_len().is_none(),
    };
    text && !beginning.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_by_content() {
        let whole = |content: &[u8]| by_content(content, true).media_type().to_owned();
        assert_eq!(whole(b""), "application/x-empty");
        assert_eq!(whole("grüße\n".as_bytes()), "text/plain");
        assert_eq!(whole(b"{\"a\": 1}"), "text/plain");
        assert_eq!(whole(b"a\0b"), "application/octet-stream");
        assert_eq!(whole(b"caf\xe9\n"), "application/octet-stream", "not UTF-8");
        assert_eq!(whole(b"#!/bin/sh\necho\n"), "text/x-shellscript");
        assert_eq!(whole(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"), "application/x-executable");
        assert_eq!(whole(b"\x1f\x8b\x08\0\0\0\0\0"), "application/gzip");
        assert_eq!(whole(b"%PDF-1.7\n"), "application/pdf");
    }

    #[test]
    fn a_character_may_be_cut_only_where_the_text_is() {
        assert_eq!(by_content(b"gr\xc3", false), FileFormat::PlainText);
        assert_eq!(by_content(b"gr\xc3", true), FileFormat::ArbitraryBinaryData);
        let mut long = "x".repeat(BEGINNING_BYTES - 1).into_bytes();
        long.extend("ü and more".as_bytes());
        assert_eq!(by_content(&long, true), FileFormat::PlainText);
        long.push(0);
        assert_eq!(by_content(&long, true), FileFormat::PlainText, "of the beginning alone");
    }
}
