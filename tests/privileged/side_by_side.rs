//! Several glasshouses: beside each other, inside each other, and inside a container.

use std::fs;

use crate::support::privilege::needs;
use crate::support::watch::glasshouse;
use crate::support::{Receipt, fact, program, watch};

#[test]
fn each_sees_its_own_processes_only() {
    needs!();
    let runs: Vec<_> =
        (1..=4).map(|n| watch(command![program("fork_storm"), (n * 100).to_string(), "1"]).start()).collect();
    for (index, running) in runs.into_iter().enumerate() {
        let receipt = running.finish().complete(0);
        let forks = (index + 1) * 100;
        assert_eq!(receipt.processes().len(), forks + 1);
        assert_eq!(receipt.calls("exit_group"), forks as u64 + 1);
    }
}

#[test]
fn one_inside_the_other_agree() {
    needs!();
    let command = command![
        glasshouse(),
        "watch",
        "--no-tui",
        "--quiet",
        "--receipt",
        "inner.json",
        "--",
        program("threads"),
        "2",
        "500"
    ];
    let run = watch(command).run();
    let outer = run.complete(0);
    let inner = Receipt::parse(&fs::read(run.folder().join("inner.json")).unwrap());
    inner.expect_complete();
    assert_eq!(inner.processes().len(), 1);
    let watched = inner.root();
    let same = outer
        .processes()
        .into_iter()
        .find(|process| process.pid() == watched.pid())
        .expect("the outer sees it");
    assert_eq!(same.calls("getppid"), 1000);
    assert_eq!(same.exit_code(), watched.exit_code());
    let execution = *same.executions().last().unwrap();
    for field in ["path", "argv", "sha256", "inode", "device", "cwd"] {
        assert_eq!(execution.0[field], watched.execution().0[field], "{field}");
    }
}

/// A process that neither of them launched is counted alike, to the last call.
#[test]
fn one_inside_the_other_count_alike() {
    needs!();
    let script = format!("{} 300; {}; exit 0", program("getppid_loop").display(), program("fork").display());
    let command = command![
        glasshouse(),
        "watch",
        "--no-tui",
        "--quiet",
        "--receipt",
        "inner.json",
        "--",
        "sh",
        "-c",
        script
    ];
    let run = watch(command).run();
    let outer = run.complete(0);
    let inner = Receipt::parse(&fs::read(run.folder().join("inner.json")).unwrap());
    inner.expect_complete();
    assert_eq!(inner.processes().len(), 4);
    assert!(inner.calls("getppid") >= 300);
    for process in inner.processes().into_iter().skip(1) {
        let same = outer
            .processes()
            .into_iter()
            .find(|other| other.pid() == process.pid())
            .expect("the outer sees it");
        assert_eq!(same.calls_by_name(), process.calls_by_name());
        assert_eq!(same.exit_code(), process.exit_code());
        assert_eq!(same.at("/credentials/uid"), process.at("/credentials/uid"));
    }
}

#[test]
fn it_works_inside_a_container() {
    needs!("unshare");
    for wrapper in [
        vec!["unshare", "-pf", "--mount-proc"],
        vec!["unshare", "-pf", "--mount-proc", "-C", "-u", "-i", "-n"],
        // A namespace in a namespace.
        vec!["unshare", "-pf", "--mount-proc", "unshare", "-pf", "--mount-proc"],
    ] {
        let script = format!("{}; echo own=$$; exit 6", program("fork").display());
        let run = watch(["sh", "-c", &script]).under(wrapper.clone()).run();
        run.expect_code(6);
        let receipt = run.receipt();
        // Where it may not make a group, packets are not seen either.
        let missing = ["cgroup_unavailable", "packets_unseen"];
        assert!(
            receipt.reasons().iter().all(|code| missing.contains(&code.as_str())),
            "{wrapper:?}: {:?}",
            receipt.reasons()
        );
        assert_eq!(receipt.processes().len(), 3, "{wrapper:?}");
        assert_eq!(receipt.root().namespace_pid(), fact(&run.stdout, "own"), "{wrapper:?}");
        let child = receipt.with_pid(fact(&run.stdout, "child"));
        assert_eq!(child.exit_code(), Some(3));
        assert_ne!(child.pid(), child.namespace_pid(), "the host's pid is another");
        child_paths_exist(&receipt);
    }
}

fn child_paths_exist(receipt: &Receipt) {
    for execution in receipt.executions() {
        assert!(std::path::Path::new(execution.path()).exists(), "{}", execution.path());
        assert!(execution.0["sha256"].is_string(), "{}", execution.0);
    }
}

/// What goes on in the machine beside the command is none of the receipt's business.
#[test]
fn strangers_are_not_seen() {
    needs!();
    let mut stranger = std::process::Command::new(program("exec_storm"))
        .arg("300")
        .arg(program("exit_code"))
        .spawn()
        .unwrap();
    let receipt = watch(["sh", "-c", "sleep 0.3; exit 0"]).run().complete(0);
    assert!(stranger.wait().unwrap().success());
    assert_eq!(receipt.processes().len(), 2);
}
