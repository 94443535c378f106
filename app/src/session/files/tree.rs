//! A tree of names, in which a directory is moved with all that is below it.

use crate::maps::HashMap;

/// No node, no object.
pub(super) const NONE: u32 = u32::MAX;
/// The root directory.
const TOP: u32 = 0;

/// All names, by number.
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    children: HashMap<(u32, &'a [u8]), u32>,
}

/// A name.
pub(super) struct Node<'a> {
    parent: u32,
    name: &'a [u8],
    pub(super) object: u32,
    /// It was put here under a name that a program gave.
    pub(super) claimed: bool,
}

impl<'a> Tree<'a> {
    /// The root, with room for about so many names.
    pub(super) fn new(count: usize) -> Self {
        let mut nodes = Vec::with_capacity(count);
        nodes.push(Node { parent: TOP, name: b"", object: NONE, claimed: false });
        Self { nodes, children: HashMap::with_capacity_and_hasher(count, Default::default()) }
    }

    /// Gives back what is needed to find names: from here on there are paths only.
    pub(super) fn close(&mut self) {
        self.children = HashMap::default();
    }

    pub(super) fn child(&self, parent: u32, name: &'a [u8]) -> Option<u32> {
        self.children.get(&(parent, name)).copied()
    }

    pub(super) fn exchange(&mut self, one: u32, other: u32) {
        if self.is_within(one, other) || self.is_within(other, one) {
            return;
        }
        let place = |node: &Node<'a>| (node.parent, node.name);
        let (first, second) = (place(&self.nodes[one as usize]), place(&self.nodes[other as usize]));
        self.detach(one);
        self.detach(other);
        self.attach(one, second.0, second.1);
        self.attach(other, first.0, first.1);
    }

    pub(super) fn detach(&mut self, node: u32) {
        let Node { parent, name, .. } = self.nodes[node as usize];
        self.children.remove(&(parent, name));
        self.nodes[node as usize].parent = NONE;
    }

    pub(super) fn attach(&mut self, node: u32, parent: u32, name: &'a [u8]) {
        self.children.insert((parent, name), node);
        let node = &mut self.nodes[node as usize];
        (node.parent, node.name, node.claimed) = (parent, name, true);
    }

    pub(super) fn find(&self, path: &[u8]) -> Option<u32> {
        components(path)?.try_fold(TOP, |node, name| self.children.get(&(node, name)).copied())
    }

    pub(super) fn make(&mut self, path: &'a [u8]) -> Option<u32> {
        Some(components(path)?.fold(TOP, |parent, name| self.make_child(parent, name)))
    }

    /// The node of the directory, and the name in it.
    pub(super) fn make_parent(&mut self, path: &'a [u8]) -> Option<(u32, &'a [u8])> {
        let at = path.iter().rposition(|byte| *byte == b'/')?;
        let (directory, name) = (&path[..at], &path[at + 1..]);
        let parent = if directory.is_empty() { TOP } else { self.make(directory)? };
        (!name.is_empty()).then_some((parent, name))
    }

    pub(super) fn make_child(&mut self, parent: u32, name: &'a [u8]) -> u32 {
        let next = super::index(self.nodes.len());
        let node = *self.children.entry((parent, name)).or_insert(next);
        if node == next {
            self.nodes.push(Node { parent, name, object: NONE, claimed: false });
        }
        node
    }

    /// Whether a node is `above` or below it.
    pub(super) fn is_within(&self, mut node: u32, above: u32) -> bool {
        while node != above {
            if node == TOP || node == NONE {
                return false;
            }
            node = self.nodes[node as usize].parent;
        }
        true
    }

    /// The path of a node, and whether a program gave a part of it; `None` below what was removed.
    pub(super) fn path(&self, mut node: u32) -> Option<(Vec<u8>, bool)> {
        let mut names = Vec::new();
        let mut claimed = false;
        while node != TOP {
            let Node { parent, name, claimed: here, .. } = self.nodes.get(node as usize)?;
            names.push(*name);
            claimed |= here;
            node = *parent;
        }
        let length = names.iter().map(|name| name.len() + 1).sum();
        let mut path = Vec::with_capacity(length);
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Some((path, claimed))
    }
}

/// Names of a path beyond which it is not followed. Hardly any has a tenth of them, and a program that makes paths of
/// thousands and renames without end would keep the observer busy for a minute after its own end.
const DEPTH: usize = 128;

/// The names of an absolute path that is not too deep.
fn components(path: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let path = path.strip_prefix(b"/")?;
    if path.iter().filter(|byte| **byte == b'/').count() >= DEPTH {
        return None;
    }
    Some(path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()))
}
