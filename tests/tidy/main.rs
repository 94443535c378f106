//! The rules of the house that a compiler does not check: who may know whom, what pure parts may not do, how long
//! a file may be, what lies where.
//!
//! The checks read the source text; they are meant to catch slips, not somebody who wants to get around them.

#![expect(clippy::unwrap_used, reason = "a source that cannot be read is a failed test")]

mod code;
mod dependencies;
mod text;

use std::{
    fs,
    path::{Path, PathBuf},
};

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

/// Whether a file is one of tests as a whole.
fn is_test(file: &str) -> bool {
    file.starts_with("tests/") || file.ends_with("/tests.rs") || file.contains("/tests/")
}

fn fail_on(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
