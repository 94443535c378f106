//! What people read at the end of a run.
//!
//! It is made from the receipt, so that nothing appears here that was removed there. Whatever a program chose is
//! escaped: a name must not move the cursor or turn the reading direction.

mod files;
mod findings;
mod network;
mod sensitive;

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use humansize::{BINARY, format_size};

pub(crate) use sensitive::is_sensitive;

use crate::hex::hex;
use crate::receipt::{
    Receipt,
    schema::{Backpressure, Completeness, Denied, Milliseconds, Outcome, OutcomeStatus, Process, Reason},
    write::Written,
};

/// Entries of a list that are shown; the receipt has them all.
const SHOWN: usize = 6;

/// Writes the summary of a run, with `written` where the receipt went.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut dyn Write, receipt: &Receipt, written: Option<&Written>) -> io::Result<()> {
    let run = &receipt.execution;
    write!(out, "glasshouse: {}", outcome(&run.outcome))?;
    let was_run = run.outcome.status != OutcomeStatus::FailedToStart;
    if was_run {
        write!(out, " after {}", duration(run.duration_ms))?;
    }
    if let Some(used) = &run.resources {
        let (user, system) = (duration(used.user_ms), duration(used.system_ms));
        write!(
            out,
            " (user {user}, system {system}, peak memory {})",
            format_size(used.max_rss_bytes, BINARY)
        )?;
    }
    writeln!(out)?;
    if !receipt.processes.is_empty() {
        line(out, "processes", &processes(receipt))?;
        line(out, "system calls", &calls(receipt))?;
        line(out, "denied", &denied(receipt))?;
    }
    files::write(out, receipt)?;
    network::write(out, receipt)?;
    findings::write(out, receipt)?;
    if let Some(text) = not_hashed(receipt) {
        line(out, "not hashed", &text)?;
    }
    // Nothing can be lost of what was not run.
    for text in lost(receipt).iter().filter(|_| was_run) {
        line(out, "lost", text)?;
    }
    if let Some(text) = slowed_down(&receipt.observation.backpressure) {
        line(out, "slowed down", &text)?;
    }
    if let Some(text) = still_running(receipt) {
        line(out, "still running", &text)?;
    }
    if !receipt.redactions.is_empty() {
        line(out, "redacted", &plural(receipt.redactions.len() as u64, "value"))?;
    }
    written.map_or(Ok(()), |written| place(out, written))
}

/// Makes bytes that somebody else chose safe to print: control characters, invalid UTF-8, and characters that are
/// invisible or change the reading direction are shown as escapes, and a backslash as two.
pub fn escape(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|char| escape_char(&mut shown, char));
        for byte in chunk.invalid() {
            push(&mut shown, format_args!("\\x{byte:02x}"));
        }
    }
    shown
}

fn escape_char(shown: &mut String, char: char) {
    match char {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        ' '..='~' => shown.push(char),
        '\0'..='\x7f' => push(shown, format_args!("\\x{:02x}", u32::from(char))),
        _ if is_visible(char) => shown.push(char),
        _ => push(shown, format_args!("\\u{{{:x}}}", u32::from(char))),
    }
}

/// What the standard library would print as it is within a string: no control or format characters, no separators,
/// nothing unassigned. A combining character is fine after another one.
fn is_visible(char: char) -> bool {
    let mut text = String::from("a");
    text.push(char);
    text.escape_debug().eq(text.chars())
}

fn push(shown: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = shown.write_fmt(text);
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {label:<14}{text}")
}

/// How it ended; what went wrong has been said before the summary, which `--quiet` leaves out.
fn outcome(outcome: &Outcome) -> String {
    match outcome.status {
        OutcomeStatus::Exited | OutcomeStatus::Signaled => ending(outcome),
        OutcomeStatus::FailedToStart => "the command was not run".into(),
        OutcomeStatus::TimedOut => format!("the time limit was reached, {}", ending(outcome)),
        OutcomeStatus::Interrupted => "observation was interrupted".into(),
        OutcomeStatus::ObserverFailed => "observation failed".into(),
    }
}

fn ending(outcome: &Outcome) -> String {
    let core = if outcome.core_dumped { ", core dumped" } else { "" };
    match (outcome.exit_code, outcome.signal, &outcome.signal_name) {
        (Some(code), ..) => format!("exited with code {code}"),
        (None, Some(number), Some(name)) => format!("killed by {name} ({number}){core}"),
        (None, Some(number), None) => format!("killed by signal {number}{core}"),
        (None, None, _) => "ended in an unknown way".into(),
    }
}

fn processes(receipt: &Receipt) -> String {
    let executions = receipt.processes.iter().map(|process| process.executions.len() as u64).sum();
    let failed =
        receipt.processes.iter().flat_map(|process| &process.failed_executions).map(|one| one.count).sum();
    let total =
        receipt.observation.limits.iter().find(|limit| limit.list == "processes").map(|limit| limit.total);
    let mut text = grouped(total.unwrap_or(receipt.processes.len() as u64));
    let peak = peak(&receipt.processes);
    if peak > 1 {
        push(&mut text, format_args!(" (up to {peak} at once)"));
    }
    push(&mut text, format_args!(", {}", plural(executions, "execution")));
    if failed > 0 {
        push(&mut text, format_args!(", {} failed", grouped(failed)));
    }
    text
}

/// How many processes were alive at the same time, at most.
fn peak(processes: &[Process]) -> usize {
    let mut starts: Vec<_> = processes.iter().map(|process| process.started_at).collect();
    let mut ends: Vec<_> = processes.iter().filter_map(|process| process.ended_at).collect();
    starts.sort_unstable();
    ends.sort_unstable();
    let ended_by = |start| ends.partition_point(|end| *end <= start);
    starts
        .iter()
        .enumerate()
        .map(|(index, start)| (index + 1).saturating_sub(ended_by(*start)))
        .max()
        .unwrap_or(0)
}

fn calls(receipt: &Receipt) -> String {
    let mut counts = receipt.syscalls.by_name.by_count();
    let hidden = counts.len().saturating_sub(SHOWN);
    counts.truncate(SHOWN);
    let shown = counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count)));
    let total = grouped(receipt.syscalls.total);
    listed(shown, hidden).map_or(total.clone(), |shown| format!("{total}: {shown}"))
}

fn denied(receipt: &Receipt) -> String {
    let mut denied: Vec<&Denied> = receipt.syscalls.denied.iter().collect();
    denied.sort_by_key(|denied| std::cmp::Reverse(denied.count));
    let hidden = denied.len().saturating_sub(SHOWN);
    denied.truncate(SHOWN);
    let shown = denied.iter().map(|denied| {
        let process = receipt.processes.iter().find(|process| process.id == denied.process);
        let by = process.map(|process| format!(" by {}", named(process))).unwrap_or_default();
        format!("{} {} ×{}{by}", denied.name, denied.errno, grouped(denied.count))
    });
    listed(shown, hidden).unwrap_or_else(|| "nothing".into())
}

fn lost(receipt: &Receipt) -> Vec<String> {
    let observation = &receipt.observation;
    if observation.completeness == Completeness::Complete {
        return vec!["nothing".into()];
    }
    let reason = |code: &str, detail: &str| format!("{code}: {}", escape(detail.as_bytes()));
    observation.reasons.iter().map(|gap| reason(&gap.code, &gap.detail)).collect()
}

/// How much the command was slowed down rather than that anything was lost.
fn slowed_down(pressure: &Backpressure) -> Option<String> {
    let waited = (pressure.waits > 0)
        .then(|| format!("{} of {} in all", plural(pressure.waits, "wait"), duration(pressure.waited_ms)));
    let frozen = (pressure.freezes > 0)
        .then(|| format!("frozen {} times for {} in all", pressure.freezes, duration(pressure.frozen_ms)));
    listed(waited.into_iter().chain(frozen), 0)
}

/// Executions of files whose content was not hashed, by reason.
fn not_hashed(receipt: &Receipt) -> Option<String> {
    let mut reasons: Vec<(Reason, u64)> = Vec::new();
    let executions = receipt.processes.iter().flat_map(|process| &process.executions);
    for reason in executions.filter_map(|execution| execution.file.sha256_reason) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    let total = reasons.iter().map(|(_, count)| count).sum();
    let shown = reasons.iter().map(|(reason, count)| format!("{} {count}", reason.code()));
    listed(shown, 0).map(|shown| format!("the file of {}: {shown}", plural(total, "execution")))
}

fn still_running(receipt: &Receipt) -> Option<String> {
    let running: Vec<_> = receipt.processes.iter().filter(|process| process.still_running).collect();
    let hidden = running.len().saturating_sub(SHOWN);
    let shown = listed(running.iter().take(SHOWN).map(|process| named(process)), hidden)?;
    Some(format!("{shown}; a process of the receipt's owner can change it: only the SHA-256 will tell"))
}

fn place(out: &mut dyn Write, written: &Written) -> io::Result<()> {
    let size = format_size(written.size_bytes, BINARY);
    match &written.path {
        Some(path) => {
            line(out, "receipt", &format!("{} ({size})", escape(path.as_os_str().as_encoded_bytes())))?
        }
        None => line(out, "receipt", &format!("standard output ({size})"))?,
    }
    if let Some(reason) = &written.fallback_reason {
        line(out, "", &format!("there, because of {}", escape(reason.as_bytes())))?;
    }
    if let Some(reason) = &written.owner_reason {
        line(out, "", &escape(reason.as_bytes()))?;
    }
    line(out, "sha256", &hex(&written.sha256))
}

fn named(process: &Process) -> String {
    match &process.name {
        Some(name) => format!("{} (pid {})", escape(&name.0), process.pid),
        None => format!("pid {}", process.pid),
    }
}

fn listed(shown: impl Iterator<Item = String>, hidden: usize) -> Option<String> {
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if hidden > 0 {
        push(&mut text, format_args!(", and {hidden} more"));
    }
    (!text.is_empty()).then_some(text)
}

fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn duration(duration: Milliseconds) -> String {
    let seconds = duration.0 as f64 / 1e9;
    if seconds < 0.999_95 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        let whole = duration.0 / 1_000_000_000;
        format!("{} min {} s", grouped(whole / 60), whole % 60)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::{
        event::{Direction, Event, EventKind, FileOperation, Flow},
        facts::{BackpressureFacts, Gap, GapKind, OutcomeStatus, RunFacts},
        receipt::{
            ReceiptOptions,
            from_session::tests::{artifacts, calls, events, facts, file_events, network_events, receipt_of},
        },
        session::samples::{
            change, change_to, create, end, event, exec, file_failed, flow, key, listener, made, read, seen,
            symlink, udp, wrote,
        },
    };

    fn summary(events: &[Event], facts: &RunFacts, written: Option<&Written>) -> String {
        let mut out = Vec::new();
        write(&mut out, &receipt_of(events, facts, &ReceiptOptions::default()), written).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn written() -> Written {
        Written {
            path: Some("/srv/receipt.json".into()),
            sha256: [0xab; 32],
            size_bytes: 2048,
            fallback_reason: None,
            owner_reason: None,
        }
    }

    #[test]
    fn being_slowed_down_is_said() {
        let mut facts = facts();
        facts.observation.backpressure =
            BackpressureFacts { waits: 1_200, waited_ns: 12_000_000, freezes: 2, frozen_ns: 1_500_000_000 };
        let text = summary(&events(), &facts, None);
        let expected = "  slowed down   1,200 waits of 12.0 ms in all, frozen 2 times for 1.50 s in all\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_whole_summary() {
        let expected = format!(
            "\
glasshouse: exited with code 0 after 2.0 ms (user 2.0 ms, system 0.0 ms, peak memory 8 KiB)
  processes     3 (up to 3 at once), 2 executions, 2 failed
  system calls  12: syscall_60002 8, syscall_60009 4
  denied        syscall_60002 EACCES ×3 by gone (pid 101)
  files         2 used, 0 B read, 0 B written
  not hashed    the file of 1 execution: ended 1
  lost          nothing
  still running sh (pid 102); a process of the receipt's owner can change it: only the SHA-256 will tell
  receipt       /srv/receipt.json (2 KiB)
  sha256        {}
",
            "ab".repeat(32)
        );
        assert_eq!(summary(&events(), &facts(), Some(&written())), expected);
    }

    #[test]
    fn what_became_of_files() {
        let facts = RunFacts { artifacts: artifacts(), ..facts() };
        let events: Vec<_> = events().into_iter().chain(file_events()).collect();
        let text = summary(&events, &facts, None);
        let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("  files")).collect();
        let expected = [
            "  files         7 used, 17 B read, 4.00 KiB written, 3 attempts failed",
            "  created       3: /srv/link, /srv/s3cret.txt, /srv/new/",
            "  temporary     1 file made and removed again",
            "  sensitive     read: /home/ann/.ssh/id_s3cret by gone (pid 100)",
            "  sensitive     denied: /etc/shadow ×2 by gone (pid 101)",
        ];
        assert_eq!(lines[..expected.len()], expected);
    }

    /// Not by who had to do with it first: that one may have been refused, or only have read it.
    #[test]
    fn who_used_a_sensitive_file() {
        let (root, child) = (key(10, 100), key(40, 101));
        let (shadow, netrc) = ("/etc/shadow", "/home/ann/.netrc");
        let refused = file_failed(9, FileOperation::Open, shadow, 13, 1);
        let more = [
            event(31, root, refused),
            event(32, child, seen(1, shadow, 3, read(5))),
            event(33, root, seen(2, netrc, 4, read(5))),
            event(34, child, seen(3, netrc, 4, wrote(5))),
        ];
        let events: Vec<_> = events().into_iter().chain(more).collect();
        let text = summary(&events, &facts(), None);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("  sensitive")).collect();
        let expected = [
            "  sensitive     read: /etc/shadow by gone (pid 101)",
            "  sensitive     written: /home/ann/.netrc by gone (pid 101)",
            "  sensitive     denied: /etc/shadow ×1 by gone (pid 100)",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_told_of_names_is_what_became_of_them() {
        use FileOperation::{Delete, Link, MakeDirectory, MakeNode, RemoveDirectory, Rename};
        let rename = |from, to| change_to(Rename, from, to, 0);
        let text = |changes: &[EventKind]| {
            let changes = (20..).zip(changes).map(|(at, kind)| event(at, key(50, 102), kind.clone()));
            let text = summary(&changes.collect::<Vec<_>>(), &facts(), None);
            let told = |line: &&str| {
                ["created", "replaced", "deleted", "temporary"]
                    .contains(&line.trim().split(' ').next().unwrap())
            };
            let lines: Vec<_> =
                text.lines().filter(told).map(|line| line.trim().replace("     ", "")).collect();
            lines.join("; ")
        };
        let directory = |path| change(MakeDirectory, path);
        assert_eq!(
            text(&[directory("/a"), directory("/a/b"), directory("/ab"), rename("/a", "/c")]),
            "created  3: /ab/, /c/, /c/b/"
        );
        assert_eq!(text(&[directory("/a"), rename("/a", "/b"), change(RemoveDirectory, "/b")]), "");
        assert_eq!(
            text(&[symlink("/a", "t"), change(Delete, "/a")]),
            "temporary1 file made and removed again"
        );
        assert_eq!(
            text(&[change(MakeNode, "/a"), change(Delete, "/a")]),
            "temporary1 file made and removed again"
        );
        // Deleted is what was there before and is there no more.
        assert_eq!(text(&[change(Delete, "/a")]), "deleted  /a");
        let made = [create(1), seen(1, "/a", 1, made(1))];
        let again = [&[change(Delete, "/a")], &made[..]].concat();
        assert_eq!(text(&again), "replaced /a");
        let both = "deleted  /a; temporary1 file made and removed again";
        assert_eq!(text(&[&again[..], &[change(Delete, "/a")]].concat()), both);
        assert_eq!(text(&[change(Delete, "/log.2"), rename("/log.1", "/log.2")]), "");
        let linked = [change_to(Link, "/a", "/b", 0), change(Delete, "/a")];
        assert_eq!(text(&[&made[..], &linked].concat()), "created  /b");
    }

    #[test]
    fn who_was_connected_to_whom() {
        let events: Vec<_> = events().into_iter().chain(network_events()).collect();
        let text = summary(&events, &facts(), None);
        let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("  network")).collect();
        let expected = [
            "  network       6 connections, 260 B sent, 3.96 KiB received, 1 from others: 10.0.0.53:53, \
             10.0.0.9 (icmp), s3cret.example:443",
            "  not connected 192.0.2.1:25 ENETUNREACH, [::ffff:10.0.0.3]:443 refused, s3cret.example:443 undecided",
            "  listening     0.0.0.0:443 (tcp) by gone (pid 100)",
            "  names asked   s3cret.example",
            "  sensitive     connected: /run/docker.sock by gone (pid 101)",
            "  sensitive     denied: /run/user/7/bus by gone (pid 101)",
        ];
        assert_eq!(lines[..expected.len()], expected);
    }

    /// A client may bind its socket before it asks, and a socket of connections waits for none before it listens.
    #[test]
    fn bound_is_not_listening() {
        let process = key(10, 100);
        let bound = |number, port| Flow {
            local: Some(end("0.0.0.0", port)),
            remote: None,
            direction: None,
            bound: true,
            ..udp(number, number, "0.0.0.0", 30, (0, 0))
        };
        let stream = Flow { kind: 1, protocol: 6, ..bound(1, 9_001) };
        let asks = Flow { bound: true, ..udp(12, 2, "10.0.0.2", 40, (1, 1)) };
        let asked = Flow { direction: Some(Direction::Inbound), ..udp(13, 3, "10.0.0.3", 40, (1, 1)) };
        let asks_too = Flow { bound: true, ..udp(14, 3, "10.0.0.4", 40, (1, 1)) };
        let flows = [
            stream,
            bound(2, 9_002),
            asks,
            bound(3, 9_003),
            asked,
            asks_too,
            bound(4, 9_004),
            listener(5, 5, 9_005, 30),
        ];
        let more = flows.into_iter().map(|one| event(50, process, flow(one)));
        let events: Vec<_> = events().into_iter().chain(more).collect();
        let text = summary(&events, &facts(), None);
        let line = text.lines().find(|line| line.starts_with("  listening")).unwrap();
        let ports: Vec<_> = (9_001..=9_005).filter(|port| line.contains(&format!(":{port} "))).collect();
        assert_eq!(ports, [9_003, 9_004, 9_005], "{line}");
    }

    #[test]
    fn what_was_found_that_matters() {
        let events: Vec<_> = events().into_iter().chain(calls()).collect();
        let text = summary(&events, &facts(), None);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("  finding")).collect();
        let expected = [
            "  finding, high calls itself like a thread of the kernel: gone (pid 101)",
            "  finding, high writes to another process or takes control of it: gone (pid 101)",
            "  finding       loads or removes a kernel module: gone (pid 100)",
            "  finding       writes to another process or takes control of it: gone (pid 100)",
            "  finding       uses programs or maps of the kernel (bpf): gone (pid 100)",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_path_cannot_reach_the_terminal_and_is_cut_before_its_end() {
        let name = format!("/{}/\u{1b}[2Jx", "long".repeat(40));
        let key = key(10, 100);
        let events = [event(20, key, create(1)), event(20, key, seen(1, &name, 3, made(1)))];
        let text = summary(&events, &facts(), None);
        let line = text.lines().find(|line| line.starts_with("  created")).unwrap();
        assert!(line.ends_with("long/\\x1b[2Jx"), "{line}");
        assert!(line.chars().count() < 100, "{line}");
        let many: Vec<_> = (0..9)
            .flat_map(|at| {
                [event(20, key, create(at)), event(20, key, seen(at, &format!("/{at}"), at, made(1)))]
            })
            .chain([event(30, key, change(FileOperation::Delete, "/old"))])
            .collect();
        let text = summary(&many, &facts(), None);
        assert!(text.contains("  created       9: /0, /1, /2, /3, and 5 more\n"), "{text}");
        assert!(text.contains("  deleted       /old\n"), "{text}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut facts = facts();
        facts.observation.families[0].recovered = 0;
        let detail = "no cgroup\u{1b}[2J".into();
        facts.observation.gaps.push(Gap {
            kind: GapKind::Partial,
            code: "cgroup_unavailable".into(),
            detail,
        });
        let text = summary(&events(), &facts, None);
        assert!(text.contains("  lost          cgroup_unavailable: no cgroup\\x1b[2J\n"), "{text}");
        assert!(
            text.contains("  lost          records_dropped: process: 1 records found no room, 0 were"),
            "{text}"
        );
        assert!(!text.contains("nothing\n  still"), "{text}");
    }

    #[test]
    fn every_outcome_has_its_words() {
        let check = |status, exit_code, signal, error: Option<&str>, expected: &str| {
            let mut facts = facts();
            let outcome = &mut facts.execution.outcome;
            (outcome.status, outcome.exit_code, outcome.signal) = (status, exit_code, signal);
            outcome.error = error.map(Into::into);
            let text = summary(&[], &facts, None);
            let time = if status == OutcomeStatus::FailedToStart { "" } else { " after 2.0 ms" };
            assert!(text.starts_with(&format!("glasshouse: {expected}{time}")), "{text}");
            assert!(!text.contains("processes"), "{text}");
        };
        check(OutcomeStatus::Exited, Some(3), None, None, "exited with code 3");
        check(OutcomeStatus::Signaled, None, Some(9), None, "killed by SIGKILL (9)");
        check(
            OutcomeStatus::TimedOut,
            None,
            Some(15),
            None,
            "the time limit was reached, killed by SIGTERM (15)",
        );
        check(OutcomeStatus::FailedToStart, None, None, Some("x\n: gone"), "the command was not run");
    }

    #[test]
    fn a_fallback_is_explained() {
        let mut written = written();
        written.path = Some("/tmp/glasshouse-receipt-1.json".into());
        written.fallback_reason = Some("'/srv/receipt.json': no space".into());
        let text = summary(&events(), &facts(), Some(&written));
        assert!(text.contains("glasshouse-receipt-1.json (2 KiB)\n"), "{text}");
        assert!(text.contains("there, because of '/srv/receipt.json': no space\n"), "{text}");
    }

    #[test]
    fn names_cannot_reach_the_terminal() {
        let mut evil = exec("x", key(1, 50), 0);
        (evil.is_root, evil.comm) = (true, b"\x1b]0;pwn\x07\xff".to_vec());
        let text = summary(&[event(20, key(10, 100), EventKind::Exec(Box::new(evil)))], &facts(), None);
        let bad = |char: char| char.is_control() && char != '\n';
        assert!(!text.contains(bad), "{text:?}");
    }

    #[test]
    fn escapes() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(escape(bytes), expected);
        check(b"plain 'name' \"x\"", "plain 'name' \"x\"");
        check(b"a\x1b[31m\n\r\t\\\x7f\0", "a\\x1b[31m\\n\\r\\t\\\\\\x7f\\x00");
        check(b"\xff\xc3(", "\\xff\\xc3(");
        check("grün 日本 e\u{301}".as_bytes(), "grün 日本 e\u{301}");
        check(
            "a\u{202e}b\u{2066}\u{200b}\u{9b}\u{feff}".as_bytes(),
            "a\\u{202e}b\\u{2066}\\u{200b}\\u{9b}\\u{feff}",
        );
        check("\u{2028}\u{a0}\u{e0041}".as_bytes(), "\\u{2028}\\u{a0}\\u{e0041}");
    }

    #[test]
    fn numbers_and_durations() {
        assert_eq!([grouped(7), grouped(1_234), grouped(1_000_000)], ["7", "1,234", "1,000,000"]);
        assert_eq!(duration(Milliseconds(12_340_000)), "12.3 ms");
        assert_eq!(duration(Milliseconds(999_990_000)), "1.00 s");
        assert_eq!(duration(Milliseconds(200_900_000_000)), "3 min 20 s");
    }
}
