//! Nothing is left behind, however a run ends.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::support::privilege::needs;
use crate::support::{Running, fact, program, wait_until, watch};

/// The cgroup v2 folder of a process.
fn cgroup_of(pid: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("cgroup v2 is mounted");
    let mount = mount.split(' ').nth(4).unwrap();
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).expect("a group");
    PathBuf::from(mount).join(group)
}

/// Starts a command that says `pid=…`, and gives its cgroup, which is one of its own.
fn start_in_cgroup(script: &str) -> (Running, PathBuf) {
    let running = watch(["sh", "-c", &format!("echo pid=$$ ready; {script}")]).start();
    let output = running.wait_for_output("ready");
    let group = cgroup_of(&fact(&output, "pid").to_string());
    let own = cgroup_of("self");
    assert_ne!(group, own, "the command has a group of its own");
    assert!(group.starts_with(&own), "below the caller's, so that its limits still apply");
    (running, group)
}

#[test]
fn the_cgroup_goes_with_the_run() {
    needs!();
    let (running, group) = start_in_cgroup("sleep 0.3; exit 3");
    assert!(group.is_dir());
    running.finish().complete(3);
    assert!(!group.exists(), "{} is left", group.display());
}

/// Groups that the command made itself below its own go too.
#[test]
fn cgroups_inside_the_cgroup_go_as_well() {
    needs!();
    let (running, group) = start_in_cgroup("sleep 0.5; exit 3");
    fs::create_dir(group.join("below")).unwrap();
    running.finish().complete(3);
    assert!(!group.exists(), "{} is left", group.display());
}

#[test]
fn survivors_are_moved_back_and_run_on() {
    needs!();
    let run = watch(command![program("daemon"), "5000"]).run();
    run.complete(0);
    let pid = fact(&run.stdout, "daemon").to_string();
    assert_eq!(cgroup_of(&pid), cgroup_of("self"));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let state = status.lines().find(|line| line.starts_with("State")).unwrap();
    assert!(state.contains("S (sleeping)"), "{state}");
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
}

#[test]
fn signals_that_end_the_run_leave_nothing() {
    needs!();
    for (signal, number) in
        [(Signal::SIGTERM, 15), (Signal::SIGINT, 2), (Signal::SIGHUP, 1), (Signal::SIGQUIT, 3)]
    {
        let (running, group) = start_in_cgroup("ulimit -c 0; exec sleep 100");
        // The shell has spoken before its exec, and `sleep` keeps the default action.
        std::thread::sleep(std::time::Duration::from_millis(100));
        running.signal(signal);
        let run = running.finish();
        run.complete(128 + number).expect_outcome("signaled", None, Some(i64::from(number)));
        assert!(!group.exists(), "{signal}: {} is left", group.display());
    }
}

/// Even when glasshouse is killed outright the command runs on, unstopped.
#[test]
fn a_killed_observer_does_not_stop_the_command() {
    needs!();
    let (running, group) = start_in_cgroup("sleep 1; echo done; touch finished");
    let folder = PathBuf::from(format!("/proc/{}/cwd", running.pid()));
    let folder = fs::read_link(folder).unwrap();
    running.signal(Signal::SIGKILL);
    wait_until("the command to finish", || folder.join("finished").exists().then_some(()));
    let run = running.finish();
    assert_eq!(run.status.code(), None);
    // The next one does it, once the command is all over.
    wait_until("the next run to remove the group", || {
        watch(["true"]).run().complete(0);
        (!group.exists()).then_some(())
    });
}

#[test]
fn only_the_receipt_is_left_in_the_folder() {
    needs!();
    let run = watch(["true"]).run();
    run.complete(0);
    let mut names: Vec<_> =
        fs::read_dir(run.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["receipt.json", "stderr", "stdout"]);
}

#[test]
fn a_command_that_fails_to_start_leaves_nothing() {
    needs!();
    let own = cgroup_of("self");
    let running = watch(["/nonexistent/command"]).start();
    // Others' are theirs to remove; and who comes later would remove this one's.
    let ours = format!("glasshouse-{}-", running.pid());
    running.finish().expect_code(127);
    let left: Vec<_> = fs::read_dir(&own)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&ours))
        .collect();
    assert_eq!(left, [""; 0]);
}
