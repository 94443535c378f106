//! Marks: what stands in a text for what may not be known of it.
//!
//! A mark begins with a NUL, which no path, argument or variable can have in it. Texts that can (names of unix sockets,
//! what peers said) have whatever looks like a mark removed as if it had matched.

use std::borrow::Cow;

/// What people see in the place of a part that was removed.
pub const REDACTED: &str = "[redacted]";

/// The beginning of the mark of a part that was removed; its number and a closing bracket follow.
pub const REMOVED: &[u8] = b"\0[redacted#";
const MARK_END: u8 = b']';

/// The beginning of the mark of a value that was hashed; the SHA-256 of the value follows, in hexadecimal, or the mark of
/// a removed part.
pub const HASHED: &[u8] = b"\0sha256:";

/// The beginning of the mark at the end of an argument or a variable of which only the beginning is known; why, a `#`, its
/// true length where that is known, and a closing bracket follow.
pub const CUT: &[u8] = b"\0[cut:";

/// Of an argument or a variable only the beginning is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Why.
    pub why: CutBy,
    /// The true length of all of it, bytes.
    pub length: Option<u64>,
}

/// What an argument or a variable was cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutBy {
    /// What is read of an exec's arguments, or of its environment, is limited.
    Limit,
    /// The rest could not be read.
    Fault,
    /// The record that carried the rest found no room.
    Lost,
}

impl CutBy {
    const ALL: [(Self, &str); 3] = [(Self::Limit, "limit"), (Self::Fault, "fault"), (Self::Lost, "lost")];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(by, _)| *by == self).map_or("", |(_, word)| word)
    }
}

/// Marks an argument or a variable as the beginning of one.
pub fn put_cut(out: &mut Vec<u8>, cut: Cut) {
    out.extend_from_slice(CUT);
    out.extend_from_slice(cut.why.word().as_bytes());
    out.push(b'#');
    out.extend(cut.length.into_iter().flat_map(|length| length.to_string().into_bytes()));
    out.push(MARK_END);
}

/// An argument or a variable without the mark that it is only the beginning of one, and what that says.
pub fn without_cut(text: &[u8]) -> (&[u8], Option<Cut>) {
    let read = || {
        let at = text.iter().rposition(|byte| *byte == 0)?;
        let (known, mark) = text.split_at(at);
        let mark = mark.strip_prefix(CUT)?.strip_suffix(&[MARK_END])?;
        let (why, length) = str::from_utf8(mark).ok()?.split_once('#')?;
        let (why, _) = *CutBy::ALL.iter().find(|(_, word)| *word == why)?;
        let length = if length.is_empty() { None } else { Some(length.parse().ok()?) };
        Some((known, Some(Cut { why, length })))
    };
    // Few texts have a mark, and it is at the end.
    if text.last() == Some(&MARK_END) { read().unwrap_or((text, None)) } else { (text, None) }
}

/// Adds the mark of a removed part. Parts with the same number were the same.
pub fn put_removed(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(REMOVED);
    out.extend_from_slice(number.to_string().as_bytes());
    out.push(MARK_END);
}

/// A text, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// As it was.
    Known(&'a [u8]),
    /// Removed; the number of what was.
    Removed(u64),
}

/// The parts of a text in which parts may have been removed.
pub fn parts(mut text: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        if let Some((number, rest)) = removed(text) {
            text = rest;
            return Some(Part::Removed(number));
        }
        let known = find(text).unwrap_or(text.len());
        let (part, rest) = text.split_at(known);
        text = rest;
        (!part.is_empty()).then_some(Part::Known(part))
    })
}

/// The text as people see it; borrowed if nothing was removed from it.
pub fn shown(text: &[u8]) -> Cow<'_, [u8]> {
    if find(text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    for part in parts(text) {
        out.extend_from_slice(match part {
            Part::Known(known) => known,
            Part::Removed(_) => REDACTED.as_bytes(),
        });
    }
    Cow::Owned(out)
}

/// Where the first mark of a removed part begins.
pub fn find(text: &[u8]) -> Option<usize> {
    let nuls = text.iter().enumerate().filter(|(_, byte)| **byte == 0);
    nuls.map(|(at, _)| at).find(|at| text.get(*at..).and_then(removed).is_some())
}

/// The number of the removed part whose mark a text begins with, and what is behind it.
fn removed(text: &[u8]) -> Option<(u64, &[u8])> {
    let rest = text.strip_prefix(REMOVED)?;
    let end = rest.iter().position(|byte| *byte == MARK_END)?;
    let number = str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
    Some((number, rest.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_a_beginning_says_so() {
        for cut in [
            Cut { why: CutBy::Limit, length: Some(131_000) },
            Cut { why: CutBy::Fault, length: None },
            Cut { why: CutBy::Lost, length: Some(0) },
        ] {
            let mut text = b"NAME=]".to_vec();
            put_cut(&mut text, cut);
            assert_eq!(without_cut(&text), (&b"NAME=]"[..], Some(cut)));
        }
        for whole in
            [&b""[..], b"x]", b"[cut:limit#3]", b"\0[cut:limit]", b"\0[cut:other#3]", b"\0[cut:limit#-3]"]
        {
            assert_eq!(without_cut(whole), (whole, None));
        }
    }

    #[test]
    fn a_text_comes_in_parts() {
        let mut text = b"/srv/".to_vec();
        put_removed(&mut text, 12);
        put_removed(&mut text, 3);
        text.extend_from_slice(b".txt\0[redacted#x]\0");
        let expected = [
            Part::Known(b"/srv/"),
            Part::Removed(12),
            Part::Removed(3),
            Part::Known(b".txt\0[redacted#x]\0"),
        ];
        assert_eq!(parts(&text).collect::<Vec<_>>(), expected);
        assert_eq!(&*shown(&text), b"/srv/[redacted][redacted].txt\0[redacted#x]\0");
        assert_eq!(shown(b"[redacted#1]"), Cow::Borrowed(b"[redacted#1]"));
        assert_eq!(parts(b"").count(), 0);
    }
}
