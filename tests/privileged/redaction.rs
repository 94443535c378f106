//! `--redact` removes what matches from everywhere, and says where it did.

use crate::support::privilege::needs;
use crate::support::receipt::list;
use crate::support::{Receipt, Run, program, watch};

/// The secret is nowhere in what glasshouse wrote.
#[track_caller]
fn expect_absent(run: &Run, secret: &str) {
    let text = std::fs::read_to_string(&run.receipt_path).unwrap();
    assert!(!text.contains(secret), "the receipt has {secret}");
    assert!(
        !text.contains(&crate::support::sha256(secret.as_bytes())),
        "the receipt has the hash of {secret}"
    );
    assert!(!run.stderr.contains(secret), "stderr has {secret}: {}", run.stderr);
}

/// Every redaction points to a place that shows one.
#[track_caller]
fn expect_pointers(receipt: &Receipt) -> Vec<String> {
    let redactions = list(receipt.at("/redactions"));
    let mut pointers = Vec::new();
    for redaction in redactions {
        let pointer = redaction["pointer"].as_str().unwrap();
        let place = receipt.value.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
        let shown = place.to_string();
        assert!(shown.contains("redacted") || place.is_null(), "{pointer}: {place}");
        assert_eq!(redaction["method"], "pattern");
        pointers.push(pointer.to_owned());
    }
    assert!(!pointers.is_empty(), "nothing was redacted");
    pointers
}

#[test]
fn a_secret_argument_is_removed_everywhere() {
    needs!();
    let script = "true --password=hunter2 other; nonexistent-hunter2; exit 0";
    let run = watch(["sh", "-c", script]).options(["--redact", "hunter[0-9]+"]).run();
    let receipt = run.complete(0);
    // The shell itself names a command that it does not find.
    let text = std::fs::read_to_string(&run.receipt_path).unwrap();
    assert!(!text.contains("hunter2"));
    let pointers = expect_pointers(&receipt);
    assert!(pointers.iter().any(|pointer| pointer.starts_with("/command/argv/2")), "{pointers:?}");
    assert!(
        pointers.iter().any(|pointer| pointer.starts_with("/processes/0/executions/0/argv/2")),
        "{pointers:?}"
    );
    assert!(receipt.text("/command/argv/2").contains("--password=[redacted] other"), "only what matches");
}

#[test]
fn a_secret_argument_of_a_child_is_removed() {
    needs!();
    let run = watch(["sh", "-c", "s=hunter; /bin/true --password=${s}77; exit 0"])
        .options(["--redact", "hunter[0-9]+"])
        .run();
    let receipt = run.complete(0);
    expect_absent(&run, "hunter77");
    let child = receipt.children(receipt.root())[0];
    assert_eq!(child.execution().argv_text()[1], "--password=[redacted]");
    assert_eq!(expect_pointers(&receipt).len(), 1);
}

#[test]
fn a_secret_variable_is_removed_with_its_hash() {
    needs!();
    let run = watch(["true"]).env("PASSWORD", "hunter2").options(["--redact", "hunter2"]).run();
    let receipt = run.complete(0);
    expect_absent(&run, "hunter2");
    let variable = receipt.root().execution().variables("PASSWORD")[0];
    assert!(variable["value_sha256"].is_null());
    assert_eq!(variable["value_sha256_reason"], "redacted");
    expect_pointers(&receipt);
}

#[test]
fn a_secret_part_of_a_kept_value_is_removed() {
    needs!();
    let run = watch(["true"])
        .env("URL", "https://me:hunter2@host")
        .options(["--redact", "hunter2", "--env-values"])
        .run();
    let receipt = run.complete(0);
    expect_absent(&run, "hunter2");
    assert_eq!(receipt.root().execution().variables("URL")[0]["value"], "https://me:[redacted]@host");
    assert!(expect_pointers(&receipt).len() >= 2, "in the command and in its execution");
}

#[test]
fn a_pattern_that_matches_the_name_removes_the_value() {
    needs!();
    let run =
        watch(["true"]).env("MY_TOKEN", "abcdef").options(["--redact", "^MY_TOKEN=", "--env-values"]).run();
    let receipt = run.complete(0);
    expect_absent(&run, "abcdef");
    assert_eq!(receipt.root().execution().variables("MY_TOKEN").len(), 1, "the name stays");
}

#[test]
fn a_secret_file_name_of_a_failed_execution_is_removed() {
    needs!();
    let run = watch(command![program("exec_errors"), "/nonexistent/hunter2"])
        .options(["--redact", "hunter2"])
        .run();
    let receipt = run.complete(0);
    expect_absent(&run, "hunter2");
    assert_eq!(receipt.root().failed_executions()[0].0, "/nonexistent/[redacted]");
    expect_pointers(&receipt);
}

#[test]
fn several_patterns_work_together() {
    needs!();
    let run = watch(["true", "alpha-1", "beta-2", "gamma"])
        .options(["--redact", "alpha-.", "--redact", "beta-."])
        .run();
    let receipt = run.complete(0);
    expect_absent(&run, "alpha-1");
    expect_absent(&run, "beta-2");
    assert_eq!(receipt.root().execution().argv_text()[1..], ["[redacted]", "[redacted]", "gamma"]);
}

#[test]
fn without_a_pattern_there_are_no_redactions() {
    needs!();
    let receipt = watch(["true"]).run().complete(0);
    assert_eq!(list(receipt.at("/redactions")).len(), 0);
}

#[test]
fn a_secret_is_not_in_the_messages_either() {
    needs!();
    let run = watch(["/nowhere/hunter2"]).options(["--redact", "hunter2"]).run();
    run.expect_code(127);
    assert!(run.stderr.contains("/nowhere/[redacted]"), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}
