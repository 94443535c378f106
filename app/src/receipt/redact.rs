//! Removes what a pattern matches before it reaches the receipt.

use std::ops::Range;

use regex::bytes::Regex;

/// What stands for a removed part.
pub(super) const REDACTED: &[u8] = b"[redacted]";

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

/// A redacted environment string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RedactedVariable {
    /// The value, with what was removed replaced.
    Value(Vec<u8>),
    /// A string without an equals sign, with what was removed replaced.
    Name(Vec<u8>),
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

    /// A text without what matches; `None` when nothing does.
    pub(super) fn text(&self, text: &[u8]) -> Option<Vec<u8>> {
        let matches = self.matches(text);
        (!matches.is_empty()).then(|| replace(text, 0, &matches))
    }

    /// A message for people without what matches; `None` when nothing does.
    pub fn message(&self, text: &str) -> Option<String> {
        self.text(text.as_bytes()).map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// An environment string (`NAME=value`) without what matches; `None` when nothing does. A match that lies within
    /// the name removes the whole value: who names a variable means what is in it.
    pub(super) fn variable(&self, string: &[u8]) -> Option<RedactedVariable> {
        let mut matches = self.matches(string);
        if matches.is_empty() {
            return None;
        }
        let Some(equals) = string.iter().position(|byte| *byte == b'=') else {
            return Some(RedactedVariable::Name(replace(string, 0, &matches)));
        };
        let value = equals + 1;
        if matches.iter().any(|found| found.end <= value) {
            return Some(RedactedVariable::Value(REDACTED.to_vec()));
        }
        for found in &mut matches {
            found.start = found.start.max(value);
        }
        Some(RedactedVariable::Value(replace(string, value, &matches)))
    }

    /// All matches of all patterns, in order; those that overlap or touch are one.
    fn matches(&self, text: &[u8]) -> Vec<Range<usize>> {
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

/// `text` from `start`, with each match replaced.
fn replace(text: &[u8], start: usize, matches: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = start;
    for found in matches {
        out.extend_from_slice(&text[at..found.start]);
        out.extend_from_slice(REDACTED);
        at = found.end;
    }
    out.extend_from_slice(&text[at..]);
    out
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
        let check = |patterns: &[&str], text: &[u8], expected: Option<&[u8]>| {
            assert_eq!(redactor(patterns).text(text).as_deref(), expected, "{patterns:?}");
        };
        check(&["s3cret"], b"--password=s3cret!", Some(b"--password=[redacted]!"));
        check(&["s3cret"], b"nothing", None);
        check(&["x*"], b"aaa", None);
        check(&["abc", "bcd", "z"], b"-abcd-z-", Some(b"-[redacted]-[redacted]-"));
        check(&["(?-u)\\xff+"], b"a\xff\xffb", Some(b"a[redacted]b"));
    }

    #[test]
    fn variables() {
        let check = |pattern: &str, string: &[u8], expected: Option<&[u8]>| {
            let expected = expected.map(|value| RedactedVariable::Value(value.to_vec()));
            assert_eq!(redactor(&[pattern]).variable(string), expected, "{pattern}");
        };
        check("hunter2", b"PASS=is hunter2.", Some(b"is [redacted]."));
        check("PASS", b"MY_PASS=anything", Some(REDACTED));
        check("PASS=", b"PASS=anything", Some(REDACTED));
        check("PASS=\\w+", b"PASS=one two", Some(b"[redacted] two"));
        check("nothing", b"PASS=one", None);
        let name = redactor(&["key"]).variable(b"a key");
        assert_eq!(name, Some(RedactedVariable::Name(b"a [redacted]".to_vec())));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let text = |pattern: &str| Redactor::new(&[pattern.into()]).unwrap_err().to_string();
        assert!(text("(oops").starts_with("the --redact pattern '(oops' cannot be used: unclosed group;"));
        assert!(text("").contains("it is empty"));
        assert!(!text("[z").contains('\n'));
    }
}
