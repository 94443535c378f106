//! The way taken where the kernel refuses typed tracepoints: every probe as `raw_tp`, and the same facts.

use crate::support::privilege::needs;
use crate::support::{Execution, Process, Receipt, program, watch};

/// How each attached probe is attached.
fn kinds(receipt: &Receipt) -> Vec<String> {
    let probes = receipt.at("/observation/probes").as_array().unwrap();
    let attached = probes.iter().filter(|probe| probe["attached"] == true);
    attached.map(|probe| probe["kind"].as_str().unwrap().to_owned()).collect()
}

/// What two runs of one deterministic command have in common: executions, failed ones, ends and system calls, process
/// by process.
fn facts(process: Process<'_>) -> Vec<String> {
    let executions = process.executions().into_iter();
    let mut facts: Vec<_> = executions
        .map(|Execution(execution)| {
            let fields =
                ["path", "argv", "call", "cwd", "filename", "interpreter", "inode", "sha256", "from_thread"];
            fields.map(|field| execution[field].to_string()).join(" ")
        })
        .collect();
    let failed = process.at("/failed_executions").as_array().unwrap().iter();
    facts.extend(
        failed.map(|failed| format!("{} {} {}", failed["filename"], failed["errno"], failed["count"])),
    );
    facts.extend(
        ["/exit", "/name", "/credentials", "/credential_changes"]
            .map(|pointer| process.at(pointer).to_string()),
    );
    facts
}

#[test]
fn raw_tracepoints_tell_the_same() {
    needs!();
    let commands: [Vec<_>; 6] = [
        command![program("fork")],
        command![program("threads"), "4", "1000"],
        command![program("exec_chain"), "5"],
        command![program("execveat_fd"), program("exit_code"), "9"],
        command![program("int80")],
        command!["sh", "-c", "no-such-program; true | true; exit 3"],
    ];
    for command in commands {
        let typed = watch(command.clone());
        // Both in one folder: their working directory is a fact, too.
        let folder = typed.folder();
        let typed = typed.run();
        let raw = watch(command.clone())
            .options(["--cwd".into(), folder.into_os_string()])
            .env("GLASSHOUSE_RAW_TP", "1");
        let raw = raw.run();
        raw.expect_code(typed.status.code().unwrap());
        let (typed, raw) = (typed.receipt(), raw.receipt());
        for (receipt, kind) in [(&typed, "tp_btf"), (&raw, "raw_tp")] {
            receipt.expect_complete();
            // Those of the control group are attached in one way only.
            let on_tracepoints = |found: &&String| *found != "cgroup";
            assert!(
                kinds(receipt).iter().filter(on_tracepoints).all(|found| found == kind),
                "{command:?}: {:?}",
                kinds(receipt)
            );
            assert!(kinds(receipt).len() >= 4, "{command:?}: {:?}", kinds(receipt));
        }
        let (typed_processes, raw_processes) = (typed.processes(), raw.processes());
        assert_eq!(typed_processes.len(), raw_processes.len(), "{command:?}");
        let sorted = |processes: &[Process<'_>]| {
            let mut facts: Vec<_> = processes.iter().map(|process| facts(*process)).collect();
            facts.sort_unstable();
            facts
        };
        assert_eq!(sorted(&typed_processes), sorted(&raw_processes), "{command:?}");
    }
}

#[test]
fn raw_tracepoints_count_the_same() {
    needs!();
    let commands: [Vec<_>; 5] = [
        command![program("getppid_loop"), "12345"],
        command![program("int80")],
        command![program("i386_exec"), program("i386_exec"), program("exit_code"), "0"],
        command![program("bad_syscalls")],
        command![program("signal_loop"), "50"],
    ];
    for command in commands {
        let calls = |environment: &[(&str, &str)]| {
            let run =
                environment.iter().fold(watch(command.clone()), |run, (name, value)| run.env(*name, *value));
            let receipt = run.run().complete(0);
            receipt.root().calls_by_name()
        };
        assert_eq!(calls(&[]), calls(&[("GLASSHOUSE_RAW_TP", "1")]), "{command:?}");
    }
}

#[test]
fn raw_tracepoints_see_what_was_denied() {
    needs!();
    let receipt = watch([program("seccomp_errno")]).env("GLASSHOUSE_RAW_TP", "1").run().complete(0);
    assert_eq!((receipt.calls("getppid"), receipt.calls("getpgrp")), (3, 2));
    assert_eq!(receipt.denied_to(receipt.root()).len(), 2);
}
