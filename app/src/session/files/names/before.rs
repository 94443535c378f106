//! Which names other files had before.
//!
//! The paths that programs give lead through links and mounts, so that the run may have put there itself what it finds under
//! another path. What is said here is said only where it cannot have: it has given that name, the last one of the path, to
//! nothing by then, and has mounted nothing.

use crate::{
    event::{BootNs, FileOperation, Observed, PathSource, last_component},
    maps::{HashMap, HashSet},
    session::{
        TextId,
        files::{
            Change, Files, Target,
            kind::FileKind,
            left::{LeftBehind, Standing},
        },
    },
};

/// What the run did to names.
#[derive(Default)]
pub(super) struct Before<'a> {
    /// When it first gave a name, otherwise than by opening a file.
    given: HashMap<&'a [u8], BootNs>,
    /// Paths of files that it has removed and not made.
    removed: HashSet<&'a [u8]>,
    has_mounted: bool,
}

impl<'a> Before<'a> {
    /// Something is about to have this name.
    pub(super) fn gives(&mut self, path: &'a [u8], at: BootNs) {
        self.given.entry(last_component(path)).or_insert(at);
    }

    /// Something that is not known to have been made by the run was removed.
    pub(super) fn removes(&mut self, path: &'a [u8], at: BootNs) {
        if !self.was_given(path, at) {
            self.removed.insert(path);
        }
    }

    /// Paths lead elsewhere from here on.
    pub(super) fn mounts(&mut self) {
        self.has_mounted = true;
    }

    fn was_given(&self, path: &[u8], at: BootNs) -> bool {
        self.given.get(last_component(path)).is_some_and(|given| *given <= at)
    }

    /// Leaves of those that are marked as made, and have their names, those that were made in the place of another file.
    pub(super) fn mark(&self, files: &Files, left: &mut [LeftBehind]) {
        let mut made_there: HashMap<TextId, u32> = HashMap::default();
        for (number, left) in (0..).zip(left.iter_mut()) {
            let is_made = std::mem::take(&mut left.replaces);
            let Observed::Complete(path) = &left.path else { continue };
            if !is_made || left.standing != Standing::Known || self.has_mounted {
                continue;
            }
            left.replaces = self.removed.contains(&**path);
            if !left.replaces && left.identity.is_some() {
                made_there.extend(files.texts.find(path).map(|path| (path, number)));
            }
        }
        if made_there.is_empty() {
            return;
        }
        let created = files.changes.iter().filter(|change| change.operation == FileOperation::Create);
        let made: HashSet<u32> = created.filter_map(|change| file_of(files, change)).collect();
        for access in files.accesses.values() {
            let Some((key, known)) = files.file_of(access) else { continue };
            let Observed::Complete(path) = key.path else { continue };
            let Some(left) = made_there.get(&path).and_then(|number| left.get_mut(*number as usize)) else {
                continue;
            };
            let is_another = left.identity != Some((key.device, key.inode)) && !made.contains(&access.file);
            let was_there = key.source == PathSource::Kernel && !access.unlinked && !known.unreachable;
            left.replaces |= is_another
                && was_there
                && known.kind == FileKind::Regular
                && !self.was_given(files.texts.bytes_of(path), access.first_at);
        }
    }
}

/// The file (by number) that was made by opening it.
fn file_of(files: &Files, change: &Change) -> Option<u32> {
    match change.target {
        Target::Access(id) => files.accesses.get(&id).map(|access| access.file),
        _ => None,
    }
}
