//! Signals reach the command once, whoever sends them.

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
