//! Rust without what is not code: tests cut off, comments and literals blanked out.

/// The part of a source before its tests, which come last.
pub(super) fn without_tests(text: &str) -> &str {
    let mut offset = 0;
    while let Some(found) = text[offset..].find("#[cfg(test)]\n") {
        let at = offset + found;
        let attribute_of_module = text[at..]
            .lines()
            .skip(1)
            .find(|line| !line.trim_start().starts_with("#[") && !line.starts_with([' ', ')']))
            .is_some_and(|line| line.contains("mod ") && line.ends_with('{'));
        let at_the_margin = at == 0 || text[..at].ends_with('\n');
        if at_the_margin && attribute_of_module {
            return &text[..at];
        }
        offset = at + 1;
    }
    text
}

/// The text with comments and the content of literals replaced by blanks, line by line.
pub(super) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_or_comment(bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).unwrap()
}

/// Where the comment or literal that begins here ends; `at` itself if none does.
fn literal_or_comment(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let within_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return end_of_block_comment(bytes, at);
    }
    if rest[0] == b'"' {
        return end_of_quoted(bytes, at, b'"');
    }
    if rest[0] == b'r' && (!within_word || bytes[at - 1] == b'b' || bytes[at - 1] == b'c') {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let body = at + hashes + 2;
            let length = bytes[body..].windows(close.len()).position(|window| window == close);
            return length.map_or(bytes.len(), |length| body + length + close.len());
        }
    }
    // A quote is a character only if it is closed again; otherwise it begins a lifetime. Characters beyond ASCII
    // are blanked, too.
    if rest[0] == b'\'' && !within_word {
        if rest.get(1) == Some(&b'\\') {
            return end_of_quoted(bytes, at, b'\'');
        }
        let width = match rest.get(1) {
            Some(first) if *first >= 0xf0 => 4,
            Some(first) if *first >= 0xe0 => 3,
            Some(first) if *first >= 0xc0 => 2,
            _ => 1,
        };
        if rest.get(1 + width) == Some(&b'\'') {
            return at + width + 2;
        }
    }
    at
}

fn end_of_block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut at) = (0, at);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn end_of_quoted(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The lines, counted from 1, in which a word stands by itself.
pub(super) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part_of_word =
        |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let alone = line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            let open_end = word.ends_with(['!', ')']);
            !part_of_word(before) && (open_end || !part_of_word(after))
        });
        if alone {
            found.push(number + 1);
        }
    }
    found
}

/// The paths that grouped imports (`use crate::{…}`, `use std::{…}`) bring in, each written out.
pub(super) fn grouped_imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for group in ["crate::", "std::"] {
        for (at, opening) in code.match_indices(&format!("use {group}{{")) {
            let mut depth = 0;
            let mut name = String::new();
            for character in code[at + opening.len()..].chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(format!("{group}{}", std::mem::take(&mut name))),
                    _ if depth == 0 && !character.is_whitespace() => name.push(character),
                    _ => {}
                }
            }
            if !name.is_empty() {
                found.push(format!("{group}{name}"));
            }
        }
    }
    found
}

mod the_checks_themselves {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \"unsafe \\\" x\"; // unsafe\n/* unsafe /* */ unsafe */ let b = r#\"unsafe \" \"#;\nunsafe {}\n";
        assert_eq!(lines_with(&code(text), "unsafe"), [3]);
        assert_eq!(code(text).lines().count(), 3);
        let characters = "let c = ['\"', '\\'', 'é', '→']; fn f<'a>(x: &'a str) { unsafe {} }";
        assert_eq!(lines_with(&code(characters), "unsafe"), [1]);
        assert_eq!(lines_with(&code("let b = br\"unsafe\"; let c = b\"unsafe\";"), "unsafe"), [0; 0]);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(lines_with("use aya_obj::x;", "aya"), [0; 0]);
        assert_eq!(lines_with("use aya::x;", "aya"), [1]);
        assert_eq!(lines_with("playa", "aya"), [0; 0]);
        assert_eq!(lines_with("panic!(x)", "panic!"), [1]);
    }

    #[test]
    fn grouped_imports_are_written_out() {
        let code = "use std::{fs, io};\nuse crate::{\n    event::{Event, Exec},\n    facts,\n};\n";
        assert_eq!(grouped_imports(code), ["crate::event::", "crate::facts", "std::fs", "std::io"]);
    }

    #[test]
    fn tests_are_cut_off() {
        let text = "fn a() {}\n\n#[cfg(test)]\n#[expect(x, reason = \"y\")]\nmod tests {\n    panic!();\n}\n";
        assert_eq!(without_tests(text), "fn a() {}\n\n");
        let declared = "#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert_eq!(without_tests(declared), declared);
    }
}
