//! A tree of names, in which a directory is moved with all that is below it.

use crate::maps::HashMap;

/// No node, no object.
pub(super) const NONE: u32 = u32::MAX;
/// The root directory.
const TOP: u32 = 0;

/// Symbolic links on the way to a name, as many as the kernel follows (`MAXSYMLINKS`).
const LINKS: u32 = 40;

/// All names, by number.
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    children: HashMap<(u32, &'a [u8]), u32>,
    /// What those that are symbolic links lead to.
    links: HashMap<u32, &'a [u8]>,
}

/// Which symbolic links on the way of a path lead elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    /// None: what is taken for one is a directory by now.
    None,
    /// All but the one that the path names.
    Followed,
    /// All.
    AllFollowed,
}

/// A name.
pub(super) struct Node<'a> {
    parent: u32,
    name: &'a [u8],
    pub(super) object: u32,
    /// It was put here under a name that a program gave.
    pub(super) claimed: bool,
    /// It was only read here: it may be another name of it alone where somebody mounted it.
    pub(super) only_read: bool,
}

impl<'a> Tree<'a> {
    /// The root, with room for about so many names.
    pub(super) fn new(count: usize) -> Self {
        let mut nodes = Vec::with_capacity(count);
        nodes.push(Node { parent: TOP, name: b"", object: NONE, claimed: false, only_read: false });
        let children = HashMap::with_capacity_and_hasher(count, Default::default());
        Self { nodes, children, links: HashMap::default() }
    }

    /// Gives back what is needed to find names: from here on there are paths only.
    pub(super) fn close(&mut self) {
        self.children = HashMap::default();
    }

    /// What is at a name is a symbolic link that leads there, or none.
    pub(super) fn link(&mut self, node: u32, target: Option<&'a [u8]>) {
        match target {
            Some(target) => drop(self.links.insert(node, target)),
            None if self.links.is_empty() => {}
            None => drop(self.links.remove(&node)),
        }
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

    /// The name that a path of a program leads to, if there is one.
    pub(super) fn find(&mut self, path: &'a [u8]) -> Option<u32> {
        self.walk(path, Links::Followed, |tree, parent, name| tree.child(parent, name))
    }

    /// The name that a path of a program leads to.
    pub(super) fn make(&mut self, path: &'a [u8]) -> Option<u32> {
        self.walk(path, Links::Followed, |tree, parent, name| Some(tree.make_child(parent, name)))
    }

    /// The name of a path that the kernel gave: no symbolic link is on the way.
    pub(super) fn make_real(&mut self, path: &'a [u8]) -> Option<u32> {
        self.walk(path, Links::None, |tree, parent, name| Some(tree.make_child(parent, name)))
    }

    /// The same, if there is one.
    pub(super) fn find_real(&mut self, path: &'a [u8]) -> Option<u32> {
        self.walk(path, Links::None, |tree, parent, name| tree.child(parent, name))
    }

    /// The node of the directory, and the name in it.
    pub(super) fn make_parent(&mut self, path: &'a [u8]) -> Option<(u32, &'a [u8])> {
        let at = path.iter().rposition(|byte| *byte == b'/')?;
        let (directory, name) = (&path[..at], &path[at + 1..]);
        let make = |tree: &mut Self, parent, name| Some(tree.make_child(parent, name));
        let parent = match directory {
            b"" => TOP,
            _ => self.walk(directory, Links::AllFollowed, make)?,
        };
        (!name.is_empty()).then_some((parent, name))
    }

    /// Goes from name to name as a path says, by what `step` knows of the next one.
    fn walk(
        &mut self,
        path: &'a [u8],
        links: Links,
        step: impl Fn(&mut Self, u32, &'a [u8]) -> Option<u32>,
    ) -> Option<u32> {
        let (mut node, mut rest, mut followed) = (TOP, components(path)?, 0);
        // What is left of the paths that led through links.
        let mut outer = Vec::new();
        loop {
            let Some((name, after)) = next(rest) else {
                let Some(before) = outer.pop() else { return Some(node) };
                rest = before;
                continue;
            };
            rest = after;
            match name {
                b"." => continue,
                b".." => {
                    node = self.nodes[node as usize].parent;
                    continue;
                }
                _ => {}
            }
            let parent = node;
            node = step(self, parent, name)?;
            if self.links.is_empty() {
                continue;
            }
            let last = next(rest).is_none() && outer.iter().all(|rest| next(rest).is_none());
            if links == Links::None {
                if !last {
                    self.link(node, None);
                }
            } else if (!last || links == Links::AllFollowed)
                && let Some(target) = self.links.get(&node).copied()
            {
                followed += 1;
                if followed > LINKS {
                    return None;
                }
                node = if target.starts_with(b"/") { TOP } else { parent };
                outer.push(rest);
                rest = components_below(target)?;
            }
        }
    }

    pub(super) fn make_child(&mut self, parent: u32, name: &'a [u8]) -> u32 {
        let next = super::index(self.nodes.len());
        let node = *self.children.entry((parent, name)).or_insert(next);
        if node == next {
            self.nodes.push(Node { parent, name, object: NONE, claimed: false, only_read: false });
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
fn components(path: &[u8]) -> Option<&[u8]> {
    components_below(path.strip_prefix(b"/")?)
}

/// The names of a path that is not too deep.
fn components_below(path: &[u8]) -> Option<&[u8]> {
    (path.iter().filter(|byte| **byte == b'/').count() < DEPTH).then_some(path)
}

/// The first of several names, and the others.
fn next(names: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = names.iter().position(|byte| *byte != b'/')?;
    let names = &names[start..];
    let end = names.iter().position(|byte| *byte == b'/').unwrap_or(names.len());
    Some(names.split_at(end))
}
