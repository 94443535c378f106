//! How a command ends, and that glasshouse ends the same way.

use std::os::unix::process::ExitStatusExt;

use crate::support::privilege::needs;
use crate::support::watch::bare;
use crate::support::{program, watch};

#[test]
fn the_exit_code_is_the_command_s() {
    needs!();
    for code in [0, 1, 42, 124, 125, 126, 127, 128, 255] {
        let receipt = watch(command![program("exit_code"), code.to_string()]).run().complete(code);
        receipt.expect_outcome("exited", Some(i64::from(code)), None);
        assert_eq!(receipt.root().exit_code(), Some(i64::from(code)));
        assert_eq!(receipt.root().exit_signal(), None);
    }
}

#[test]
fn a_signal_becomes_128_and_its_number() {
    needs!();
    // 0 is abort(), -1 a bad write; 35 a real-time signal.
    for (how, signal, name) in [
        ("9", 9, Some("SIGKILL")),
        ("15", 15, Some("SIGTERM")),
        ("1", 1, Some("SIGHUP")),
        ("13", 13, Some("SIGPIPE")),
        ("0", 6, Some("SIGABRT")),
        ("-1", 11, Some("SIGSEGV")),
        ("35", 35, None),
    ] {
        let receipt = watch(command![program("die"), how]).run().complete(128 + signal);
        let signal = i64::from(signal);
        receipt.expect_outcome("signaled", None, Some(signal));
        assert_eq!(receipt.root().exit_code(), None);
        assert_eq!(receipt.root().exit_signal(), Some(signal));
        if let Some(name) = name {
            assert_eq!(receipt.root().text("/exit/signal_name"), name);
        }
        assert_eq!(receipt.root().at("/exit/core_dumped"), false);
    }
}

#[test]
fn a_child_s_signal_is_not_the_root_s() {
    needs!();
    let receipt = watch(["sh", "-c", "sh -c 'kill -KILL $$'; exit 5"]).run().complete(5);
    receipt.expect_outcome("exited", Some(5), None);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.exit_signal(), Some(9));
}

/// Whether a core is written depends on the machine: the truth is a run without glasshouse.
#[test]
fn a_core_dump_is_reported() {
    needs!();
    let watched = watch(command![program("die"), "-1", "core"]);
    let expected = bare(&watched.folder(), command![program("die"), "-1", "core"]).status.core_dumped();
    let receipt = watched.run().complete(139);
    assert_eq!(receipt.root().at("/exit/core_dumped"), expected);
}

#[test]
fn a_process_killed_by_another_says_so() {
    needs!();
    let receipt = watch(["sh", "-c", "sleep 100 & kill -TERM $!; wait $!; exit 0"]).run().complete(0);
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.exit_signal(), Some(15));
}

#[test]
fn output_is_the_command_s_untouched() {
    needs!();
    let run = watch(["sh", "-c", "printf 'a\\0b\\377'; printf err >&2"]).options(["--quiet"]).run();
    run.complete(0);
    assert_eq!(std::fs::read(run.folder().join("stdout")).unwrap(), b"a\0b\xff");
    assert_eq!(run.stderr, "err");
}

#[test]
fn the_summary_names_the_receipt_and_its_hash() {
    needs!();
    let run = watch(["true"]).run();
    run.complete(0);
    let hash = crate::support::sha256(&std::fs::read(&run.receipt_path).unwrap());
    assert!(run.stderr.contains(&hash), "{}", run.stderr);
    assert!(run.stderr.contains("receipt.json"), "{}", run.stderr);
    assert_eq!(run.stdout, "", "stdout is the command's own");
}

#[test]
fn a_receipt_can_go_to_stdout() {
    needs!();
    let run = watch(["true"]).receipt_at(std::path::Path::new("-")).run();
    run.expect_code(0);
    crate::support::Receipt::parse(run.stdout.as_bytes()).expect_complete();
}
