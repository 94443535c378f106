//! What may be in a text, how long it may be, and where it may lie.

use std::fs;

use super::{
    code::{lines_with, without_tests},
    fail_on, files, is_test, root, sources,
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
    let all = files(&parts).into_iter().filter(|(name, _)| name != "tests/tidy/text.rs");
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
