#![expect(clippy::expect_used, reason = "a test that fails may panic")]

use std::collections::HashSet;

use proptest::{prelude::*, sample::Index};

use super::{samples::*, *};
use crate::{disclosure::Disclosure, event::*};

const ROOT: ProcessKey = ProcessKey { start: 10, tgid: 100 };
const OUTSIDE: ProcessKey = ProcessKey { start: 1, tgid: 50 };

fn root_exec() -> Event {
    let mut exec = exec("sh", OUTSIDE, 0);
    exec.is_root = true;
    event(20, ROOT, EventKind::Exec(Box::new(exec)))
}

pub(crate) fn session(events: &[Event]) -> Session {
    session_with(Caps::default(), events)
}

fn session_with(caps: Caps, events: &[Event]) -> Session {
    let mut session = Session::with_caps(caps);
    let events = Disclosure::default().pass_all(events.iter().cloned());
    events.iter().for_each(|event| session.apply(event));
    session
}

#[track_caller]
fn process(session: &Session, key: ProcessKey) -> &Process {
    session.process(key).expect("the process is known")
}

#[test]
fn the_root_begins_with_its_exec() {
    let mut session = session(&[root_exec()]);
    assert_eq!(session.root(), Some(ROOT));
    assert!(session.root_is_alive());
    let root = process(&session, ROOT);
    assert_eq!((root.origin, root.started_at, root.parent), (Origin::Root, 20, Some(OUTSIDE)));
    assert!(root.credential_changes.is_empty());
    session.apply(&event(30, ROOT, exit(3)));
    assert!(!session.root_is_alive());
    assert_eq!((session.live_count(), session.process_count()), (0, 1));
}

#[test]
fn a_child_has_the_parent_that_the_kernel_gave_it() {
    let (sibling, child) = (key(30, 101), key(40, 102));
    let orphan_exec = EventKind::Exec(Box::new(exec("cc", key(2, 1), 0)));
    let session = session(&[
        root_exec(),
        event(30, ROOT, fork(sibling, ROOT, 0)),
        event(40, sibling, fork(child, ROOT, 0)),
        event(50, sibling, exit(0)),
        event(60, child, orphan_exec),
    ]);
    let child = process(&session, child);
    assert_eq!(child.parent, Some(ROOT));
    assert_eq!(child.created_by, Some(sibling));
    assert_eq!(session.live().collect::<Vec<_>>(), [ROOT, key(40, 102)]);
}

#[test]
fn a_lost_fork_leaves_a_process_without_history() {
    let stranger = key(30, 101);
    let session = session(&[root_exec(), event(50, stranger, exit(1))]);
    let stranger = process(&session, stranger);
    assert_eq!((stranger.origin, stranger.parent), (Origin::Unannounced, None));
    assert_eq!(stranger.ended.as_ref().map(|ended| ended.code), Some(Some(1)));
}

#[test]
fn a_parent_younger_than_its_child_is_refused() {
    let session = session(&[
        root_exec(),
        event(30, ROOT, fork(key(30, 101), key(40, 102), 0)),
        event(40, key(30, 101), fork(key(40, 102), key(30, 101), 0)),
        event(50, ROOT, fork(key(50, 103), key(50, 103), 0)),
    ]);
    assert_eq!(process(&session, key(30, 101)).parent, None);
    assert_eq!(process(&session, key(50, 103)).parent, None);
    assert_eq!(session.impossible_parents(), 2);
}

#[test]
fn a_broadcast_of_setuid_is_one_change() {
    let session = session(&[
        root_exec(),
        event(30, ROOT, credential_call(1)),
        event(31, ROOT, credential_call(1)),
        event(32, ROOT, credential_call(1)),
        event(40, ROOT, credential_call(0)),
    ]);
    let root = process(&session, ROOT);
    let changes: Vec<_> = root.credential_changes.iter().map(|c| (c.at, c.credentials.uid)).collect();
    assert_eq!(changes, [(30, 1), (40, 0)]);
    assert_eq!(root.credentials.as_ref().map(|c| c.uid), Some(0));
}

#[test]
fn an_exec_that_changes_credentials_is_a_change() {
    let set_uid = EventKind::Exec(Box::new(exec("sudo", OUTSIDE, 5)));
    let session = session(&[root_exec(), event(30, ROOT, set_uid)]);
    let changes = &process(&session, ROOT).credential_changes;
    assert_eq!(changes.iter().map(|c| (c.call, c.credentials.uid)).collect::<Vec<_>>(), [(EXECVE, 5)]);
}

#[test]
fn failed_execs_of_one_kind_are_one_entry() {
    let session = session(&[
        root_exec(),
        event(30, ROOT, failed("/a/cc", 2)),
        event(31, ROOT, failed("/b/cc", 2)),
        event(32, ROOT, failed("/a/cc", 2)),
        event(33, ROOT, failed("/a/cc", 13)),
    ]);
    let failed = &process(&session, ROOT).failed_executions;
    let counts: Vec<_> = failed.iter().map(|f| (f.errno, f.count, f.first_at, f.last_at)).collect();
    assert_eq!(counts, [(2, 2, 30, 32), (2, 1, 31, 31), (13, 1, 33, 33)]);
    assert_eq!(session.process_count(), 1);
}

#[test]
fn totals_replace_and_never_fall() {
    let session = session(&[
        event(30, ROOT, totals(&[(1, 5), (0, 1)])),
        event(40, ROOT, totals(&[(1, 9), (2, 0)])),
        event(35, ROOT, totals(&[(1, 7)])),
        event(50, ROOT, denied(2, 13, 4)),
        event(45, ROOT, denied(2, 13, 3)),
    ]);
    let root = process(&session, ROOT);
    let counts: Vec<_> = root.syscalls.iter().map(|(call, count)| (call.number, *count)).collect();
    assert_eq!(counts, [(0, 1), (1, 9)]);
    assert_eq!(root.syscall_total(), 10);
    assert_eq!(root.denied.iter().map(|d| d.count).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_hash_finds_its_exec_whenever_it_comes() {
    let session = session(&[event(5, ROOT, hashed(20, 7)), root_exec(), event(40, ROOT, hashed(20, 9))]);
    let root = process(&session, ROOT);
    assert_eq!(root.executions[0].image_hash.as_ref().map(|hash| hash.sha256), Some(Ok([7; 32])));
    assert!(root.early_hashes.is_empty());
}

#[test]
fn what_is_beyond_a_cap_is_counted() {
    let caps = Caps {
        processes: 2,
        executions: 1,
        failed_executions_per_process: 1,
        credential_changes_per_process: 1,
        syscalls_per_process: 1,
        denied_per_process: 1,
        ..Caps::default()
    };
    let again = EventKind::Exec(Box::new(exec("cc", OUTSIDE, 0)));
    let session = session_with(
        caps,
        &[
            root_exec(),
            event(30, ROOT, again),
            event(31, ROOT, fork(key(31, 101), ROOT, 0)),
            event(32, ROOT, fork(key(32, 102), ROOT, 0)),
            event(33, ROOT, failed("a", 2)),
            event(34, ROOT, failed("b", 2)),
            event(35, ROOT, credential_call(1)),
            event(36, ROOT, credential_call(0)),
            event(37, ROOT, totals(&[(1, 1), (2, 2)])),
            event(38, ROOT, denied(1, 13, 1)),
            event(39, ROOT, denied(2, 13, 1)),
        ],
    );
    for limit in &session.limits()[1..6] {
        assert_eq!(limit.tally, Tally { seen: 2, kept: 1 }, "{}", limit.list);
    }
    assert_eq!(session.limits()[0].tally, Tally { seen: 3, kept: 2 });
    assert_eq!(session.process_count(), 3);
}

#[test]
fn only_processes_that_were_alive_at_the_end_are_still_running() {
    let (alive, lost, unknown) = (key(30, 101), key(31, 102), key(32, 103));
    let mut session =
        session(&[root_exec(), event(30, ROOT, fork(alive, ROOT, 0)), event(31, ROOT, fork(lost, ROOT, 0))]);
    assert!(session.is_still_running(process(&session, lost)));
    session.observation_ended(&[alive, unknown]);
    assert!(session.is_still_running(process(&session, alive)));
    assert!(!session.is_still_running(process(&session, lost)));
    assert_eq!(process(&session, unknown).origin, Origin::Unannounced);
}

#[test]
fn twenty_thousand_processes_are_small() {
    let mut session = session(&[root_exec()]);
    for at in 30..20_030_u64 {
        let child = key(at, at as u32);
        session.apply(&event(at, ROOT, fork(child, ROOT, 0)));
        session.apply(&event(at, child, EventKind::Exec(Box::new(exec("cc", ROOT, 0)))));
        session.apply(&event(at, child, totals(&[(0, at), (1, at), (2, at)])));
    }
    assert_eq!(session.process_count(), 20_001);
    assert!(size_of::<Process>() <= 360, "{}", size_of::<Process>());
    assert!(size_of::<Execution>() <= 160, "{}", size_of::<Execution>());
    assert!(session.texts.bytes().kept < 1_000);
}

fn any_key() -> impl Strategy<Value = ProcessKey> {
    (0_u64..4, 0_u32..3).prop_map(|(start, tgid)| key(start, tgid))
}

fn any_text() -> impl Strategy<Value = Observed<Vec<u8>>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Observed::Complete),
        (prop::collection::vec(any::<u8>(), 0..4), any::<u64>())
            .prop_map(|(value, length)| Observed::Truncated { value, length }),
        Just(Observed::Unreadable(Unreadable::Lost)),
    ]
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        (any_key(), any_key(), 0_u32..3).prop_map(|(child, parent, uid)| fork(child, parent, uid)),
        (any_key(), any::<bool>(), 0_u32..3, any_text()).prop_map(|(parent, is_root, uid, filename)| {
            EventKind::Exec(Box::new(Exec { is_root, filename, ..exec("x", parent, uid) }))
        }),
        (any_text(), any::<i32>(), any::<bool>()).prop_map(|(filename, errno, is_root)| {
            let began = RootBegan { at: 7, namespace_pid: 1, pid_namespace: 2, credentials: credentials(0) };
            let root = is_root.then(|| Box::new(began));
            EventKind::ExecFailed(ExecFailed { filename, errno, call: EXECVE, dirfd: Some(errno), root })
        }),
        any::<u8>().prop_map(exit),
        (0_u32..3).prop_map(credential_call),
        prop::collection::vec((any::<u32>(), any::<u64>()), 0..8).prop_map(|counts| totals(&counts)),
        (any::<u32>(), any::<i32>(), any::<u64>())
            .prop_map(|(call, errno, count)| denied(call, errno, count)),
        (0_u64..4, any::<u8>()).prop_map(|(at, byte)| hashed(at, byte)),
        any_file_kind(),
        any_network_kind(),
    ]
}

fn any_end() -> impl Strategy<Value = Option<Endpoint>> {
    let addresses = vec!["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "10.0.0.1"];
    let end = (prop::sample::select(addresses), prop::option::of(0_u16..4));
    prop::option::of(end.prop_map(|(address, port)| Endpoint { port, ..end_of(address) }))
}

fn end_of(address: &str) -> Endpoint {
    samples::end(address, 0)
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let numbers = (0_u64..8, 0_u64..4, prop::option::of(0_u64..4));
    let kinds = (
        prop::sample::select(vec![1_u16, 2, 10, 16, 40]),
        1_u16..4,
        prop::sample::select(vec![6_u16, 17, 132, 1]),
    );
    let states = prop::collection::vec((prop::sample::select(TcpState::ALL.to_vec()), 0_u64..9), 0..5);
    let direction = prop::option::of(prop::sample::select(vec![Direction::Inbound, Direction::Outbound]));
    let facts = (states, direction, prop::option::of(1_i32..120), any::<u64>(), (0_u64..9, 0_u64..9));
    let marks = any::<[bool; 6]>();
    (numbers, kinds, (any_end(), any_end()), facts, marks).prop_map(
        |((number, socket, listener), (family, kind, protocol), (local, remote), facts, marks)| {
            let (entered, direction, error, bytes, (first_at, last_at)) = facts;
            let [ended, resumed, absolute, by_calls, bound, listens] = marks;
            Flow {
                listener,
                family,
                kind,
                protocol,
                local,
                remote,
                direction,
                state: entered.last().map(|(state, _)| *state),
                entered,
                error,
                totals: FlowTotals { bytes_sent: bytes, first_at, last_at, ..FlowTotals::default() },
                ended,
                resumed,
                absolute,
                by_calls,
                bound,
                listens,
                ..tcp(number, socket, "10.0.0.2", first_at)
            }
        },
    )
}

fn any_network_kind() -> impl Strategy<Value = EventKind> {
    let name = prop::option::of(prop::collection::vec(any::<u8>(), 0..4));
    let operation = prop::sample::select(vec![
        SocketOperation::Create,
        SocketOperation::Bind,
        SocketOperation::Connect,
        SocketOperation::Use,
    ]);
    let address = prop_oneof![
        any_end().prop_map(|end| end.map(SocketAddress::Internet)),
        any_text().prop_map(|name| Some(SocketAddress::Unix(name))),
    ];
    prop_oneof![
        any_flow().prop_map(flow),
        (0_u64..4).prop_map(|socket| socket_used(socket, SocketOrigin::Received)),
        (0_u64..4, operation, name, any::<bool>()).prop_map(|(socket, operation, name, name_is_peers)| {
            unix(UnixSocket {
                name_is_peers,
                listener: Some(socket / 2),
                ..unix_socket(socket, operation, name.as_deref())
            })
        }),
        (12_u64..16, address, any::<i32>(), any::<u64>()).prop_map(|(access, address, errno, failures)| {
            let mut failed = socket_failed(access, SocketAddress::Other, errno, failures);
            if let EventKind::SocketFailed(failed) = &mut failed {
                failed.address = address;
            }
            failed
        }),
        (any_flow(), any::<bool>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(flow, sent, sequence, bytes)| payload(&flow, sent, sequence, &bytes)),
    ]
}

fn any_path() -> impl Strategy<Value = ResolvedPath> {
    let named = prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/b", "//", "x", ""]);
    prop_oneof![
        any_text().prop_map(|text| ResolvedPath { path: text, ..path("") }),
        named.clone().prop_map(path),
        named.prop_map(argument),
    ]
}

fn any_totals() -> impl Strategy<Value = AccessTotals> {
    (any::<u64>(), any::<u64>(), 0_u64..3, 0_u64..3, 0_u64..9).prop_map(
        |(reads, bytes_read, writes, creates, last_at)| AccessTotals {
            reads,
            bytes_read,
            writes,
            creates,
            last_at,
            ..AccessTotals::default()
        },
    )
}

fn any_file_kind() -> impl Strategy<Value = EventKind> {
    use FileOperation::*;
    let operations = vec![
        Create,
        Truncate,
        Delete,
        RemoveDirectory,
        MakeDirectory,
        Rename,
        Link,
        Symlink,
        ChangeMode,
        MakeNode,
        Mount,
        ChangeDirectory,
    ];
    let target = prop_oneof![
        (0_u64..6).prop_map(ChangeTarget::Access),
        any_path().prop_map(ChangeTarget::Path),
        Just(ChangeTarget::None)
    ];
    prop_oneof![
        (0_u64..6, any_path(), 0_u64..4, any::<u32>(), any_totals()).prop_map(
            |(access, path, inode, mode, totals)| {
                let mut seen = file_seen(access, "", inode, totals);
                (seen.path, seen.facts.mode) = (path, mode);
                EventKind::FileSeen(Box::new(seen))
            }
        ),
        (0_u64..16, any_totals()).prop_map(|(access, totals)| file_totals(access, totals)),
        (prop::sample::select(operations), target, prop::option::of(any_path()), 0_u64..4).prop_map(
            |(operation, target, new_path, flags)| {
                let mut change = FileChanged { new_path, ..changed(operation, target) };
                change.detail.flags = Some(flags);
                EventKind::FileChanged(Box::new(change))
            }
        ),
        (6_u64..12, any_path(), any::<i32>(), any::<u64>()).prop_map(|(access, path, errno, failures)| {
            let mut failed = file_failed(access, Open, "", errno, failures);
            if let EventKind::FileFailed(failed) = &mut failed {
                failed.path = path;
            }
            failed
        }),
    ]
}

pub(crate) fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0_u64..4, any_key(), any_kind()).prop_map(|(at, process, kind)| event(at, process, kind));
    prop::collection::vec(one, 0..40)
}

fn small_caps() -> Caps {
    Caps {
        processes: 4,
        executions: 3,
        text_bytes: 16,
        files: 3,
        accesses: 4,
        file_changes: 8,
        file_failures: 2,
        file_text_bytes: 24,
        connections: 4,
        socket_users: 2,
        unix_sockets: 3,
        other_sockets: 2,
        socket_failures: 2,
        dns: 2,
        dns_answers: 3,
        network_text_bytes: 24,
        ..Caps::default()
    }
}

proptest! {
    #[test]
    fn legal_reorderings_give_the_same_session(
        run in runs(),
        one in prop::collection::vec(any::<Index>(), 60),
        other in prop::collection::vec(any::<Index>(), 60),
    ) {
        prop_assert_eq!(session(&run.interleaved(&one)), session(&run.interleaved(&other)));
    }

    #[test]
    fn nobody_is_their_own_ancestor(events in any_events()) {
        let session = session(&events);
        for (start, _) in session.processes() {
            let mut met = HashSet::new();
            let mut next = Some(start);
            while let Some(key) = next {
                prop_assert!(met.insert(key), "a circle through {:?}", key);
                next = session.process(key).and_then(|process| process.parent);
            }
        }
    }

    #[test]
    fn any_events_can_be_applied(events in any_events()) {
        let session = session_with(small_caps(), &events);
        for limit in session.limits() {
            prop_assert!(limit.tally.kept <= limit.tally.seen, "{:?}", limit);
        }
        prop_assert_eq!(session.live().count() as u64, session.live_count());
        let files = session.files();
        prop_assert!(files.changes().count() <= 8);
        let network = session.network();
        prop_assert!(network.connections.len() <= 4);
        for (number, one) in network.connections.iter().enumerate() {
            if let Some(peer) = one.peer {
                prop_assert_eq!(network.connections[peer].peer, Some(number));
            }
            prop_assert!(one.listener.is_none_or(|listener| listener < network.listeners.len()));
        }
        for entry in &files.entries {
            prop_assert!(!files.uses(entry).is_empty() || !entry.errors.is_empty());
        }
    }
}
