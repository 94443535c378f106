//! Texts and paths out of the pieces that were sent.

use glasshouse_common::flags;

use crate::event::{
    Observed, PathSource, ResolvedPath, Unreadable,
    marks::{Cut, CutBy, put_cut},
};

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

/// Strings that end with NUL each, of the last of which there may be only the beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Strings {
    pub(super) bytes: Vec<u8>,
    /// The last one is cut.
    pub(super) cut: Option<Cut>,
}

/// The strings that a text consists of; `count` is how many there should be, and becomes the length of a cut list, `limit`
/// how many bytes are sent of them.
pub(super) fn strings(text: Option<Text>, count: u32, limit: u32) -> Observed<Strings> {
    let Some(text) = text else {
        return if count == 0 {
            Observed::Complete(Strings::default())
        } else {
            Observed::Unreadable(Unreadable::Lost)
        };
    };
    let (total, flags) = (u64::from(text.total), text.flags);
    let is_whole = text.bytes.len() as u64 == total;
    let bytes = match plain_text(Some(text)) {
        Observed::Complete(bytes) if is_whole => return Observed::Complete(Strings { bytes, cut: None }),
        Observed::Complete(bytes) | Observed::Truncated { value: bytes, .. } => bytes,
        Observed::Unreadable(why) => return Observed::Unreadable(why),
    };
    let why = if flags & flags::TEXT_UNREADABLE != 0 {
        CutBy::Fault
    } else if bytes.len() as u64 >= u64::from(limit) {
        CutBy::Limit
    } else {
        CutBy::Lost
    };
    let ends = bytes.iter().filter(|byte| **byte == 0).count() as u64;
    let last = bytes.iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
    // The last one of all takes up what is left but for its NUL.
    let length = (ends + 1 == u64::from(count)).then(|| total.checked_sub(last as u64 + 1)).flatten();
    let cut = (last < bytes.len()).then_some(Cut { why, length });
    Observed::Truncated { value: Strings { bytes, cut }, length: u64::from(count) }
}

impl Strings {
    pub(super) fn split(&self) -> Vec<Vec<u8>> {
        if self.bytes.is_empty() {
            return Vec::new();
        }
        let bytes = self.bytes.strip_suffix(b"\0").unwrap_or(&self.bytes);
        let mut strings: Vec<_> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        if let Some((last, cut)) = strings.last_mut().zip(self.cut) {
            put_cut(last, cut);
        }
        strings
    }
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
