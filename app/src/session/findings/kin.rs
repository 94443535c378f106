//! Who has which number, and who descends from whom. A command may have made tens of thousands of processes, each the child of
//! the one before, and given as many reasons to ask.

use crate::{event::ProcessKey, maps::HashMap, session::Session};

/// Processes as they are known when it is asked for the first time: most runs never ask.
#[derive(Debug, Default)]
pub(super) struct Kin(Option<Known>);

#[derive(Debug)]
struct Known {
    /// The oldest process of each number: the kernel's, or that in its own pid namespace.
    numbers: HashMap<u32, ProcessKey>,
    /// When a walk of the tree comes to each process, and when it has been at the last of its descendants.
    walks: HashMap<ProcessKey, (u32, u32)>,
}

impl Kin {
    fn known(&mut self, session: &Session) -> &Known {
        self.0.get_or_insert_with(|| Known::of(session))
    }

    /// The process with a number.
    pub(super) fn by_number(&mut self, session: &Session, number: u32) -> Option<ProcessKey> {
        self.known(session).numbers.get(&number).copied()
    }

    /// A process was made by another one, directly or not.
    pub(super) fn is_descendant(&mut self, session: &Session, process: ProcessKey, of: ProcessKey) -> bool {
        let walks = &self.known(session).walks;
        let (Some((began, _)), Some((above, until))) = (walks.get(&process), walks.get(&of)) else {
            return false;
        };
        above < began && began <= until
    }
}

impl Known {
    fn of(session: &Session) -> Self {
        let mut numbers = HashMap::default();
        let mut children: HashMap<ProcessKey, Vec<ProcessKey>> = HashMap::default();
        let mut tops = Vec::new();
        for (key, process) in session.processes() {
            for number in [Some(key.tgid), process.namespace_pid].into_iter().flatten() {
                numbers.entry(number).or_insert(key);
            }
            match process.parent.or(process.created_by) {
                // A parent is older than its child, so that there are no circles.
                Some(parent) if parent < key => {
                    if session.process(parent).is_none() && !children.contains_key(&parent) {
                        tops.push(parent);
                    }
                    children.entry(parent).or_default().push(key);
                }
                _ => tops.push(key),
            }
        }
        let mut walks = HashMap::default();
        let mut clock = 0;
        // Who is come to, or left.
        let mut ahead: Vec<_> = tops.into_iter().map(|top| (top, false)).collect();
        while let Some((key, is_left)) = ahead.pop() {
            if is_left {
                walks.entry(key).and_modify(|(_, until)| *until = clock);
                continue;
            }
            clock += 1;
            walks.insert(key, (clock, clock));
            if let Some(children) = children.get(&key) {
                ahead.push((key, true));
                ahead.extend(children.iter().map(|child| (*child, false)));
            }
        }
        Self { numbers, walks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::samples::*;

    fn key(number: u32) -> ProcessKey {
        ProcessKey { start: u64::from(number), tgid: number }
    }

    #[test]
    fn descendants() {
        let mut session = Session::new();
        for (child, parent) in [(2, 1), (3, 2), (4, 1), (5, 4), (6, 3)] {
            session.apply(&event(u64::from(child), key(parent), fork(key(child), key(parent), 0)));
        }
        let mut kin = Kin::default();
        let above = |process: u32| -> Vec<u32> {
            (1..=6).filter(|of| kin.is_descendant(&session, key(process), key(*of))).collect()
        };
        let all: Vec<_> = (1..=6).map(above).collect();
        assert_eq!(all, [vec![], vec![1], vec![1, 2], vec![1], vec![1, 4], vec![1, 2, 3]]);
    }

    /// Without recursion, and in a time that does not grow with the depth.
    #[test]
    fn a_very_deep_tree() {
        let mut session = Session::new();
        for child in 2..20_000 {
            let parent = key(child - 1);
            session.apply(&event(u64::from(child), parent, fork(key(child), parent, 0)));
        }
        let mut kin = Kin::default();
        for child in 2..20_000 {
            assert!(kin.is_descendant(&session, key(child), key(1)));
            assert!(!kin.is_descendant(&session, key(1), key(child)));
        }
    }
}
