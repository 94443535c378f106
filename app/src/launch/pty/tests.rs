//! Real children on a terminal of their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::signal::SigSet,
};

use super::*;
use crate::{
    backend::contract::alone,
    launch::{Command, HeldChild, Identity, RunningChild, Signals, UserSpec, identity::Caller},
};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command that was started on a terminal, in no control group.
pub(crate) fn started(pty: &Pty, mut command: Command) -> RunningChild {
    command.terminal = Some(pty.terminal());
    let mask = SigSet::thread_get_mask().unwrap();
    let signals = Signals::take().unwrap();
    let (held, outside) = HeldChild::fork(&command, None, signals.caller()).unwrap();
    assert_eq!(outside, None);
    let (child, _) = held.release(&command, None).unwrap();
    // Or the next one in this thread is begun as if its caller had them blocked.
    mask.thread_set_mask().unwrap();
    child
}

/// `sh -c script` on a terminal.
struct Shell {
    pty: Pty,
    child: RunningChild,
    written: String,
}

impl Shell {
    fn start(streams: Streams, user: Option<&str>, script: &str) -> Self {
        let pty = Pty::for_streams(24, 80, streams).unwrap();
        let spec: Option<UserSpec> = user.map(|user| user.parse().unwrap());
        let identity = Identity::resolve(spec.as_ref(), &Caller::current()).unwrap();
        let command = Command::new(["sh", "-c", script].map(OsString::from).to_vec(), &[], None, identity);
        let child = started(&pty, command);
        Self { pty, child, written: String::new() }
    }

    /// Reads until it is closed, or what was written holds the text.
    fn read_until(&mut self, text: Option<&str>) -> &str {
        let until = Instant::now() + PATIENCE;
        while text.is_none_or(|text| !self.written.contains(text)) {
            assert!(Instant::now() < until, "{text:?} was not written: {:?}", self.written);
            let mut buffer = [0; 4096];
            match self.pty.read(&mut buffer).unwrap() {
                Read::Bytes(bytes) => self.written += &String::from_utf8_lossy(&buffer[..bytes]),
                Read::Nothing => {
                    poll(&mut [PollFd::new(self.pty.as_fd(), PollFlags::POLLIN)], 1000_u16).unwrap();
                }
                Read::Closed => {
                    assert_eq!(text, None, "it is closed: {:?}", self.written);
                    break;
                }
            }
        }
        &self.written
    }

    /// What it wrote altogether, a line each.
    fn lines(mut self) -> Vec<String> {
        let lines = self.read_until(None).lines().map(str::to_owned).collect();
        self.child.wait().unwrap();
        lines
    }
}

#[test]
fn it_is_the_controlling_terminal_with_its_size() {
    let _alone = alone();
    let script = "test -t 0 && test -t 1 && test -t 2 && echo all; stty size; tty; echo by-name >/dev/tty; \
                  ps -o sid=,pgid=,tpgid=,pid= -p $$";
    let lines = Shell::start([true; 3], None, script).lines();
    assert_eq!(lines[..2], ["all", "24 80"]);
    assert!(lines[2].starts_with("/dev/pts/"), "{lines:?}");
    assert_eq!(lines[3], "by-name");
    let ids: Vec<_> = lines[4].split_whitespace().collect();
    // It has the keyboard.
    assert_eq!(ids[1], ids[2], "group, and group in the foreground");
}

#[test]
fn streams_that_are_no_terminal_stay_as_they_are() {
    let _alone = alone();
    let file = tempfile::NamedTempFile::new().unwrap();
    let script =
        format!("readlink /proc/self/fd/1 > {}; tty >&2; echo to-it >/dev/tty", file.path().display());
    let own = std::fs::read_link("/proc/self/fd/1").unwrap();
    let lines = Shell::start([true, false, true], None, &script).lines();
    assert!(lines[0].starts_with("/dev/pts/"), "{lines:?}");
    assert_eq!(lines[1], "to-it", "it is the controlling terminal all the same");
    drop(own);
}

#[test]
fn a_new_size_is_told() {
    let _alone = alone();
    let script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.02; done";
    let mut shell = Shell::start([true; 3], None, script);
    shell.read_until(Some("ready"));
    shell.pty.resize(11, 222).unwrap();
    shell.read_until(Some("11 222"));
    shell.child.wait().unwrap();
}

#[test]
fn keys_are_read_and_interrupt() {
    let _alone = alone();
    let mut shell = Shell::start(
        [true; 3],
        None,
        "trap 'echo interrupted; exit' INT; read line; echo \"<$line>\"; while :; do sleep 0.02; done",
    );
    shell.pty.write(b"typed\n").unwrap();
    shell.read_until(Some("<typed>"));
    shell.pty.write(b"\x03").unwrap();
    shell.read_until(Some("interrupted"));
    shell.child.wait().unwrap();
}

#[test]
fn it_is_the_users() {
    let _alone = alone();
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let lines =
        Shell::start([true; 3], Some("nobody"), "stat -c '%U %a' $(tty); echo by-name > $(tty); id -un")
            .lines();
    assert!(["nobody 620", "nobody 600"].contains(&lines[0].as_str()), "{lines:?}");
    assert_eq!(lines[1..], ["by-name", "nobody"]);
}

#[test]
fn what_comes_after_the_commands_end_is_read() {
    let _alone = alone();
    let mut shell = Shell::start([true; 3], None, "(sleep 0.3; echo late) & echo early");
    shell.child.wait().unwrap();
    assert_eq!(shell.lines(), ["early", "late"]);
}

/// As it is when glasshouse goes and the terminal with it.
#[test]
fn what_is_left_running_outlives_the_terminal() {
    let _alone = alone();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let mut shell = Shell::start([true; 3], None, &format!("(sleep 0.5; echo lived > {path}) & echo early"));
    shell.read_until(Some("early"));
    shell.child.wait().unwrap();
    drop(shell);
    let until = Instant::now() + PATIENCE;
    while std::fs::read_to_string(&path).unwrap().is_empty() {
        assert!(Instant::now() < until, "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_is_a_child_as_any_other() {
    let _alone = alone();
    let mut shell = Shell::start([true; 3], None, "echo $PPID; read line; ps -o stat= -p $$");
    let parent = std::process::id().to_string();
    shell.read_until(Some(&parent));
    shell.pty.write(b"\n").unwrap();
    let mut lines = shell.lines();
    let state = lines.pop().unwrap();
    assert!(state.contains('+') && !state.contains('s'), "in the foreground, and no leader: {state}");
    // A shell with job control has nothing to complain of.
    let mut shell = Shell::start([true; 3], None, "exec bash --norc -i");
    shell.pty.write(b"sleep 100\n").unwrap();
    shell.read_until(Some("sleep 100"));
    std::thread::sleep(Duration::from_millis(300));
    shell.pty.write(b"\x1a").unwrap();
    shell.read_until(Some("Stopped"));
    shell.pty.write(b"kill %1; exit\nexit\n").unwrap();
    let written = shell.read_until(None);
    assert!(!written.contains("job control"), "{written}");
}

#[test]
fn nobody_else_keeps_it_open() {
    let _alone = alone();
    let lines = Shell::start(
        [true; 3],
        None,
        "ls -l /proc/self/fd | grep -c pts; ls -l /proc/self/fd | grep -c ptmx",
    )
    .lines();
    assert_eq!(lines, ["2", "0"], "standard input and error of ls, whose output is a pipe");
}
