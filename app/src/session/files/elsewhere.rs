//! Where files may be whose names were changed by paths that led through unknown symbolic links or mounts.
//!
//! A file is opened as `/run/x.tmp`, as the kernel says, and `/var/run/x.tmp` becomes `/var/run/x`: nothing tells that
//! these are one directory. Where a path of nothing known was given another name, files of its last name may have got
//! that one. As the files are known by device and inode, looking there shows whether it is so.

use std::cmp::Ordering;

use crate::event::last_component;

/// Moves with a file's last name that are looked at, in either direction from the one whose path has most of its end.
const NEAR: usize = 8;

/// What got which other names (by node), by the end of the path.
pub(super) struct Elsewhere<'a>(Vec<(&'a [u8], u32)>);

impl<'a> Elsewhere<'a> {
    pub(super) fn new(moved: &[(&'a [u8], u32)]) -> Self {
        let mut moved = moved.to_vec();
        moved.sort_unstable_by(|(one, node), (other, of_other)| by_end(one, other).then(node.cmp(of_other)));
        Self(moved)
    }

    /// The names (by node) that a file of this path may have got.
    pub(super) fn of(&self, path: &[u8]) -> impl Iterator<Item = u32> {
        let name = last_component(path);
        let (before, after) =
            self.0.split_at(self.0.partition_point(|(moved, _)| by_end(moved, path).is_lt()));
        let same = move |(moved, _): &&(&[u8], u32)| last_component(moved) == name;
        let before = before.iter().rev().take_while(same).take(NEAR);
        before.chain(after.iter().take_while(same).take(NEAR)).map(|(_, node)| *node)
    }
}

fn by_end(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().rev().cmp(other.iter().rev())
}
