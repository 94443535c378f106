//! Files as their names are followed.

use super::{Access, TextId, kind::FileKind, tree::NONE};
use crate::event::{AccessTotals, BootNs, Observed};

/// A file, from its making to its end, whatever its names.
pub(super) struct Object {
    pub(super) kind: FileKind,
    pub(super) identity: Option<((u32, u32), u64)>,
    pub(super) created: bool,
    pub(super) modified: bool,
    pub(super) deleted: bool,
    /// It was made without a name.
    pub(super) nameless: bool,
    pub(super) names: u32,
    /// The one use (by number) that it is known by so far.
    pub(super) first_use: u32,
    /// The file (by number) whose path stands for it where no name does.
    pub(super) file: u32,
    /// What is known of few.
    pub(super) aside: Option<Box<Aside>>,
    /// When it was changed last, and by which process (by number).
    pub(super) changed_at: BootNs,
    pub(super) changed_by: u32,
}

#[derive(Default)]
pub(super) struct Aside {
    /// The last path that is known, where no name is: it was too deep to be followed, or another file was found under
    /// it without this one's removal having been seen.
    pub(super) displaced: Option<Box<[u8]>>,
    /// What a symbolic link points to.
    pub(super) target: Option<Observed<TextId>>,
}

impl Object {
    /// Of which nothing is known yet but what it is.
    pub(super) fn new(kind: FileKind, identity: Option<((u32, u32), u64)>) -> Self {
        Self {
            kind,
            identity,
            created: false,
            modified: false,
            deleted: false,
            nameless: false,
            names: 0,
            first_use: NONE,
            file: NONE,
            aside: None,
            changed_at: 0,
            changed_by: NONE,
        }
    }

    /// Whether a use that was not known before is one of it, and not of a later file that has its inode number.
    pub(super) fn is_used_by(&self, access: &Access, totals: &AccessTotals) -> bool {
        // Nothing tells of the end of a file that never had a name.
        let may_be_gone = self.deleted || self.nameless && self.names == 0;
        let another_was_made = totals.creates > 0 && self.file != access.file;
        !(may_be_gone && another_was_made) && (access.unlinked || !self.deleted)
    }

    pub(super) fn keep_file(&mut self, file: u32) {
        if self.file == NONE {
            self.file = file;
        }
    }

    pub(super) fn displace(&mut self, path: Option<Box<[u8]>>) {
        if path.is_some() || self.aside.is_some() {
            self.aside.get_or_insert_default().displaced = path;
        }
    }

    pub(super) fn displaced(&self) -> Option<&[u8]> {
        self.aside.as_ref()?.displaced.as_deref()
    }

    pub(super) fn is_left(&self) -> bool {
        let kept = matches!(self.kind, FileKind::Regular | FileKind::Symlink);
        kept && !self.deleted && (self.created || self.modified)
    }
}
