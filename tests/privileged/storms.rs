//! More events than can be held: slowed down, a workload loses nothing, and a single act in the midst of a storm is in the
//! receipt; left alone it loses records, and the numbers of them agree.

use std::{
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
};

use serde_json::Value;

use crate::support::{
    privilege::needs,
    program,
    receipt::{Receipt, list, number},
    slowness, watch,
    watch::Watch,
};

/// Events of a storm; fewer where the machine is emulated. `tests/bench/storms` makes larger ones, many times.
fn storm_events() -> u64 {
    if slowness() > 1.0 { 10_000 } else { 60_000 }
}

/// A storm of a kind, and what its needle is called.
fn storm(kind: &str, events: u64, needle: &str) -> Watch {
    let watched = watch(command![program("storm"), kind, events.to_string(), needle]);
    let folder = watched.folder();
    if kind == "opens" {
        for number in 0..1_000 {
            std::fs::write(folder.join(format!("f{number}")), "x").unwrap();
        }
    }
    std::fs::write(folder.join("needle"), "x").unwrap();
    watched
}

fn loss_is_accounted_for(receipt: &Receipt) {
    for family in list(receipt.at("/observation/families")) {
        let count = |name: &str| number(&family[name]);
        assert_eq!(count("emitted"), count("received") + count("dropped"), "{family}");
    }
}

fn file_named<'a>(receipt: &'a Receipt, name: &str) -> Vec<&'a Value> {
    let files = list(receipt.at("/filesystem/files"));
    files.iter().filter(|file| file["path"].as_str().is_some_and(|path| path.ends_with(name))).collect()
}

fn connected_to(receipt: &Receipt, port: u16) -> Vec<&Value> {
    let connections = list(receipt.at("/network/connections"));
    connections.iter().filter(|one| one["remote"]["port"] == port && one["result"] == "established").collect()
}

/// Somebody who accepts one connection.
struct Server {
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, thread: Some(std::thread::spawn(move || drop(listener.accept()))) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It still waits if nobody came.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[test]
fn one_exec_among_very_many_forks_is_found() {
    needs!();
    let (events, needle) = (storm_events(), program("print_pid"));
    let receipt = storm("forks", events, needle.to_str().unwrap()).run().complete(0);
    assert_eq!(receipt.processes().len() as u64, events + 2);
    let executed = receipt.executions();
    assert_eq!(executed.iter().filter(|one| one.path().ends_with("print_pid")).count(), 1);
    loss_is_accounted_for(&receipt);
}

#[test]
fn one_file_among_very_many_is_found() {
    needs!();
    let events = storm_events();
    for (kind, other) in [("opens", "f7"), ("missing", "missing-7")] {
        let receipt = storm(kind, events, "needle").run().complete(0);
        assert_eq!(file_named(&receipt, "/needle").len(), 1, "{kind}");
        let of_storm = file_named(&receipt, &format!("/{other}"));
        let counted = |list: &str, name: &str| -> u64 {
            of_storm.iter().filter_map(|file| file[list][name].as_u64()).sum()
        };
        let told = counted("operations", "open") + counted("errors", "ENOENT");
        assert_eq!(told, if kind == "opens" { events / 1_000 } else { 1 }, "{kind}: {of_storm:?}");
        loss_is_accounted_for(&receipt);
    }
}

#[test]
fn one_connection_among_very_many_is_found() {
    needs!();
    let events = storm_events();
    for kind in ["connects", "questions"] {
        let server = Server::start();
        let receipt = storm(kind, events, &server.port.to_string()).run().complete(0);
        assert_eq!(connected_to(&receipt, server.port).len(), 1, "{kind}");
        if kind == "connects" {
            let refused = list(receipt.at("/network/connections")).iter();
            assert_eq!(refused.filter(|one| one["result"] == "refused").count() as u64, events);
        } else {
            let asked: u64 = receipt.questions().iter().map(|one| number(&one.0["count"])).sum();
            assert_eq!(asked, events);
        }
        loss_is_accounted_for(&receipt);
    }
}

/// One process uses more files than the kernel side counts at a time: the others are told use by use.
#[test]
fn more_files_of_one_process_than_there_is_room_for() {
    needs!();
    let events = if slowness() > 1.0 { 5_000 } else { 140_000 };
    let receipt = storm("memfds", events, "needle").run().complete(0);
    assert_eq!(file_named(&receipt, "/needle").len(), 1);
    let files = list(receipt.at("/filesystem/files")).iter();
    assert_eq!(files.filter(|file| file["kind"] == "memfd").count() as u64, events);
    let reached = list(receipt.at("/observation/limits"))
        .iter()
        .any(|limit| limit["list"] == "uses of files at a time");
    assert_eq!(reached, events > 131_072);
    loss_is_accounted_for(&receipt);
}

/// A call that matters by itself, when all entries are taken: it is told each time, and nothing is missing.
#[test]
fn a_call_that_there_is_no_entry_for() {
    needs!();
    let receipt = storm("crowded", 4_000, "1").env("GLASSHOUSE_ACCESS_ENTRIES", "1024").run().complete(0);
    let signals: Vec<_> = receipt.notable("kill").iter().map(|call| call["count"].as_u64()).collect();
    assert_eq!(signals, [Some(2)]);
    loss_is_accounted_for(&receipt);
}

/// What finds no room in rings of a few pages is counted, one by one, and the receipt does not pretend.
#[test]
fn what_is_lost_is_counted_and_said() {
    needs!();
    let server = Server::start();
    let port = server.port.to_string();
    let needle = program("print_pid");
    for (kind, needle, families) in [
        ("forks", needle.to_str().unwrap(), &["process", "syscalls"] as &[_]),
        ("opens", "needle", &["files"]),
        ("missing", "needle", &["files"]),
        ("questions", &port, &["network"]),
    ] {
        let run = storm(kind, 10_000, needle)
            .env("GLASSHOUSE_RING_BYTES", "16384")
            .options(["--no-backpressure"])
            .run();
        let receipt = run.expect_code(0).receipt();
        loss_is_accounted_for(&receipt);
        let lost: Vec<_> = list(receipt.at("/observation/families"))
            .iter()
            .filter(|family| number(&family["dropped"]) > number(&family["recovered"]))
            .map(|family| family["name"].as_str().unwrap())
            .collect();
        // An emulated machine is slower than its rings are emptied.
        assert!(lost == families || lost.is_empty() && slowness() > 1.0, "{kind}: {lost:?}");
        let expected = if lost.is_empty() { "complete" } else { "lossy" };
        assert_eq!(receipt.text("/observation/completeness"), expected, "{kind}");
        let reasons = receipt.reasons();
        assert_eq!(reasons.contains(&"records_dropped".to_owned()), !lost.is_empty(), "{kind}: {reasons:?}");
        let pressure = receipt.at("/observation/backpressure");
        assert_eq!((number(&pressure["waits"]), number(&pressure["freezes"])), (0, 0), "{kind}");
        let says_none = run.stderr.contains("lost          nothing");
        assert_eq!(says_none, lost.is_empty(), "{kind}: the summary says it: {}", run.stderr);
    }
}

/// Of connections the totals are right even if every record of their states was dropped.
#[test]
fn what_the_sweep_recovers_is_no_loss() {
    needs!();
    let server = Server::start();
    let run = storm("connects", 5_000, &server.port.to_string())
        .env("GLASSHOUSE_RING_BYTES", "16384")
        .options(["--no-backpressure"])
        .run();
    let receipt = run.complete(0);
    loss_is_accounted_for(&receipt);
    let network =
        list(receipt.at("/observation/families")).iter().find(|one| one["name"] == "network").unwrap();
    let dropped = number(&network["dropped"]);
    // An emulated machine is slower than its rings are emptied.
    assert!(dropped > 0 || slowness() > 1.0, "{network}");
    assert_eq!(number(&network["recovered"]), dropped, "{network}");
    let refused = receipt.connections().iter().filter(|one| one.result() == "refused").count();
    assert_eq!(refused, 5_000);
    assert_eq!(connected_to(&receipt, server.port).len(), 1);
}

/// With small rings a workload has to wait, and that is said; nothing is lost for it.
#[test]
fn waits_are_counted() {
    needs!();
    let receipt = storm("missing", 20_000, "needle").env("GLASSHOUSE_RING_BYTES", "262144").run().complete(0);
    let pressure = receipt.at("/observation/backpressure");
    let waits = number(&pressure["waits"]);
    assert!(waits > 0 || slowness() > 1.0, "{pressure}");
    assert_eq!(pressure["waited_ms"].as_f64().unwrap() > 0.0, waits > 0, "{pressure}");
    assert_eq!(file_named(&receipt, "/needle").len(), 1);
}

/// All that is done at the same moment, on all CPUs, is told apart, to the last byte.
#[test]
fn what_is_done_at_once() {
    needs!();
    let times = if slowness() > 1.0 { 100 } else { 1_000 };
    let all = 8 * times;
    let watched = watch(command![program("at_once"), "8", times.to_string()]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    assert_eq!(receipt.processes().len() as u64, 1 + 8 + all / 4);
    for operation in ["create", "rename", "chmod", "delete"] {
        let changes = receipt.changes_by(operation);
        let below = changes.iter().filter(|one| one.path().is_some_and(|path| path.starts_with(&folder)));
        assert_eq!(below.count() as u64, all, "{operation}");
    }
    let files: Vec<_> = receipt
        .files()
        .into_iter()
        .filter(|file| file.path().is_some_and(|path| path.starts_with(&folder) && path != folder))
        .collect();
    assert_eq!(files.len() as u64, all);
    for file in files {
        assert_eq!(
            (file.operation("open"), file.bytes_read(), file.bytes_written()),
            (2, 10, 10),
            "{file:?}"
        );
    }
    let failed = receipt.failed_below(&folder);
    assert_eq!((failed.len() as u64, failed.values().sum::<u64>()), (all, all));
    let connections = receipt.connections();
    let refused = connections.iter().filter(|one| one.result() == "refused").count() as u64;
    let sent = connections.iter().filter(|one| one.bytes() == (8, 0)).count() as u64;
    assert_eq!((refused, sent, connections.len() as u64), (all, all, 2 * all));
    let call = |name: &str| receipt.calls(name);
    assert_eq!((call("rename"), call("chmod"), call("unlink"), call("sendto")), (all, all, all, all));
    assert_eq!((call("connect"), call("write"), call("read"), call("openat")), (all, all, all, 3 * all));
}
