//! The process tree as rows.

use crate::{
    event::ProcessKey,
    maps::{HashMap, HashSet},
    session::{Process, Session},
};

/// A row of the tree.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The process.
    pub key: ProcessKey,
    /// Bit n: the ancestor at depth n has siblings below, so that its line goes on.
    pub lines: u64,
    /// How deep it is.
    pub depth: u16,
    /// It is the last of its siblings.
    pub last: bool,
    /// It has children.
    pub has_children: bool,
    /// It is shown only because a descendant is what was asked for.
    pub only_leads: bool,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// Deepest level that is drawn with lines of its own; what is deeper is drawn there.
pub const DEEPEST: u16 = 60;

/// Orders of the tree: siblings by start, or no tree but a list.
pub const SORTS: [&str; 4] = ["tree", "start", "duration", "name"];

/// The children of each process, and those that have no parent here.
pub struct Family {
    children: HashMap<ProcessKey, Vec<ProcessKey>>,
    eldest: Vec<ProcessKey>,
}

impl Family {
    /// As the session knows it.
    pub fn new(session: &Session) -> Self {
        let mut family = Self { children: HashMap::default(), eldest: Vec::new() };
        for (key, process) in session.processes() {
            match process.parent.filter(|parent| session.process(*parent).is_some()) {
                Some(parent) => family.children.entry(parent).or_default().push(key),
                None => family.eldest.push(key),
            }
        }
        family
    }

    fn children(&self, key: ProcessKey) -> &[ProcessKey] {
        self.children.get(&key).map_or(&[], |children| children)
    }

    /// A process and all that descend from it.
    pub fn subtree(&self, key: ProcessKey) -> HashSet<ProcessKey> {
        let mut found = HashSet::default();
        let mut left = vec![key];
        while let Some(key) = left.pop() {
            if found.insert(key) {
                left.extend(self.children(key));
            }
        }
        found
    }

    /// Rows of the tree: `wanted` says what is asked for, with which its ancestors come.
    pub fn rows(
        &self,
        collapsed: &HashSet<ProcessKey>,
        wanted: Option<&dyn Fn(ProcessKey) -> bool>,
    ) -> Vec<Node> {
        let leading = wanted.map(|wanted| self.leading(wanted));
        let shown = |key: &ProcessKey| leading.as_ref().is_none_or(|leading| leading.contains_key(key));
        let mut rows = Vec::new();
        // What is left to do, the next one last. The eldest have no siblings that a line would lead to.
        let mut left: Vec<(ProcessKey, u16, u64, bool)> =
            self.eldest.iter().rev().filter(|key| shown(key)).map(|key| (*key, 0, 0, true)).collect();
        while let Some((key, depth, lines, last)) = left.pop() {
            let children = self.children(key);
            let has_children = children.iter().any(shown);
            let only_leads = leading.as_ref().is_some_and(|leading| leading.get(&key) == Some(&false));
            rows.push(Node { key, lines, depth, last, has_children, only_leads });
            if collapsed.contains(&key) {
                continue;
            }
            let below = if last || depth >= DEEPEST { lines } else { lines | 1 << depth };
            let deeper = (depth + 1).min(DEEPEST);
            let mut is_last = true;
            for child in children.iter().rev().filter(|child| shown(child)) {
                left.push((*child, deeper, below, is_last));
                is_last = false;
            }
        }
        rows
    }

    /// What is asked for (true), and what leads to it (false).
    fn leading(&self, wanted: &dyn Fn(ProcessKey) -> bool) -> HashMap<ProcessKey, bool> {
        let mut parents: HashMap<ProcessKey, ProcessKey> = HashMap::default();
        for (parent, children) in &self.children {
            parents.extend(children.iter().map(|child| (*child, *parent)));
        }
        let mut leading = HashMap::default();
        for key in self.eldest.iter().chain(parents.keys()).copied().filter(|key| wanted(*key)) {
            leading.insert(key, true);
            let mut above = key;
            while let Some(parent) = parents.get(&above) {
                if leading.contains_key(parent) {
                    break;
                }
                leading.insert(*parent, false);
                above = *parent;
            }
        }
        leading
    }
}

/// The chain of parents, the process itself first.
pub fn ancestors(session: &Session, key: ProcessKey) -> Vec<(ProcessKey, &Process)> {
    let mut chain = Vec::new();
    let mut next = Some(key);
    while let Some((key, process)) = next.and_then(|key| Some((key, session.process(key)?))) {
        chain.push((key, process));
        // A parent is older than its child, so this ends.
        next = process.parent;
    }
    chain
}
