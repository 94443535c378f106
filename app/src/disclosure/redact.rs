//! Finds what a pattern matches, and may not be known.

use std::ops::Range;

use regex::bytes::Regex;

use crate::event::marks::REDACTED;

/// Compiled patterns of `--redact`.
#[derive(Clone, Debug)]
pub struct Redactor {
    patterns: Vec<Regex>,
}

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the --redact pattern '{pattern}' cannot be used: {reason}; it is a regular expression, so characters such as \
     ( [ * + ? . stand for themselves only after a backslash"
)]
pub struct RedactError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What matches of an environment string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    /// Nothing.
    None,
    /// Parts of a string without an equals sign.
    Name(Vec<Range<usize>>),
    /// Parts of the value; of the whole string these.
    Value(Vec<Range<usize>>),
}

impl Redactor {
    /// Compiles the patterns: regular expressions that are matched against bytes.
    ///
    /// # Errors
    ///
    /// [`RedactError`] names the first pattern that is empty, too large or not a regular expression.
    pub fn new(patterns: &[String]) -> Result<Self, RedactError> {
        patterns
            .iter()
            .map(|pattern| compile(pattern))
            .collect::<Result<_, _>>()
            .map(|patterns| Self { patterns })
    }

    /// A message for people without what matches; `None` when nothing does.
    pub fn message(&self, text: &str) -> Option<String> {
        let matches = self.matches(text.as_bytes());
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        for found in &matches {
            out.extend_from_slice(&text.as_bytes()[at..found.start]);
            out.extend_from_slice(REDACTED.as_bytes());
            at = found.end;
        }
        out.extend_from_slice(&text.as_bytes()[at..]);
        (!matches.is_empty()).then(|| String::from_utf8_lossy(&out).into_owned())
    }

    /// What matches of an environment string (`NAME=value`). A match that lies within the name removes the whole value:
    /// who names a variable means what is in it.
    pub(super) fn variable(&self, string: &[u8]) -> Matches {
        let mut matches = self.matches(string);
        if matches.is_empty() {
            return Matches::None;
        }
        let Some(equals) = string.iter().position(|byte| *byte == b'=') else {
            return Matches::Name(matches);
        };
        let value = equals + 1;
        if matches.iter().any(|found| found.end <= value) {
            return Matches::Value(std::iter::once(value..string.len()).collect());
        }
        for found in &mut matches {
            found.start = found.start.max(value);
        }
        Matches::Value(matches)
    }

    /// All matches of all patterns, in order; those that overlap or touch are one.
    pub(super) fn matches(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<_> = self
            .patterns
            .iter()
            .flat_map(|pattern| pattern.find_iter(text))
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
            .collect();
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }
}

fn compile(pattern: &str) -> Result<Regex, RedactError> {
    let error = |reason: &str| RedactError { pattern: pattern.into(), reason: reason.into() };
    if pattern.is_empty() {
        return Err(error("it is empty"));
    }
    Regex::new(pattern).map_err(|cause| {
        // The text of a syntax error is a drawing of several lines; its last one says what is wrong.
        let text = cause.to_string();
        error(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn redactor(patterns: &[&str]) -> Redactor {
        Redactor::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn texts() {
        let check = |patterns: &[&str], text: &str, expected: Option<&str>| {
            assert_eq!(redactor(patterns).message(text).as_deref(), expected, "{patterns:?}");
        };
        check(&["s3cret"], "--password=s3cret!", Some("--password=[redacted]!"));
        check(&["s3cret"], "nothing", None);
        check(&["x*"], "aaa", None);
        check(&["abc", "bcd", "z"], "-abcd-z-", Some("-[redacted]-[redacted]-"));
        assert_eq!(redactor(&["(?-u)\\xff+"]).matches(b"a\xff\xffb").first(), Some(&(1..3)));
    }

    #[test]
    fn variables() {
        let check = |pattern: &str, string: &[u8], expected: Option<Range<usize>>| {
            let expected =
                expected.map_or(Matches::None, |range| Matches::Value(Vec::from_iter(Some(range))));
            assert_eq!(redactor(&[pattern]).variable(string), expected, "{pattern}");
        };
        check("hunter2", b"PASS=is hunter2.", Some(8..15));
        check("PASS", b"MY_PASS=anything", Some(8..16));
        check("PASS=", b"PASS=anything", Some(5..13));
        check("PASS=\\w+", b"PASS=one two", Some(5..8));
        check("nothing", b"PASS=one", None);
        let name = redactor(&["key"]).variable(b"a key");
        assert_eq!(name, Matches::Name(Vec::from_iter(Some(2..5))));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let text = |pattern: &str| Redactor::new(&[pattern.into()]).unwrap_err().to_string();
        assert!(text("(oops").starts_with("the --redact pattern '(oops' cannot be used: unclosed group;"));
        assert!(text("").contains("it is empty"));
        assert!(!text("[z").contains('\n'));
    }
}
