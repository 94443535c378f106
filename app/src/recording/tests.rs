#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::PathBuf, sync::Arc};

use proptest::{prelude::*, sample::Index};
use tempfile::TempDir;

use super::{
    lines::{EventLine, Line, line},
    *,
};
use crate::{
    disclosure::Disclosure,
    event::*,
    facts::{ArtifactFacts, ArtifactState, OutcomeStatus, RunFacts},
    receipt::{ReceiptOptions, from_session, from_session::tests::facts, schema::Receipt},
    session::{Session, samples::*},
};

const ROOT: ProcessKey = ProcessKey { start: 10, tgid: 100 };
/// Bytes that are not UTF-8, that JSON escapes, and that look like what they are not.
const HOSTILE: &[u8] = b"\xff\0\"\\\n\x1b]0;\xc3\x28{\"base64\":1}";

fn header(facts: &RunFacts) -> Header {
    Header {
        receipt_id: facts.receipt_id.clone(),
        tool: facts.tool.clone(),
        observer_pid: 1,
        boot_to_unix_ns: facts.boot_to_unix_ns,
        env_values: false,
        redacts: false,
        command: facts.command.clone(),
        host: facts.host.clone(),
        backend: facts.execution.backend.clone(),
        isolation: facts.execution.isolation.clone(),
        blind_spots: facts.observation.blind_spots.clone(),
    }
}

fn json(session: &Session, facts: RunFacts) -> Vec<u8> {
    let receipt = from_session(session, session.remains(), facts, &ReceiptOptions::default());
    bytes(&receipt)
}

fn bytes(receipt: &Receipt) -> Vec<u8> {
    let mut bytes = Vec::new();
    receipt.write_json(&mut bytes).unwrap();
    bytes
}

fn rebuilt_json(recording: &[u8]) -> Result<(Vec<u8>, Option<String>), ReadError> {
    let rebuilt = rebuild(recording)?;
    let remains = rebuilt.session.remains();
    let receipt = from_session(&rebuilt.session, remains, rebuilt.facts, &rebuilt.options);
    Ok((bytes(&receipt), rebuilt.cut))
}

fn place(of: &TempDir) -> PathBuf {
    of.path().join("events")
}

/// Facts of a run that left files behind.
fn run_facts() -> RunFacts {
    let mut facts = facts();
    let mut left = |path: &[u8], state| {
        facts.artifacts.push(ArtifactFacts { path: Arc::from(path), identity: Some(((8, 1), 3)), state });
    };
    left(b"/srv/a", ArtifactState::Gone);
    left(HOSTILE, ArtifactState::OverLimit { size_bytes: 7, mode: 0o644 });
    left(b"/srv/b", ArtifactState::Unreadable(Unreadable::Io(5)));
    facts
}

/// A recording of events, and the receipt of the same.
fn recorded(events: Vec<Event>) -> (Vec<u8>, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let facts = run_facts();
    let recording = Recording::create(&place(&folder), &header(&facts)).unwrap();
    let events = Disclosure::default().pass_all(events);
    let mut session = Session::new();
    events.iter().for_each(|event| session.apply(event));
    recording.started(100, 20, facts.command.executable.clone());
    for chunk in events.chunks(7) {
        recording.events(chunk.to_vec());
    }
    session.observation_ended(&[ROOT]);
    recording.observation_ended(&[ROOT]);
    let owner = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    assert_eq!(recording.finish(&facts, owner), None);
    (fs::read(place(&folder)).unwrap(), json(&session, facts))
}

fn text() -> Vec<u8> {
    HOSTILE.to_vec()
}

/// One of every kind, with whatever a workload can put into it.
fn every_kind() -> Vec<Event> {
    let mut root = exec("sh", key(1, 1), 0);
    root.is_root = true;
    root.argv = Observed::Truncated { value: vec![text(), Vec::new()], length: u64::MAX };
    root.environment = Observed::Complete(Arc::from([text(), b"A=b".to_vec(), b"=".to_vec()]));
    root.filename = Observed::Unreadable(Unreadable::Fault(14));
    root.script = Some(ExecutedFile { path: argument("/s"), facts: None });
    root.credentials_before = Some(Credentials { effective: u64::MAX, ..credentials(7) });
    root.cwd = ResolvedPath { in_root: Some(text()), unreachable: true, ..argument("/x") };
    let mut used = file_seen(1, "/srv/a", 3, made(u64::MAX));
    used.path.path = Observed::Truncated { value: text(), length: 5_000 };
    used.asked = Some(Observed::Complete(text()));
    used.facts.mtime = (i64::MIN, 999_999_999);
    let mut gone = changed(FileOperation::Delete, ChangeTarget::None);
    gone.text = Some(Observed::Complete(text()));
    gone.unconfirmed = Some(Unconfirmed::Ended);
    gone.detail = ChangeDetail { flags: Some(0), uid: Some(0), length: Some(0), ..ChangeDetail::default() };
    let connection = tcp_closed(5, 5, "fe80::1", (30, 60), (100, 2_000));
    let mut named = unix_socket(6, SocketOperation::Bind, Some(HOSTILE));
    (named.path, named.peer) = (Some(path("/run/x")), Some(ROOT));
    let dns = DnsMessage {
        flow: 5,
        socket: 5,
        local: Some(end("::1", 53)),
        remote: None,
        sent: true,
        transport: DnsTransport::Llmnr,
        id: 0,
        is_response: true,
        rcode: 3,
        questions: vec![DnsQuestion { name: text(), kind: 1 }],
        answers: vec![
            DnsRecord { name: text(), kind: 5, ttl: 0, value: DnsRecordValue::Name(text()) },
            DnsRecord { name: text(), kind: 16, ttl: 1, value: DnsRecordValue::Other },
            DnsRecord {
                name: text(),
                kind: 28,
                ttl: 1,
                value: DnsRecordValue::Address("fe80::2".parse().unwrap()),
            },
        ],
    };
    let said = Said {
        flow: 5,
        tls: Some(SaidTls { sni: Some(text()), alpn: vec![text()], versions: vec![0x304, 0], ja4: None }),
        http: Some(SaidHttp {
            method: text(),
            target: Some(Observed::Truncated { value: text(), length: 90 }),
            host: None,
            version: Some(HttpVersion::Http11),
        }),
        ssh_sent: Some(Vec::new()),
        smtp_helo: Some(text()),
        ..Said::default()
    };
    let unhashed = ExecutableHashed {
        exec_at: 20,
        role: ExecutableRole::Script,
        sha256: Err(Unreadable::TimedOut),
        size_bytes: Some(0),
    };
    let kinds = [
        EventKind::Exec(Box::new(root)),
        fork(key(50, 102), ROOT, 1),
        failed("x", 2),
        credential_call(5),
        totals(&[(1, u64::MAX), (2, 1)]),
        denied(3, 13, 4),
        hashed(20, 0xab),
        EventKind::ExecutableHashed(unhashed),
        EventKind::FileSeen(Box::new(used)),
        file_totals(u64::MAX, read(9)),
        EventKind::FileChanged(Box::new(gone)),
        create(1),
        change_to(FileOperation::Rename, "/a", "/b", 2),
        file_failed(9, FileOperation::Stat, "/none", 2, 1),
        flow(tcp(4, 4, "10.0.0.2", 30)),
        flow(connection),
        flow(listener(7, 7, 80, 30)),
        socket_used(5, SocketOrigin::Inherited),
        unix(named),
        socket_failed(2_000, SocketAddress::Internet(end("10.0.0.9", 1)), 111, 1),
        socket_failed(2_001, SocketAddress::Unix(Observed::Complete(text())), 111, 1),
        socket_failed(2_002, SocketAddress::Other, 22, 1),
        EventKind::Dns(Box::new(dns)),
        EventKind::Said(Box::new(said)),
        called(3_000, Action::Signal, Some(9), Some(Target::Process(-7)), -1),
        called(3_001, Action::Trace, None, Some(Target::Thread(7)), 0),
        called(3_002, Action::OpenProcess, None, Some(Target::Descriptor(u32::MAX)), 3),
        called(3_003, Action::MakeRing, None, None, 3),
        exit(3),
    ];
    (20..).zip(kinds).map(|(at, kind)| event(at, ROOT, kind)).collect()
}

fn written(event: &Event) -> Vec<u8> {
    serde_json::to_vec(&EventLine(event)).unwrap()
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    for event in every_kind() {
        let text = written(&event);
        let Ok(Line::Event(read)) = line(&text) else { panic!("{}", String::from_utf8_lossy(&text)) };
        assert_eq!(read, event);
    }
}

#[test]
fn a_recording_gives_the_very_receipt() {
    let (recording, receipt) = recorded(every_kind());
    let (rebuilt, cut) = rebuilt_json(&recording).unwrap();
    assert_eq!(cut, None);
    assert_eq!(String::from_utf8(rebuilt).unwrap(), String::from_utf8(receipt).unwrap());
}

/// Whole lines count, and what is missing is said; nothing of a cut recording is taken for the whole.
#[test]
fn a_recording_may_be_cut_at_any_byte() {
    let (recording, _) = recorded(every_kind());
    let first = recording.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in 0..recording.len() {
        let cut = &recording[..end];
        match rebuild(cut) {
            Ok(rebuilt) => {
                assert!(end >= first);
                let outcome = &rebuilt.facts.execution.outcome;
                assert_eq!(outcome.status, OutcomeStatus::ObserverFailed);
                let gap = &rebuilt.facts.observation.gaps[0];
                let whole = cut.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(gap.code, "recording_cut");
                assert!(gap.detail.contains(&format!("behind line {whole},")), "{}", gap.detail);
                assert!(rebuilt.facts.artifacts.is_empty());
            }
            Err(ReadError::Nothing) => assert!(end < first),
            Err(error) => panic!("{end}: {error}"),
        }
    }
}

#[test]
fn what_is_no_recording_is_refused_with_the_line() {
    let (recording, _) = recorded(every_kind());
    let text = String::from_utf8(recording).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number - 1] = line;
        lines.join("\n") + "\n"
    };
    let check = |recording: &str, expected: &str| {
        let error = rebuild(recording.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("", "line 1: the recording was cut");
    check("hello\n", "line 1: this is no recording");
    check("[1]\n", "line 1: this is no recording");
    check(&with(1, &lines[0].replace("\"version\":1", "\"version\":2")), "has version 2 of the format");
    check(&with(1, &lines[0].replace("\"tool\"", "\"loot\"")), "line 1: run.tool: expected an object");
    check(&with(3, "{\"at\":1}"), "line 3: this is no line of a recording");
    check(&with(3, "{\"exit\":{\"code\":256}}"), "line 3: exit.code: expected a number of the kind u8");
    check(&with(4, "{"), "line 4: this is no JSON");
    check(&with(4, ""), "line 4: this is no JSON");
    check(&with(4, lines[4]), "their SHA-256 is another");
    let last = lines.len();
    check(
        &lines[..last - 2]
            .iter()
            .chain(&lines[last - 1..])
            .fold(String::new(), |all, line| all + line + "\n"),
        "there were",
    );
    check(&(text.clone() + "{}\n"), &format!("line {}: the recording goes on behind its end", last + 1));
    check(&(text.clone() + &text), "behind its end");
    let long = format!("{}\n{{\"x\":\"{}", lines[0], "x".repeat(MAX_LINE_BYTES));
    check(&long, "line 2: it is longer than");
}

#[test]
fn fields_that_are_not_known_are_ignored() {
    let (recording, receipt) = recorded(Vec::new());
    let text = String::from_utf8(recording).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":1,\"colour\":[{}]", 1);
    // Its digest is another, so the last line goes.
    let cut = &newer[..newer.trim_end().rfind('\n').unwrap() + 1];
    let rebuilt = rebuild(cut.as_bytes()).unwrap();
    assert!(String::from_utf8(receipt).unwrap().contains(&rebuilt.facts.receipt_id));
}

/// Who writes lines twice, or all at one time, gets a receipt of that.
#[test]
fn lines_may_come_twice() {
    let (recording, _) = recorded(every_kind());
    let text = String::from_utf8(recording).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let events: Vec<&str> = rest.lines().filter(|line| line.contains("\"at\":2")).collect();
    let twice = events.iter().chain(&events).fold(format!("{first}\n"), |all, line| all + line + "\n");
    assert!(rebuilt_json(twice.as_bytes()).unwrap().1.is_some());
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let taken = place(&folder);
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &taken).unwrap();
    let facts = facts();
    for what in ["a link", "a file"] {
        let error = Recording::create(&taken, &header(&facts)).unwrap_err().to_string();
        assert!(error.contains("--events"), "{what}: {error}");
        assert!(!folder.path().join("elsewhere").exists());
        fs::remove_file(&taken).unwrap();
        fs::write(&taken, "mine").unwrap();
    }
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
}

#[test]
fn what_was_recorded_is_in_the_file_soon() {
    let folder = TempDir::new().unwrap();
    let recording = Recording::create(&place(&folder), &header(&facts())).unwrap();
    recording.events(every_kind());
    let lines = || fs::read(place(&folder)).unwrap().iter().filter(|byte| **byte == b'\n').count();
    let until = std::time::Instant::now() + 100 * FLUSH_EVERY;
    while lines() <= every_kind().len() {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(FLUSH_EVERY / 10);
    }
    drop(recording);
}

#[test]
fn a_recording_that_was_taken_away_is_said() {
    let folder = TempDir::new().unwrap();
    let facts = facts();
    let owner = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let recording = Recording::create(&place(&folder), &header(&facts)).unwrap();
    fs::remove_file(place(&folder)).unwrap();
    fs::write(place(&folder), "another").unwrap();
    let gap = recording.finish(&facts, owner).unwrap();
    assert_eq!(gap.code, "recording_failed");
    assert!(gap.detail.contains("removed, moved or replaced"), "{}", gap.detail);
}

/// What recording takes of the thread that makes the events, and of the one that writes them.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement")]
fn speed() {
    let folder = TempDir::new().unwrap();
    let recording = Recording::create(&place(&folder), &header(&facts())).unwrap();
    let events = Disclosure::default().pass_all(every_kind());
    let rounds = 2_000_u64;
    let batches: Vec<Vec<Event>> =
        (0..rounds).map(|_| (0..8).flat_map(|_| events.clone()).collect()).collect();
    let count = rounds * 8 * events.len() as u64;
    let began = std::time::Instant::now();
    let mut handed = std::time::Duration::ZERO;
    for batch in batches {
        let start = std::time::Instant::now();
        recording.events(batch);
        handed += start.elapsed();
    }
    recording.finish(&facts(), (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw()));
    let took = began.elapsed();
    let size = fs::metadata(place(&folder)).unwrap().len();
    eprintln!(
        "{count} events: handing over {} ns each (waiting included), written {} ns each, {} bytes each",
        handed.as_nanos() as u64 / count,
        took.as_nanos() as u64 / count,
        size / count
    );
}

proptest! {
    #[test]
    fn every_run_gives_its_receipt_again(run in runs(), order in prop::collection::vec(any::<Index>(), 60)) {
        let (recording, receipt) = recorded(run.interleaved(&order));
        prop_assert_eq!(rebuilt_json(&recording).unwrap(), (receipt, None));
    }

    #[test]
    fn whatever_is_read_comes_to_an_end(
        run in runs(),
        at in any::<Index>(),
        byte in any::<u8>(),
        insert in any::<bool>(),
    ) {
        let (mut recording, _) = recorded(run.process_ring);
        let at = at.index(recording.len());
        if insert { recording.insert(at, byte) } else { recording[at] = byte }
        match rebuilt_json(&recording) {
            Ok((receipt, _)) => prop_assert!(!receipt.is_empty()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
