//! Who made whom, how, and when each ended.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::privilege::needs;
use crate::support::watch::bare;
use crate::support::{fact, patience, program, watch};

/// Every way to make one child that ends with a code of its own.
#[test]
fn each_way_of_forking_makes_one_child() {
    needs!();
    for (name, code, call) in
        [("fork", 3, "fork"), ("clone", 4, "clone"), ("clone3", 5, "clone3"), ("clone_vm", 8, "clone")]
    {
        let run = watch([program(name)]).run();
        let receipt = run.complete(0);
        assert_eq!(receipt.processes().len(), 2, "{name}");
        let (root, child) = (receipt.root(), receipt.with_pid(fact(&run.stdout, "child")));
        assert_eq!(child.parent_id(), Some(root.id()), "{name}");
        assert_eq!(child.created_by(), Some(root.id()), "{name}");
        assert_eq!(child.at("/parent_pid").as_u64(), Some(root.pid()), "{name}");
        assert_eq!(child.exit_code(), Some(code), "{name}");
        assert_eq!(child.executions().len(), 0, "{name}: a fork executes nothing");
        assert_eq!(child.text("/name"), name);
        assert_eq!(root.calls(call), 1, "{name}: once, though it returns twice");
        assert_eq!(child.calls(call), 0, "{name}: the child did not call it");
        assert_eq!(root.exit_code(), Some(0), "{name}");
    }
}

#[test]
fn vfork_and_posix_spawn_lead_to_an_exec() {
    needs!();
    for name in ["vfork_exec", "posix_spawn"] {
        let target = program("exit_code");
        let run = watch(command![program(name), &target, "5"]).run();
        let receipt = run.complete(5);
        assert_eq!(receipt.processes().len(), 2, "{name}");
        let child = receipt.with_pid(fact(&run.stdout, "child"));
        assert_eq!(child.parent_id(), Some(receipt.root().id()));
        assert_eq!(child.execution().path(), target.to_str().unwrap());
        assert_eq!(child.exit_code(), Some(5));
        assert_eq!(child.calls("execve"), 1);
        assert_eq!(receipt.root().calls("execve"), 1, "its own");
    }
}

#[test]
fn vforks_are_counted() {
    needs!();
    let receipt = watch(command![program("vfork_many"), "50"]).run().complete(0);
    assert_eq!(receipt.processes().len(), 51);
    assert_eq!(receipt.root().calls("vfork"), 50);
    assert_eq!(receipt.children(receipt.root()).len(), 50);
}

/// The kernel's parent is the caller's parent; who called is another fact.
#[test]
fn clone_parent_makes_a_sibling() {
    needs!();
    let run = watch([program("clone_parent")]).run();
    let receipt = run.complete(0);
    let (root, caller) = (receipt.root(), receipt.with_pid(fact(&run.stdout, "caller")));
    let sibling = receipt.with_pid(fact(&run.stdout, "sibling"));
    assert_eq!(caller.parent_id(), Some(root.id()));
    assert_eq!(sibling.parent_id(), Some(root.id()));
    assert_eq!(sibling.created_by(), Some(caller.id()));
    assert_eq!(sibling.at("/parent_pid").as_u64(), Some(root.pid()));
    assert_eq!((caller.exit_code(), sibling.exit_code()), (Some(6), Some(7)));
}

#[test]
fn threads_are_not_processes() {
    needs!();
    let receipt = watch(command![program("threads"), "4", "1000"]).run().complete(0);
    assert_eq!(receipt.processes().len(), 1);
    assert_eq!(receipt.root().at("/resources/threads_started").as_u64(), Some(4));
    assert_eq!(receipt.root().calls("getppid"), 4000);
}

#[test]
fn a_process_lives_until_its_last_thread() {
    needs!();
    let receipt = watch(command![program("leader_exits"), "150"]).run().complete(7);
    assert_eq!(receipt.processes().len(), 1);
    assert_eq!(receipt.root().exit_code(), Some(7));
    assert_eq!(receipt.root().calls("getppid"), 1, "made after the leader's end");
    assert!(receipt.root().at("/duration_ms").as_f64().unwrap() >= 150.0);
}

#[test]
fn any_thread_can_end_the_process() {
    needs!();
    let receipt = watch([program("thread_exit_group")]).run().complete(9);
    assert_eq!(receipt.processes().len(), 1);
    assert_eq!(receipt.root().exit_code(), Some(9));
    assert_eq!(receipt.root().at("/resources/threads_started").as_u64(), Some(4));
}

#[test]
fn an_orphan_keeps_its_true_parent() {
    needs!();
    let run = watch([program("orphan")]).run();
    let receipt = run.complete(0);
    let child = receipt.with_pid(fact(&run.stdout, "child"));
    let orphan = receipt.with_pid(fact(&run.stdout, "orphan"));
    let grandchild = receipt.with_pid(fact(&run.stdout, "grandchild"));
    assert_eq!(child.parent_id(), Some(receipt.root().id()));
    assert_eq!(orphan.parent_id(), Some(child.id()));
    assert_eq!(orphan.at("/parent_pid").as_u64(), Some(child.pid()));
    assert_eq!(grandchild.parent_id(), Some(orphan.id()));
    assert_eq!((child.exit_code(), grandchild.exit_code()), (Some(16), Some(18)));
}

#[test]
fn a_daemon_outlives_the_root_and_is_said_to() {
    needs!();
    let run = watch(command![program("daemon"), "3000"]).run();
    let receipt = run.complete(0);
    let daemon = receipt.with_pid(fact(&run.stdout, "daemon"));
    assert_eq!(daemon.at("/still_running"), true);
    assert_eq!(daemon.text("/ended_at_reason"), "still_running");
    assert_eq!(daemon.parent_id(), Some(receipt.with_pid(fact(&run.stdout, "between")).id()));
    receipt.expect_outcome("exited", Some(0), None);
    assert!(run.stderr.contains("still running"), "the summary says so: {}", run.stderr);
    let pid = i32::try_from(fact(&run.stdout, "daemon")).unwrap();
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn wait_all_follows_a_daemon_to_its_end() {
    needs!();
    let run = watch(command![program("daemon"), "500", "5"]).options(["--wait-all"]).run();
    let receipt = run.complete(0);
    let daemon = receipt.with_pid(fact(&run.stdout, "daemon"));
    assert_eq!(daemon.at("/still_running"), false);
    assert_eq!(daemon.exit_code(), Some(5));
    assert!(daemon.at("/duration_ms").as_f64().unwrap() >= 500.0);
    receipt.expect_outcome("exited", Some(0), None);
}

/// A process that a daemon makes after the root's end is followed too.
#[test]
fn wait_all_follows_what_a_daemon_does() {
    needs!();
    let script = "(sleep 0.5; sh -c 'exit 6'; exit 7) >/dev/null 2>&1 & exit 3";
    let receipt = watch(["sh", "-c", script]).options(["--wait-all"]).run().complete(3);
    let codes: Vec<_> = receipt.processes().iter().map(crate::support::Process::exit_code).collect();
    assert_eq!(codes, [Some(3), Some(7), Some(0), Some(6)]);
}

/// The command itself was in time: its own end is the outcome, and what was waited for is ended.
#[test]
fn a_timeout_of_wait_all_leaves_the_outcome_the_command_s_own() {
    needs!();
    // A slow machine takes its time for the command alone.
    let options = ["--wait-all", "--timeout", "5s"];
    for (script, code, status) in [
        ("sleep 100 >/dev/null 2>&1 & exit 3", 3, "exited"),
        ("sleep 100 >/dev/null 2>&1 & kill -9 $$", 137, "signaled"),
    ] {
        let run = watch(["sh", "-c", script]).options(options).run();
        let receipt = run.complete(code);
        assert_eq!(receipt.text("/execution/outcome/status"), status);
        let error = receipt.text("/execution/outcome/error");
        assert!(error.contains("ended by itself") && error.contains("5s"), "{error}");
        assert!(run.stderr.contains(error), "{}", run.stderr);
        let duration = receipt.at("/execution/duration_ms").as_f64().unwrap();
        assert!(duration < 5_000.0, "{duration} ms until the command's own end");
        let signals: Vec<_> = receipt.processes().iter().map(crate::support::Process::exit_signal).collect();
        assert_eq!(signals.last(), Some(&Some(15)), "{signals:?}");
    }
}

/// What the kernel tells is the host's time; what glasshouse reads in a time namespace is not.
#[test]
fn times_are_the_host_s_in_a_time_namespace() {
    needs!("unshare");
    // No clock may be set to before its start, and a virtual machine has only just been started.
    for offset in ["86400", "-1"] {
        // Of one width, so that their order is that of the times.
        let date = || {
            let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%NZ"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        };
        let before = date();
        let namespace = ["unshare", "--time", "--fork", "--boottime", offset];
        let run = watch(["sh", "-c", "sleep 0.2; echo x > made"]).under(namespace).run();
        let after = date();
        let receipt = run.complete(0);
        let root = receipt.root();
        let times = [
            receipt.text("/execution/started_at"),
            receipt.text("/execution/finished_at"),
            root.text("/started_at"),
            root.execution().0["at"].as_str().unwrap(),
            root.text("/ended_at"),
        ];
        for time in times {
            assert!(before.as_str() <= time && time <= after.as_str(), "{time} with an offset of {offset}");
        }
        assert!(receipt.at("/execution/duration_ms").as_f64().unwrap() >= 200.0);
    }
}

#[test]
fn pids_of_a_namespace_stand_beside_the_host_s() {
    needs!();
    let run = watch([program("pid_namespace")]).run();
    let receipt = run.complete(0);
    let init = receipt.with_pid(1);
    let second = receipt.with_pid(2);
    assert_eq!(receipt.processes().len(), 3);
    assert_eq!(second.parent_id(), Some(init.id()));
    assert_eq!((init.exit_code(), second.exit_code()), (Some(21), Some(22)));
    assert_ne!(init.pid(), 1);
    let own = receipt.root().at("/credentials/namespaces/pid_for_children");
    assert_ne!(init.at("/credentials/namespaces/pid_for_children"), own, "another namespace");
}

#[test]
fn a_reused_pid_is_another_process() {
    needs!();
    let run = watch([program("pid_reuse")]).run();
    let receipt = run.complete(0);
    let mut generations = receipt.all_with_pid(fact(&run.stdout, "pid"));
    // The first one, which ended with 30, only found a free pid.
    generations.retain(|process| process.exit_code() != Some(30));
    let codes: Vec<_> = generations.iter().map(crate::support::Process::exit_code).collect();
    assert_eq!(codes, [Some(31), Some(32), Some(33)]);
    assert!(generations.iter().all(|process| process.parent_id() == Some(receipt.root().id())));
}

#[test]
fn a_storm_of_forks_is_complete() {
    needs!();
    let receipt = watch(command![program("fork_storm"), "5000"]).run().complete(0);
    let mut codes: BTreeMap<i64, u64> = BTreeMap::new();
    for child in receipt.children(receipt.root()) {
        *codes.entry(child.exit_code().expect("each has ended")).or_default() += 1;
    }
    let expected: BTreeMap<i64, u64> =
        (0..64).map(|code| (code, if code < 5000 % 64 { 79 } else { 78 })).collect();
    assert_eq!(codes, expected);
    assert_eq!(receipt.calls("exit_group"), 5001);
}

#[test]
fn a_fork_heavy_script_is_complete() {
    needs!();
    let script = "i=0; while [ $i -lt 200 ]; do (exit $((i % 3))) ; i=$((i + 1)); done; exit 4";
    let receipt = watch(["sh", "-c", script]).run().complete(4);
    assert_eq!(receipt.processes().len(), 201);
    let ones = receipt.processes().iter().filter(|process| process.exit_code() == Some(1)).count();
    assert_eq!(ones, 67);
}

/// The kernel scales tick-based CPU times to the precise total; so does getrusage.
#[test]
fn cpu_time_agrees_with_getrusage() {
    needs!();
    let run = watch(command![program("burn_cpu"), "400"]).run();
    let receipt = run.complete(0);
    let resources = receipt.root().at("/resources");
    let milliseconds = resources["user_ms"].as_f64().unwrap() + resources["system_ms"].as_f64().unwrap();
    let expected = fact(&run.stdout, "cpu_us") as f64 / 1000.0;
    let slack = 5.0 * crate::support::slowness() + expected * 0.02;
    assert!(
        (milliseconds - expected).abs() <= slack,
        "{milliseconds} ms in the receipt, {expected} ms by getrusage"
    );
    let total = receipt.at("/execution/resources");
    let all = total["user_ms"].as_f64().unwrap() + total["system_ms"].as_f64().unwrap();
    assert!(all >= expected - slack, "{all} ms for the whole command");
}

#[test]
fn peak_memory_agrees_with_getrusage() {
    needs!();
    let run = watch(command![program("eat_memory"), "64"]).run();
    let receipt = run.complete(0);
    let peak = receipt.root().at("/resources/max_rss_bytes").as_u64().unwrap();
    let expected = fact(&run.stdout, "max_rss_kib") * 1024;
    assert!(peak.abs_diff(expected) <= 1 << 20, "{peak} bytes in the receipt, {expected} by getrusage");
}

#[test]
fn times_are_those_of_the_kernel() {
    needs!();
    let before = wall_clock();
    let receipt = watch(["sh", "-c", "sleep 0.3; true"]).run().complete(0);
    let sleeper = receipt.children(receipt.root())[0];
    let duration = sleeper.at("/duration_ms").as_f64().unwrap();
    assert!((300.0..300.0 + patience(1).as_secs_f64() * 1000.0).contains(&duration), "{duration} ms");
    let root = receipt.root();
    assert!(root.at("/duration_ms").as_f64().unwrap() >= duration);
    assert!(root.text("/started_at") <= sleeper.text("/started_at"));
    assert!(sleeper.text("/ended_at") <= root.text("/ended_at"));
    assert_eq!(root.text("/started_at"), root.execution().0["at"], "the root begins with its first exec");
    // The clock of the receipt is the clock on the wall.
    assert!(before.as_str() <= root.text("/started_at"), "{before}");
    assert!(root.text("/ended_at") <= wall_clock().as_str());
}

fn wall_clock() -> String {
    let output = bare(&std::env::temp_dir(), ["date", "-u", "+%FT%T.%NZ"]).stdout;
    String::from_utf8(output).unwrap().trim().to_owned()
}

#[test]
fn the_name_is_the_last_one() {
    needs!();
    let receipt = watch(command![program("rename"), "another"]).run().complete(0);
    assert_eq!(receipt.root().text("/name"), "another");
}

/// While probes are detached the workload may go on: of each call that was counted, the process that it made is there.
#[test]
fn a_fork_that_is_counted_is_told_while_observation_ends() {
    needs!();
    for _ in 0..12 {
        let receipt = watch([program("forks_on")]).run().complete(1);
        for process in receipt.processes() {
            let forks: u64 =
                ["fork", "vfork", "clone", "clone3"].iter().map(|call| process.calls(call)).sum();
            let made =
                receipt.processes().iter().filter(|made| made.created_by() == Some(process.id())).count();
            assert!(made as u64 >= forks, "{forks} forks, {made} processes: {process:?}");
        }
    }
}
