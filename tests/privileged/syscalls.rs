//! Counts of system calls are exact: by name, by ABI, and by what was denied.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::privilege::needs;
use crate::support::strace;
use crate::support::watch::public_folder;
use crate::support::{Run, fact, program, public_program, watch};

fn denied(expected: &[(&str, &str, u64)]) -> BTreeSet<(String, String, u64)> {
    expected.iter().map(|(name, errno, count)| ((*name).to_owned(), (*errno).to_owned(), *count)).collect()
}

#[test]
fn a_loop_is_counted_to_the_last_call() {
    needs!();
    let receipt = watch(command![program("getppid_loop"), "1000000"]).run().complete(0);
    assert_eq!(receipt.calls("getppid"), 1_000_000);
    assert_eq!(receipt.calls("execve"), 1);
    assert_eq!(receipt.calls("exit_group"), 1);
}

#[test]
fn calls_of_all_threads_count_for_the_process() {
    needs!();
    let receipt = watch(command![program("threads"), "8", "20000"]).run().complete(0);
    assert_eq!(receipt.root().calls("getppid"), 160_000);
    assert_eq!(receipt.root().calls("exit"), 8, "the threads");
    assert_eq!(receipt.root().calls("exit_group"), 1, "the process");
}

/// Of an exec that was only asked about there is no new image with which it would be counted.
#[test]
fn an_execveat_that_only_asks_is_counted() {
    needs!();
    let run = watch(command![program("execveat_check"), program("exit_code")]).run();
    let receipt = run.complete(0);
    let allowed = fact(&run.stdout, "allowed");
    assert_eq!(receipt.root().calls("execveat"), 6, "{allowed} of them succeeded");
    assert_eq!(receipt.root().calls("execve"), 1);
    assert_eq!(receipt.root().executions().len(), 1);
    let failed: u64 = receipt.root().failed_executions().iter().map(|(_, _, count)| count).sum();
    assert_eq!(failed, 6 - allowed);
}

#[test]
fn counters_are_given_from_one_process_to_the_next() {
    needs!();
    // Few live at a time, so that the same counters serve many; then more than there are counters lying ready.
    let receipt = watch(command![program("fork_storm"), "2000", "3"]).run().complete(0);
    let children = receipt.children(receipt.root());
    assert_eq!(children.len(), 2000);
    assert!(children.iter().all(|child| child.calls("exit_group") == 1 && child.calls("fork") == 0));
    let many = "for i in $(seq 400); do sleep 2 & done; wait";
    let receipt = watch(["sh", "-c", many]).run().complete(0);
    assert_eq!(receipt.calls("clock_nanosleep"), 400);
    let sleepers = receipt.processes().into_iter().filter(|process| process.calls("clock_nanosleep") == 1);
    assert_eq!(sleepers.count(), 400);
}

#[test]
fn processes_that_share_a_place_keep_their_own_counts() {
    needs!();
    let receipt = watch(command![program("same_place"), "1000"]).run().complete(0);
    assert_eq!(receipt.root().calls("getppid"), 4_000);
    let children: Vec<_> = receipt.processes().into_iter().filter(|process| process.id() != 1).collect();
    assert_eq!(children.iter().map(|child| child.calls("getppid")).collect::<Vec<_>>(), [1_000]);
}

#[test]
fn returns_from_handlers_are_rt_sigreturn() {
    needs!();
    let receipt = watch(command![program("signal_loop"), "500"]).run().complete(0);
    assert_eq!(receipt.calls("rt_sigreturn"), 500);
    assert_eq!(receipt.calls("kill"), 500);
}

#[test]
fn denials_are_counted_with_their_errno() {
    needs!();
    let folder = public_folder();
    let folder = folder.path();
    let secret = folder.join("secret");
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let receipt = watch(command![public_program(folder, "denied"), &secret]).run().complete(0);
    let expected = denied(&[("openat", "EACCES", 3), ("setuid", "EPERM", 2), ("kill", "EPERM", 4)]);
    assert_eq!(receipt.denied_to(receipt.root()), expected);
    assert_eq!(receipt.calls("openat"), 4);
}

#[test]
fn what_a_filter_answers_is_denied_too() {
    needs!();
    let receipt = watch([program("seccomp_errno")]).run().complete(0);
    assert_eq!(
        receipt.denied_to(receipt.root()),
        denied(&[("getppid", "EPERM", 3), ("getpgrp", "EACCES", 2)])
    );
    assert_eq!((receipt.calls("getppid"), receipt.calls("getpgrp")), (3, 2));
}

/// Denials of many processes stay apart.
#[test]
fn denials_belong_to_their_process() {
    needs!();
    let script = format!("for i in 1 2 3; do {} secret; done; exit 0", program("denied").display());
    let watched = watch(["sh", "-c", &script]);
    let secret = watched.folder().join("secret");
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let receipt = watched.run().complete(0);
    let children = receipt.children(receipt.root());
    assert_eq!(children.len(), 3);
    for child in children {
        let expected = denied(&[("openat", "EACCES", 3), ("setuid", "EPERM", 2), ("kill", "EPERM", 4)]);
        assert_eq!(receipt.denied_to(child), expected);
    }
    assert_eq!(receipt.denied_to(receipt.root()), denied(&[]));
}

#[test]
fn numbers_without_a_name_are_counted_by_number() {
    needs!();
    let receipt = watch([program("bad_syscalls")]).run().complete(0);
    assert_eq!(receipt.calls("syscall_9999"), 5);
    assert_eq!(receipt.calls("syscall_400"), 4);
    assert_eq!(receipt.calls("rt_sigreturn"), 0, "-1 is what rt_sigreturn leaves behind, but it was not one");
    let unnamed: u64 = receipt
        .root()
        .calls_by_name()
        .into_iter()
        .filter(|(name, _)| name.starts_with("syscall_"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(unnamed, 3 + 4 + 5 + 2, "{:?}", receipt.root().calls_by_name());
}

#[test]
fn int_0x80_from_64_bit_code_is_a_32_bit_call() {
    needs!();
    let receipt = watch([program("int80")]).run().complete(0);
    assert_eq!(receipt.calls("i386:getpid"), 7);
    assert_eq!(receipt.calls("getpid"), 2);
    assert_eq!(receipt.calls("exit_group"), 1);
}

#[test]
fn a_32_bit_program_makes_32_bit_calls() {
    needs!();
    let receipt = watch([program("i386_calls")]).run().complete(12);
    let root = receipt.root();
    assert_eq!(root.calls("i386:getppid"), 3);
    assert_eq!(root.calls("i386:getpid"), 5);
    assert_eq!(root.calls("i386:exit"), 1);
    assert_eq!(root.calls("execve"), 1, "64-bit code execed it");
    assert_eq!(root.at("/syscalls/total").as_u64(), Some(10));
}

/// An exec counts for the ABI of its caller, whatever the new image is.
#[test]
fn execs_between_abis_are_told_apart() {
    needs!();
    let receipt = watch(command![program("i386_exec"), program("i386_exec"), program("exit_code"), "9"])
        .run()
        .complete(9);
    let root = receipt.root();
    assert_eq!(root.executions().len(), 3);
    assert_eq!(root.calls("execve"), 1, "the first, by a 64-bit caller");
    assert_eq!(root.calls("i386:execve"), 2);
    assert_eq!(root.calls("exit_group"), 1);
    assert_eq!(root.calls("i386:exit"), 0);
}

#[test]
fn an_execveat_is_counted_as_one() {
    needs!();
    let receipt = watch(command![program("execveat_fd"), program("exit_code"), "0"]).run().complete(0);
    assert_eq!(receipt.calls("execveat"), 1);
    assert_eq!(receipt.calls("execve"), 1, "the first");
}

/// Programs that do the same each time, counted by `strace -f -c` and by glasshouse in runs of their own.
///
/// `strace -c` counts a call when it returns: exit and exit_group never do, and are left out of the comparison (other
/// tests count them). Nothing else differs; the first execve is counted by both.
#[test]
fn totals_agree_with_strace() {
    needs!("strace");
    let commands: [&[&str]; 14] = [
        &["fork"],
        &["vfork_many", "30"],
        &["clone"],
        &["clone3"],
        &["clone_parent"],
        &["clone_vm"],
        &["posix_spawn", "$exit_code", "0"],
        &["exec_chain", "20"],
        &["exec_storm", "20", "$exit_code"],
        &["fork_storm", "100", "1"],
        &["signal_loop", "100"],
        &["getppid_loop", "1000"],
        &["set_ids"],
        &["path_search", "/nonexistent/a:/nonexistent/b", "missing"],
    ];
    for words in commands {
        let mut command = vec![program(words[0]).to_str().unwrap().to_owned()];
        command.extend(words[1..].iter().map(|word| match word.strip_prefix('$') {
            Some(name) => program(name).to_str().unwrap().to_owned(),
            None => (*word).to_owned(),
        }));
        let run: Run = watch(&command).run();
        let receipt = run.receipt();
        receipt.expect_complete();
        let mut expected = strace::summary(&run.folder(), &command);
        let mut seen = receipt.at("/syscalls/by_name").as_object().unwrap().clone();
        for name in ["exit", "exit_group"] {
            expected.remove(name);
            seen.remove(name);
        }
        let seen = seen.into_iter().map(|(name, count)| (name, count.as_u64().unwrap())).collect();
        assert_eq!(expected, seen, "{words:?}");
    }
}

/// Two glasshouses need not agree by chance: a program that never ends until it is killed has made its calls too.
#[test]
fn calls_of_a_killed_process_are_counted() {
    needs!();
    let script = format!("{} 100000 & p=$!; wait $p; kill -KILL $$", program("getppid_loop").display());
    let receipt = watch(["sh", "-c", &script]).run().complete(137);
    assert_eq!(receipt.calls("getppid"), 100_000 + receipt.root().calls("getppid"));
    assert_eq!(receipt.root().calls("kill"), 1, "the call that ended it");
    assert_eq!(receipt.root().calls("exit_group"), 0);
}

#[test]
fn calls_of_a_process_that_still_runs_are_counted() {
    needs!();
    let script = format!(
        "{{ {} 5000; sleep 100; }} >/dev/null 2>&1 & echo child=$!; sleep 0.5",
        program("getppid_loop").display()
    );
    let run = watch(["sh", "-c", &script]).run();
    let receipt = run.complete(0);
    let shell = receipt.with_pid(fact(&run.stdout, "child"));
    assert_eq!(shell.at("/still_running"), true);
    assert!(shell.at("/syscalls/total").as_u64().unwrap() > 0, "{shell:?}");
    assert_eq!(receipt.calls("getppid") - receipt.root().calls("getppid") - shell.calls("getppid"), 5000);
    for child in
        receipt.children(shell).into_iter().chain([shell]).filter(|child| child.at("/still_running") == true)
    {
        let pid = i32::try_from(child.namespace_pid()).unwrap();
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}
