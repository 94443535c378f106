//! What of the files and names there is at the end.

use std::sync::Arc;

use super::Names;
use crate::{
    event::{Observed, PathSource},
    maps::HashSet,
    session::files::{
        FileKey, Text,
        elsewhere::Elsewhere,
        left::{LeftBehind, LeftChange, Standing},
        mounts::Mounts,
        object::Object,
        tree::NONE,
        view::text,
    },
};

impl Names<'_> {
    /// What is left.
    pub(super) fn left(&self) -> Vec<LeftBehind> {
        let mounts = Mounts::new(self.files);
        let named = (1..).zip(&self.tree.nodes[1..]).filter(|(_, node)| node.object != NONE);
        let named = named.filter_map(|(number, node)| {
            let object = &self.objects[node.object as usize];
            if !object.is_left() {
                return None;
            }
            let (path, claimed) = self.tree.path(number)?;
            let source = if claimed { PathSource::Argument } else { PathSource::Kernel };
            let unsure = node.only_read || mounts.is_below(&path);
            let mut left = self.left_behind(object, self.shared(path), source)?;
            left.standing = if unsure { Standing::Unsure } else { Standing::Known };
            // Which of them do is found out with all of them together.
            left.replaces = object.created;
            Some(left)
        });
        let nameless = self.objects.iter().filter(|object| object.names == 0 && object.is_left());
        let nameless = nameless.filter_map(|object| {
            if let Some(path) = object.displaced() {
                return self.left_behind(object, self.shared(path.to_vec()), PathSource::Kernel);
            }
            let (key, known) = self.files.files.get_index(object.file as usize)?;
            // Without ever having had a name it is gone, unless its name could not be read.
            if known.unlinked || matches!(key.path, Observed::Complete(_)) {
                return None;
            }
            self.left_behind(object, text(&self.files.texts, key.path), key.source)
        });
        let mut left = Vec::with_capacity(self.objects.len());
        left.extend(named.chain(nameless));
        if !self.moved.is_empty() {
            self.guess(&mut left);
        }
        left
    }

    /// Adds where files may be that had the name of something that was moved.
    fn guess(&self, left: &mut Vec<LeftBehind>) {
        let elsewhere = Elsewhere::new(&self.moved);
        for known in 0..left.len() {
            // Of what only a path is known, anything there would be taken for it.
            let (Observed::Complete(path), Some(_)) = (&left[known].path, left[known].identity) else {
                continue;
            };
            let path = Arc::clone(path);
            for node in elsewhere.of(&path) {
                let unknown = self.tree.nodes[node as usize].object == NONE;
                let place = self.tree.path(node).filter(|(place, _)| unknown && **place != *path);
                if let Some((place, _)) = place {
                    let (path, source) = (self.shared(place), PathSource::Argument);
                    left.push(LeftBehind { path, source, standing: Standing::Guess, ..left[known].clone() });
                }
            }
        }
    }

    fn left_behind(&self, object: &Object, path: Text, source: PathSource) -> Option<LeftBehind> {
        let target = object.aside.as_ref().and_then(|aside| aside.target);
        Some(LeftBehind {
            replaces: false,
            path,
            source,
            standing: Standing::Known,
            change: if object.created { LeftChange::Created } else { LeftChange::Modified },
            kind: object.kind,
            identity: object.identity,
            target: target.map(|target| Box::new(text(&self.files.texts, target))),
            process: self.files.process_of(object.changed_by)?,
        })
    }

    /// A path, in the memory of an equal one if there is one.
    fn shared(&self, path: Vec<u8>) -> Text {
        let texts = &self.files.texts;
        let known = texts.find(&path).map(|known| texts.text(known));
        Observed::Complete(known.unwrap_or_else(|| path.into()))
    }

    /// Whether a file with this path and inode number is left: another one than that which was made there first.
    fn is_there(&mut self, key: &FileKey) -> bool {
        let node = self.complete_text(key.path).and_then(|path| self.tree.find_real(path));
        let object = node.and_then(|node| self.objects.get(self.tree.nodes[node as usize].object as usize));
        object.is_some_and(|object| object.identity == Some((key.device, key.inode)))
    }

    /// Whether an object was made and is gone again.
    fn is_gone(&self, object: u32) -> bool {
        let object = self.objects.get(object as usize);
        object.is_some_and(|object| object.created && object.names == 0 && object.displaced().is_none())
    }

    /// The paths of which this is so of all that was made there, or removed.
    pub(super) fn transient_paths(&self) -> HashSet<u32> {
        let of = |gone: bool| self.paths.iter().filter(move |(_, object)| self.is_gone(*object) == gone);
        let mut transient: HashSet<u32> = of(true).map(|(path, _)| *path).collect();
        for (path, _) in of(false) {
            transient.remove(path);
        }
        transient
    }

    /// Files of which every object was made and is gone again.
    pub(super) fn transient(&mut self) -> HashSet<u32> {
        let mut transient = HashSet::default();
        let mut other = HashSet::default();
        for (file, object) in &self.uses {
            let known = self.files.files.get_index(*file as usize);
            let named =
                known.is_some_and(|(key, known)| known.unlinked || matches!(key.path, Observed::Complete(_)));
            if self.is_gone(*object) && named { &mut transient } else { &mut other }.insert(*file);
        }
        let files = self.files;
        transient.retain(|file| {
            let Some((key, _)) = files.files.get_index(*file as usize) else { return false };
            !other.contains(file) && !self.is_there(key)
        });
        transient
    }
}
