//! Real children: what they find when the command starts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use nix::sys::signal::{SigSet, Signal};
use tempfile::TempDir;

use super::*;
use crate::backend::contract::alone;

/// Runs `sh -c script` with stdout of its own; returns what it wrote.
fn output(script: &str, spec: Option<&str>, adjust: impl FnOnce(&mut Command)) -> String {
    let folder = TempDir::new().unwrap();
    // A user that is not root must be able to write here.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let file = folder.path().join("output");
    let script = format!("exec > {}; {script}", file.display());
    let caller = identity::Caller::current();
    let spec: Option<UserSpec> = spec.map(|spec| spec.parse().unwrap());
    let identity = Identity::resolve(spec.as_ref(), &caller).unwrap();
    let argv = ["sh", "-c", &script].map(OsString::from).to_vec();
    let mut command = Command::new(argv, &[], None, identity);
    adjust(&mut command);
    succeeds(&command);
    fs::read_to_string(file).unwrap()
}

/// Runs a command to its successful end.
fn succeeds(command: &Command) {
    let signals = Signals::take().unwrap();
    let (held, outside) = HeldChild::fork(command, None, signals.caller()).unwrap();
    assert_eq!(outside, None);
    let (mut child, executable) = held.release(command, None).unwrap();
    let name = executable.unwrap();
    assert!(name.starts_with(b"/") && name.ends_with(command.name().as_bytes()));
    assert_eq!(child.wait().unwrap().code, Some(0));
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap()
}

#[test]
fn no_descriptor_leaks() {
    let _alone = alone();
    // What the caller of the tests left open, any child has; what is ours must not come on top.
    let held_open = fs::File::open("/proc/self/ns/pid").unwrap();
    let bare = std::process::Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let list = output("ls -l /proc/self/fd", None, |_| {});
    drop(held_open);
    let bare = String::from_utf8(bare.stdout).unwrap();
    for ours in ["pipe:", "signalfd", "pidfd", "pid:[", "cgroup"] {
        // The standard output of the bare one is a pipe to the test.
        let inherited = bare.lines().filter(|line| line.contains(ours) && !line.contains(" 1 -> ")).count();
        let seen = list.lines().filter(|line| line.contains(ours) && !line.contains(" 1 -> ")).count();
        assert!(seen <= inherited, "{ours} in {list}");
    }
}

#[test]
fn signals_are_as_the_caller_had_them() {
    let _alone = alone();
    let before = SigSet::thread_get_mask().unwrap();
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGUSR2);
    mask.thread_set_mask().unwrap();
    // Not by way of a shell: some clear the mask.
    let file = tempfile::NamedTempFile::new().unwrap();
    let argv = ["cp".into(), "/proc/self/status".into(), file.path().into()].to_vec();
    succeeds(&Command::new(argv, &[], None, Identity::unchanged()));
    before.thread_set_mask().unwrap();
    let status = fs::read_to_string(file.path()).unwrap();
    let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
    let bits = |name| u64::from_str_radix(field(&status, name), 16).unwrap();
    assert_eq!(bits("SigBlk"), bit(Signal::SIGUSR2));
    assert_eq!(bits("SigIgn") & (bit(Signal::SIGCHLD) | bit(Signal::SIGINT)), 0);
    let own = inherited::pipe_was_ignored();
    assert_eq!(bits("SigIgn") & bit(Signal::SIGPIPE) != 0, own);
}

#[test]
fn the_directory_is_where_it_was_asked_to_be() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let there = output("pwd -P", None, |command| {
        command.directory.clone_from(&path);
        command.changes_directory = true;
    });
    assert_eq!(Path::new(there.trim_end()), path);
}

#[test]
fn a_missing_directory_is_named() {
    let _alone = alone();
    let command =
        Command::new(vec!["true".into()], &[], Some(Path::new("/no/such/directory")), Identity::unchanged());
    let signals = Signals::take().unwrap();
    let (held, _) = HeldChild::fork(&command, None, signals.caller()).unwrap();
    let error = held.release(&command, None).unwrap_err();
    assert!(matches!(&error, LaunchError::Refused(text) if text.contains("'/no/such/directory'")), "{error}");
}

#[test]
fn another_user_is_that_user_and_no_more() {
    if !is_root() {
        return;
    }
    let _alone = alone();
    let status = output("cat /proc/self/status", Some("nobody"), |_| {});
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    assert_eq!(field(&status, "Uid"), [nobody.uid.to_string().as_str(); 4].join("\t"));
    assert_eq!(field(&status, "Gid"), [nobody.gid.to_string().as_str(); 4].join("\t"));
    assert_eq!(field(&status, "Groups").trim(), nobody.gid.to_string());
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
    let environment = output("env", Some("nobody"), |_| {});
    assert!(environment.contains("USER=nobody\n") && environment.contains("LOGNAME=nobody\n"));
    assert!(environment.contains(&format!("HOME={}\n", nobody.dir.display())));
}

#[test]
fn plain_root_keeps_its_capabilities() {
    if !is_root() {
        return;
    }
    let _alone = alone();
    let status = output("cat /proc/self/status", None, |_| {});
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(field(&status, "CapEff"), field(&own, "CapEff"));
    assert_eq!(field(&status, "Groups"), field(&own, "Groups"));
}

#[test]
fn what_root_may_not_give_away_is_dropped_anyway() {
    let _alone = alone();
    let status = output("cat /proc/self/status", None, |command| command.identity.drops_capabilities = true);
    // An exec by root regains what the bounding set allows, but nothing is inheritable or ambient.
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
}

#[test]
fn a_child_begins_life_in_its_group() {
    let Ok(group) = cgroup::Cgroup::create() else { return assert!(!is_root()) };
    let _alone = alone();
    let argv = vec!["true".into()];
    let command = Command::new(argv, &[], None, Identity::unchanged());
    let signals = Signals::take().unwrap();
    let (held, outside) = HeldChild::fork(&command, Some(&group), signals.caller()).unwrap();
    assert_eq!(outside, None);
    let members = fs::read_to_string(group.path().join("cgroup.procs")).unwrap();
    assert_eq!(members.trim(), held.pid().to_string());
}

#[test]
fn a_held_child_ends_with_its_parent() {
    let _alone = alone();
    // A parent that is killed: the test's own fork would need the whole harness, so its gate is closed instead.
    let command = Command::new(vec!["true".into()], &[], None, Identity::unchanged());
    let signals = Signals::take().unwrap();
    let (held, _) = HeldChild::fork(&command, None, signals.caller()).unwrap();
    let mut child = held.abandon();
    let ended = child.wait().unwrap();
    assert_eq!(ended.code, Some(i32::from(EXIT_FAILED)));
}

#[test]
fn a_hung_exec_is_given_up() {
    let _alone = alone();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    nix::unistd::write(&writer, b"x").unwrap();
    let command = Command::new(vec!["true".into()], &[], None, Identity::unchanged());
    let signals = Signals::take().unwrap();
    let (held, _) = HeldChild::fork(&command, None, signals.caller()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(held.pid().cast_signed()), Signal::SIGSTOP).unwrap();
    let pid = held.pid();
    let error = held.release(&command, Some(std::os::fd::AsFd::as_fd(&reader))).unwrap_err();
    assert!(error.to_string().contains("took too long"), "{error}");
    assert!(fs::metadata(format!("/proc/{pid}")).is_err(), "it is gone");
}

#[test]
fn messages_carry_no_escape_sequences() {
    assert_eq!(quoted("ls"), "'ls'");
    assert_eq!(quoted("it's"), "'it's'");
    assert_eq!(quoted("a\x1b[31m\u{202e}b"), "'a\\u{1b}[31m\\u{202e}b'");
    assert_eq!(quoted(OsStr::from_bytes(b"\xff")), "'\u{fffd}'");
}

#[test]
fn a_path_that_the_user_may_not_search_is_no_reason() {
    if !is_root() {
        return;
    }
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let identity = Identity::resolve(Some(&"nobody".parse().unwrap()), &identity::Caller::current()).unwrap();
    let path = [("PATH".into(), format!("{}:/bin", folder.path().display()).into())];
    let start = |name: &str| {
        let command = Command::new(vec![name.into()], &path, Some(Path::new("/")), identity.clone());
        let (held, _) = HeldChild::fork(&command, None, Signals::take().unwrap().caller()).unwrap();
        held.release(&command, None).map(|(mut child, _)| child.wait().unwrap().code)
    };
    assert!(matches!(start("no-such-command"), Err(LaunchError::NotFound(_))));
    assert_eq!(start("true"), Ok(Some(0)));
    fs::write(folder.path().join("mine"), "").unwrap();
    assert!(matches!(start("mine"), Err(LaunchError::NotExecutable { .. })));
}
