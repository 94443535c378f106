//! What narrows a pane: words and `field:value` terms, all of which must hold.
//!
//! `-` before a term turns it round, `"…"` keeps blanks together, `|` separates values of which one is enough:
//! `proc:curl|wget -path:/proc is:failed "two words"`. Letters match in either case; ports and process ids match as a
//! whole, everything else anywhere in the text.

use std::ops::Range;

/// What a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Everything that can be searched.
    Text,
    /// Name of a process.
    Process,
    /// Id of a process.
    Pid,
    /// Path of a file.
    Path,
    /// What was done.
    Operation,
    /// A port.
    Port,
    /// Name of a host.
    Host,
    /// An address.
    Address,
    /// Name or number of a user.
    User,
    /// Name of a system call.
    Call,
    /// Severity of a finding.
    Severity,
}

/// What can be said of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It was denied.
    Denied,
    /// It failed.
    Failed,
    /// It changed something.
    Changed,
    /// It is alive, or open.
    Live,
    /// It is over.
    Ended,
}

const FIELDS: [(&str, Field); 11] = [
    ("proc", Field::Process),
    ("pid", Field::Pid),
    ("path", Field::Path),
    ("op", Field::Operation),
    ("port", Field::Port),
    ("host", Field::Host),
    ("addr", Field::Address),
    ("user", Field::User),
    ("call", Field::Call),
    ("severity", Field::Severity),
    ("text", Field::Text),
];

const CONDITIONS: [(&str, Condition); 5] = [
    ("denied", Condition::Denied),
    ("failed", Condition::Failed),
    ("changed", Condition::Changed),
    ("live", Condition::Live),
    ("ended", Condition::Ended),
];

/// Something that can be asked for.
pub trait Filterable {
    /// Shows the values of a field until `visit` says that one is it; gives back whether one was.
    fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool;
    /// Whether a condition holds.
    fn is(&self, condition: Condition) -> bool;
}

/// A filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    negated: bool,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Has(Field, Vec<Vec<u8>>),
    Is(Vec<Condition>),
}

/// A filter that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// Where, bytes.
    pub at: Range<usize>,
    /// What to type instead.
    pub message: String,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Where it makes no sense, and what would.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut terms = Vec::new();
        for (at, word) in words(text)? {
            terms.push(term(at, &word)?);
        }
        Ok(Self { terms })
    }

    /// It lets everything through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row gets through.
    pub fn matches(&self, row: &dyn Filterable) -> bool {
        self.terms.iter().all(|term| term.negated != term.what.holds(row))
    }
}

impl What {
    fn holds(&self, row: &dyn Filterable) -> bool {
        match self {
            Self::Is(conditions) => conditions.iter().any(|condition| row.is(*condition)),
            Self::Has(field @ (Field::Port | Field::Pid), wanted) => {
                row.values(*field, &mut |value| wanted.iter().any(|wanted| wanted == value))
            }
            Self::Has(field, wanted) => row.values(*field, &mut |value| {
                wanted.iter().any(|wanted| contains_ignoring_case(value, wanted))
            }),
        }
    }
}

/// `wanted` is in lower case.
fn contains_ignoring_case(value: &[u8], wanted: &[u8]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return true };
    value.windows(wanted.len()).any(|window| {
        window[0].to_ascii_lowercase() == *first
            && window[1..].iter().zip(rest).all(|(one, other)| one.to_ascii_lowercase() == *other)
    })
}

/// Words with where they begin, quotes still in them.
fn words(text: &str) -> Result<Vec<(usize, String)>, FilterError> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut quoted: Option<usize> = None;
    let mut in_word = false;
    for (at, char) in text.char_indices() {
        if char == '"' {
            quoted = if quoted.is_some() { None } else { Some(at) };
        } else if char.is_whitespace() && quoted.is_none() {
            in_word = false;
            continue;
        }
        if !in_word {
            words.push((at, String::new()));
            in_word = true;
        }
        if let Some((_, word)) = words.last_mut() {
            word.push(char);
        }
    }
    match quoted {
        Some(at) => Err(FilterError {
            at: at..text.len(),
            message: "the quote is not closed; type \" at its end".into(),
        }),
        None => Ok(words),
    }
}

fn term(at: usize, word: &str) -> Result<Term, FilterError> {
    let (negated, body) = match word.strip_prefix(['-', '!']) {
        Some(body) if !body.is_empty() => (true, body),
        _ => (false, word),
    };
    let begins = at + word.len() - body.len();
    let named = body
        .split_once(':')
        .filter(|(name, _)| !name.is_empty() && name.chars().all(|char| char.is_ascii_alphabetic()));
    let what = match named {
        None => What::Has(Field::Text, vec![unquoted(body)]),
        Some(("is", value)) => What::Is(conditions(begins + 3, value)?),
        Some((name, value)) => match FIELDS.iter().find(|(known, _)| *known == name) {
            Some((_, field)) if !value.is_empty() => {
                What::Has(*field, value.split('|').filter(|value| !value.is_empty()).map(unquoted).collect())
            }
            Some(_) => {
                let message = format!("what {name} is to be is missing; type {name}:VALUE");
                return Err(FilterError { at: begins..begins + body.len(), message });
            }
            // An address or a URL has colons too.
            None if body.contains("::") || body.contains("//") => {
                What::Has(Field::Text, vec![unquoted(body)])
            }
            None => {
                let known = FIELDS.map(|(known, _)| known).join(", ");
                let message = format!("there is no field {name}; type one of {known}, is");
                return Err(FilterError { at: begins..begins + name.len(), message });
            }
        },
    };
    Ok(Term { negated, what })
}

fn conditions(at: usize, value: &str) -> Result<Vec<Condition>, FilterError> {
    let one =
        |value: &str| CONDITIONS.iter().find(|(known, _)| *known == value).map(|(_, condition)| *condition);
    value.split('|').map(one).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let known = CONDITIONS.map(|(known, _)| known).join(", is:");
        FilterError { at: at..at + value.len(), message: format!("type one of is:{known}") }
    })
}

fn unquoted(text: &str) -> Vec<u8> {
    text.replace('"', "").to_ascii_lowercase().into_bytes()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Row;

    impl Filterable for Row {
        fn values(&self, field: Field, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            let all: [(Field, &[u8]); 4] = [
                (Field::Process, b"curl"),
                (Field::Path, b"/Etc/Some File"),
                (Field::Port, b"443"),
                (Field::Address, b"2001:db8::1"),
            ];
            all.iter().any(|(known, value)| (field == Field::Text || *known == field) && visit(value))
        }

        fn is(&self, condition: Condition) -> bool {
            condition == Condition::Denied
        }
    }

    #[test]
    fn terms() {
        for (text, holds) in [
            ("", true),
            ("curl", true),
            ("CURL /etc", true),
            ("wget", false),
            ("-wget", true),
            ("!curl", false),
            ("proc:wget|curl", true),
            ("proc:etc", false),
            ("path:etc", true),
            ("path:\"some file\"", true),
            ("\"some file\"", true),
            ("\"some  file\"", false),
            ("port:443", true),
            ("port:44", false),
            ("is:denied", true),
            ("-is:denied", false),
            ("is:failed|denied", true),
            ("is:failed", false),
            ("addr:2001:db8", true),
            ("2001:db8::1", true),
        ] {
            assert_eq!(Filter::parse(text).unwrap().matches(&Row), holds, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_says_what_does() {
        for (text, at, says) in [
            ("a prog:x", 2..6, "proc, pid, path"),
            ("-is:deniedd", 4..11, "is:denied"),
            ("port:", 0..5, "port:VALUE"),
            ("a \"b", 2..4, "\""),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text}");
            assert!(error.message.contains(says), "{}", error.message);
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_typed(text in ".{0,40}") {
            if let Ok(filter) = Filter::parse(&text) {
                filter.matches(&Row);
            }
        }
    }
}
