//! Recordings of the kernel side's records, as the replay tests read them.

use std::fs;

use glasshouse::event::EventKind;
use glasshouse::observe::replay::Recording;

use crate::support::privilege::needs;
use crate::support::{program, watch};

#[test]
fn a_recording_has_every_record() {
    needs!();
    let run =
        watch(command![program("fork_storm"), "300", "1"]).options(["--record-records", "run.records"]).run();
    let receipt = run.complete(0);
    let bytes = fs::read(run.folder().join("run.records")).unwrap();
    let replayed = Recording::parse(&bytes).unwrap().replay();
    assert_eq!(replayed.undecodable, 0);
    let count =
        |matches: fn(&EventKind) -> bool| replayed.events.iter().filter(|event| matches(&event.kind)).count();
    assert_eq!(count(|kind| matches!(kind, EventKind::Fork(_))), 300);
    assert_eq!(count(|kind| matches!(kind, EventKind::Exit(_))), 301);
    let calls = replayed.events.iter().filter_map(|event| match &event.kind {
        EventKind::SyscallTotals(totals) => Some(totals.iter().map(|(_, count)| count).sum::<u64>()),
        _ => None,
    });
    assert_eq!(Some(calls.sum()), receipt.at("/syscalls/total").as_u64());
}

#[test]
fn a_file_in_the_way_of_a_recording_is_left_alone() {
    needs!();
    let watched = watch(["touch", "it-ran"]).options(["--record-records", "taken"]);
    let folder = watched.folder();
    fs::write(folder.join("taken"), "mine").unwrap();
    let run = watched.run();
    run.expect_code(125);
    assert!(run.stderr.contains("--record-records"), "{}", run.stderr);
    assert_eq!(fs::read(folder.join("taken")).unwrap(), b"mine");
    assert!(!folder.join("it-ran").exists());
}
