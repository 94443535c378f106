//! Paths that programs gave, made absolute.

use glasshouse_common::{flags, kind};

use super::texts::{Text, Texts, plain_text, resolved_path};
use crate::event::{Observed, PathSource, ResolvedPath, Unreadable};

/// A path of which nothing arrived.
pub(in crate::observe) fn lost() -> ResolvedPath {
    by_argument(Observed::Unreadable(Unreadable::Lost))
}

pub(super) fn by_argument(path: Observed<Vec<u8>>) -> ResolvedPath {
    ResolvedPath { path, in_root: None, source: PathSource::Argument, unlinked: false, unreachable: false }
}

/// The two paths of a call, as far as it has them. Of each whether it means, when it is empty, what its descriptor leads to.
pub(super) fn paths(
    bits: u32,
    texts: &mut Texts,
    empty_is_descriptor: [bool; 2],
) -> (Option<ResolvedPath>, Option<ResolvedPath>) {
    let base = (bits & flags::CHANGE_BASE != 0).then(|| texts.remove(kind::TEXT_BASE));
    let path = if bits & flags::CHANGE_RESOLVED != 0 {
        Some(reached(resolved_path(base.flatten())))
    } else {
        (bits & flags::CHANGE_ARGUMENT != 0).then(|| {
            let given = Given {
                has_base: bits & flags::CHANGE_NO_BASE == 0,
                base_is_root: bits & flags::CHANGE_IN_ROOT != 0,
                empty_is_descriptor: empty_is_descriptor[0],
            };
            given.path(base, texts.remove(kind::TEXT_ARGUMENT))
        })
    };
    let new_base = (bits & flags::CHANGE_NEW_BASE != 0).then(|| texts.remove(kind::TEXT_NEW_BASE));
    let new_path = (bits & flags::CHANGE_NEW_ARGUMENT != 0).then(|| {
        let given = Given {
            has_base: bits & flags::CHANGE_NO_BASE << 2 == 0,
            base_is_root: false,
            empty_is_descriptor: empty_is_descriptor[1],
        };
        given.path(new_base, texts.remove(kind::TEXT_NEW_ARGUMENT))
    });
    (path, new_path)
}

/// How a path was given.
#[derive(Clone, Copy)]
struct Given {
    /// What it is relative to is open.
    has_base: bool,
    /// That stands for the root directory.
    base_is_root: bool,
    /// Without a text it is what the descriptor leads to, and not what no name is.
    empty_is_descriptor: bool,
}

impl Given {
    fn path(self, base: Option<Option<Text>>, argument: Option<Text>) -> ResolvedPath {
        let is_empty = argument
            .as_ref()
            .is_some_and(|text| text.bytes.is_empty() && text.flags & flags::TEXT_UNREADABLE == 0);
        if is_empty && !self.empty_is_descriptor {
            return by_argument(Observed::Complete(Vec::new()));
        }
        if self.has_base {
            return join_argument(base, argument, self.base_is_root);
        }
        if is_empty {
            return by_argument(Observed::Unreadable(Unreadable::NotAvailable));
        }
        // As it was given: a slash would have led to the root directory, or to what was to stand for it.
        by_argument(plain_text(argument).map(|text| {
            let slashes = text.iter().take_while(|byte| **byte == b'/').count();
            text[slashes..].to_vec()
        }))
    }
}

/// A path argument, made absolute against what it is relative to: nothing but its own slash if `base` is absent. With
/// `is_root` that stands for the root directory.
pub(super) fn join_argument(
    base: Option<Option<Text>>,
    argument: Option<Text>,
    is_root: bool,
) -> ResolvedPath {
    let argument = plain_text(argument);
    let Some(base) = base else { return by_argument(argument.map(|text| normal(b"", &text))) };
    let base = resolved_path(base);
    let (Observed::Complete(root) | Observed::Truncated { value: root, .. }) = &base.path else {
        return match argument.value() {
            Some(_) => lost(),
            None => by_argument(argument),
        };
    };
    let is_absolute = argument.value().is_some_and(|text| text.starts_with(b"/"));
    // `..` does not lead out of the process's own root directory.
    let (outside, inside): (&[u8], &[u8]) = match &base.in_root {
        _ if is_absolute || is_root => (root, b""),
        // The root directory itself.
        Some(inside) if inside == b"/" => (root, b""),
        Some(inside) if root.ends_with(inside) => (&root[..root.len() - inside.len()], inside),
        _ => (b"", root),
    };
    let outside = outside.strip_suffix(b"/").unwrap_or(outside);
    let in_root = (!outside.is_empty() || base.in_root.is_some())
        .then(|| argument.value().map(|text| normal(inside, text)))
        .flatten();
    let in_root = if is_root {
        let own = base.in_root.as_ref().zip(in_root);
        own.map(|(own, below)| normal(own, &below))
    } else {
        in_root
    };
    let path = argument.map(|text| {
        let inside = normal(inside, &text);
        match outside {
            b"" => inside,
            _ if inside == b"/" => outside.to_vec(),
            _ => [outside, &inside].concat(),
        }
    });
    let path = match (path, &base.path) {
        (Observed::Complete(value), Observed::Truncated { length, .. }) => {
            // What the argument has added or taken back.
            let length = length.saturating_add(value.len() as u64).saturating_sub(root.len() as u64);
            Observed::Truncated { length, value }
        }
        (path, _) => path,
    };
    let unlinked = base.unlinked;
    reached(ResolvedPath {
        path,
        in_root,
        source: PathSource::Argument,
        unlinked,
        unreachable: base.unreachable,
    })
}

/// The same path, but without a slash at its beginning where that is not the root directory: what has no name (a pipe, a
/// memfd), a mount that is nowhere.
fn reached(path: ResolvedPath) -> ResolvedPath {
    if !path.unreachable {
        return path;
    }
    let relative = path.path.map(|path| match path.strip_prefix(b"/").unwrap_or(&path) {
        b"" => b".".to_vec(),
        relative => relative.to_vec(),
    });
    ResolvedPath { path: relative, ..path }
}

/// `path` below `base`, without `.`, `..` and doubled slashes: by its letters alone, so that a `..` behind a symbolic
/// link is taken back the way it was written.
pub(super) fn normal(base: &[u8], path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(base.len() + path.len() + 2);
    for path in [base, path] {
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => normal.truncate(normal.iter().rposition(|byte| *byte == b'/').unwrap_or_default()),
                name => {
                    normal.push(b'/');
                    normal.extend_from_slice(name);
                }
            }
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], in_root: u32) -> Option<Text> {
        Some(Text { bytes: bytes.to_vec(), total: bytes.len() as u32, in_root, ..Text::default() })
    }

    fn joined(base: Option<&[u8]>, in_root: u32, argument: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let path = join_argument(base.map(|base| text(base, in_root)), text(argument, u32::MAX), false);
        let Observed::Complete(value) = path.path else { panic!("{:?}", path.path) };
        (value, path.in_root)
    }

    #[test]
    fn arguments_are_made_absolute() {
        let whole = u32::MAX;
        assert_eq!(joined(None, whole, b"//a/./b/../c/"), (b"/a/c".to_vec(), None));
        assert_eq!(joined(None, whole, b"/../.."), (b"/".to_vec(), None));
        assert_eq!(joined(Some(b"work\0home\0"), 10, b"x/../../y"), (b"/home/y".to_vec(), None));
        assert_eq!(joined(Some(b"work\0home\0"), 10, b"."), (b"/home/work".to_vec(), None));
    }

    #[test]
    fn a_root_directory_of_its_own_is_not_left() {
        // cwd /jail/a, root /jail.
        let cwd: &[u8] = b"a\0jail\0";
        assert_eq!(joined(Some(cwd), 2, b"b"), (b"/jail/a/b".to_vec(), Some(b"/a/b".to_vec())));
        assert_eq!(joined(Some(cwd), 2, b"../../../b"), (b"/jail/b".to_vec(), Some(b"/b".to_vec())));
        // From the root directory itself.
        assert_eq!(joined(Some(b"jail\0"), 0, b"../b"), (b"/jail/b".to_vec(), Some(b"/b".to_vec())));
        // An absolute path, relative to the root itself.
        assert_eq!(joined(Some(b"jail\0"), 0, b"/etc/../b"), (b"/jail/b".to_vec(), Some(b"/b".to_vec())));
        assert_eq!(joined(Some(b"jail\0"), 0, b"/"), (b"/jail".to_vec(), Some(b"/".to_vec())));
    }

    #[test]
    fn a_directory_that_stands_for_the_root_is_not_left() {
        let joined = |base: &[u8], in_root, argument| {
            let path = join_argument(Some(text(base, in_root)), text(argument, u32::MAX), true);
            (path.path, path.in_root)
        };
        assert_eq!(joined(b"a\0w\0", u32::MAX, b"/../b"), (Observed::Complete(b"/w/a/b".to_vec()), None));
        assert_eq!(joined(b"a\0w\0", u32::MAX, b"../../b"), (Observed::Complete(b"/w/a/b".to_vec()), None));
        assert_eq!(
            joined(b"a\0jail\0", 2, b"/b"),
            (Observed::Complete(b"/jail/a/b".to_vec()), Some(b"/a/b".to_vec()))
        );
        assert_eq!(joined(b"", u32::MAX, b"/b"), (Observed::Complete(b"/b".to_vec()), None));
    }

    #[test]
    fn what_no_name_leads_to_has_no_absolute_path() {
        let joined = |base: &[u8], argument| {
            let base = Text { flags: flags::PATH_UNREACHABLE, ..text(base, u32::MAX).unwrap_or_default() };
            let path = join_argument(Some(Some(base)), text(argument, u32::MAX), false);
            (path.path, path.unreachable)
        };
        assert_eq!(joined(b"memfd:a\0", b"b"), (Observed::Complete(b"memfd:a/b".to_vec()), true));
        assert_eq!(joined(b"", b"../b"), (Observed::Complete(b"b".to_vec()), true));
        assert_eq!(joined(b"c\0a\0", b"../b"), (Observed::Complete(b"a/b".to_vec()), true));
        assert_eq!(joined(b"", b"."), (Observed::Complete(b".".to_vec()), true));
    }

    #[test]
    fn a_path_that_is_empty_or_relative_to_nothing() {
        let nothing = Given { has_base: false, base_is_root: false, empty_is_descriptor: false };
        let path = |given: Given, argument| given.path(Some(text(b"a\0", 2)), text(argument, u32::MAX)).path;
        assert_eq!(path(nothing, b"../b"), Observed::Complete(b"../b".to_vec()));
        assert_eq!(path(Given { base_is_root: true, ..nothing }, b"/b"), Observed::Complete(b"b".to_vec()));
        assert_eq!(path(nothing, b""), Observed::Complete(Vec::new()));
        assert_eq!(path(Given { has_base: true, ..nothing }, b""), Observed::Complete(Vec::new()));
        let by_descriptor = Given { empty_is_descriptor: true, ..nothing };
        assert_eq!(path(by_descriptor, b""), Observed::Unreadable(Unreadable::NotAvailable));
        let open = Given { has_base: true, ..by_descriptor };
        assert_eq!(path(open, b""), Observed::Complete(b"/a".to_vec()));
    }

    #[test]
    fn what_was_lost_is_said() {
        let base_lost = join_argument(Some(None), text(b"x", u32::MAX), false);
        assert_eq!(base_lost.path, Observed::Unreadable(Unreadable::Lost));
        let argument_lost = join_argument(None, None, false);
        assert_eq!(argument_lost.path, Observed::Unreadable(Unreadable::Lost));
    }
}
