//! The files that a run leaves behind: what is at their paths when it has ended, and the SHA-256 of each.
//!
//! What was observed of them is where they were and which they were. They are looked at twice: first all of them for
//! their sizes, so that the limit falls on the same files however the threads take turns, and then those within the
//! limit are hashed.

mod content;
mod look;
mod reader;
mod threads;

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc, time::Duration};

pub(super) use reader::{ARGUMENT as READER, reader_process};

use super::{mounts::Mounts, watched::Hanging};
use crate::event::Unreadable;
use threads::{Worker, for_each};

/// Bytes that are hashed altogether unless it was asked for otherwise.
pub const LIMIT_BYTES: u64 = 4 << 30;

/// A file that may have been left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Absolute, from the root of the mount namespace; the exact bytes.
    pub path: Arc<[u8]>,
    /// Device of the superblock: major, minor. Where it is not known, what is there is taken for the file, wherever it
    /// lies.
    pub device: Option<(u32, u32)>,
    /// Inode number. Where it is not known, whatever is there is taken for the file, if it is on the device.
    pub inode: Option<u64>,
}

/// How to hash.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that are hashed altogether. A file that is larger than what is left of them is passed over.
    pub limit_bytes: u64,
    /// How long there may be no progress before what is outstanding is given up.
    pub patience: Duration,
    /// The program whose `main` calls [`reader_process`](super::reader_process); glasshouse itself but for tests.
    pub reader: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { limit_bytes: LIMIT_BYTES, patience: Duration::from_secs(5), reader: "/proc/self/exe".into() }
    }
}

/// What is at a candidate's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing any more.
    Gone,
    /// Another file: the path was used again.
    Other {
        /// Its device.
        device: (u32, u32),
        /// Its inode number.
        inode: u64,
    },
    /// The file, which is not a regular one.
    NotRegular(Kind),
    /// The file.
    Present(Present),
    /// The file, which the limit had no room for.
    OverLimit {
        /// Size in bytes.
        size_bytes: u64,
        /// Permission bits.
        mode: u32,
    },
    /// That could not be found out.
    Unreadable(Unreadable),
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Size in bytes, before it was hashed.
    pub size_bytes: u64,
    /// Permission bits, set-id bits included.
    pub mode: u32,
    /// The SHA-256 of its content, or why there is none: [`Unreadable::Changed`] if it changed meanwhile, as a digest
    /// of what never was is none.
    pub sha256: Result<[u8; 32], Unreadable>,
    /// Media type by content: `application/x-empty` of nothing, `text/plain` of UTF-8 without NULs that is not known
    /// as something else, `application/octet-stream` of anything else. Absent where the content was not read.
    pub media_type: Option<Arc<str>>,
    /// Its size, its times or itself changed after it was first looked at.
    pub changed_while_hashed: bool,
}

/// What a file is that is not a regular one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it leads, as it is written in it.
        target: Vec<u8>,
    },
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What is known of a file after the first look.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Gone,
    Other { device: (u32, u32), inode: u64 },
    NotRegular(Kind),
    Regular(State),
}

/// By which a change of a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    mode: u32,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            mode: metadata.mode() & 0o7777,
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A digest and the media type.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    sha256: [u8; 32],
    media_type: Arc<str>,
}

/// Looks for the candidates and hashes what is there, in their order. Blocks; what makes no progress for the patience
/// of the options is [`Unreadable::TimedOut`].
pub fn hash_artifacts(candidates: Vec<Candidate>, options: &Options) -> Vec<Found> {
    // Of most commands nothing is left, and to ask for the mounts and the cores takes as long as many a command.
    if candidates.is_empty() {
        return Vec::new();
    }
    hash_on(Mounts::own(), candidates, options)
}

/// The same, where these are glasshouse's mounts.
fn hash_on(own: Mounts, candidates: Vec<Candidate>, options: &Options) -> Vec<Found> {
    let candidates = Arc::new(candidates);
    let (own, hanging) = (Arc::new(own), Arc::new(Hanging::default()));
    let worker = || Worker::new(options.reader.clone(), Arc::clone(&own), Arc::clone(&hanging));

    let all = Arc::clone(&candidates);
    let look = move |worker: &mut Worker, index: usize, progress: &mut dyn FnMut()| {
        worker.look(&all[index], progress)
    };
    let seen = for_each(candidates.len(), worker, look, options.patience);
    let (mut found, wanted) = within_limit(seen, options.limit_bytes);
    let wanted = Arc::new(wanted);
    let all = Arc::clone(&wanted);
    let hash = move |worker: &mut Worker, index: usize, progress: &mut dyn FnMut()| {
        let (candidate, state) = &all[index];
        worker.hash(&candidates[*candidate as usize], state, progress)
    };
    let contents = for_each(wanted.len(), worker, hash, options.patience);
    for ((index, _), content) in wanted.iter().zip(contents) {
        if let Some(Found::Present(present)) = found.get_mut(*index as usize) {
            present.complete(content.unwrap_or(Err(Unreadable::TimedOut)));
        }
    }
    found
}

/// What is to be said after the first look. Of a regular file the content is still missing.
fn first_answer(seen: Result<Seen, Unreadable>) -> (Found, Option<State>) {
    match seen {
        Ok(Seen::Gone) | Err(Unreadable::Gone) => (Found::Gone, None),
        Ok(Seen::Other { device, inode }) => (Found::Other { device, inode }, None),
        Ok(Seen::NotRegular(kind)) => (Found::NotRegular(kind), None),
        Ok(Seen::Regular(state)) => {
            let present = Present {
                size_bytes: state.size,
                mode: state.mode,
                sha256: Err(Unreadable::TimedOut),
                media_type: None,
                changed_while_hashed: false,
            };
            (Found::Present(present), Some(state))
        }
        Err(reason) => (Found::Unreadable(reason), None),
    }
}

/// What is to be said after the first look, and the regular files (by position) that the limit has room for, one after
/// the other; the others are marked.
fn within_limit(
    seen: impl IntoIterator<Item = Option<Result<Seen, Unreadable>>>,
    limit: u64,
) -> (Vec<Found>, Vec<(u32, State)>) {
    let mut left = limit;
    let mut within = Vec::new();
    let found = (0..).zip(seen).map(|(index, seen)| {
        let (found, state) = first_answer(seen.unwrap_or(Err(Unreadable::TimedOut)));
        let Some(state) = state else { return found };
        match left.checked_sub(state.size) {
            Some(rest) => {
                left = rest;
                within.push((index, state));
                found
            }
            None => Found::OverLimit { size_bytes: state.size, mode: state.mode },
        }
    });
    let found = found.collect();
    (found, within)
}

impl Present {
    fn complete(&mut self, content: Result<Content, Unreadable>) {
        match content {
            Ok(Content { sha256, media_type }) => {
                self.sha256 = Ok(sha256);
                self.media_type = Some(media_type);
            }
            Err(reason) => {
                // It was there at the first look.
                let changed =
                    matches!(reason, Unreadable::Changed | Unreadable::Gone | Unreadable::NotRegular);
                self.changed_while_hashed = changed;
                self.sha256 = Err(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests;
