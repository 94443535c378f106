//! What a run leaves behind.

use super::{Text, kind::FileKind};
use crate::{
    event::{PathSource, ProcessKey},
    maps::HashSet,
};

/// What became of the files that the run made or changed.
#[derive(Debug, Default)]
pub struct Remains {
    /// What is left, by path, device and inode.
    pub left_behind: Vec<LeftBehind>,
    /// The files (by number) that came and went.
    pub(super) transient: HashSet<u32>,
    /// The paths (by number) of which this is so of whatever was there, as far as it was not opened.
    pub(super) transient_paths: HashSet<u32>,
}

/// A file that the run made or whose content it changed, and that should be there at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// Where it should be.
    pub path: Text,
    /// Where that path comes from: from the program where it named the file anew, or a directory above it.
    pub source: PathSource,
    /// How well that is known.
    pub standing: Standing,
    /// Made or changed.
    pub change: LeftChange,
    /// It was made under the name of another file, which was there before.
    pub replaces: bool,
    /// A regular file or a symbolic link.
    pub kind: FileKind,
    /// Device and inode, where they are known.
    pub identity: Option<((u32, u32), u64)>,
    /// What a symbolic link points to.
    pub target: Option<Box<Text>>,
    /// The process that was the last to change it.
    pub process: ProcessKey,
}

/// How well it is known where a file is, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It was there.
    Known,
    /// It was only read there, or the run mounted something there or above: it may be the place of another file, in
    /// another mount namespace or by now.
    Unsure,
    /// Something of its name was given this one, by a path that leads to nothing known.
    Guess,
}

/// What was done to a file that is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftChange {
    /// It was not there before.
    Created,
    /// Its content may have become another.
    Modified,
}
