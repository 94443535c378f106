//! Texts and paths out of the pieces that were sent.

use glasshouse_common::flags;

use crate::event::{Observed, PathSource, ResolvedPath, Unreadable};

/// A text that is complete, or as complete as it will be.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) flags: u16,
    pub(super) errno: u32,
    pub(super) total: u32,
    pub(super) in_root: u32,
}

/// The texts of one record, by which they are: a handful at most.
#[derive(Debug, Default)]
pub(super) struct Texts(Vec<(u16, Text)>);

impl Texts {
    /// The text of a kind, an empty one if there was none.
    pub(super) fn of(&mut self, which: u16) -> &mut Text {
        let at = self.0.iter().position(|(kind, _)| *kind == which).unwrap_or_else(|| {
            self.0.push((which, Text::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    pub(super) fn get(&self, which: u16) -> Option<&Text> {
        self.0.iter().find(|(kind, _)| *kind == which).map(|(_, text)| text)
    }

    pub(super) fn remove(&mut self, which: u16) -> Option<Text> {
        let at = self.0.iter().position(|(kind, _)| *kind == which)?;
        Some(self.0.swap_remove(at).1)
    }
}

/// A string that was sent as it is.
pub(super) fn plain_text(text: Option<Text>) -> Observed<Vec<u8>> {
    let Some(text) = text else { return Observed::Unreadable(Unreadable::Lost) };
    if text.flags & flags::TEXT_UNREADABLE != 0 && text.bytes.is_empty() {
        return Observed::Unreadable(Unreadable::Fault(text.errno as i32));
    }
    let length = u64::from(text.total).max(text.bytes.len() as u64);
    if text.flags & (flags::TEXT_TRUNCATED | flags::TEXT_UNREADABLE) != 0 {
        return Observed::Truncated { value: text.bytes, length };
    }
    Observed::Complete(text.bytes)
}

/// Strings that end with NUL each; `count` is how many there should be, and becomes the length of a cut list.
pub(super) fn strings(text: Option<Text>, count: u32) -> Observed<Vec<u8>> {
    let Some(text) = text else {
        return if count == 0 {
            Observed::Complete(Vec::new())
        } else {
            Observed::Unreadable(Unreadable::Lost)
        };
    };
    let is_whole = text.bytes.len() == text.total as usize;
    match plain_text(Some(text)) {
        Observed::Truncated { value, .. } => Observed::Truncated { value, length: u64::from(count) },
        Observed::Complete(value) if !is_whole => Observed::Truncated { value, length: u64::from(count) },
        other => other,
    }
}

pub(super) fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// Components, leaf first, each ended by NUL, to an absolute path.
fn join(components: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(components.len() + 1);
    for component in components.split(|byte| *byte == 0).rev().filter(|component| !component.is_empty()) {
        // The name of a disconnected root is a slash by itself.
        if component != b"/" {
            path.push(b'/');
            path.extend_from_slice(component);
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// A path as it was walked, and what was noted on the way.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    /// Leaf first, each ended by NUL.
    pub(super) components: &'a [u8],
    pub(super) flags: u16,
    pub(super) errno: u32,
    pub(super) total: u32,
    pub(super) in_root: u32,
}

pub(super) fn resolved_path(text: Option<Text>) -> ResolvedPath {
    match text {
        Some(Text { bytes, flags, errno, total, in_root }) => {
            walked_path(Walk { components: &bytes, flags, errno, total, in_root })
        }
        None => ResolvedPath {
            path: Observed::Unreadable(Unreadable::Lost),
            in_root: None,
            source: PathSource::Kernel,
            unlinked: false,
            unreachable: false,
        },
    }
}

pub(super) fn walked_path(walk: Walk<'_>) -> ResolvedPath {
    let in_root = walk.components.get(..walk.in_root as usize);
    ResolvedPath {
        path: if walk.flags & flags::TEXT_UNREADABLE != 0 {
            Observed::Unreadable(Unreadable::Fault(walk.errno as i32))
        } else if walk.flags & flags::TEXT_TRUNCATED != 0 {
            Observed::Truncated { length: u64::from(walk.total), value: join(walk.components) }
        } else {
            Observed::Complete(join(walk.components))
        },
        in_root: in_root.filter(|inside| inside.len() < walk.components.len()).map(join),
        source: PathSource::Kernel,
        unlinked: walk.flags & flags::PATH_UNLINKED != 0,
        unreachable: walk.flags & flags::PATH_UNREACHABLE != 0,
    }
}

/// A path that only its name is known of, made absolute against the working directory.
pub(super) fn path_from_argument(filename: &Observed<Vec<u8>>, cwd: &ResolvedPath) -> ResolvedPath {
    let absolute = |name: &Vec<u8>| -> Vec<u8> {
        if name.starts_with(b"/") {
            return name.clone();
        }
        let mut path = cwd.path.value().cloned().unwrap_or_default();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name.strip_prefix(b"./").unwrap_or(name));
        path
    };
    ResolvedPath {
        path: filename.as_ref().map(absolute),
        in_root: None,
        source: PathSource::Argument,
        unlinked: false,
        unreachable: false,
    }
}
