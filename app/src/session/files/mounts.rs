//! Where the run mounted something: what was used below may not be there for others, or no longer.

use super::{Files, Target};
use crate::{
    event::{FileOperation, Observed},
    maps::HashSet,
};

/// Mount points of the run.
pub(super) struct Mounts<'a>(HashSet<&'a [u8]>);

impl<'a> Mounts<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        let mounts = files.changes.iter().filter(|change| change.operation == FileOperation::Mount);
        let points = mounts.filter_map(|change| {
            let detail = files.details.get_index(change.detail as usize)?;
            let target = match change.target {
                Target::Path(path) => Some(path),
                _ => None,
            };
            let point = change.new_path.or(target).filter(|_| detail.makes_mount())?;
            match files.path_of(point)?.path {
                Observed::Complete(point) => Some(files.texts.bytes_of(point)),
                _ => None,
            }
        });
        Self(points.collect())
    }

    /// Whether something was mounted at the path or above it.
    pub(super) fn is_below(&self, path: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let above = (1..path.len()).filter(|at| path[*at] == b'/').map(|at| &path[..at]);
        above.chain([path]).any(|path| self.0.contains(path))
    }
}
