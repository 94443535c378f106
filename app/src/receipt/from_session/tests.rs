#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::{collections::BTreeSet, fs, path::Path};

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::*;
use crate::{
    disclosure::{Disclosure, Redactor},
    event::*,
    facts::*,
    receipt::schema,
    session::samples::{self, *},
};

const ROOT: ProcessKey = ProcessKey { start: 10, tgid: 100 };
const OUTSIDE: ProcessKey = ProcessKey { start: 1, tgid: 50 };

pub(crate) fn facts() -> RunFacts {
    RunFacts {
        receipt_id: "00000000-0000-4000-8000-000000000000".into(),
        tool: ToolFacts { name: "glasshouse".into(), version: "0.1.0".into(), bpf_object_sha256: [1; 32] },
        command: CommandFacts {
            argv: strings(&["sh", "-c", "cc --key=s3cret"]),
            cwd: b"/srv".to_vec(),
            user: UserFacts { uid: 1000, gid: 1000, name: Some("ann".into()) },
            executable: Some(b"/bin/sh".to_vec()),
            environment: strings(&["HOME=/root", "TOKEN=abc"]),
        },
        host: HostFacts {
            kernel: "6.18".into(),
            architecture: "x86_64".into(),
            os: None,
            hostname: Some("box".into()),
            boot_id: None,
            lsm: Some(vec!["capability".into()]),
            virtualization: None,
        },
        execution: ExecutionFacts {
            backend: "process".into(),
            isolation: "none".into(),
            root_pid: Some(100),
            started_at: 20,
            finished_at: 2_000_020,
            outcome: facts::Outcome {
                status: facts::OutcomeStatus::Exited,
                exit_code: Some(0),
                signal: None,
                core_dumped: false,
                error: None,
            },
            resources: Some(Resources { user_ns: 2_000_000, system_ns: 0, max_rss_bytes: 8192 }),
        },
        observation: ObservationFacts {
            probes: vec![ProbeFacts {
                name: "sys_exit".into(),
                kind: "tp_btf".into(),
                attached: true,
                reason: None,
            }],
            families: vec![FamilyFacts {
                name: "process".into(),
                emitted: 10,
                received: 9,
                dropped: 1,
                recovered: 1,
            }],
            blind_spots: vec![BlindSpot { code: "root".into(), detail: "the command ran as root".into() }],
            ..ObservationFacts::default()
        },
        artifacts: Vec::new(),
        boot_to_unix_ns: 1_700_000_000_000_000_000,
    }
}

/// A shell that runs a script, which is denied something, changes its user and leaves a child behind.
pub(crate) fn events() -> Vec<Event> {
    let (child, survivor) = (key(40, 101), key(50, 102));
    let mut root = exec("sh", OUTSIDE, 0);
    root.is_root = true;
    root.argv = Observed::Complete(strings(&["sh", "-c", "cc --key=s3cret"]));
    let mut script = exec("python3", ROOT, 0);
    script.script = Some(ExecutedFile { path: samples::path("/srv/run"), facts: None });
    script.argv = Observed::Truncated { value: strings(&["python3", "--key=s3cret"]), length: 9 };
    script.cwd.in_root = Some(b"/".to_vec());
    script.filename = Observed::Unreadable(Unreadable::Fault(14));
    script.image.path.path = Observed::Complete(b"/bin/\xff".to_vec());
    vec![
        event(20, ROOT, EventKind::Exec(Box::new(root))),
        event(40, ROOT, fork(child, ROOT, 0)),
        event(45, child, failed("/usr/bin/run", 2)),
        event(46, child, failed("/usr/bin/run", 2)),
        event(47, child, EventKind::Exec(Box::new(script))),
        event(50, child, fork(survivor, child, 0)),
        event(60, child, credential_call(1)),
        event(70, child, denied(60_002, 13, 3)),
        event(70, child, totals(&[(60_009, 4), (60_002, 3)])),
        event(80, child, exit(1)),
        event(90, ROOT, totals(&[(60_002, 5)])),
        event(1_000_000, ROOT, hashed(20, 7)),
        event(2_000_000, ROOT, exit(0)),
    ]
}

/// What the shell and a child of its do with files.
pub(crate) fn file_events() -> Vec<Event> {
    let child = key(40, 101);
    let mut raced = file_seen(3, "/srv/other", 5, read(1));
    raced.path.source = PathSource::Raced;
    raced.path.in_root = Some(b"/other".to_vec());
    raced.asked = Some(Observed::Truncated { value: b"s3cret".to_vec(), length: 99 });
    let mut pipe = file_seen(4, "", 77, wrote(6));
    (pipe.origin, pipe.file_system, pipe.facts.mode) = (FileOrigin::Inherited, 0x5049_5045, 0o010_600);
    let mut unnamed = file_seen(7, "", 8, read(2));
    unnamed.path.path = Observed::Unreadable(Unreadable::Lost);
    let mut attribute =
        changed(FileOperation::SetAttribute, ChangeTarget::Path(argument("/srv/\u{1b}[2Jodd")));
    attribute.text = Some(Observed::Unreadable(Unreadable::Fault(14)));
    let mut mount = changed(FileOperation::Mount, ChangeTarget::Path(argument("none")));
    mount.new_path = Some(argument("/mnt"));
    mount.text = Some(Observed::Complete(b"tmpfs".to_vec()));
    let mut owner = changed(FileOperation::ChangeOwner, ChangeTarget::Access(1));
    (owner.detail.uid, owner.detail.gid) = (Some(0), Some(5));
    let event = |at, process, kind| event(at, process, kind);
    let change_of = |change| EventKind::FileChanged(Box::new(change));
    let mut failed_rename = file_failed(9, FileOperation::Rename, "/srv/gone", 2, 1);
    if let EventKind::FileFailed(failed) = &mut failed_rename {
        failed.new_path = Some(argument("/srv/s3cret"));
    }
    vec![
        event(100, ROOT, create(1)),
        event(100, ROOT, seen(1, "/srv/out", 3, made(10))),
        event(101, child, seen(2, "/srv/out", 3, read(10))),
        event(102, child, EventKind::FileSeen(Box::new(raced))),
        event(103, ROOT, EventKind::FileSeen(Box::new(pipe))),
        event(104, ROOT, seen(5, "/home/ann/.ssh/id_s3cret", 6, read(4))),
        event(105, ROOT, create(6)),
        event(105, ROOT, seen(6, "/tmp/tmp.1", 7, made(1))),
        event(106, ROOT, change(FileOperation::Delete, "/tmp/tmp.1")),
        event(107, child, change_to(FileOperation::Rename, "/srv/out", "/srv/s3cret.txt", 0)),
        event(108, ROOT, symlink("/srv/link", "/etc/s3cret")),
        event(109, ROOT, change_of(attribute)),
        event(110, ROOT, change_of(mount)),
        event(111, child, change_of(owner)),
        event(112, child, file_failed(8, FileOperation::Open, "/etc/shadow", 13, 2)),
        event(113, ROOT, failed_rename),
        event(114, ROOT, EventKind::FileSeen(Box::new(unnamed))),
        event(115, ROOT, change(FileOperation::MakeDirectory, "/srv/new")),
        event(116, ROOT, file_totals(1, AccessTotals { last_at: 116, writes: 9, ..made(4_096) })),
    ]
}

/// What the shell and a child of its do with sockets.
pub(crate) fn network_events() -> Vec<Event> {
    let child = key(40, 101);
    let name = b"\x06s3cret\x07example\0\0\x01\0\x01";
    let asked = [b"\0\x07\x01\0\0\x01\0\0\0\0\0\0".as_slice(), name].concat();
    let answered = [
        b"\0\x07\x81\x80\0\x01\0\x01\0\0\0\0".as_slice(),
        name,
        b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x0a\0\0\x02",
    ]
    .concat();
    let resolver = udp(1, 1, "10.0.0.53", 200, (1, 1));
    let client = tcp_closed(2, 2, "10.0.0.2", (220, 260), (100, 2_000));
    let server = Flow {
        flow: 3,
        socket: 3,
        listener: Some(9),
        local: client.remote,
        remote: client.local,
        direction: Some(Direction::Inbound),
        origin: Some(SocketOrigin::Accepted),
        ..client.clone()
    };
    let refused = Flow { error: Some(111), ended: true, ..tcp(4, 4, "::ffff:10.0.0.3", 230) };
    let inherited = Flow {
        direction: None,
        origin: Some(SocketOrigin::Inherited),
        by_calls: true,
        network_namespace: 0,
        local: None,
        ..tcp(5, 5, "fe80::1", 240)
    };
    let raw = Flow {
        kind: 3,
        protocol: 1,
        remote: Some(Endpoint { port: None, ..end("10.0.0.9", 0) }),
        ..udp(6, 6, "10.0.0.9", 245, (1, 0))
    };
    let netlink =
        Flow { family: 16, kind: 3, protocol: 9, remote: None, ..udp(7, 7, "10.0.0.9", 246, (1, 0)) };
    let mut docker = unix_socket(10, SocketOperation::Connect, Some(b"/var/run/docker.sock"));
    docker.path = Some(samples::path("/run/docker.sock"));
    docker.peer_pid = Some(7);
    let mut accepted = unix_socket(12, SocketOperation::Accept, Some(b"\0s3cret"));
    (accepted.listener, accepted.peer, accepted.peer_pid) = (Some(11), Some(child), Some(101));
    let denied = SocketAddress::Unix(Observed::Complete(b"/run/user/7/bus".to_vec()));
    let request = b"GET /s3cret HTTP/1.1\r\nHost: s3cret.example\r\n\r\n";
    vec![
        event(200, child, flow(resolver.clone())),
        event(201, child, payload(&resolver, true, 0, &asked)),
        event(202, child, payload(&resolver, false, 0, &answered)),
        event(203, child, payload(&resolver, true, 0, &[b"\0\x08", &asked[2..]].concat())),
        event(210, ROOT, flow(listener(9, 9, 443, 210))),
        event(220, child, flow(client.clone())),
        event(221, child, payload(&client, true, 1, &client_hello("s3cret.example"))),
        event(225, ROOT, flow(server)),
        event(226, child, socket_used(9, SocketOrigin::Received)),
        event(230, child, flow(refused)),
        event(240, ProcessKey::NOBODY, flow(inherited.clone())),
        event(241, ROOT, payload(&inherited, true, 1, request)),
        event(245, ROOT, flow(raw)),
        event(246, ROOT, flow(netlink)),
        event(250, child, unix(docker)),
        event(251, ROOT, unix(unix_socket(11, SocketOperation::Bind, Some(b"\0s3cret")))),
        event(252, ROOT, unix(accepted)),
        event(253, child, socket_failed(20, denied, 13, 2)),
        event(254, child, socket_failed(21, SocketAddress::Internet(end("192.0.2.1", 25)), 101, 1)),
    ]
}

/// What they do beside that.
pub(crate) fn calls() -> Vec<Event> {
    let child = key(40, 101);
    let mut renamed = called(30, Action::Rename, None, None, 0);
    let mut written = called(31, Action::WriteMemory, None, Some(Target::Process(1)), 8);
    if let (EventKind::Called(renamed), EventKind::Called(written)) = (&mut renamed, &mut written) {
        renamed.text = Some(Observed::Complete(b"[s3cret]".to_vec()));
        (written.totals.bytes_written, written.totals.failures) = (16, 2);
    }
    let mut unread = called(32, Action::RemoveModule, None, None, -14);
    if let EventKind::Called(unread) = &mut unread {
        (unread.text, unread.value) = (Some(Observed::Unreadable(Unreadable::Fault(14))), Some(0o4000));
    }
    vec![
        event(300, child, called(33, Action::Signal, Some(9), Some(Target::Process(1)), -1)),
        event(301, child, renamed),
        event(302, child, written),
        event(303, ROOT, unread),
        event(304, ROOT, called(34, Action::Trace, Some(16), Some(Target::Descriptor(101)), 0)),
        event(305, ROOT, called(35, Action::KernelProgram, Some(5), None, -1)),
    ]
}

/// A ClientHello of TLS 1.3 with a server name, and HTTP/2 on offer.
fn client_hello(name: &str) -> Vec<u8> {
    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    }
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &sized(body)].concat();
    let server = sized(&[&[0][..], &sized(name.as_bytes())].concat());
    let extensions =
        [extension(0, &server), extension(16, &sized(b"\x02h2")), extension(43, b"\x02\x03\x04")].concat();
    let mut hello = vec![3, 3];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(b"\0\0\x02\x13\x01\x01\0");
    hello.extend(sized(&extensions));
    let message = [&[1, 0][..], &sized(&hello)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

/// Those of processes, of files, of sockets and of calls.
fn all_events() -> Vec<Event> {
    events().into_iter().chain(file_events()).chain(network_events()).chain(calls()).collect()
}

/// What was found of the files that [`file_events`] leave.
pub(crate) fn artifacts() -> Vec<ArtifactFacts> {
    vec![ArtifactFacts {
        path: Arc::from(&b"/srv/s3cret.txt"[..]),
        identity: Some(((8, 1), 3)),
        state: ArtifactState::Present(PresentArtifact {
            size_bytes: 4_096,
            mode: 0o640,
            sha256: Ok([9; 32]),
            media_type: Some("text/plain".into()),
        }),
    }]
}

pub(crate) fn receipt_of(events: &[Event], facts: &RunFacts, options: &ReceiptOptions) -> Receipt {
    receipt_with(events, facts, options, Disclosure::new(options.env_values, None))
}

/// A receipt without what the patterns match.
fn redacted(events: &[Event], facts: &RunFacts, patterns: &[&str], env_values: bool) -> Receipt {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let disclosure = Disclosure::new(env_values, Some(Redactor::new(&patterns).unwrap()));
    receipt_with(events, facts, &ReceiptOptions { env_values, redacts: true }, disclosure)
}

fn receipt_with(
    events: &[Event],
    facts: &RunFacts,
    options: &ReceiptOptions,
    mut disclosure: Disclosure,
) -> Receipt {
    let mut session = Session::new();
    let events = disclosure.pass_all(events.iter().cloned());
    events.iter().for_each(|event| session.apply(event));
    let alive: &[ProcessKey] = if events.is_empty() { &[] } else { &[key(50, 102)] };
    session.observation_ended(alive);
    let mut facts = facts.clone();
    facts.command = disclosure.command(facts.command);
    let outcome = &mut facts.execution.outcome;
    outcome.error = outcome.error.as_ref().map(|error| disclosure.message(error));
    for artifact in &mut facts.artifacts {
        artifact.path = disclosure.path(&artifact.path).into();
    }
    from_session(&session, session.remains(), facts, options)
}

fn json(receipt: &Receipt) -> Value {
    let mut bytes = Vec::new();
    receipt.write_json(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Compares a file with what it should be; with `BLESS=1` in the environment it is written instead.
#[track_caller]
fn check_file(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what the code gives; BLESS=1 cargo test rewrites it",
        path.display()
    );
}

#[test]
fn the_whole_receipt() {
    let facts = RunFacts { artifacts: artifacts(), ..facts() };
    let receipt = redacted(&all_events(), &facts, &["s3cret"], false);
    let mut bytes = Vec::new();
    receipt.write_json(&mut bytes).unwrap();
    check_file("src/receipt/from_session/receipt.snapshot.json", &String::from_utf8(bytes).unwrap());
}

#[test]
fn the_schema_file_is_current() {
    check_file("../assets/receipt.schema.json", &schema::json_schema().unwrap());
}

#[test]
fn every_field_is_in_the_schema() {
    let schema: Value = serde_json::from_str(&schema::json_schema().unwrap()).unwrap();
    for (patterns, env_values) in [(["s3cret", "TOKEN"], false), (["abc", "abc"], true)] {
        let mut facts = facts();
        facts.observation.gaps.push(Gap {
            kind: facts::GapKind::Partial,
            code: "x".into(),
            detail: "y".into(),
        });
        facts.artifacts = artifacts();
        let receipt = json(&redacted(&all_events(), &facts, &patterns, env_values));
        let mut problems = BTreeSet::new();
        check_against(&schema, &schema, &receipt, "", &mut problems);
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// The part of JSON Schema that the receipt's needs: types, constants, properties, alternatives.
fn check_against(root: &Value, schema: &Value, value: &Value, at: &str, problems: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        check_against(root, target, value, at, problems);
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(alternatives) = schema.get(keyword).and_then(Value::as_array) else { continue };
        let fits = |alternative| {
            let mut problems = BTreeSet::new();
            check_against(root, alternative, value, at, &mut problems);
            problems.is_empty()
        };
        if !alternatives.iter().any(fits) {
            problems.insert(format!("{at}: {value} fits no alternative"));
        }
    }
    let type_of = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![type_of],
    };
    let fits = allowed.contains(&type_of) || (type_of == "integer" && allowed.contains(&"number"));
    if !fits || schema.get("const").is_some_and(|constant| constant != value) {
        problems.insert(format!("{at}: {value} is not of {allowed:?}"));
    }
    match value {
        Value::Array(entries) => {
            for entry in entries {
                check_against(root, &schema["items"], entry, &format!("{at}/*"), problems);
            }
        }
        Value::Object(fields) => check_object(root, schema, fields, at, problems),
        _ => {}
    }
}

fn check_object(
    root: &Value,
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    at: &str,
    problems: &mut BTreeSet<String>,
) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            problems.insert(format!("{at}/{name} is missing"));
        }
    }
    let Some(properties) = schema.get("properties") else { return };
    for (name, field) in fields {
        match properties.get(name).or(schema.get("additionalProperties")) {
            Some(inner) if inner.is_object() => {
                check_against(root, inner, field, &format!("{at}/{name}"), problems);
            }
            Some(Value::Bool(true)) => {}
            _ => {
                problems.insert(format!("{at}/{name} is not in the schema"));
            }
        }
    }
}

#[test]
fn every_field_is_described() {
    let schema: Value = serde_json::from_str(&schema::json_schema().unwrap()).unwrap();
    let document =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/docs/RECEIPT.md")).unwrap();
    let mut undescribed = BTreeSet::new();
    let mut types = vec![&schema];
    types.extend(schema["$defs"].as_object().unwrap().values());
    for properties in types.iter().filter_map(|one| one["properties"].as_object()) {
        for name in properties.keys().filter(|name| !name.ends_with("_reason")) {
            if !document.contains(&format!("`{name}`")) && !document.contains(&format!("`{name}[]`")) {
                undescribed.insert(name);
            }
        }
    }
    assert!(undescribed.is_empty(), "RECEIPT.md does not mention {undescribed:?}");
}

#[test]
fn nothing_redacted_remains() {
    let mut facts = facts();
    facts.execution.outcome.error = Some("s3cret: not found".into());
    let receipt = json(&redacted(&all_events(), &facts, &["s3cret", "abc"], true));
    let text = receipt.to_string();
    assert!(!text.contains("s3cret") && !text.contains("abc"), "{text}");
    let pointers: Vec<_> = receipt["redactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pointer"].as_str().unwrap())
        .collect();
    for expected in [
        "/command/argv/2",
        "/command/environment/1/value",
        "/execution/outcome/error",
        "/processes/0/executions/0/argv/2",
        "/processes/0/executions/0/environment/1/value",
        "/processes/1/executions/0/argv/value/1",
        "/filesystem/files/4/path",
        "/filesystem/files/10/asked/value",
        "/filesystem/changes/3/new_path",
        "/filesystem/changes/4/target",
        "/filesystem/failed/1/new_path",
        "/artifacts/0/path",
        "/artifacts/1/target",
    ] {
        assert!(pointers.contains(&expected), "{expected} is not in {pointers:?}");
    }
    for pointer in pointers {
        let there = receipt.pointer(pointer).and_then(Value::as_str).unwrap();
        assert!(there.contains("[redacted]"), "{pointer}: {there}");
    }
}

#[test]
fn artifacts_are_what_was_found() {
    let run = facts();
    let check = |state: Option<ArtifactState>, reasons: [Value; 4]| {
        let mut facts = run.clone();
        facts.artifacts = artifacts();
        match state {
            Some(state) => facts.artifacts[0].state = state,
            None => facts.artifacts.clear(),
        }
        let receipt = json(&receipt_of(&all_events(), &facts, &ReceiptOptions::default()));
        let artifact = &receipt["artifacts"][1];
        assert_eq!(artifact["path"], "/srv/s3cret.txt");
        let fields = ["sha256", "size_bytes", "mode", "media_type"];
        assert_eq!(fields.map(|field| artifact[format!("{field}_reason")].clone()), reasons);
    };
    check(None, [json!("ended"), json!("ended"), json!("ended"), json!("ended")]);
    check(Some(ArtifactState::Replaced), [json!("gone"), json!("gone"), json!("gone"), json!("gone")]);
    let over = Some(ArtifactState::OverLimit { size_bytes: 9, mode: 0o644 });
    check(over, [json!("limit"), Value::Null, Value::Null, json!("limit")]);
    let mut facts = run.clone();
    facts.artifacts = artifacts();
    facts.artifacts[0].state = ArtifactState::Gone;
    let receipt = json(&receipt_of(&all_events(), &facts, &ReceiptOptions::default()));
    let is_there = |artifact: &Value| artifact["path"] == "/srv/s3cret.txt";
    assert!(!receipt["artifacts"].as_array().unwrap().iter().any(is_there));
    let changed =
        PresentArtifact { size_bytes: 1, mode: 0o600, sha256: Err(Unreadable::Changed), media_type: None };
    let changed = Some(ArtifactState::Present(changed));
    check(changed, [json!("changed"), Value::Null, Value::Null, json!("not_available")]);
}

/// What makes mounts private gives no type, and there is nothing to read; where one is asked for, it was not seen.
#[test]
fn a_mount_without_a_type_has_none() {
    let mount = |flags| {
        let mut mount = changed(FileOperation::Mount, ChangeTarget::Path(argument("none")));
        (mount.new_path, mount.detail.flags) = (Some(argument("/")), Some(flags));
        mount.text = Some(Observed::Unreadable(Unreadable::Fault(14)));
        event(100 + flags, ROOT, EventKind::FileChanged(Box::new(mount)))
    };
    let receipt = receipt_of(&[mount(0), mount(1 << 18)], &facts(), &ReceiptOptions::default());
    let types: Vec<_> = receipt
        .filesystem
        .changes
        .iter()
        .map(|change| change.details.as_ref().and_then(|details| details.file_system_reason))
        .collect();
    assert_eq!(types, [Some(Reason::Fault), None]);
}

/// Where a file may be is told if it is there, and nowhere that is better known.
#[test]
fn artifacts_that_may_be_elsewhere() {
    let moved = change_to(FileOperation::Rename, "/var/run/x.tmp", "/var/run/x", 0);
    let events = [
        event(20, key(50, 102), create(1)),
        event(20, key(50, 102), seen(1, "/run/x.tmp", 3, made(3))),
        event(30, key(50, 102), moved),
    ];
    let present = &artifacts()[0].state;
    let check = |known: &ArtifactState, guess: &ArtifactState, told: &[&str]| {
        let mut facts = facts();
        let found = [("/run/x.tmp", known), ("/var/run/x", guess)];
        facts.artifacts = found.map(|(path, state)| found_at(path, state)).into();
        let receipt = json(&receipt_of(&events, &facts, &ReceiptOptions::default()));
        let artifacts = receipt["artifacts"].as_array().unwrap();
        let paths: Vec<_> = artifacts.iter().map(|artifact| artifact["path"].as_str().unwrap()).collect();
        assert_eq!(paths, told, "{known:?} {guess:?}");
    };
    check(&ArtifactState::Gone, present, &["/var/run/x"]);
    check(&ArtifactState::Replaced, present, &["/var/run/x"]);
    check(present, present, &["/run/x.tmp"]);
    let there = ArtifactState::OverLimit { size_bytes: 9, mode: 0o644 };
    check(&ArtifactState::Gone, &there, &["/var/run/x"]);
    let unreadable = ArtifactState::Unreadable(Unreadable::TimedOut);
    for nothing in [ArtifactState::Gone, ArtifactState::Replaced, ArtifactState::NotRegular, unreadable] {
        check(&ArtifactState::Replaced, &nothing, &["/run/x.tmp"]);
        check(&ArtifactState::Gone, &nothing, &[]);
    }
}

/// A file that was read where it was mounted is told where it is, and not as the file that lies there for others.
#[test]
fn artifacts_that_were_seen_where_they_were_mounted() {
    let present = &artifacts()[0].state;
    let check = |totals: AccessTotals, own: &ArtifactState, mounted: &ArtifactState, told: &[&str]| {
        let events = [
            event(20, key(50, 102), create(1)),
            event(20, key(50, 102), seen(1, "/src/r", 3, made(3))),
            event(30, key(50, 102), seen(2, "/etc/hostname", 3, totals)),
        ];
        let mut facts = facts();
        facts.artifacts = vec![found_at("/etc/hostname", mounted), found_at("/src/r", own)];
        let receipt = json(&receipt_of(&events, &facts, &ReceiptOptions::default()));
        let artifacts = receipt["artifacts"].as_array().unwrap();
        let paths: Vec<_> = artifacts.iter().map(|artifact| artifact["path"].as_str().unwrap()).collect();
        assert_eq!(paths, told, "{own:?} {mounted:?}");
    };
    let (gone, other) = (&ArtifactState::Gone, &ArtifactState::Replaced);
    check(read(1), gone, other, &[]);
    check(read(1), present, other, &["/src/r"]);
    check(read(1), present, present, &["/src/r"]);
    check(read(1), gone, present, &["/etc/hostname"]);
    check(wrote(1), present, other, &["/src/r"]);
    check(wrote(1), gone, other, &["/etc/hostname"]);
}

fn found_at(path: &str, state: &ArtifactState) -> ArtifactFacts {
    ArtifactFacts { path: path.as_bytes().into(), identity: Some(((8, 1), 3)), state: state.clone() }
}

#[test]
fn totals_are_those_of_regular_files() {
    let receipt = json(&receipt_of(&all_events(), &facts(), &ReceiptOptions::default()));
    let filesystem = &receipt["filesystem"];
    assert_eq!(filesystem["bytes_written"], 4_097);
    assert_eq!(filesystem["bytes_read"], 17);
    let file = |path: &str| {
        let files = filesystem["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap().clone()
    };
    let out = file("/srv/out");
    assert_eq!(
        out["operations"],
        json!({"open": 2, "create": 1, "read": 1, "write": 9, "rename": 1, "chown": 1})
    );
    assert_eq!(out["processes"], json!([1, 2]));
    assert_eq!(out["by_process"][1]["operations"], json!({"open": 1, "read": 1, "rename": 1, "chown": 1}));
    assert_eq!(file("/tmp/tmp.1")["transient"], true);
    assert_eq!(file("/etc/shadow")["errors"], json!({"EACCES": 2}));
    assert_eq!(file("pipe:[77]")["origin"], "inherited");
}

#[test]
fn totals_without_a_first_use_are_a_loss() {
    let mut events = events();
    events.push(event(60, ROOT, file_totals(1, read(1))));
    let receipt = receipt_of(&events, &facts(), &ReceiptOptions::default());
    let codes: Vec<_> = receipt.observation.reasons.iter().map(|gap| gap.code.as_str()).collect();
    assert_eq!(codes, ["access_unannounced"]);
}

#[test]
fn a_redacted_value_has_no_hash() {
    let receipt = json(&redacted(&events(), &facts(), &["TOKEN"], false));
    let variable = &receipt["processes"][0]["executions"][0]["environment"][1];
    assert_eq!(variable, &json!({"name": "TOKEN", "value_sha256": null, "value_sha256_reason": "redacted"}));
}

#[test]
fn an_equal_environment_is_repeated_until_that_is_too_much() {
    let receipt = json(&receipt_of(&events(), &facts(), &ReceiptOptions::default()));
    let (first, second) =
        (&receipt["processes"][0]["executions"][0], &receipt["processes"][1]["executions"][0]);
    assert_eq!(second["environment"], first["environment"]);
    assert_eq!(second["environment_same_as"], Value::Null);

    let many = execs_with_one_environment(5_000);
    let receipt = json(&receipt_of(&many, &facts(), &ReceiptOptions::default()));
    let executions = receipt["processes"][0]["executions"].as_array().unwrap();
    assert_eq!(executions.len(), 5_000);
    let last = &executions[4_999];
    assert_eq!(last["environment"], Value::Null);
    assert_eq!(last["environment_count"], 2);
    let first = receipt.pointer(last["environment_same_as"].as_str().unwrap()).unwrap();
    assert_eq!(first[0]["name"], "HOME");
}

/// One process that replaces its image again and again.
fn execs_with_one_environment(count: u64) -> Vec<Event> {
    let first = events().into_iter().find(|event| matches!(event.kind, EventKind::Exec(_))).unwrap();
    (0..count).map(|step| Event { at: first.at + step, ..first.clone() }).collect()
}

#[test]
fn completeness_follows_from_the_numbers() {
    let check = |change: &dyn Fn(&mut RunFacts), expected: &str, codes: &[&str]| {
        let mut facts = facts();
        change(&mut facts);
        let observation =
            json(&receipt_of(&events(), &facts, &ReceiptOptions::default()))["observation"].clone();
        let found: Vec<_> = observation["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gap| gap["code"].as_str().unwrap())
            .collect();
        assert_eq!((observation["completeness"].as_str().unwrap(), &found[..]), (expected, codes));
    };
    let partial =
        Gap { kind: facts::GapKind::Partial, code: "cgroup_unavailable".into(), detail: String::new() };
    check(&|_| {}, "complete", &[]);
    check(&|facts| facts.observation.families[0].recovered = 0, "lossy", &["records_dropped"]);
    check(&|facts| facts.observation.families[0].received = 8, "lossy", &["accounting_mismatch"]);
    check(&|facts| facts.observation.gaps.push(partial.clone()), "partial", &["cgroup_unavailable"]);
    let both = |facts: &mut RunFacts| {
        facts.observation.gaps.push(partial.clone());
        facts.observation.families[0].emitted = 11;
    };
    check(&both, "lossy", &["cgroup_unavailable", "accounting_mismatch"]);
    let interrupted =
        |facts: &mut RunFacts| facts.execution.outcome.status = facts::OutcomeStatus::Interrupted;
    check(&interrupted, "partial", &["interrupted"]);
    let capped = LimitFacts { list: "x".into(), total: 2, kept: 1 };
    check(&|facts| facts.observation.limits.push(capped.clone()), "lossy", &["list_capped"]);
}

#[test]
fn damage_in_the_session_is_a_loss() {
    let mut events = events();
    events.push(event(60, key(55, 103), exit(0)));
    events.push(event(60, ROOT, fork(key(58, 104), ROOT, 0)));
    let receipt = receipt_of(&events, &facts(), &ReceiptOptions::default());
    let codes: Vec<_> = receipt.observation.reasons.iter().map(|gap| gap.code.as_str()).collect();
    assert_eq!(codes, ["process_unannounced", "process_end_missing"]);
    let stranger = receipt.processes.iter().find(|process| process.pid == 103).unwrap();
    assert_eq!((stranger.parent_id, stranger.parent_id_reason), (None, Some(Reason::Lost)));
}

#[test]
fn a_command_that_was_never_run_has_a_receipt() {
    let mut facts = facts();
    facts.command.executable = None;
    facts.execution.root_pid = None;
    facts.execution.resources = None;
    facts.execution.outcome.status = facts::OutcomeStatus::FailedToStart;
    facts.observation = ObservationFacts::default();
    let receipt = json(&{
        let session = Session::new();
        from_session(&session, session.remains(), facts.clone(), &ReceiptOptions::default())
    });
    assert_eq!(receipt["observation"]["completeness"], "complete");
    assert_eq!(receipt["execution"]["root_pid_reason"], "not_started");
    assert_eq!(receipt["command"]["executable"], Value::Null);
    assert_eq!(receipt["command"]["executable_reason"], "none");
    assert_eq!(receipt["processes"], json!([]));
}

proptest! {
    #[test]
    fn legal_reorderings_give_the_same_receipt(
        run in runs(),
        one in prop::collection::vec(any::<Index>(), 60),
        other in prop::collection::vec(any::<Index>(), 60),
    ) {
        let receipt = |order: &[Index]| json(&receipt_of(&run.interleaved(order), &facts(), &ReceiptOptions::default()));
        prop_assert_eq!(receipt(&one), receipt(&other));
    }

    #[test]
    fn no_order_of_what_is_told_of_files_matters(order in Just(file_events()).prop_shuffle()) {
        let receipt = |files: Vec<Event>| {
            let events: Vec<_> = events().into_iter().chain(files).collect();
            json(&receipt_of(&events, &facts(), &ReceiptOptions::default()))
        };
        prop_assert_eq!(receipt(order), receipt(file_events()));
    }

    #[test]
    fn any_events_give_a_receipt(events in crate::session::tests::any_events()) {
        let receipt = redacted(&events, &facts(), &["x"], true);
        let ids: Vec<u64> = receipt.processes.iter().map(|process| process.id).collect();
        prop_assert_eq!(ids, (1..=receipt.processes.len() as u64).collect::<Vec<_>>());
        for process in &receipt.processes {
            prop_assert_ne!(process.parent_id, Some(process.id));
        }
        json(&receipt);
    }
}
