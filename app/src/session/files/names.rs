//! Which files a run leaves behind, and under which names: the names of the files that it made or changed, followed
//! through renames, links and deletions in the order in which these happened.
//!
//! Names form a tree, so that renaming a directory takes everything below it along in one step. Symbolic links that the
//! run made are followed. Paths that programs gave may lead through others and through mounts that are not known here:
//! what such a path does to a file is not noticed, and the file is then listed under a name that it has no more. Whoever
//! looks there will say so, and finds it where something of its name was moved to ([`elsewhere`](super::elsewhere)).

mod before;
mod end;

use before::Before;

use super::{
    Access, Change, FileKey, Files, Target, TextId,
    build::Key,
    kind::FileKind,
    left::Remains,
    object::Object,
    steps::{What, steps},
    totals::changes_content,
    tree::{NONE, Tree},
};
use crate::{
    event::{AccessId, BootNs, FileOperation, Observed, PathSource, ProcessKey},
    maps::{HashMap, HashSet},
};

/// Files without a name of one process that are looked through for the only one. Nobody makes more at a time but to
/// keep the observer busy.
const NAMELESS: usize = 64;

/// `RENAME_EXCHANGE` of linux/fs.h.
const RENAME_EXCHANGE: u64 = 2;

/// What became of the files that were made or changed.
///
/// Of changes by `answered` it is not known whether they happened.
pub(super) fn remains(files: &Files, answered: &HashSet<ProcessKey>) -> Remains {
    let (steps, changed) = steps(files);
    let mut names = Names::new(files, changed, answered);
    for step in steps {
        match step.what {
            What::Use(access_number) => {
                if let Some((id, access)) = files.accesses.get_index(access_number as usize) {
                    names.used(access_number, *id, access);
                }
            }
            What::Change(change) => {
                if let Some(change) = files.changes.get(change as usize) {
                    names.change(change);
                }
            }
        }
    }
    let (transient, transient_paths) = (names.transient(), names.transient_paths());
    // With very many files each of these is large.
    (names.by_inode, names.uses, names.paths) = (HashMap::default(), Vec::new(), Vec::new());
    names.tree.close();
    let mut left_behind = names.left();
    names.before.mark(files, &mut left_behind);
    drop(names);
    left_behind.sort_unstable_by(|one, other| {
        let key = Key::new(&one.path, one.source, one.identity);
        let order = key.cmp(&Key::new(&other.path, other.source, other.identity));
        order.then((one.process, one.change).cmp(&(other.process, other.change)))
    });
    Remains { left_behind, transient, transient_paths }
}

fn is_exchange(files: &Files, change: &Change) -> bool {
    let detail = files.details.get_index(change.detail as usize);
    detail.and_then(|detail| detail.flags).is_some_and(|flags| flags & RENAME_EXCHANGE != 0)
}

struct Names<'a> {
    files: &'a Files,
    /// See [`remains`].
    answered: &'a HashSet<ProcessKey>,
    tree: Tree<'a>,
    objects: Vec<Object>,
    /// The file that has an inode number now: the number of a deleted one is soon used again.
    by_inode: HashMap<((u32, u32), u64), u32>,
    /// Files that never had a name, by the process (by number) that made them.
    nameless: HashMap<u32, Vec<u32>>,
    /// Which files (by number) were which objects.
    uses: Vec<(u32, u32)>,
    /// Under which paths (by number) which objects were made otherwise than by opening them, or removed; without a
    /// number where it is not known.
    paths: Vec<(u32, u32)>,
    /// What was given another name and is not known under the one that the program gave: that, and the new one's node.
    moved: Vec<(&'a [u8], u32)>,
    before: Before<'a>,
}

impl<'a> Names<'a> {
    /// For about so many files.
    fn new(files: &'a Files, count: usize, answered: &'a HashSet<ProcessKey>) -> Self {
        Self {
            files,
            answered,
            tree: Tree::new(count),
            objects: Vec::with_capacity(count),
            by_inode: HashMap::with_capacity_and_hasher(count, Default::default()),
            nameless: HashMap::default(),
            uses: Vec::new(),
            paths: Vec::new(),
            moved: Vec::new(),
            before: Before::default(),
        }
    }

    /// A use of a file that existed: by whatever process has it for the first time.
    fn used(&mut self, number: u32, id: AccessId, access: &'a Access) {
        let Some((key, known)) = self.files.file_of(access) else { return };
        let inode = (key.device, key.inode);
        let totals = self.files.totals_of(id, access);
        let object = match self.by_inode.get(&inode) {
            Some(object) if self.objects[*object as usize].is_used_by(access, &totals) => *object,
            _ => {
                let object = self.object(known.kind, Some(inode));
                let made = &mut self.objects[object as usize];
                (made.first_use, made.file) = (number, access.file);
                self.by_inode.insert(inode, object);
                object
            }
        };
        self.uses.push((access.file, object));
        let found = &mut self.objects[object as usize];
        if found.first_use != number {
            found.first_use = NONE;
        }
        found.keep_file(access.file);
        if changes_content(&totals) {
            found.modified = true;
            self.changed(object, totals.last_at.max(access.first_at), access.process);
        }
        if !access.unlinked {
            self.bind_file(key, object, !changes_content(&totals));
        }
    }

    /// What may not have happened makes a name, so that whoever looks there finds out, and takes none away.
    fn change(&mut self, change: &'a Change) {
        let is_certain = change.unconfirmed.is_none() && !self.is_answered(change.process);
        self.note_names(change);
        match change.operation {
            FileOperation::Create => self.created(change),
            FileOperation::Truncate => self.truncated(change),
            FileOperation::Delete | FileOperation::RemoveDirectory if is_certain => {
                let path = self.target_path(change);
                let node = path.and_then(|path| self.tree.find(path));
                let object = node.map_or(NONE, |node| self.tree.nodes[node as usize].object);
                if let Target::Path(path) = change.target {
                    self.paths.push((path, object));
                }
                if let Some(path) = path
                    && change.operation == FileOperation::Delete
                    && !self.is_made(object)
                {
                    self.before.removes(path, change.at);
                }
                if let Some(node) = node {
                    self.remove(node);
                }
            }
            FileOperation::Rename if !is_certain => self.perhaps_renamed(change),
            FileOperation::Rename => self.renamed(change),
            FileOperation::Link => self.linked(change),
            FileOperation::Symlink => {
                let object = self.new_object(change, FileKind::Symlink);
                self.objects[object as usize].aside.get_or_insert_default().target = change.text;
                let node = self.bind_claimed(change.new_path, object);
                let target = change.text.and_then(|target| self.complete_text(target));
                if let Some(node) = node.filter(|_| change.unconfirmed.is_none()) {
                    self.tree.link(node, target);
                }
            }
            FileOperation::MakeNode | FileOperation::MakeDirectory => {
                let detail = self.files.details.get_index(change.detail as usize);
                let mode = detail.and_then(|detail| detail.mode).unwrap_or_default();
                let kind = match change.operation {
                    FileOperation::MakeDirectory => FileKind::Directory,
                    _ => FileKind::of_mode(mode),
                };
                let object = self.new_object(change, kind);
                if let Target::Path(path) = change.target {
                    self.bind_claimed(Some(path), object);
                }
            }
            _ => {}
        }
    }

    /// Notes which names a change gives otherwise than by opening a file, whose own path the kernel tells.
    fn note_names(&mut self, change: &'a Change) {
        let old_is_given = match change.operation {
            // Two that are exchanged have both each other's.
            FileOperation::Rename => is_exchange(self.files, change),
            FileOperation::Link | FileOperation::Symlink => true,
            FileOperation::Create | FileOperation::MakeNode | FileOperation::MakeDirectory => true,
            FileOperation::Mount | FileOperation::Unmount | FileOperation::PivotRoot => {
                return self.before.mounts();
            }
            _ => return,
        };
        let old = self.target_path(change).filter(|_| old_is_given);
        for path in old.into_iter().chain(self.new_path(change)) {
            self.before.gives(path, change.at);
        }
    }

    /// A file made by opening it.
    fn created(&mut self, change: &'a Change) {
        let id = match change.target {
            Target::Access(id) => id,
            // Through a ring, where no descriptor leads to it.
            Target::Path(path) => {
                let object = self.new_object(change, FileKind::Regular);
                self.bind_claimed(Some(path), object);
                return;
            }
            Target::None => return,
        };
        let Some((number, _, access)) = self.files.accesses.get_full(&id) else { return };
        let Some((key, known)) = self.files.file_of(access) else { return };
        let inode = (key.device, key.inode);
        // What was taken for an older file because its first use came a moment before the word of its making.
        let same = self.by_inode.get(&inode).copied().filter(|object| {
            let object = &self.objects[*object as usize];
            object.first_use == super::index(number) && !object.created && !object.deleted
        });
        let object = same.unwrap_or_else(|| {
            // Whatever had that number is gone, also if nobody saw how.
            if let Some(gone) = self.by_inode.get(&inode) {
                let gone = &mut self.objects[*gone as usize];
                (gone.names, gone.deleted) = (0, true);
            }
            let object = self.object(known.kind, Some(inode));
            self.by_inode.insert(inode, object);
            object
        });
        let made = &mut self.objects[object as usize];
        (made.created, made.first_use, made.nameless) = (true, NONE, access.unlinked);
        made.keep_file(access.file);
        self.changed(object, change.at, change.process);
        self.uses.push((access.file, object));
        if access.unlinked {
            self.nameless.entry(change.process).or_default().push(object);
        } else {
            self.bind_file(key, object, false);
        }
    }

    /// By its path: truncations by a descriptor are in the totals of the use.
    fn truncated(&mut self, change: &'a Change) {
        let Target::Path(path) = change.target else { return };
        let Some(node) = self.complete(path).and_then(|path| self.tree.make(path)) else { return };
        if self.tree.nodes[node as usize].object == NONE {
            let object = self.object(FileKind::Regular, None);
            self.bind(node, object, true);
        }
        let object = self.tree.nodes[node as usize].object;
        self.objects[object as usize].modified = true;
        self.changed(object, change.at, change.process);
    }

    fn renamed(&mut self, change: &'a Change) {
        let (Some(from), Some(to)) = (self.target_path(change), self.new_path(change)) else { return };
        let exchange = is_exchange(self.files, change);
        let known = self.tree.nodes.len();
        let Some(source) = self.tree.make(from) else { return };
        if source as usize >= known && !exchange {
            self.moved.push((from, source));
        }
        if exchange {
            if let Some(other) = self.tree.make(to) {
                self.tree.exchange(source, other);
            }
            return;
        }
        if let Some(there) = self.tree.find(to) {
            let same = self.tree.nodes[there as usize].object == self.tree.nodes[source as usize].object;
            // Two names of one file: the kernel leaves both.
            if there == source || (same && self.tree.nodes[source as usize].object != NONE) {
                return;
            }
        }
        let Some((parent, name)) = self.tree.make_parent(to) else { return };
        if self.tree.is_within(parent, source) {
            return;
        }
        if let Some(there) = self.tree.child(parent, name) {
            if self.tree.is_within(source, there) {
                return;
            }
            self.remove(there);
        }
        self.tree.detach(source);
        self.tree.attach(source, parent, name);
    }

    /// The file has both names. Of a directory all that is below it would have, so that it is left alone, or taken to be
    /// renamed where the kernel has said so.
    fn perhaps_renamed(&mut self, change: &'a Change) {
        let source = self.target_path(change).and_then(|path| self.tree.find(path));
        match source.map(|node| self.tree.nodes[node as usize].object) {
            Some(object) if object != NONE => _ = self.bind_claimed(change.new_path, object),
            _ if change.unconfirmed.is_none() => self.renamed(change),
            _ => {}
        }
    }

    fn is_answered(&self, process: u32) -> bool {
        !self.answered.is_empty()
            && self.files.process_of(process).is_some_and(|process| self.answered.contains(&process))
    }

    fn linked(&mut self, change: &'a Change) {
        let object = match change.target {
            Target::Access(id) => self.object_of(id),
            Target::Path(path) => {
                let path = self.complete(path);
                let node = path.and_then(|path| self.tree.find(path));
                match node.map(|node| self.tree.nodes[node as usize].object) {
                    Some(object) if object != NONE => Some(object),
                    // By a descriptor's name in procfs a file that never had one gets its first.
                    _ if path.is_some_and(|path| path.starts_with(b"/proc/")) => {
                        let detail = self.files.details.get_index(change.detail as usize);
                        match detail.and_then(|detail| detail.named) {
                            Some(named) => self.object_of(named),
                            None => {
                                let nameless = self.only_nameless(change.process);
                                nameless.or_else(|| Some(self.new_object(change, FileKind::Regular)))
                            }
                        }
                    }
                    None => {
                        let new = self.new_path(change).and_then(|path| self.tree.make(path));
                        self.moved.extend(path.zip(new));
                        None
                    }
                    _ => None,
                }
            }
            Target::None => None,
        };
        if let Some(object) = object {
            self.objects[object as usize].deleted = false;
            self.bind_claimed(change.new_path, object);
        }
    }

    /// The file without a name that a process made, if there is only one: of other forms of a descriptor's name than
    /// `/proc/self/fd/N` it is not told which one it was.
    fn only_nameless(&mut self, process: u32) -> Option<u32> {
        let nameless = self.nameless.get_mut(&process)?;
        if nameless.len() <= NAMELESS {
            nameless.retain(|object| self.objects[*object as usize].names == 0);
        }
        match nameless[..] {
            [object] => Some(object),
            _ => None,
        }
    }

    fn object_of(&self, id: AccessId) -> Option<u32> {
        let (key, _) = self.files.file_of(self.files.accesses.get(&id)?)?;
        self.by_inode.get(&(key.device, key.inode)).copied()
    }

    /// Whether the run has made an object.
    fn is_made(&self, object: u32) -> bool {
        self.objects.get(object as usize).is_some_and(|object| object.created)
    }

    fn object(&mut self, kind: FileKind, identity: Option<((u32, u32), u64)>) -> u32 {
        self.objects.push(Object::new(kind, identity));
        super::index(self.objects.len() - 1)
    }

    fn new_object(&mut self, change: &Change, kind: FileKind) -> u32 {
        let object = self.object(kind, None);
        self.objects[object as usize].created = true;
        self.changed(object, change.at, change.process);
        object
    }

    fn changed(&mut self, object: u32, at: BootNs, process: u32) {
        let key = |at, process| (at, self.files.process_of(process));
        let object = &mut self.objects[object as usize];
        if object.changed_by == NONE || key(object.changed_at, object.changed_by) < key(at, process) {
            (object.changed_at, object.changed_by) = (at, process);
        }
    }

    fn target_path(&self, change: &Change) -> Option<&'a [u8]> {
        match change.target {
            Target::Path(path) => self.complete(path),
            _ => None,
        }
    }

    fn new_path(&self, change: &Change) -> Option<&'a [u8]> {
        change.new_path.and_then(|path| self.complete(path))
    }

    fn complete(&self, path: u32) -> Option<&'a [u8]> {
        self.complete_text(self.files.path_of(path)?.path)
    }

    fn complete_text(&self, text: Observed<TextId>) -> Option<&'a [u8]> {
        match text {
            Observed::Complete(text) => Some(self.files.texts.bytes_of(text)),
            _ => None,
        }
    }

    /// Binds the name that a file was opened under.
    fn bind_file(&mut self, key: &FileKey, object: u32, only_read: bool) {
        let Observed::Complete(path) = key.path else { return };
        let path = self.files.texts.bytes_of(path);
        let Some(node) = self.tree.make_real(path) else {
            self.objects[object as usize].displace(Some(path.into()));
            return;
        };
        let claimed = key.source != PathSource::Kernel;
        if self.tree.nodes[node as usize].object != object {
            self.bind(node, object, claimed);
            self.tree.nodes[node as usize].only_read = only_read;
        } else {
            let node = &mut self.tree.nodes[node as usize];
            node.claimed &= claimed;
            node.only_read &= only_read;
        }
    }

    fn bind_claimed(&mut self, path: Option<u32>, object: u32) -> Option<u32> {
        let path = path?;
        let node = self.tree.make(self.complete(path)?)?;
        self.bind(node, object, true);
        self.paths.push((path, object));
        Some(node)
    }

    fn bind(&mut self, node: u32, object: u32, claimed: bool) {
        let before = self.tree.nodes[node as usize].object;
        if before != NONE && !claimed && self.objects[before as usize].identity.is_none() {
            // What only its name was known of: this is it.
            let known = &mut self.objects[before as usize];
            (known.names, known.deleted) = (0, true);
            let (created, modified) = (std::mem::take(&mut known.created), known.modified);
            let (at, by) = (known.changed_at, known.changed_by);
            let it = &mut self.objects[object as usize];
            it.created |= created;
            it.modified |= modified;
            if by != NONE {
                self.changed(object, at, by);
            }
        } else if before != NONE {
            let path = self.tree.path(node).map(|(path, _)| path);
            let displaced = &mut self.objects[before as usize];
            displaced.names = displaced.names.saturating_sub(1);
            displaced.displace(path.map(Vec::into_boxed_slice));
        }
        self.tree.link(node, None);
        let node = &mut self.tree.nodes[node as usize];
        (node.object, node.claimed, node.only_read) = (object, claimed, false);
        let object = &mut self.objects[object as usize];
        object.names = object.names.saturating_add(1);
    }

    /// The name leads nowhere any more.
    fn remove(&mut self, node: u32) {
        self.tree.detach(node);
        let object = std::mem::replace(&mut self.tree.nodes[node as usize].object, NONE);
        if object != NONE {
            let object = &mut self.objects[object as usize];
            object.names = object.names.saturating_sub(1);
            object.deleted = object.names == 0;
        }
    }
}
