//! Who may know whom, and what a part may not do.

use super::{
    code::{code, grouped_imports, lines_with, without_tests},
    fail_on, is_test, sources,
};

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
        why: "only the receipt and what is exported are serialized: what is inside never changes because a format does",
        parts: &["app/src"],
        except: &[
            "app/src/receipt",
            "app/src/recording",
            "app/src/commands/schema",
            "app/src/tui/config",
            "app/src/tui/export",
        ],
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
        why: "protocols are recognised from bytes alone, and know nothing else of glasshouse",
        parts: &["app/src/protocol"],
        except: &[],
        words: &[
            "crate::backend",
            "crate::cli",
            "crate::commands",
            "crate::event",
            "crate::facts",
            "crate::hash",
            "crate::host",
            "crate::launch",
            "crate::observe",
            "crate::options",
            "crate::receipt",
            "crate::runner",
            "crate::session",
            "crate::summary",
            "crate::syscalls",
            "crate::timings",
            "crate::tui",
            "glasshouse_common",
        ],
    },
    Rule {
        why: "what may be known of an event is decided by the event alone",
        parts: &["app/src/disclosure"],
        except: &[],
        words: &["crate::observe", "crate::receipt", "crate::runner", "crate::session", "crate::tui"],
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
            "app/src/disclosure",
            "app/src/event",
            "app/src/facts",
            "app/src/protocol",
            "app/src/syscalls",
            "app/src/tui/config",
            "app/src/tui/export",
            "app/src/tui/filter",
            "app/src/tui/keys",
            "app/src/tui/state",
            "app/src/tui/terminal",
            "app/src/tui/text",
            "app/src/tui/theme",
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

/// Whether a file belongs to a part.
fn belongs(file: &str, part: &str) -> bool {
    let rest = file.strip_prefix(part);
    rest.is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

#[test]
fn parts_keep_to_themselves() {
    let mut problems = Vec::new();
    let all = sources(&["app/src", "common/src", "ebpf/src", "tests"]);
    for part in RULES.iter().flat_map(|rule| rule.parts.iter().chain(rule.except)) {
        if !all.iter().any(|(file, _)| belongs(file, part)) {
            problems.push(format!("{part}: no file belongs to it, and so nothing is checked"));
        }
    }
    for (file, text) in all {
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
fn parts_are_files_or_folders() {
    assert!(belongs("app/src/session/mod.rs", "app/src/session"));
    assert!(belongs("app/src/session.rs", "app/src/session"));
    assert!(!belongs("app/src/sessions.rs", "app/src/session"));
}
