//! What the command line does before any privilege is needed: help, versions, and mistakes.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the privileged tests use the rest")]
mod support;

use std::fs;
use std::process::{Command, Output, Stdio};

use support::watch::{glasshouse, public_folder};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(glasshouse());
    command.args(arguments).stdin(Stdio::null()).output().expect("run glasshouse")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_goes_to_stdout_and_succeeds() {
    for arguments in [&["--help"][..], &["watch", "--help"], &["receipt", "--help"], &["doctor", "--help"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("Usage"), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_names_every_option_of_watch() {
    let help = text(&run(&["watch", "--help"]).stdout);
    let words: Vec<_> = help.split([' ', '\n', ',', '=']).collect();
    // The rows of its table, `--quiet`, `-q` among them.
    let readme = include_str!("../../README.md");
    let rows = readme
        .split("## Options of `watch`")
        .nth(1)
        .expect("the section")
        .split("\n\n")
        .nth(1)
        .expect("a table");
    let options: Vec<_> = rows
        .split('`')
        .filter(|cell| cell.starts_with('-') && *cell != "-")
        .map(|cell| cell.split(' ').next().expect("a word"))
        .collect();
    assert!(options.len() >= 14, "{options:?}");
    for option in options {
        assert!(words.contains(&option), "{option} is not in:\n{help}");
    }
}

#[test]
fn the_version_is_the_package_s() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("glasshouse {}\n", env!("CARGO_PKG_VERSION")));
}

/// A wrapper's own failures must not look like its command's.
#[test]
fn mistakes_are_125() {
    for arguments in [
        &[][..],
        &["no-such-subcommand"],
        &["watch"],
        &["watch", "--no-tui", "--"],
        &["watch", "--no-such-option", "--", "true"],
        &["watch", "--receipt"],
        &["watch", "--timeout", "soon", "--", "true"],
        &["watch", "--redact", "(", "--", "true"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty(), "{arguments:?}: a message");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_unwritable_receipt_is_found_out_before_anything_else() {
    let folder = public_folder();
    let marker = folder.path().join("marker");
    let receipt = "/nonexistent/folder/receipt.json";
    let output = run(&["watch", "--no-tui", "--receipt", receipt, "--", "touch", marker.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("/nonexistent/folder"), "{}", text(&output.stderr));
    assert!(!marker.exists());
}

/// A recording that is none is a mistake like others, and the message says where.
#[test]
fn what_is_no_recording_of_events_is_said_with_its_line() {
    let folder = public_folder();
    let (events, receipt) = (folder.path().join("events"), folder.path().join("receipt.json"));
    let rebuild = |content: &[u8]| {
        fs::write(&events, content).unwrap();
        run(&["receipt", events.to_str().unwrap(), "--receipt", receipt.to_str().unwrap()])
    };
    for (content, message) in [
        (&b""[..], "line 1: the recording was cut within its first line"),
        (b"\x7fELF\n", "line 1: this is no recording of events"),
        (b"{\"format\":\"glasshouse-events\",\"version\":9}\n", "has version 9 of the format"),
        (b"{\"format\":\"glasshouse-events\",\"version\":1}\n", "line 1: run: expected an object"),
        (b"glassrec", "line 1: the recording was cut"),
    ] {
        let output = rebuild(content);
        assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
        assert!(!receipt.exists());
    }
    let output = run(&["receipt", "/nonexistent/events", "--receipt", receipt.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("/nonexistent/events"), "{}", text(&output.stderr));
}

#[test]
fn messages_have_no_colour_in_a_file() {
    for arguments in [&["watch"][..], &["doctor"], &["--help"]] {
        let output = run(arguments);
        assert!(!output.stderr.contains(&0x1b) && !output.stdout.contains(&0x1b), "{arguments:?}");
    }
}

/// doctor works for everybody: it says what is missing, check by check.
#[test]
fn doctor_answers_whatever_it_finds() {
    let output = run(&["doctor"]);
    let answer = text(&output.stdout);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {}", output.status, text(&output.stderr));
    for topic in ["BTF", "cgroup"] {
        assert!(answer.to_lowercase().contains(&topic.to_lowercase()), "{topic} is not in:\n{answer}");
    }
}

#[test]
fn the_schema_that_is_printed_is_the_one_in_the_repository() {
    let output = run(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), include_str!("../../assets/receipt.schema.json"));
}
