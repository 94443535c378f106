mod said;

use crate::{
    event::*,
    session::{samples::*, tests::session, *},
};

const ONE: ProcessKey = ProcessKey { start: 10, tgid: 100 };
const TWO: ProcessKey = ProcessKey { start: 20, tgid: 101 };
const NOBODY: ProcessKey = ProcessKey::NOBODY;

pub(super) fn at(at: BootNs, kind: EventKind) -> Event {
    event(at, ONE, kind)
}

/// The other side of a connection, accepted by somebody.
pub(super) fn mirrored(one: &Flow, flow: FlowId, socket: SocketId) -> Flow {
    Flow {
        flow,
        socket,
        local: one.remote,
        remote: one.local,
        direction: Some(Direction::Inbound),
        origin: Some(SocketOrigin::Accepted),
        ..one.clone()
    }
}

pub(super) fn text(text: &Text) -> String {
    text.value().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_else(|| "?".into())
}

#[test]
fn a_later_record_replaces_and_keeps_what_it_lacks() {
    let mut closed = tcp_closed(1, 1, "10.0.0.2", (30, 60), (100, 2_000));
    (closed.inode, closed.origin) = (None, None);
    let network =
        session(&[at(30, flow(tcp(1, 1, "10.0.0.2", 30))), event(60, NOBODY, flow(closed))]).network();
    let [one] = network.connections.as_slice() else { panic!("{network:?}") };
    assert_eq!((one.process, one.inode, one.origin), (Some(ONE), Some(1_001), Some(SocketOrigin::Created)));
    assert_eq!(one.result, ConnectionResult::Established);
    assert_eq!((one.opened_at, one.established_at, one.closed_at), (30, Some(31), Some(60)));
    let states: Vec<_> = one.entered.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, [TcpState::SynSent, TcpState::Established, TcpState::FinWait1, TcpState::Close]);
    assert_eq!((network.bytes_sent, network.bytes_received), (100, 2_000));
}

#[test]
fn nobody_is_no_process() {
    let session = session(&[event(30, NOBODY, flow(tcp(1, 1, "10.0.0.2", 30)))]);
    assert_eq!(session.process_count(), 0);
    assert_eq!(session.network().connections[0].process, None);
}

#[test]
fn results() {
    let check = |error: Option<i32>, ended: bool, expected| {
        let made = Flow { error, ended, ..tcp(1, 1, "10.0.0.2", 30) };
        assert_eq!(session(&[at(30, flow(made))]).network().connections[0].result, expected, "{error:?}");
    };
    check(Some(libc::ECONNREFUSED), true, ConnectionResult::Refused);
    check(Some(libc::EHOSTUNREACH), true, ConnectionResult::Unreachable);
    check(Some(libc::ETIMEDOUT), true, ConnectionResult::TimedOut);
    check(Some(libc::ECONNRESET), true, ConnectionResult::Reset);
    check(Some(libc::EACCES), true, ConnectionResult::Failed);
    check(None, true, ConnectionResult::Abandoned);
    check(None, false, ConnectionResult::InProgress);
    let closing = Flow { state: Some(TcpState::CloseWait), entered: Vec::new(), ..tcp(1, 1, "10.0.0.2", 30) };
    assert_eq!(
        session(&[at(30, flow(closing))]).network().connections[0].result,
        ConnectionResult::Established
    );
    let check = |packets, expected| {
        let network = session(&[at(30, flow(udp(1, 1, "10.0.0.2", 30, packets)))]).network();
        assert_eq!(network.connections[0].result, expected);
    };
    check((1, 1), ConnectionResult::Answered);
    check((1, 0), ConnectionResult::Unanswered);
    check((0, 1), ConnectionResult::Received);
    check((0, 0), ConnectionResult::Unused);
}

/// Of a connection that is older than the observation, its end tells that it was one, or a record before that.
#[test]
fn results_of_older_connections() {
    let older = |state, sent| {
        let totals = FlowTotals { bytes_sent: sent, ..tcp(1, 1, "10.0.0.2", 30).totals };
        let entered = Vec::new();
        Flow { state: Some(state), entered, resumed: true, totals, ..tcp(1, 1, "10.0.0.2", 30) }
    };
    let check = |told: Vec<Flow>, expected| {
        let events: Vec<_> = told.into_iter().zip(30..).map(|(told, when)| at(when, flow(told))).collect();
        assert_eq!(session(&events).network().connections[0].result, expected);
    };
    check(vec![older(TcpState::FinWait1, 0)], ConnectionResult::Established);
    check(vec![older(TcpState::Close, 1)], ConnectionResult::Established);
    check(vec![older(TcpState::Close, 0)], ConnectionResult::Abandoned);
    check(vec![older(TcpState::SynSent, 0)], ConnectionResult::InProgress);
    let reset = Flow { error: Some(libc::ECONNRESET), ended: true, ..older(TcpState::Close, 0) };
    check(vec![older(TcpState::Established, 0), reset], ConnectionResult::Established);
}

#[test]
fn a_resumed_flow_goes_on_and_another_begins() {
    let resumed = Flow { resumed: true, ..udp(2, 1, "10.0.0.2", 50, (2, 0)) };
    let elsewhere = Flow { resumed: true, ..udp(3, 1, "10.0.0.3", 60, (1, 0)) };
    let again = Flow { absolute: true, resumed: true, ..tcp_closed(5, 2, "10.0.0.2", (70, 90), (700, 9)) };
    let third = tcp(6, 2, "10.0.0.2", 100);
    let network = session(&[
        at(30, flow(udp(1, 1, "10.0.0.2", 30, (1, 1)))),
        at(50, flow(resumed)),
        at(60, flow(elsewhere)),
        at(65, flow(tcp_closed(4, 2, "10.0.0.2", (65, 69), (500, 9)))),
        at(90, flow(again)),
        at(100, flow(third)),
    ])
    .network();
    let sums = |one: &Connection| (one.opened_at, one.totals.packets_sent, one.totals.bytes_sent);
    let told: Vec<_> = network.connections.iter().map(sums).collect();
    assert_eq!(told, [(30, 3, 90), (60, 1, 30), (65, 3, 700), (100, 0, 0)]);
    assert_eq!(network.connections[2].closed_at, Some(90));
}

#[test]
fn listeners_have_their_connections_and_users() {
    let incoming = Flow { listener: Some(1), ..mirrored(&tcp(9, 9, "10.0.0.9", 40), 2, 2) };
    let bound = Flow {
        remote: None,
        bound: true,
        local: Some(end("0.0.0.0", 53)),
        ..udp(3, 3, "0.0.0.0", 35, (0, 0))
    };
    let asked = Flow { direction: Some(Direction::Inbound), ..udp(4, 3, "10.0.0.7", 45, (1, 1)) };
    let unused = Flow { bound: false, ..Flow { flow: 5, socket: 5, ..bound.clone() } };
    let network = session(&[
        at(30, flow(listener(1, 1, 80, 30))),
        at(35, flow(bound)),
        at(36, flow(unused)),
        event(40, NOBODY, flow(incoming)),
        event(42, TWO, socket_used(1, SocketOrigin::Received)),
        event(43, TWO, socket_used(2, SocketOrigin::Accepted)),
        at(44, socket_used(2, SocketOrigin::Received)),
        at(45, flow(asked)),
    ])
    .network();
    let listeners: Vec<_> = network
        .listeners
        .iter()
        .map(|one| (one.listens, one.accepted, one.backlog, one.users.len()))
        .collect();
    assert_eq!(listeners, [(true, 1, Some(128), 1), (false, 1, None, 0)]);
    assert_eq!(network.listeners[0].users[0].process, TWO);
    let [accepted, asked] = network.connections.as_slice() else { panic!("{network:?}") };
    assert_eq!((accepted.process, accepted.listener, asked.listener), (Some(TWO), Some(0), Some(1)));
    assert_eq!(accepted.users, [SocketUser { process: ONE, origin: SocketOrigin::Received }]);
}

#[test]
fn a_closed_datagram_socket_takes_its_further_peers_along() {
    let first = Flow { ended: true, ..udp(1, 1, "10.0.0.2", 30, (1, 1)) };
    let network = session(&[
        at(40, flow(udp(2, 1, "10.0.0.3", 40, (1, 0)))),
        at(50, flow(udp(3, 3, "10.0.0.3", 50, (1, 0)))),
        at(90, flow(first)),
    ])
    .network();
    let closed: Vec<_> = network.connections.iter().map(|one| one.closed_at).collect();
    assert_eq!(closed, [Some(90), Some(90), None]);
}

/// A socket that was disconnected goes on by another port.
#[test]
fn a_datagram_socket_that_begins_again_is_open() {
    let first = Flow { ended: true, ..udp(1, 1, "10.0.0.2", 30, (1, 1)) };
    let events = [
        at(40, flow(udp(2, 1, "10.0.0.3", 40, (1, 0)))),
        at(60, flow(first)),
        at(70, flow(udp(3, 1, "10.0.0.2", 70, (1, 0)))),
    ];
    let closed = |events: &[Event]| -> Vec<_> {
        session(events).network().connections.iter().map(|one| one.closed_at).collect()
    };
    assert_eq!(closed(&events), [Some(60), Some(60), None]);
    let ended = at(90, flow(Flow { ended: true, ..udp(3, 1, "10.0.0.2", 70, (1, 0)) }));
    assert_eq!(closed(&[&events[..], &[ended]].concat()), [Some(60), Some(60), Some(90)]);
}

/// What came in belongs to the time at which its socket listened.
/// As `nc -u -l` does: it looks at the first datagram, and connects to whom it is from.
#[test]
fn a_server_that_connects_to_who_asked_it() {
    let bound = Flow { remote: None, bound: true, direction: None, ..udp(1, 3, "0.0.0.0", 30, (0, 0)) };
    let asked =
        Flow { bound: true, direction: Some(Direction::Inbound), ..udp(2, 3, "10.0.0.7", 40, (0, 1)) };
    let answered = udp(2, 3, "10.0.0.7", 40, (1, 1));
    let connected = Flow { bound: true, connected: true, ..answered };
    let network = session(&[at(30, flow(bound)), at(40, flow(asked)), at(50, flow(connected))]).network();
    let [one] = network.connections.as_slice() else { panic!("{network:?}") };
    assert_eq!((one.direction, one.listener), (Some(Direction::Inbound), Some(0)));
    assert_eq!((one.result, network.listeners[0].accepted), (ConnectionResult::Answered, 1));
}

#[test]
fn a_socket_that_listens_twice() {
    let incoming = |id, when| Flow { listener: Some(1), ..mirrored(&tcp(9, 9, "10.0.0.9", when), id, id) };
    let network = session(&[
        at(30, flow(listener(1, 1, 80, 30))),
        at(40, flow(incoming(2, 40))),
        at(50, flow(listener(3, 1, 80, 50))),
        at(60, flow(incoming(4, 60))),
        at(61, flow(incoming(5, 61))),
        // Nobody listened so early, as far as was seen.
        at(62, flow(incoming(6, 20))),
    ])
    .network();
    let accepted: Vec<_> = network.listeners.iter().map(|one| one.accepted).collect();
    assert_eq!(accepted, [2, 2]);
}

#[test]
fn a_closed_datagram_socket_has_no_peers_any_more() {
    let bound = Flow {
        remote: None,
        bound: true,
        local: Some(end("0.0.0.0", 53)),
        ..udp(1, 1, "0.0.0.0", 30, (0, 0))
    };
    let network = session(&[
        at(30, flow(bound.clone())),
        at(40, flow(udp(2, 1, "10.0.0.2", 40, (1, 1)))),
        at(90, flow(Flow { ended: true, ..bound })),
    ])
    .network();
    assert_eq!((network.listeners[0].closed_at, network.connections[0].closed_at), (Some(90), Some(90)));
}

#[test]
fn both_sides_are_linked_also_when_ports_are_used_again() {
    let mut events = Vec::new();
    for number in 0..50 {
        let (opened, closed) = (100 + number * 100, 150 + number * 100);
        let client = tcp_closed(number, 1, "10.0.0.2", (opened, closed), (1, 1));
        let client = Flow { socket: number, ..client };
        let server = mirrored(&client, 1_000 + number, 1_000 + number);
        let mut server = Flow { family: 10, local: Some(end("::ffff:10.0.0.2", 443)), ..server };
        server.totals.first_at += 2;
        events.push(event(closed, TWO, flow(server)));
        events.push(at(closed, flow(client)));
    }
    // One whose other side is not observed, of the same ends.
    events.push(at(
        9_000_000_000,
        flow(tcp_closed(900, 1, "10.0.0.2", (8_000_000_000, 9_000_000_000), (1, 1))),
    ));
    let network = session(&events).network();
    for (number, one) in network.connections.iter().enumerate().take(100) {
        let peer = one.peer.unwrap_or_else(|| panic!("{number} has no side"));
        assert_eq!(peer, number ^ 1);
    }
    assert_eq!(network.connections[100].peer, None);
}

/// On a busy machine the answer to one connection can come when the next one, of the same ports, is asked for already.
#[test]
fn nothing_is_answered_before_it_is_asked_for() {
    const MS: BootNs = 1_000_000;
    let client = |number: u64, from: BootNs, until: BootNs| Flow {
        socket: number,
        ..tcp_closed(number, 1, "10.0.0.2", (from, until), (0, 0))
    };
    let server = |client: &Flow, number: u64, from: BootNs| {
        let mut server = mirrored(client, number, number);
        server.totals.first_at = from;
        server
    };
    let (first, second) = (client(1, MS, 3 * MS), client(2, 3 * MS + 5, 22 * MS));
    let (to_first, to_second) = (server(&first, 3, 3 * MS - 5), server(&second, 4, 20 * MS));
    let events = [first, second, to_first, to_second].map(|one| at(30 * MS, flow(one)));
    let network = session(&events).network();
    let opened: Vec<_> = network.connections.iter().map(|one| one.opened_at).collect();
    assert_eq!(opened, [MS, 3 * MS - 5, 3 * MS + 5, 20 * MS]);
    let peers: Vec<_> = network.connections.iter().map(|one| one.peer).collect();
    assert_eq!(peers, [Some(1), Some(0), Some(3), Some(2)]);
}

#[test]
fn sides_of_other_namespaces_and_of_no_address() {
    let client = tcp_closed(1, 1, "10.0.0.2", (30, 60), (1, 1));
    let server = Flow { network_namespace: 5, ..mirrored(&client, 2, 2) };
    let linked = |one: &Flow, other: &Flow| {
        session(&[at(60, flow(one.clone())), at(60, flow(other.clone()))]).network().connections[0]
            .peer
            .is_some()
    };
    assert!(linked(&client, &server));
    let to_itself = Flow { local: Some(end("127.0.0.1", 5)), remote: Some(end("127.0.0.1", 6)), ..client };
    assert!(linked(&to_itself, &mirrored(&to_itself, 2, 2)));
    assert!(!linked(&to_itself, &Flow { network_namespace: 5, ..mirrored(&to_itself, 2, 2) }));
    let asks = Flow { local: Some(end("10.0.0.1", 4_000)), ended: true, ..udp(1, 1, "10.0.0.2", 30, (1, 1)) };
    let answers = Flow { local: Some(end("0.0.0.0", 53)), ..mirrored(&asks, 2, 2) };
    let answers = Flow { totals: FlowTotals { first_at: 35, last_at: 36, ..answers.totals }, ..answers };
    assert!(linked(&asks, &answers));
    let elsewhere = Flow { local: Some(end("0.0.0.0", 54)), ..answers };
    assert!(!linked(&asks, &elsewhere));
    let nowhere = Flow { local: Some(end("::", 4_000)), remote: Some(end("::ffff:127.0.0.1", 53)), ..asks };
    let anywhere =
        Flow { local: Some(end("0.0.0.0", 53)), remote: Some(end("127.0.0.1", 4_000)), ..elsewhere };
    assert!(linked(&nowhere, &anywhere));
}

#[test]
fn failures_that_are_no_connection() {
    let refused = |flow: FlowId| Flow {
        error: Some(libc::ECONNREFUSED),
        ended: true,
        ..tcp(flow, flow, "10.0.0.2", 30)
    };
    let to = |address| SocketAddress::Internet(end(address, 443));
    let unix = SocketAddress::Unix(Observed::Complete(b"/run/docker.sock".to_vec()));
    let totals = AccessTotals { failures: 7, last_at: 90, ..AccessTotals::default() };
    let session = session(&[
        at(20, file_totals(3, totals)),
        at(30, flow(refused(1))),
        at(31, socket_failed(1, to("10.0.0.2"), libc::ECONNREFUSED, 1)),
        at(32, socket_failed(2, to("10.0.0.3"), libc::ENETUNREACH, 2)),
        at(33, socket_failed(3, unix, libc::EACCES, 1)),
        at(34, socket_failed(4, to("10.0.0.3"), libc::ENETUNREACH, 3)),
        at(35, file_totals(4, AccessTotals { failures: 5, last_at: 40, ..AccessTotals::default() })),
    ]);
    assert_eq!(session.unannounced_accesses(), 0);
    let failed = session.network().failed;
    let told: Vec<_> = failed.iter().map(|one| (one.errno, one.count, one.first_at, one.last_at)).collect();
    assert_eq!(told, [(libc::ENETUNREACH, 7, 32, 40), (libc::EACCES, 7, 33, 90)]);
    assert_eq!(failed[1].path.as_ref().map(text).as_deref(), Some("/run/docker.sock"));
}

#[test]
fn unix_sockets_by_name() {
    let unnamed = UnixSocket { name_is_peers: false, ..unix_socket(1, SocketOperation::Create, None) };
    let mut bound = unix_socket(2, SocketOperation::Bind, Some(b"x.sock"));
    bound.path = Some(path("/srv/x.sock"));
    let mut accepted = unix_socket(3, SocketOperation::Accept, Some(b"x.sock"));
    (accepted.listener, accepted.peer, accepted.peer_pid) = (Some(2), Some(ONE), Some(100));
    let went = FlowTotals { bytes_sent: 9, bytes_received: 4, first_at: 50, ..FlowTotals::default() };
    let bytes = |socket| Flow { family: 1, totals: went, ..tcp(90 + socket, socket, "0.0.0.0", 50) };
    let network = session(&[
        at(30, unix(unnamed)),
        at(31, unix(unix_socket(1, SocketOperation::Connect, Some(b"/run/docker.sock")))),
        at(32, unix(unix_socket(1, SocketOperation::Connect, Some(b"\0abstract")))),
        at(33, unix(unix_socket(1, SocketOperation::Connect, Some(b"\0abstract")))),
        event(34, TWO, unix(bound)),
        event(40, TWO, unix(accepted)),
        at(50, flow(bytes(1))),
        at(51, flow(bytes(7))),
    ])
    .network();
    let name = |one: &UnixEntry| one.name.as_ref().map(text).unwrap_or_default();
    let told: Vec<_> =
        network.unix_sockets.iter().map(|one| (name(one), one.bytes_sent, one.listener)).collect();
    let expected = [
        ("/run/docker.sock", 9, None),
        ("\0abstract", 0, None),
        ("x.sock", 0, None),
        ("x.sock", 0, Some(2)),
        ("", 9, None),
    ];
    assert_eq!(told, expected.map(|(name, bytes, listener)| (name.to_owned(), bytes, listener)));
    let first = &network.unix_sockets[0];
    assert_eq!(first.operations, [(SocketOperation::Create, 1), (SocketOperation::Connect, 1)]);
    assert_eq!((first.first_at, first.name_is_peers), (30, true));
    assert_eq!(network.unix_sockets[1].operations, [(SocketOperation::Connect, 2)]);
    assert_eq!(network.unix_sockets[3].peer, Some(ONE));
    assert!(network.connections.is_empty());
}

/// What the kernel says goes before what a call says.
#[test]
fn names_that_were_sent_to() {
    let by = |source, operation, name: &[u8]| UnixSocket {
        path: Some(ResolvedPath { source, ..path("/srv/x.sock") }),
        ..unix_socket(1, operation, Some(name))
    };
    let network = session(&[
        at(30, unix(by(PathSource::Argument, SocketOperation::Send, b"x.sock"))),
        at(31, unix(by(PathSource::Kernel, SocketOperation::Connect, b"x.sock"))),
        at(32, unix(by(PathSource::Argument, SocketOperation::Send, b"./x.sock"))),
    ])
    .network();
    let told: Vec<_> = network
        .unix_sockets
        .iter()
        .map(|one| (one.name_is_argument, one.path.as_ref().map(|(_, source)| *source)))
        .collect();
    assert_eq!(told, [(false, Some(PathSource::Kernel)), (true, Some(PathSource::Argument))]);
}

/// A service that has gone on in a child: who made the socket listen has ended when somebody connects.
#[test]
fn a_peer_that_had_ended() {
    let again = key(50, 102);
    let talk = |socket, pid| {
        let mut talk = unix_socket(socket, SocketOperation::Connect, Some(b"/run/x"));
        talk.peer_pid = Some(pid);
        unix(talk)
    };
    let network = session(&[
        at(15, talk(1, 101)),
        event(20, ONE, fork(TWO, ONE, 0)),
        event(21, ONE, fork(key(21, 102), ONE, 0)),
        event(30, TWO, exit(0)),
        event(50, ONE, fork(again, ONE, 0)),
        at(60, talk(2, 101)),
        at(61, talk(3, 102)),
        at(62, talk(4, 7)),
    ])
    .network();
    let peers: Vec<_> = network.unix_sockets.iter().map(|one| one.peer).collect();
    // Not who began later, nor one of two, nor who is not of the run.
    assert_eq!(peers, [None, Some(TWO), None, None]);
}

#[test]
fn other_sockets_by_kind() {
    let netlink = |flow: FlowId, bytes_sent, ended| Flow {
        family: 16,
        kind: 3,
        protocol: 0,
        remote: None,
        ended,
        totals: FlowTotals { bytes_sent, first_at: 30 + flow, ..FlowTotals::default() },
        ..tcp(flow, flow, "0.0.0.0", 30)
    };
    let session = session(&[
        at(30, flow(netlink(1, 5, false))),
        at(31, flow(netlink(1, 10, true))),
        at(32, flow(netlink(2, 1, false))),
        event(33, TWO, flow(netlink(3, 0, false))),
        at(34, flow(Flow { protocol: 9, ..netlink(4, 0, true) })),
    ]);
    let others = session.network().other_sockets;
    let told: Vec<_> = others
        .iter()
        .map(|one| (one.protocol, one.process, one.count, one.bytes_sent, one.first_at))
        .collect();
    let expected = [(0, Some(ONE), 2, 11, 31), (0, Some(TWO), 1, 0, 33), (9, Some(ONE), 1, 0, 34)];
    assert_eq!(told, expected);
}

#[test]
fn what_is_beyond_a_cap_of_sockets_is_counted() {
    let caps =
        Caps { connections: 1, socket_users: 1, unix_sockets: 1, socket_failures: 1, ..Caps::default() };
    let mut session = Session::with_caps(caps);
    let to = SocketAddress::Internet(end("10.0.0.2", 443));
    for event in [
        at(20, flow(tcp(1, 1, "10.0.0.2", 20))),
        at(21, flow(tcp(2, 2, "10.0.0.2", 21))),
        at(22, flow(tcp_closed(2, 2, "10.0.0.2", (21, 25), (5, 6)))),
        at(23, flow(tcp_closed(3, 3, "10.0.0.2", (23, 25), (5, 6)))),
        at(24, flow(listener(4, 4, 80, 24))),
        at(25, socket_used(1, SocketOrigin::Received)),
        event(26, TWO, socket_used(1, SocketOrigin::Received)),
        at(27, unix(unix_socket(8, SocketOperation::Create, None))),
        at(28, unix(unix_socket(9, SocketOperation::Create, None))),
        at(29, socket_failed(1, to.clone(), 2, 1)),
        at(30, socket_failed(2, to, 2, 1)),
        at(31, file_totals(2, AccessTotals { failures: 3, ..AccessTotals::default() })),
    ] {
        session.apply(&event);
    }
    let tally = |list: &str| {
        let limit = session.limits().into_iter().find(|limit| limit.list == list);
        limit.map(|limit| (limit.tally.seen, limit.tally.kept))
    };
    assert_eq!(tally("network.connections"), Some((3, 1)));
    assert_eq!(tally("network.listeners"), Some((1, 0)));
    assert_eq!(tally("network.users"), Some((2, 1)));
    assert_eq!(tally("network.unix_sockets"), Some((2, 1)));
    assert_eq!(tally("network.failed"), Some((2, 1)));
    assert_eq!(session.network().bytes_sent, 10);
    assert_eq!(session.unannounced_accesses(), 0);
}

#[test]
fn twenty_thousand_connections_are_small() {
    let size = size_of::<super::KnownFlow>();
    assert!(size <= 216, "{size}");
}
