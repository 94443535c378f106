//! Signals reach the command once, whoever sends them.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::privilege::needs;
use crate::support::pty::terminal;
use crate::support::{program, watch};

/// The lines `number:sender` for one signal.
fn received(output: &str, signal: Signal) -> Vec<&str> {
    let number = format!("{}:", signal as i32);
    output.lines().filter_map(|line| line.strip_prefix(number.as_str())).collect()
}

/// The terminal gives Ctrl-C to the whole foreground group: the command already has it.
#[test]
fn ctrl_c_arrives_once_from_the_terminal() {
    needs!("setsid");
    let (mut keyboard, slave) = terminal();
    let running = watch(command![program("wait_signals"), "500"]).on_terminal(slave).start();
    running.wait_for_output("ready");
    keyboard.press(b"\x03");
    let run = running.finish();
    let receipt = run.complete(0);
    assert_eq!(received(&run.stdout, Signal::SIGINT), ["tty"], "{}", run.stdout);
    receipt.expect_outcome("exited", Some(0), None);
}

#[test]
fn ctrl_c_ends_a_command_that_does_not_mind() {
    needs!("setsid");
    let (mut keyboard, slave) = terminal();
    let running = watch(["sh", "-c", "echo ready; exec sleep 100"]).on_terminal(slave).start();
    running.wait_for_output("ready");
    // The shell has said so before its exec.
    std::thread::sleep(std::time::Duration::from_millis(100));
    keyboard.press(b"\x03");
    let receipt = running.finish().complete(130);
    receipt.expect_outcome("signaled", None, Some(2));
}

/// Ctrl-\ likewise, though a core might be dumped.
#[test]
fn ctrl_backslash_arrives_once_from_the_terminal() {
    needs!("setsid");
    let (mut keyboard, slave) = terminal();
    let running = watch(command![program("wait_signals"), "500"]).on_terminal(slave).start();
    running.wait_for_output("ready");
    keyboard.press(b"\x1c");
    let run = running.finish();
    run.complete(0);
    assert_eq!(received(&run.stdout, Signal::SIGQUIT), ["tty"], "{}", run.stdout);
}

#[test]
fn a_signal_to_glasshouse_alone_is_passed_on_once() {
    needs!();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let running = watch(command![program("wait_signals"), "500"]).start();
        running.wait_for_output("ready");
        running.signal(signal);
        let run = running.finish();
        let receipt = run.complete(0);
        assert_eq!(received(&run.stdout, signal), ["process"], "{signal}: {}", run.stdout);
        receipt.expect_outcome("exited", Some(0), None);
    }
}

#[test]
fn a_command_that_dies_of_what_was_passed_on_is_signaled() {
    needs!();
    for (signal, number) in [(Signal::SIGINT, 2), (Signal::SIGTERM, 15), (Signal::SIGHUP, 1)] {
        let running = watch(["sh", "-c", "echo ready; exec sleep 100"]).start();
        running.wait_for_output("ready");
        running.signal(signal);
        let receipt = running.finish().complete(128 + number);
        receipt.expect_outcome("signaled", None, Some(i64::from(number)));
    }
}

#[test]
fn a_command_may_end_in_its_own_way() {
    needs!();
    let script = "trap 'sleep 0.2; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let running = watch(["sh", "-c", script]).start();
    running.wait_for_output("ready");
    running.signal(Signal::SIGTERM);
    let receipt = running.finish().complete(7);
    receipt.expect_outcome("exited", Some(7), None);
}

/// Whatever would end a command by itself, and does not say that glasshouse has a defect.
#[test]
fn every_signal_that_ends_is_passed_on() {
    needs!();
    use Signal::{SIGALRM, SIGIO, SIGPROF, SIGPWR, SIGSTKFLT, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ};
    let named = [SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGUSR1, SIGUSR2];
    // Of the real-time ones the first that programs may use, one of the others and the last.
    for number in named.map(|signal| signal as i32).into_iter().chain([34, 50, 64]) {
        let running = watch(["sh", "-c", "echo ready; exec sleep 100"]).start();
        running.wait_for_output("ready");
        std::thread::sleep(std::time::Duration::from_millis(100));
        let sent = std::process::Command::new("kill")
            .args([format!("-{number}"), running.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let receipt = running.finish().complete(128 + number);
        receipt.expect_outcome("signaled", None, Some(i64::from(number)));
    }
}

/// Of what is left running nothing more is known, and that it was interrupted is said once.
#[test]
fn who_insists_leaves_the_command_running() {
    needs!();
    let running = watch(["sh", "-c", "trap '' INT; echo ready $$; exec sleep 100"]).start();
    let output = running.wait_for_output("ready");
    // Of two that come before the first is read there is one.
    for _ in 0..12 {
        running.signal(Signal::SIGINT);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let run = running.finish();
    run.expect_code(130);
    let pid = output.split_whitespace().last().unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let receipt = run.receipt();
    receipt.expect_outcome("interrupted", None, None);
    let codes = |pointer: &str| {
        let all = receipt.at(pointer).as_array().unwrap();
        all.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes("/observation/reasons"), ["interrupted"]);
    assert!(codes("/observation/blind_spots").contains(&"left_running".into()));
}

/// An alarm outlives the exec of glasshouse. As without glasshouse it is the command's.
#[test]
fn an_alarm_of_the_caller_rings_for_the_command() {
    needs!("perl");
    let run = watch(["sleep", "100"]).under(["perl", "-e", "alarm 1; exec @ARGV"]).run();
    run.complete(142).expect_outcome("signaled", None, Some(14));
}

/// The limit on files is also glasshouse's own. That a file of glasshouse's grows beyond it ends nothing, and the command has
/// what it would have had.
#[test]
fn a_limit_on_files_ends_the_command_alone() {
    needs!("bash");
    let beyond = "dd if=/dev/zero of=big bs=1024 count=100 2>/dev/null";
    for (preparation, code) in [("ulimit -f 4", 153), ("trap '' XFSZ; ulimit -f 4", 1)] {
        // A receipt of a standard error that is full, the outcome of which tells of the command.
        let script = format!("{preparation} && exec \"$@\"");
        let wrapper = ["bash", "-c", &script, "bash"];
        let output = format!("{beyond}; echo $? > ended; echo ran >&2");
        let run = watch(["sh", "-c", &output]).under(wrapper).run();
        run.expect_code(125);
        assert_eq!(fs::read_to_string(run.folder().join("ended")).unwrap(), format!("{code}\n"));
        assert!(run.stderr.contains("ran") && run.stderr.contains("File too large"), "{}", run.stderr);
        let left: Vec<_> =
            fs::read_dir(run.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("receipt")), "{left:?}");
    }
}

/// A command that was ignored to a signal by its caller stays so, as `nohup` wants it.
#[test]
fn an_ignored_signal_stays_ignored() {
    needs!();
    let run = watch([program("inherited")]).after("trap '' HUP").run();
    run.complete(0);
    let line = run.stdout.lines().find(|line| line.starts_with("SigIgn")).unwrap();
    let ignored = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    // 32 and 33 belong to the C library, and whoever started the tests may ignore them.
    assert_eq!(ignored & 0x7fff_ffff, 1, "SIGHUP and nothing else");
}

/// A stopped command is waited for, and goes on.
#[test]
fn a_command_that_stops_is_not_ended() {
    needs!();
    let run = watch(["sh", "-c", "(sleep 0.3; kill -CONT $$) & kill -STOP $$; wait; exit 5"]).run();
    run.complete(5).expect_outcome("exited", Some(5), None);
}
