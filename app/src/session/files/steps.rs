//! What changes the names of files, in the order in which it happened.

use super::{Access, Files, totals::changes_content, tree::NONE};
use crate::{
    event::{BootNs, FileOperation},
    maps::HashSet,
};

/// Something that happened, by the positions of what is known of it.
pub(super) struct Step {
    at: BootNs,
    pub(super) what: What,
}

#[derive(Clone, Copy)]
pub(super) enum What {
    Use(u32),
    Change(u32),
}

/// First uses of files that were changed by somebody, and all changes, in order of time. A file that is made by its
/// first use is made before it. With them comes how many files those uses are of.
pub(super) fn steps(files: &Files) -> (Vec<Step>, usize) {
    let inode = |access: &Access| files.file_of(access).map(|(key, _)| (key.device, key.inode));
    let changed: HashSet<_> = files
        .accesses
        .iter()
        .filter(|(id, access)| changes_content(&files.totals_of(**id, access)))
        .filter_map(|(_, access)| inode(access))
        .collect();
    let uses = (0..)
        .zip(files.accesses.values())
        .filter(|(_, access)| inode(access).is_some_and(|inode| changed.contains(&inode)))
        .map(|(number, access)| Step { at: access.first_at, what: What::Use(number) });
    let changes =
        (0..).zip(&files.changes).map(|(number, change)| Step { at: change.at, what: What::Change(number) });
    let mut steps = Vec::with_capacity(files.accesses.len() + files.changes.len());
    steps.extend(uses.chain(changes));
    steps.sort_unstable_by_key(|step| {
        let (rank, process, number) = match step.what {
            What::Use(access) => match files.accesses.get_index(access as usize) {
                Some((id, access)) => (1, access.process, *id),
                None => (1, NONE, 0),
            },
            // Those of one process come through one ring, in their order.
            What::Change(number) => match files.changes.get(number as usize) {
                Some(change) if change.operation == FileOperation::Create => {
                    (0, change.process, number.into())
                }
                Some(change) => (2, change.process, number.into()),
                None => (2, NONE, 0),
            },
        };
        (step.at, rank, files.process_of(process), number)
    });
    (steps, changed.len())
}
