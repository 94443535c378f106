//! TCP connections: both ends, results, states, and what went through.

use crate::support::network::Connection;
use crate::support::privilege::needs;
use crate::support::watch::Run;
use crate::support::{Receipt, calls, calls_32, fact, program, watch};

/// A listening socket `l` of port `p`.
const LISTEN: &str = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p";

/// Both sides of the only connection to the port that the program printed.
#[track_caller]
fn sides<'a>(run: &Run, receipt: &'a Receipt) -> (Connection<'a>, Connection<'a>) {
    let there = run.address("127.0.0.1");
    (receipt.outbound(&there), receipt.inbound(&there))
}

/// The two sides of one connection, as each of them must be.
#[track_caller]
fn expect_sides(client: Connection<'_>, server: Connection<'_>, sent: u64, received: u64) {
    for (side, bytes) in [(client, (sent, received)), (server, (received, sent))] {
        assert_eq!((side.protocol(), side.result()), ("tcp", "established"), "{side:?}");
        assert_eq!(side.error(), "none", "{side:?}");
        assert_eq!(side.bytes(), bytes, "{side:?}");
        assert!(side.0["closed_at"].is_string() && side.0["established_at"].is_string(), "{side:?}");
        assert!(side.0["duration_ms"].as_f64().is_some_and(|duration| duration > 0.0), "{side:?}");
    }
    // The first packet and its answer are the listener's; the last acknowledgement may be no socket's any more.
    let ((client_out, client_in), (server_out, server_in)) = (client.packets(), server.packets());
    assert!(client_out >= 3 && client_in >= 2 && server_out >= 2 && server_in >= 2, "{client:?} {server:?}");
    assert!(client_out.abs_diff(server_in) <= 1, "what one sends the other receives: {client:?} {server:?}");
    assert!(server_out.abs_diff(client_in) <= 1, "likewise: {client:?} {server:?}");
    assert_eq!((client.peer(), server.peer()), (Some(server.id()), Some(client.id())));
    assert_eq!((client.local(), client.remote()), (server.remote(), server.local()));
    assert_eq!(client.0["socket_type"], "stream");
}

#[test]
fn bytes_both_ways_between_two_processes() {
    needs!();
    let reply = "y".repeat(89);
    let run = calls(&[
        LISTEN,
        "start close l ; c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; send_all c 1234567 65536 ; \
         receive_all c 89 ; close c",
        &format!("a=accept4 l ; receive_all a 1234567 ; send a {reply} ; receive_all a -1 ; close a ; wait"),
    ])
    .run();
    let receipt = run.complete(0);
    let (client, server) = sides(&run, &receipt);
    expect_sides(client, server, 1_234_567, 89);
    let child = receipt.children(receipt.root())[0];
    assert_eq!((client.process(), client.origin()), (Some(child.id()), "created"));
    assert_eq!((server.process(), server.origin()), (Some(receipt.root().id()), "accepted"));
    assert_eq!(client.states()[..2], ["syn_sent", "established"], "{client:?}");
    assert!(
        server.states().contains(&"established") && server.states().contains(&"close_wait"),
        "{server:?}"
    );
    assert!(client.states().contains(&"fin_wait1") || client.states().contains(&"fin_wait_1"), "{client:?}");
    let listener = receipt.listener(&server.local());
    assert_eq!(server.listener(), Some(listener.id()));
    assert_eq!((listener.accepted(), client.listener()), (1, None));
    assert_eq!(receipt.connections().len(), 2);
}

#[test]
fn one_process_has_both_ends() {
    needs!();
    let run = calls(&[
        LISTEN,
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; q=port c ; print q ; a=accept4 l ; send c abc ; \
         recvfrom a 10 ; send a defgh ; recvfrom c 10 ; shutdown c SHUT_WR ; recvfrom a 10 ; close a ; close c",
    ])
    .run();
    let receipt = run.complete(0);
    let (client, server) = sides(&run, &receipt);
    expect_sides(client, server, 3, 5);
    assert_eq!(client.local(), format!("127.0.0.1:{}", fact(&run.stdout, "q")));
    let namespace = &client.0["network_namespace"];
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert!(own.to_string_lossy().contains(&namespace.to_string()), "{namespace} {own:?}");
}

/// The first addresses are those of the IPv6 protocol; the last is IPv4 on such a socket.
#[test]
fn addresses_are_those_of_the_socket() {
    needs!();
    for (bound, asked, client, server) in [
        ("[::1]:0", "[::1]:p", "[::1]", "[::1]"),
        ("[::]:0", "[::1]:p", "[::1]", "[::1]"),
        ("[::]:0", "[::ffff:127.0.0.1]:p", "[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
    ] {
        let run = calls(&[
            &format!("l=socket AF_INET6 SOCK_STREAM 0 ; bind l {bound} ; listen l 5 ; p=port l ; print p"),
            &format!("c=socket AF_INET6 SOCK_STREAM 0 ; connect c {asked} ; a=accept4 l ; send c abc ; recvfrom a 3 ; \
                      close c ; recvfrom a 3 ; close a"),
        ])
        .run();
        let receipt = run.complete(0);
        let client = receipt.outbound(&run.address(client));
        let server = receipt.inbound(&run.address(server));
        expect_sides(client, server, 3, 0);
    }
}

/// An IPv4 client of an IPv6 socket: the two sides spell their addresses differently, and are linked all the same.
#[test]
fn an_ipv4_client_of_an_ipv6_listener() {
    needs!();
    let run = calls(&[
        "l=socket AF_INET6 SOCK_STREAM 0 ; bind l [::]:0 ; listen l 5 ; p=port l ; print p",
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send c abc ; recvfrom a 3 ; close c ; \
         recvfrom a 3 ; close a",
    ])
    .run();
    run.expect_code(0);
    // The check of every receipt compares the addresses of two sides letter by letter.
    let value: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&run.receipt_path).unwrap()).unwrap();
    let port = fact(&run.stdout, "p");
    let connections = value["network"]["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 2, "{connections:#?}");
    let by = |direction: &str| {
        connections.iter().map(Connection).find(|one| one.direction() == direction).unwrap()
    };
    assert_eq!(by("outbound").remote(), format!("127.0.0.1:{port}"));
    assert_eq!(by("inbound").local(), format!("[::ffff:127.0.0.1]:{port}"));
    assert_eq!(by("outbound").peer(), Some(by("inbound").id()));
}

#[test]
fn refused() {
    needs!();
    let receipt = calls(&[
        "2x r=socket AF_INET SOCK_STREAM 0 ; fails ECONNREFUSED connect r 127.0.0.1:1 ; close r",
        "r=socket AF_INET6 SOCK_STREAM 0 ; fails ECONNREFUSED connect r [::1]:1 ; close r",
        "r=socket AF_INET SOCK_STREAM|SOCK_NONBLOCK 0 ; fails EINPROGRESS connect r 127.0.0.1:2 ; writable r ; \
         fails ECONNREFUSED connect r 127.0.0.1:2 ; close r",
        "r=socket AF_INET SOCK_STREAM|SOCK_NONBLOCK 0 ; fails EINPROGRESS connect r 127.0.0.1:3 ; writable r ; \
         getsockopt r SOL_SOCKET SO_ERROR",
    ])
    .run()
    .complete(0);
    for remote in ["127.0.0.1:1", "[::1]:1", "127.0.0.1:2", "127.0.0.1:3"] {
        assert_eq!(receipt.attempt(remote), ("refused".into(), "ECONNREFUSED".into()), "{remote}");
    }
    let first: Vec<_> =
        receipt.connections().into_iter().filter(|one| one.remote() == "127.0.0.1:1").collect();
    let failed = receipt.failed_socket("connect ECONNREFUSED 127.0.0.1:1");
    assert_eq!(first.len() as u64 + failed, 2, "each attempt once: {first:#?} {failed}");
    assert!(first.iter().all(|one| one.bytes() == (0, 0) && one.process() == Some(receipt.root().id())));
}

/// The queue of a listener is full, so that nobody answers.
const FULL: &str = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 0 ; p=port l ; print p ; \
                    f=socket AF_INET SOCK_STREAM 0 ; connect f 127.0.0.1:p";

/// The connections to the full listener, without the one that fills it.
#[track_caller]
fn second_attempt(run: &Run) -> (String, String) {
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let one = receipt.one("the second attempt", |one| {
        one.direction() == "outbound" && one.remote() == there && one.result() != "established"
    });
    assert!(one.0["established_at"].is_null(), "{one:?}");
    assert!(one.packets().0 >= 1 && one.bytes() == (0, 0), "it asked: {one:?}");
    (one.result().to_owned(), one.error().to_owned())
}

#[test]
fn nobody_answers_in_time() {
    needs!();
    let run = calls(&[
        FULL,
        "r=socket AF_INET SOCK_STREAM 0 ; setsockopt r IPPROTO_TCP TCP_SYNCNT 1 ; fails ETIMEDOUT connect r 127.0.0.1:p",
    ])
    .run();
    assert_eq!(second_attempt(&run), ("timed_out".into(), "ETIMEDOUT".into()));
}

#[test]
fn given_up_before_an_answer() {
    needs!();
    for end in ["close r", "sleep 0"] {
        let attempt =
            "r=socket AF_INET SOCK_STREAM|SOCK_NONBLOCK 0 ; fails EINPROGRESS connect r 127.0.0.1:p";
        let (result, _) = second_attempt(&calls(&[FULL, &format!("{attempt} ; {end}")]).run());
        assert!(["abandoned", "in_progress"].contains(&result.as_str()), "{end}: {result}");
        assert!(end != "close r" || result == "abandoned", "{result}");
    }
}

/// Still asked for at the end of the run: by a process that the command has left behind.
#[test]
fn in_progress_at_the_end() {
    needs!();
    let attempt = "r=socket AF_INET SOCK_STREAM|SOCK_NONBLOCK 0 ; fails EINPROGRESS connect r 127.0.0.1:p";
    let run = calls(&[FULL, &format!("start {attempt} ; sleep 3000"), "sleep 300"]).run();
    run.expect_code(0);
    let receipt = run.receipt();
    let there = run.address("127.0.0.1");
    let open = receipt.one("the second attempt", |one| {
        one.direction() == "outbound" && one.remote() == there && one.0["established_at"].is_null()
    });
    assert!(["in_progress", "abandoned"].contains(&open.result()), "{open:?}");
    assert_eq!(open.result() == "in_progress", open.0["closed_at"].is_null(), "{open:?}");
    assert!(open.0["local"]["port"].as_u64().is_some_and(|port| port != 0), "{open:?}");
}

#[test]
fn reset_by_the_peer() {
    needs!();
    let run = calls(&[
        LISTEN,
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send c abc ; linger a ; close a ; \
         fails ECONNRESET recvfrom c 10 ; close c",
    ])
    .run();
    let receipt = run.complete(0);
    let (client, server) = sides(&run, &receipt);
    assert_eq!(client.error(), "ECONNRESET", "{client:?}");
    assert!(["established", "reset"].contains(&client.result()), "{client:?}");
    assert!(["established", "reset"].contains(&server.result()), "{server:?}");
    assert_eq!((client.bytes(), server.bytes()), ((3, 0), (0, 3)));
    assert!(client.0["closed_at"].is_string() && server.0["closed_at"].is_string());
}

#[test]
fn the_same_ports_again() {
    needs!();
    let client = "c=socket AF_INET SOCK_STREAM 0 ; setsockopt c SOL_SOCKET SO_REUSEADDR 1 ; bind c 127.0.0.1:q ; \
                  connect c 127.0.0.1:p ; a=accept4 l ; send c abc ; recvfrom a 3 ; linger c ; close c ; close a";
    let free = "u=socket AF_INET SOCK_STREAM 0 ; bind u 127.0.0.1:0 ; q=port u ; close u";
    let run = calls(&[LISTEN, free, &format!("5x {client}")]).run();
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let connections = receipt.connections();
    let clients: Vec<_> = connections.iter().filter(|one| one.remote() == there).collect();
    assert_eq!((clients.len(), connections.len()), (5, 10), "each is one of its own: {connections:#?}");
    assert!(
        clients.iter().all(|one| one.local() == clients[0].local() && one.bytes() == (3, 0)),
        "{clients:#?}"
    );
    let peers: std::collections::BTreeSet<_> = clients.iter().filter_map(|one| one.peer()).collect();
    assert_eq!(peers.len(), 5, "each is linked to its own other side: {clients:#?}");
    assert_eq!(receipt.listener(&there).accepted(), 5);
}

/// The first bytes go along with what asks for the connection.
#[test]
fn fast_open() {
    needs!("ip", "unshare", "sysctl");
    let listen = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; setsockopt l IPPROTO_TCP TCP_FASTOPEN 5 ; \
                  listen l 5 ; p=port l ; print p";
    let once = "c=socket AF_INET SOCK_STREAM 0 ; sendto c 700 MSG_FASTOPEN 127.0.0.1:p ; a=accept4 l ; receive_all a 700 ; \
                close c ; recvfrom a 1 ; close a";
    let run = calls(&[listen, &format!("2x {once}")]).alone("&& sysctl -qw net.ipv4.tcp_fastopen=3").run();
    let receipt = run.complete(0);
    let connections = receipt.connections();
    assert_eq!(connections.len(), 4, "{connections:#?}");
    for one in &connections {
        assert_eq!(one.result(), "established", "{one:?}");
        assert_eq!(one.bytes_sent() + one.bytes_received(), 700, "{one:?}");
        assert!(one.peer().is_some(), "{one:?}");
    }
}

/// The first calls go through socketcall(2), which has the arguments in memory.
#[test]
fn a_32_bit_program() {
    needs!("gcc");
    for old in ["", "old "] {
        let listen = "OLD l=socket AF_INET SOCK_STREAM 0 ; OLD bind l 127.0.0.1:0 ; OLD listen l 5 ; p=port l ; print p";
        let connect = "OLD c=socket AF_INET SOCK_STREAM 0 ; OLD connect c 127.0.0.1:p ; OLD a=accept4 l ; send c abc ; \
                       recvfrom a 3 ; close c ; recvfrom a 3 ; close a ; OLD r=socket AF_INET SOCK_STREAM 0 ; \
                       fails ECONNREFUSED OLD connect r 127.0.0.1:1";
        let run = calls_32(&[&listen.replace("OLD ", old), &connect.replace("OLD ", old)]).run();
        let receipt = run.complete(0);
        let (client, server) = sides(&run, &receipt);
        expect_sides(client, server, 3, 0);
        assert_eq!(client.process(), Some(receipt.root().id()));
        assert_eq!(receipt.attempt("127.0.0.1:1").0, "refused");
    }
}

/// What is sent where there never was a connection; where there was one, it tells what became of it.
#[test]
fn sent_without_a_connection() {
    needs!();
    let receipt = calls(&[
        "c=socket AF_INET SOCK_STREAM 0",
        "3x fails EPIPE sendto c 5 MSG_NOSIGNAL null",
        "fails EPIPE sendmsg c 127.0.0.1:9 1 MSG_NOSIGNAL",
        "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 1 ; fails EPIPE sendto l 5 MSG_NOSIGNAL null",
        "r=socket AF_INET SOCK_STREAM 0 ; fails ECONNREFUSED connect r 127.0.0.1:1 ; fails EPIPE sendto r 5 MSG_NOSIGNAL null",
    ])
    .run()
    .complete(0);
    assert_eq!(receipt.failed_socket("send EPIPE"), 4, "{:#?}", receipt.failed_sockets());
    assert_eq!(receipt.failed_socket("send EPIPE 127.0.0.1:9"), 1, "{:#?}", receipt.failed_sockets());
    assert_eq!(receipt.failed_sockets().len(), 2, "{:#?}", receipt.failed_sockets());
    assert_eq!(receipt.attempt("127.0.0.1:1").0, "refused");
}

/// Who connects to itself has asked for it.
#[test]
fn connected_to_itself() {
    needs!();
    let itself = "c=socket AF_INET SOCK_STREAM 0 ; bind c 127.0.0.1:0 ; p=port c ; print p ; connect c 127.0.0.1:p ; \
                  send c abc ; recvfrom c 3";
    let run = calls(&[itself]).run();
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let one = receipt.one("itself", |one| one.remote() == there);
    assert_eq!((one.direction(), one.result(), one.local()), ("outbound", "established", there), "{one:?}");
    assert_eq!((one.bytes(), one.listener()), ((3, 3), None), "{one:?}");
    assert!(one.states().contains(&"syn_received"), "both ends have asked: {one:?}");
}

/// Segments of MPTCP go between sockets of the kernel's own.
#[test]
fn multipath() {
    needs!();
    // They are closed by the kernel a moment after the sockets of the program.
    let mut words = command!["sh", "-c", "\"$@\"; code=$?; sleep 0.3; exit $code", "sh", program("calls")];
    words.extend(
        [
            "needs l=socket AF_INET SOCK_STREAM IPPROTO_MPTCP ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p",
            "c=socket AF_INET SOCK_STREAM IPPROTO_MPTCP ; connect c 127.0.0.1:p ; a=accept4 l ; send c abc ; \
             recvfrom a 3 ; close c ; recvfrom a 3 ; close a",
        ]
        .map(Into::into),
    );
    let run = watch(words).run();
    let Some(receipt) = run.complete_if_supported() else { return };
    let there = run.address("127.0.0.1");
    let connections = receipt.connections();
    let clients: Vec<_> = connections.iter().filter(|one| one.remote() == there).collect();
    assert!(!clients.is_empty(), "{connections:#?}");
    let whole = clients.iter().find(|one| one.protocol() == "mptcp");
    let whole = whole.unwrap_or_else(|| panic!("{connections:#?}"));
    assert!(whole.result() == "established" && whole.process().is_some(), "{whole:?}");
    assert!(clients.iter().any(|one| one.bytes_sent() == 3), "{clients:#?}");
    assert!(connections.iter().all(|one| one.packets().0 < 100), "{connections:#?}");
}
