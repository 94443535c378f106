//! The rules of the house that a compiler does not check: who may know whom, what pure parts may not do, how long
//! a file may be, what lies where.
//!
//! The checks read the source text, with comments and literals blanked out; they are meant to catch slips, not
//! somebody who wants to get around them.

#![expect(clippy::unwrap_used, reason = "a source that cannot be read is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lines of code, tests not counted, from which on a file wants to be two.
const LINES: usize = 500;

/// What the top level holds; beside it are only dotfiles and what git ignores.
const TOP_LEVEL: [&str; 12] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "app",
    "assets",
    "common",
    "ebpf",
    "rustfmt.toml",
    "tests",
    // Ignored by git.
    "target",
];

/// A part, and the words that its code may not contain. A part is a path below the root of the repository, with or
/// without the `.rs`; words are whole identifiers or paths.
struct Rule {
    why: &'static str,
    parts: &'static [&'static str],
    /// Parts of the parts that the rule does not hold for.
    except: &'static [&'static str],
    words: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        why: "only observe knows eBPF",
        parts: &["app/src"],
        except: &["app/src/observe"],
        words: &["aya", "aya_obj"],
    },
    Rule {
        why: "only the receipt is serialized: what is inside never changes because the format does",
        parts: &["app/src"],
        except: &["app/src/receipt", "app/src/commands/schema"],
        words: &["serde", "serde_json", "schemars"],
    },
    Rule {
        why: "from_session is told the format by schema, and knows no serializer",
        parts: &["app/src/receipt/from_session"],
        except: &[],
        words: &["serde", "schemars"],
    },
    Rule {
        why: "the session knows events and nothing else of glasshouse",
        parts: &["app/src/session"],
        except: &[],
        words: &[
            "crate::backend",
            "crate::cli",
            "crate::commands",
            "crate::facts",
            "crate::hash",
            "crate::host",
            "crate::launch",
            "crate::observe",
            "crate::options",
            "crate::receipt",
            "crate::runner",
            "crate::summary",
            "crate::syscalls",
            "crate::timings",
            "crate::tui",
        ],
    },
    Rule {
        why: "observe, receipt and tui never import each other",
        parts: &["app/src/observe"],
        except: &[],
        words: &["crate::receipt", "crate::tui", "crate::session"],
    },
    Rule {
        why: "observe, receipt and tui never import each other",
        parts: &["app/src/receipt"],
        except: &[],
        words: &["crate::observe", "crate::tui"],
    },
    Rule {
        why: "observe, receipt and tui never import each other",
        parts: &["app/src/tui"],
        except: &[],
        words: &["crate::observe", "crate::receipt"],
    },
    Rule {
        why: "the runner knows no backend by name",
        parts: &["app/src/runner"],
        except: &[],
        words: &["backend::process", "ProcessBackend"],
    },
    Rule {
        why: "a pure part does no IO, reads no clock and knows no runtime",
        parts: &[
            "app/src/session",
            "app/src/receipt/from_session",
            "app/src/observe/decode",
            "app/src/observe/assemble",
            "app/src/observe/replay",
            "app/src/event",
            "app/src/facts",
            "app/src/syscalls",
            "app/src/tui/update",
            "app/src/tui/view",
            "common/src",
        ],
        except: &[],
        words: &[
            "std::fs",
            "std::io",
            "std::net",
            "std::process",
            "std::thread",
            "std::env",
            "Instant",
            "SystemTime",
            "tokio",
            "nix",
        ],
    },
    Rule {
        why: "the kernel ABI is no_std",
        parts: &["common/src", "ebpf/src"],
        except: &[],
        words: &["std"],
    },
    Rule {
        why: "unsafe code is in the kernel programs, the launcher, the loader and the ABI, and nowhere else",
        parts: &["app/src", "tests"],
        except: &["app/src/launch", "app/src/observe/load"],
        words: &["unsafe"],
    },
    Rule {
        why: "a failure is a value: whoever panics or exits takes the receipt along",
        parts: &["app/src", "common/src"],
        // The contract of backends is a test.
        except: &["app/src/main", "app/src/backend/contract"],
        words: &["panic!", "todo!", "unimplemented!", "process::exit", "process::abort"],
    },
    Rule {
        why: "every queue is bounded, and says what happens when it is full",
        parts: &["app/src"],
        except: &[],
        words: &["unbounded_channel", "unbounded", "UnboundedSender", "UnboundedReceiver", "mpsc::channel()"],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files below some directories of the repository, by their paths from its root, sorted. What git ignores and
/// what is hidden is left out.
fn files(below: &[&str]) -> Vec<(String, PathBuf)> {
    fn walk(directory: &Path, name: &str, found: &mut Vec<(String, PathBuf)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let own = path.file_name().unwrap().to_string_lossy().into_owned();
            let name = format!("{name}/{own}");
            if own.starts_with('.') || own == "target" {
                continue;
            }
            if path.is_dir() {
                walk(&path, &name, found);
            } else {
                found.push((name, path));
            }
        }
    }
    let mut found = Vec::new();
    for part in below {
        let path = root().join(part);
        if path.is_dir() {
            walk(&path, part, &mut found);
        } else if path.exists() {
            found.push(((*part).to_owned(), path));
        }
    }
    found.sort();
    found
}

/// The Rust sources, with their text.
fn sources(below: &[&str]) -> Vec<(String, String)> {
    let rust = files(below).into_iter().filter(|(name, _)| name.ends_with(".rs"));
    rust.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

/// Whether a file belongs to a part.
fn belongs(file: &str, part: &str) -> bool {
    let rest = file.strip_prefix(part);
    rest.is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

/// Whether a file is one of tests as a whole.
fn is_test(file: &str) -> bool {
    file.starts_with("tests/") || file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// The part of a source before its tests, which come last.
fn without_tests(text: &str) -> &str {
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
fn code(text: &str) -> String {
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
fn lines_with(code: &str, word: &str) -> Vec<usize> {
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
fn grouped_imports(code: &str) -> Vec<String> {
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

fn fail_on(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn parts_keep_to_themselves() {
    let mut problems = Vec::new();
    for (file, text) in sources(&["app/src", "common/src", "ebpf/src", "tests"]) {
        let code = code(without_tests(&text));
        let imports = grouped_imports(&code);
        for rule in RULES {
            let concerned = rule.parts.iter().any(|part| belongs(&file, part))
                && !rule.except.iter().any(|part| belongs(&file, part));
            if !concerned || (is_test(&file) && !rule.parts.contains(&"tests")) {
                continue;
            }
            for word in rule.words {
                for line in lines_with(&code, word) {
                    problems.push(format!("{file}:{line}: {word}: {}", rule.why));
                }
                if imports.iter().any(|import| import == word || import.starts_with(&format!("{word}::"))) {
                    problems.push(format!("{file}: imports {word}: {}", rule.why));
                }
            }
        }
    }
    fail_on(&problems);
}

/// Blocks are clippy's (`undocumented_unsafe_blocks`); this is about functions, traits and attributes as well, but for
/// functions that a file keeps to itself. The kernel programs are left to the verifier, as their main.rs says.
#[test]
fn unsafe_code_argues_its_safety() {
    const ABOVE: usize = 12;
    let mut problems = Vec::new();
    for (file, text) in sources(&["app/src", "common/src"]) {
        let text = without_tests(&text);
        let lines: Vec<_> = text.lines().collect();
        for number in lines_with(&code(text), "unsafe") {
            if lines[number - 1].starts_with("unsafe fn ") {
                continue;
            }
            let above = &lines[number.saturating_sub(ABOVE)..number];
            if !above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
                problems.push(format!("{file}:{number}: unsafe without a SAFETY comment above it"));
            }
        }
    }
    fail_on(&problems);
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    for (file, text) in sources(&["app/src", "common/src", "ebpf/src"]) {
        let lines = without_tests(&text).lines().count();
        if lines > LINES && !is_test(&file) {
            problems
                .push(format!("{file}: {lines} lines without its tests; {LINES} are enough for one file"));
        }
    }
    fail_on(&problems);
}

/// The text files that are committed, this one excepted, which has to name what it looks for.
fn texts() -> Vec<(String, String)> {
    let parts = [&TOP_LEVEL[..11], &[".ci", ".cargo", ".github"]].concat();
    let all = files(&parts).into_iter().filter(|(name, _)| name != "tests/tidy.rs");
    all.filter_map(|(name, path)| Some((name, fs::read_to_string(path).ok()?))).collect()
}

#[test]
fn nothing_is_left_to_do() {
    let mut problems = Vec::new();
    for (file, text) in texts() {
        for word in ["TODO", "FIXME", "XXX", "HACK"] {
            let lines = lines_with(&text, word);
            problems.extend(
                lines.into_iter().map(|line| format!("{file}:{line}: {word}: do it, or open an issue")),
            );
        }
    }
    fail_on(&problems);
}

#[test]
fn no_path_of_one_machine_is_named() {
    // Where this checkout lies, and where people's own folders do.
    let checkout = root().canonicalize().unwrap().to_string_lossy().into_owned();
    let mut problems = Vec::new();
    for (file, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            for place in [checkout.as_str(), "/root/.", "/home/runner"] {
                let alone = line.match_indices(place).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|before| before.is_alphanumeric() || "._-/*}$".contains(before))
                });
                if alone {
                    problems.push(format!("{file}:{}: {place} is a path of one machine", number + 1));
                }
            }
        }
    }
    fail_on(&problems);
}

#[test]
fn the_top_level_is_what_it_was_meant_to_be() {
    let mut problems = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let ignored = name.starts_with('.') || name.starts_with("receipt.json");
        if !ignored && !TOP_LEVEL.contains(&name.as_str()) {
            problems.push(format!("{name}: the top level is for {TOP_LEVEL:?}"));
        }
    }
    for name in &TOP_LEVEL[..11] {
        if !root().join(name).exists() {
            problems.push(format!("{name}: missing"));
        }
    }
    fail_on(&problems);
}

#[test]
fn every_package_has_its_licence_and_the_lints() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("license = \"MIT OR Apache-2.0\""));
    let mut problems = Vec::new();
    for package in ["app", "common", "ebpf"] {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        for line in ["license.workspace = true", "[lints]\nworkspace = true"] {
            if !manifest.contains(line) {
                problems.push(format!("{package}/Cargo.toml: lacks {line:?}"));
            }
        }
    }
    let object = fs::read_to_string(root().join("ebpf/src/main.rs")).unwrap();
    if !object.contains("Dual MIT/GPL") {
        problems.push("ebpf/src/main.rs: the kernel wants to be told \"Dual MIT/GPL\"".to_owned());
    }
    fail_on(&problems);
}

#[test]
fn every_test_file_is_declared() {
    let manifest = fs::read_to_string(root().join("app/Cargo.toml")).unwrap();
    let mut problems = Vec::new();
    for (name, _) in sources(&["tests"]) {
        let within_a_test = name.matches('/').count() > 1 && !name.ends_with("/main.rs");
        if !within_a_test && !manifest.contains(&format!("path = \"../{name}\"")) {
            problems.push(format!("{name}: not declared in app/Cargo.toml, and so never run"));
        }
    }
    fail_on(&problems);
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

    #[test]
    fn parts_are_files_or_folders() {
        assert!(belongs("app/src/session/mod.rs", "app/src/session"));
        assert!(belongs("app/src/session.rs", "app/src/session"));
        assert!(!belongs("app/src/sessions.rs", "app/src/session"));
    }
}
