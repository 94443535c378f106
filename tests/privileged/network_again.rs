//! Sockets that become something else: connected before they listen, listening before they are connected, bound anew. And
//! those that were something before the command was given them, or became something that nobody saw.

use crate::support::network::Connection;
use crate::support::privilege::needs;
use crate::support::{calls, fact};

const LISTEN: &str = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 7 ; p=port l ; print p";
/// A connection through which something went, and that was ended without closing its socket.
const DISCONNECTED: &str = "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; q=port c ; print q ; \
                            a=accept4 l ; send c secret ; recvfrom a 6 ; connect c unspec";
/// A script for Python that makes sockets, and becomes glasshouse.
const GIVEN: &str = "
import os, socket, sys
l = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(l.getsockname())
a = l.accept()[0]
own = c.getsockname()[1]
c.sendall(b'before')
a.set_inheritable(True)
if sys.argv[1] == 'reset':
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')
    a.close()
    while c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b'\\7':
        pass
print('p=%d\\nq=%d' % (l.getsockname()[1], own), flush=True)
os.dup2(l.fileno(), 7)
os.dup2(c.fileno(), 8)
os.execvp(sys.argv[2], sys.argv[2:])
";

/// A connection stands in the receipt, whatever its socket does later.
#[test]
fn connected_before_it_listens() {
    needs!();
    let run = calls(&[LISTEN, DISCONNECTED, "listen c 1 ; r=port c ; print r ; close c"]).run();
    let receipt = run.complete(0);
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!((client.result(), client.bytes()), ("established", (6, 0)), "{client:?}");
    assert_eq!(client.peer(), Some(receipt.inbound(&run.address("127.0.0.1")).id()), "{client:?}");
    let listener = receipt.listener(&format!("0.0.0.0:{}", fact(&run.stdout, "r")));
    assert_eq!((listener.state(), listener.accepted()), ("listening", 0), "{listener:?}");
    assert_eq!(receipt.listeners().len(), 2, "{:#?}", receipt.listeners());
}

#[test]
fn refused_before_it_listens() {
    needs!();
    let refused = "r=socket AF_INET SOCK_STREAM 0 ; fails ECONNREFUSED connect r 127.0.0.1:1 ; listen r 1";
    let receipt = calls(&[refused]).run().complete(0);
    assert_eq!(receipt.attempt("127.0.0.1:1").0, "refused");
    assert_eq!(receipt.listeners().len(), 1, "{:#?}", receipt.listeners());
}

#[test]
fn listening_before_it_is_connected() {
    needs!();
    let run = calls(&[
        LISTEN,
        "s=socket AF_INET SOCK_STREAM 0 ; bind s 127.0.0.1:0 ; listen s 1 ; q=port s ; print q",
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:q ; a=accept4 s ; shutdown s SHUT_RD",
        "connect s 127.0.0.1:p ; r=port s ; print r ; b=accept4 l ; send s out ; recvfrom b 3",
    ])
    .run();
    let receipt = run.complete(0);
    let own = |port| format!("127.0.0.1:{}", fact(&run.stdout, port));
    let listener = receipt.listener(&own("q"));
    assert_eq!((listener.state(), listener.accepted()), ("listening", 1), "{listener:?}");
    assert!(listener.0["closed_at"].is_string(), "{listener:?}");
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!((client.local(), client.bytes(), client.listener()), (own("r"), (3, 0), None), "{client:?}");
    assert_eq!(client.peer(), Some(receipt.inbound(&run.address("127.0.0.1")).id()), "{client:?}");
}

/// What was accepted counts for the time in which its listener waited for it.
#[test]
fn listening_twice() {
    needs!();
    let come = "q=port s ; c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:q ; a=accept4 s";
    let run = calls(&[
        "s=socket AF_INET SOCK_STREAM 0 ; bind s 127.0.0.1:0 ; listen s 1",
        come,
        "shutdown s SHUT_RD ; listen s 3",
        come,
        come,
    ])
    .run();
    let receipt = run.complete(0);
    let told: Vec<_> =
        receipt.listeners().iter().map(|one| (one.accepted(), one.0["closed_at"].is_string())).collect();
    assert_eq!(told, [(1, true), (2, true)], "{:#?}", receipt.listeners());
}

/// The end that packets went by stays that of their connection.
#[test]
fn bound_after_a_connection() {
    needs!();
    let run = calls(&[LISTEN, DISCONNECTED, "bind c 127.0.0.1:0 ; r=port c ; print r"]).run();
    let receipt = run.complete(0);
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!(client.local(), format!("127.0.0.1:{}", fact(&run.stdout, "q")), "{client:?}");
    assert!(client.peer().is_some(), "{client:?}");
    let bound = receipt.listener(&format!("127.0.0.1:{}", fact(&run.stdout, "r")));
    assert_eq!(bound.state(), "bound", "{bound:?}");

    let run = calls(&[
        "l=socket AF_INET SOCK_DGRAM 0 ; bind l 127.0.0.1:0 ; p=port l ; print p",
        "c=socket AF_INET SOCK_DGRAM 0 ; connect c 127.0.0.1:p ; q=port c ; print q ; send c abc ; connect c unspec",
        "bind c 127.0.0.1:0 ; r=port c ; print r ; sendto c 5 0 127.0.0.1:p",
    ])
    .run();
    let receipt = run.complete(0);
    for (port, bytes) in [("q", 3), ("r", 5)] {
        let own = format!("127.0.0.1:{}", fact(&run.stdout, port));
        let client = receipt.one(&own, |one| one.local() == own);
        assert_eq!((client.direction(), client.bytes()), ("outbound", (bytes, 0)), "{client:?}");
        assert!(client.peer().is_some() && client.0["closed_at"].is_string(), "{client:?}");
    }
}

/// A datagram socket that is disconnected gives back a port that it has not asked for: what it exchanges with the same peers
/// afterwards goes by another one.
#[test]
fn disconnected_datagrams() {
    needs!();
    let disconnected = "connect c 127.0.0.1:p ; q=port c ; print q ; send c abc ; sendto c 7 0 127.0.0.1:o ; connect c unspec";
    // So that it cannot get the same one again.
    let taken = "h=socket AF_INET SOCK_DGRAM 0 ; bind h 127.0.0.1:q";
    for begins in ["c=socket AF_INET SOCK_DGRAM 0", "c=socket AF_INET SOCK_DGRAM 0 ; bind c 127.0.0.1:0"] {
        for again in ["sendto c 5 0 127.0.0.1:p", "connect c 127.0.0.1:p ; send c hello"] {
            let run = calls(&[
                "l=socket AF_INET SOCK_DGRAM 0 ; bind l 127.0.0.1:0 ; p=port l ; print p",
                "m=socket AF_INET SOCK_DGRAM 0 ; bind m 127.0.0.1:0 ; o=port m ; print o",
                begins,
                disconnected,
                taken,
                again,
                "r=port c ; print r ; sendto c 9 0 127.0.0.1:o",
            ])
            .run();
            let receipt = run.complete(0);
            let end = |port| format!("127.0.0.1:{}", fact(&run.stdout, port));
            for (own, there, bytes) in [("q", "p", 3), ("q", "o", 7), ("r", "p", 5), ("r", "o", 9)] {
                let of = format!("{begins}; {again}: {own} to {there}");
                let is_it = |one: &Connection<'_>| one.local() == end(own) && one.remote() == end(there);
                let one = receipt.one(&of, is_it);
                assert_eq!((one.direction(), one.bytes()), ("outbound", (bytes, 0)), "{of}: {one:?}");
                assert!(one.0["closed_at"].is_string(), "{of}: {one:?}");
            }
            let outbound = receipt.connections().iter().filter(|one| one.direction() == "outbound").count();
            assert_eq!(outbound, 4, "{:#?}", receipt.connections());
        }
    }
}

/// A listener that the command was given (socket activation), on which it only accepts.
#[test]
fn accepted_on_a_given_listener() {
    needs!("python3");
    let accept =
        "p=port 7 ; c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 7 ; send a abc";
    let run = calls(&[accept]).under(["python3", "-c", GIVEN, "open"]).run();
    let receipt = run.complete(0);
    let listener = receipt.listener(&run.address("127.0.0.1"));
    assert_eq!((listener.state(), listener.accepted()), ("listening", 1), "{listener:?}");
    assert_eq!((&listener.0["origin"], &listener.0["backlog"]), (&"inherited".into(), &128.into()));
    let server = receipt.inbound(&run.address("127.0.0.1"));
    assert!(server.listener().is_some() && server.bytes() == (3, 0), "{server:?}");
}

/// A connection that was one before, and ends while it is observed, or has ended already.
#[test]
fn ends_of_given_connections() {
    needs!("python3");
    for (how, step) in [("open", "send 8 q ; shutdown 8 SHUT_WR"), ("reset", "try recvfrom 8 1")] {
        let run = calls(&[step]).under(["python3", "-c", GIVEN, how]).run();
        let receipt = run.complete(0);
        let there = run.address("127.0.0.1");
        let given = receipt.one("the given one", |one| one.remote() == there);
        assert_eq!((given.result(), given.origin()), ("established", "inherited"), "{how}: {given:?}");
        assert_eq!(given.local(), format!("127.0.0.1:{}", fact(&run.stdout, "q")), "{how}: {given:?}");
    }
}

/// States of `net/tcp_states.h`.
const ESTABLISHED: &str = "1";
const CLOSE: &str = "7";

/// Not every kernel runs a program with each change of a state: what a call was given back says it too.
#[test]
fn a_refusal_that_nobody_saw() {
    needs!();
    let refused = "r=socket AF_INET SOCK_STREAM 0 ; fails ECONNREFUSED connect r 127.0.0.1:1";
    let receipt = calls(&[refused]).env("GLASSHOUSE_UNSEEN_STATE", CLOSE).run().complete(0);
    assert_eq!(receipt.attempt("127.0.0.1:1"), ("refused".into(), "ECONNREFUSED".into()));
    let one = receipt.outbound("127.0.0.1:1");
    assert_eq!(one.states(), ["syn_sent", "close"], "{one:?}");
    assert_eq!(receipt.failed_socket("connect ECONNREFUSED 127.0.0.1:1"), 0);
}

#[test]
fn a_connection_that_nobody_saw_come_about() {
    needs!();
    let run = calls(&[LISTEN, "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; send c hello"])
        .env("GLASSHOUSE_UNSEEN_STATE", ESTABLISHED)
        .run();
    let receipt = run.complete(0);
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!((client.result(), client.states()[1]), ("established", "established"), "{client:?}");
}

/// When it came and with which error is not known for certain then, and the receipt says so.
#[test]
fn an_end_that_nobody_saw() {
    needs!();
    let connection = "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send c hello";
    let run = calls(&[LISTEN, connection, "receive_all a 5 ; linger a ; close a ; readable c ; close c"])
        .env("GLASSHOUSE_UNSEEN_STATE", CLOSE)
        .run();
    let receipt = run.receipt();
    assert_eq!(receipt.reasons(), ["states_missed"]);
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!((client.result(), client.error()), ("established", "ECONNRESET"), "{client:?}");
    assert_eq!(client.states(), ["syn_sent", "established", "close"], "{client:?}");
}
