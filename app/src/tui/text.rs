//! Texts that fit into cells of a terminal.
//!
//! Whatever a program chose is made harmless first ([`clean`]). Widths are those of terminal cells, by grapheme: a wide
//! character takes two cells and is never cut in half.

use std::borrow::Cow;

use humansize::{BINARY, FormatSizeOptions, SizeFormatter};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    event::{Observed, Unreadable, marks},
    summary,
};

/// Bytes that somebody else chose, without anything that a terminal would act on, and as people see what was redacted.
pub fn clean(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\') => {
            Cow::Borrowed(text)
        }
        _ => Cow::Owned(summary::escape(&marks::shown(bytes))),
    }
}

/// The same of an argument or a variable, of which there may be only the beginning.
pub fn clean_listed(bytes: &[u8]) -> Cow<'_, str> {
    match marks::without_cut(bytes) {
        (known, Some(_)) => Cow::Owned(format!("{}…", clean(known))),
        (known, None) => clean(known),
    }
}

/// The same of a text that may not be known.
pub fn clean_observed<T: AsRef<[u8]>>(text: &Observed<T>) -> String {
    match text {
        Observed::Complete(text) => clean(text.as_ref()).into_owned(),
        Observed::Truncated { value, .. } => format!("{}…", clean(value.as_ref())),
        Observed::Unreadable(why) => format!("({})", unknown(*why)),
    }
}

fn unknown(why: Unreadable) -> &'static str {
    match why {
        Unreadable::Lost => "lost",
        Unreadable::Fault(_) => "not readable",
        Unreadable::NotAvailable => "not told by this kernel",
        Unreadable::Absent => "none",
        Unreadable::Gone => "gone",
        Unreadable::Changed => "changed since",
        Unreadable::NotRegular => "not a regular file",
        Unreadable::Io(_) => "refused",
        Unreadable::TimedOut => "took too long",
        Unreadable::Ended => "observation ended",
    }
}

/// Cells that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `cells` cells, with `ellipsis` in the place of its end if that did not fit.
pub fn shorten_end<'a>(text: &'a str, cells: usize, ellipsis: &str) -> Cow<'a, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let Some(room) = cells.checked_sub(width(ellipsis)) else { return Cow::Borrowed("") };
    Cow::Owned(format!("{}{ellipsis}", prefix(text, room)))
}

/// The text in at most `cells` cells, with `ellipsis` in its middle if it did not fit. Of a path the end says most: it
/// keeps two thirds.
pub fn shorten_middle<'a>(text: &'a str, cells: usize, ellipsis: &str) -> Cow<'a, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let Some(room) = cells.checked_sub(width(ellipsis)) else { return Cow::Borrowed("") };
    let end = suffix(text, room - room / 3);
    let begin = prefix(text, room - width(end));
    Cow::Owned(format!("{begin}{ellipsis}{end}"))
}

/// The longest beginning that fits.
fn prefix(text: &str, cells: usize) -> &str {
    let mut taken = 0;
    let end = text.grapheme_indices(true).find(|(_, grapheme)| {
        taken += width(grapheme);
        taken > cells
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// The longest end that fits.
fn suffix(text: &str, cells: usize) -> &str {
    let mut taken = 0;
    let begin = text.grapheme_indices(true).rev().find(|(_, grapheme)| {
        taken += width(grapheme);
        taken > cells
    });
    begin.map_or(text, |(at, grapheme)| &text[at + grapheme.len()..])
}

/// The text with blanks behind it, in exactly `cells` cells unless it is longer.
pub fn pad(text: &str, cells: usize) -> String {
    format!("{text}{}", " ".repeat(cells.saturating_sub(width(text))))
}

/// The text with blanks before it.
pub fn pad_left(text: &str, cells: usize) -> String {
    format!("{}{text}", " ".repeat(cells.saturating_sub(width(text))))
}

/// A number of bytes: `4.1 MiB`, at most 9 cells.
pub fn size(bytes: u64) -> String {
    let places = usize::from(bytes >= 1024);
    SizeFormatter::new(bytes, FormatSizeOptions::from(BINARY).decimal_places(places)).to_string()
}

/// A number in full: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number in at most 5 cells: `999`, `1.2k`, `48k`, `3.4M`.
pub fn short_count(number: u64) -> String {
    let units = [(1_000_000_000_u64, "G"), (1_000_000, "M"), (1_000, "k")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| number >= *unit) else {
        return number.to_string();
    };
    let tenths = number / (unit / 10);
    if tenths < 100 {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    } else {
        format!("{}{name}", tenths / 10)
    }
}

/// A point in time, from nanoseconds since the start: `00:12.4`, from an hour on `1:02:03`.
pub fn clock(ns: u64) -> String {
    let tenths = ns / 100_000_000;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    if hours > 0 {
        format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60)
    } else {
        format!("{minutes:02}:{:02}.{tenth}", seconds % 60)
    }
}

/// A duration of nanoseconds: `0.3ms`, `12.4s`, `2m04s`, `1h02m`; at most 6 cells.
pub fn lasted(ns: u64) -> String {
    let milliseconds = ns / 1_000_000;
    let seconds = milliseconds / 1000;
    match seconds {
        0 if milliseconds < 10 => format!("{milliseconds}.{}ms", ns / 100_000 % 10),
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}.{}s", milliseconds / 100 % 10),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_a_path_stays() {
        assert_eq!(shorten_middle("/usr/share/applications/tool.desktop", 20, "…"), "/usr/s…/tool.desktop");
        assert_eq!(shorten_middle("/etc/passwd", 20, "…"), "/etc/passwd");
        assert_eq!(shorten_end("/etc/passwd", 6, "…"), "/etc/…");
        assert_eq!(shorten_end("/etc/passwd", 0, "…"), "");
    }

    #[test]
    fn wide_characters_are_not_cut() {
        assert_eq!(shorten_end("漢字漢字", 6, "…"), "漢字…");
        assert_eq!(shorten_end("漢字漢字", 5, "…"), "漢字…");
        assert_eq!(shorten_end("漢字漢字", 4, "…"), "漢…");
    }

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        assert_eq!(clean(b"a\x1b[31mb\n"), "a\\x1b[31mb\\n");
        assert_eq!(clean("x\u{202e}y".as_bytes()), "x\\u{202e}y");
        assert_eq!(clean(b"\xff"), "\\xff");
        assert_eq!(clean(b"/srv/\0[redacted#12]/a"), "/srv/[redacted]/a");
        assert_eq!(clean("漢字".as_bytes()), "漢字");
    }

    #[test]
    fn numbers() {
        let counts = [0, 999, 1000, 48_213, 999_999, 1_234_567].map(short_count);
        assert_eq!(counts, ["0", "999", "1.0k", "48k", "999k", "1.2M"]);
        assert_eq!([0, 1000, 1_234_567].map(count), ["0", "1,000", "1,234,567"]);
        assert_eq!([0, 312, 4_299_162].map(size), ["0 B", "312 B", "4.1 MiB"]);
        assert_eq!([0, 12_400_000_000, 3_723_000_000_000].map(clock), ["00:00.0", "00:12.4", "1:02:03"]);
        let durations = [300_000, 12_000_000, 12_400_000_000, 124_000_000_000, 3_720_000_000_000].map(lasted);
        assert_eq!(durations, ["0.3ms", "12ms", "12.4s", "2m04s", "1h02m"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in ".{0,40}", cells in 0_usize..30) {
            let text = clean(text.as_bytes());
            prop_assert!(width(&shorten_end(&text, cells, "…")) <= cells);
            prop_assert!(width(&shorten_middle(&text, cells, "...")) <= cells);
        }

        #[test]
        fn nothing_harmful_is_left(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(clean(&bytes).chars().all(|char| !char.is_control()));
        }
    }
}
