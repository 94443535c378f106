//! Which names other files had before.

use crate::maps::HashSet;

/// Paths of files that the run has not made. Of a directory that is renamed those below are not followed: what is there then is
/// not known to have replaced anything.
#[derive(Default)]
pub(super) struct Before<'a> {
    /// Of those that have lost their names.
    lost: HashSet<&'a [u8]>,
    /// Those that the run has given them.
    given: HashSet<&'a [u8]>,
}

impl<'a> Before<'a> {
    /// A file that the run has not made has lost this name.
    pub(super) fn lost(&mut self, path: Option<&'a [u8]>) {
        self.lost.extend(path.filter(|path| !self.given.contains(path)));
    }

    /// A file that the run has not made was given this name.
    pub(super) fn given(&mut self, path: Option<&'a [u8]>) {
        self.given.extend(path.filter(|path| !self.lost.contains(path)));
    }

    /// Whether another file had this name.
    pub(super) fn had(&self, path: &[u8]) -> bool {
        self.lost.contains(path)
    }
}
