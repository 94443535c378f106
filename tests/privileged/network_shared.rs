//! Sockets of several processes, and those that listen.

use crate::support::privilege::needs;
use crate::support::{Namespace, calls, fact, program, watch};

const LISTEN: &str = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 7 ; p=port l ; print p";

/// Each process that used the connection is named, once it has used it.
#[test]
fn kept_over_a_fork() {
    needs!();
    let run = calls(&[
        LISTEN,
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l",
        "child send c abc",
        "child recvfrom a 3 ; send a defg",
        "child sleep 1",
        "recvfrom c 10 ; close c ; recvfrom a 1",
    ])
    .run();
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let root = receipt.root();
    let children = receipt.children(root);
    assert_eq!(children.len(), 3);
    let (client, server) = (receipt.outbound(&there), receipt.inbound(&there));
    assert_eq!((client.bytes(), server.bytes()), ((3, 4), (4, 3)));
    for (side, child) in [(client, children[0]), (server, children[1])] {
        assert_eq!(side.process(), Some(root.id()), "{side:?}");
        assert_eq!(side.users().keys().copied().collect::<Vec<_>>(), [child.id()], "{side:?}");
        let origin = &side.users()[&child.id()];
        assert!(["inherited", "received"].contains(&origin.as_str()), "{side:?}");
    }
}

#[test]
fn passed_to_another_process() {
    needs!();
    let run = calls(&[
        LISTEN,
        "helper c send c abc ; recvfrom c 4 ; close c",
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send a defg ; pass c",
        "recvfrom a 3 ; close c ; recvfrom a 1",
    ])
    .run();
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let client = receipt.outbound(&there);
    let helper = receipt.children(receipt.root())[0];
    assert_eq!(client.process(), Some(receipt.root().id()));
    assert_eq!(client.users().get(&helper.id()).map(String::as_str), Some("received"), "{client:?}");
    assert_eq!(client.bytes(), (3, 4));
}

/// The parent listens, its children accept.
#[test]
fn accepted_by_children() {
    needs!();
    let connect =
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; send c abc ; recvfrom c 1 ; close c";
    let run = calls(&[
        LISTEN,
        "3x start a=accept4 l ; recvfrom a 3 ; send a x ; recvfrom a 1 ; close a",
        &format!("3x {connect}"),
        "3x wait",
    ])
    .run();
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let listener = receipt.listener(&there);
    assert_eq!((listener.state(), listener.accepted()), ("listening", 3));
    assert_eq!(listener.process(), Some(receipt.root().id()));
    assert_eq!(listener.0["backlog"], 7);
    let children: Vec<_> = receipt.children(receipt.root()).iter().map(crate::support::Process::id).collect();
    let connections = receipt.connections();
    let mut accepters: Vec<_> = connections
        .iter()
        .filter(|one| one.direction() == "inbound")
        .filter_map(|one| one.process())
        .collect();
    accepters.sort_unstable();
    assert_eq!(accepters, children, "each child accepted one: {connections:#?}");
    let users: Vec<_> = listener.users().keys().copied().collect();
    assert_eq!(users, children, "{listener:?}");
}

/// What waits in the queue of a listener and is never accepted.
#[test]
fn never_accepted() {
    needs!();
    let run = calls(&[
        LISTEN,
        "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; send c abc ; sleep 20 ; close c ; close l",
    ])
    .run();
    let receipt = run.complete(0);
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!((client.result(), client.bytes()), ("established", (3, 0)));
}

#[test]
fn listeners_and_what_is_bound() {
    needs!();
    let run = calls(&[
        "a=socket AF_INET6 SOCK_STREAM 0 ; bind a [::]:0 ; listen a 1000 ; x=port a ; print x ; close a",
        "b=socket AF_INET SOCK_DGRAM 0 ; bind b 127.0.0.1:0 ; y=port b ; print y",
        "c=socket AF_INET SOCK_STREAM 0 ; listen c 3 ; z=port c ; print z",
    ])
    .run();
    let receipt = run.complete(0);
    let port = |name| fact(&run.stdout, name);
    let everywhere = receipt.listener(&format!("[::]:{}", port("x")));
    assert_eq!((everywhere.state(), everywhere.0["backlog"].as_u64()), ("listening", Some(1000)));
    assert!(everywhere.0["closed_at"].is_string(), "{everywhere:?}");
    let bound = receipt.listener(&format!("127.0.0.1:{}", port("y")));
    assert_eq!((bound.state(), bound.0["protocol"].as_str()), ("bound", Some("udp")));
    let unbound = receipt.listener(&format!("0.0.0.0:{}", port("z")));
    assert_eq!((unbound.state(), unbound.accepted()), ("listening", 0), "it got a port by listening");
    for listener in receipt.listeners() {
        assert_eq!(listener.process(), Some(receipt.root().id()), "{listener:?}");
    }
    assert_eq!(receipt.connections().len(), 0);
}

#[test]
fn addresses_that_cannot_be_had() {
    needs!();
    let elsewhere = "b=socket AF_INET SOCK_STREAM 0 ; fails EADDRNOTAVAIL bind b 192.0.2.77:0";
    let receipt = calls(&[elsewhere]).run().complete(0);
    assert_eq!(receipt.failed_socket("bind EADDRNOTAVAIL 192.0.2.77:0"), 1);

    let run =
        calls(&[LISTEN, "3x b=socket AF_INET SOCK_STREAM 0 ; fails EADDRINUSE bind b 127.0.0.1:p ; close b"])
            .run();
    let receipt = run.complete(0);
    let there = format!("bind EADDRINUSE {}", run.address("127.0.0.1"));
    assert_eq!(receipt.failed_socket(&there), 3);

    let run = calls(&["setuid 65534 ; b=socket AF_INET SOCK_STREAM 0 ; fails EACCES bind b 127.0.0.1:81"])
        .alone("&& sysctl -qw net.ipv4.ip_unprivileged_port_start=1024")
        .run();
    assert_eq!(run.complete(0).failed_socket("bind EACCES 127.0.0.1:81"), 1);
}

/// What cannot be accepted; that nobody waits to be is no failure.
#[test]
fn accepts_that_fail() {
    needs!();
    let run = calls(&[
        "2x s=socket AF_INET SOCK_STREAM 0 ; fails EINVAL accept4 s ; close s",
        "u=socket AF_UNIX SOCK_DGRAM 0 ; fails EOPNOTSUPP accept4 u",
        "l=socket AF_INET SOCK_STREAM|SOCK_NONBLOCK 0 ; listen l 1 ; fails EAGAIN accept4 l",
    ])
    .run();
    let receipt = run.complete(0);
    assert_eq!(receipt.failed_socket("accept EINVAL"), 2);
    assert_eq!(receipt.failed_socket("accept EOPNOTSUPP"), 1);
    assert_eq!(receipt.failed_sockets().len(), 2, "{:#?}", receipt.failed_sockets());
}

/// The command is given a connection that is older than the observation.
#[test]
fn a_connection_that_the_command_was_given() {
    needs!("bash", "python3", "nsenter", "ip");
    let mut place = Namespace::new();
    place.serve(
        &["python3", "-c", "import socket\ns = socket.create_server(('127.0.0.1', 8000))\nwhile True:\n c, _ = s.accept()\n c.sendall(b'hello')\n print(c.recv(100))"],
        "tcp",
        8000,
    );
    let run = watch(["sh", "-c", "head -c 5 <&7 && echo four >&7"])
        .within(&place)
        .under(["bash", "-c", "exec 7<>/dev/tcp/127.0.0.1/8000 && exec \"$@\"", "bash"])
        .run();
    run.expect_code(0);
    let receipt = run.receipt();
    let connection = receipt.one("the given one", |one| one.remote() == "127.0.0.1:8000");
    assert_eq!(connection.origin(), "inherited", "{connection:?}");
    assert!(connection.bytes_sent() >= 5, "{connection:?}");
}

/// A process that moves to a network namespace of its own.
#[test]
fn another_network_namespace() {
    needs!();
    let run = calls(&[
        "unshare CLONE_NEWNET ; up",
        "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:8000 ; listen l 5 ; c=socket AF_INET SOCK_STREAM 0 ; \
         connect c 127.0.0.1:8000 ; a=accept4 l ; send c abc ; recvfrom a 3 ; close c ; recvfrom a 1 ; close a",
    ])
    .run();
    let receipt = run.complete(0);
    let client = receipt.outbound("127.0.0.1:8000");
    assert_eq!((client.result(), client.bytes()), ("established", (3, 0)));
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let namespace = client.0["network_namespace"].as_u64().expect("a namespace").to_string();
    assert!(!own.to_string_lossy().contains(&namespace), "{namespace} is another than {own:?}");
    assert_eq!(client.0["network_namespace"], receipt.inbound("127.0.0.1:8000").0["network_namespace"]);
}

/// What is asked for by io_uring is no call, and a connection all the same.
#[test]
fn connections_by_io_uring() {
    needs!("ip", "unshare");
    let mut words = command![program("uring")];
    let steps = [
        "l=socket",
        "listen l 8000",
        "c=socket",
        "connect c 8000",
        "a=accept l",
        "send c 1000",
        "recv a 2000",
        "send a 5",
        "recv c 10",
        "close c",
        "recv a 1",
        "close a",
        "r=socket",
        "fails ECONNREFUSED connect r 8001",
    ];
    words.extend(steps.map(Into::into));
    let run = watch(words).alone("").run();
    let Some(receipt) = run.complete_if_supported() else { return };
    let (client, server) = (receipt.outbound("127.0.0.1:8000"), receipt.inbound("127.0.0.1:8000"));
    assert_eq!((client.result(), server.result()), ("established", "established"));
    assert_eq!((client.bytes(), server.bytes()), ((1000, 5), (5, 1000)));
    assert_eq!(client.process(), Some(receipt.root().id()), "{client:?}");
    assert_eq!(server.process(), Some(receipt.root().id()), "{server:?}");
    assert_eq!(receipt.listener("127.0.0.1:8000").accepted(), 1);
    assert_eq!(receipt.attempt("127.0.0.1:8001").0, "refused");
}

/// An accept that fails is told whichever way it was asked for.
#[test]
fn a_failed_accept_by_io_uring() {
    needs!();
    let mut words = command![program("uring")];
    words.extend(["l=socket", "fails EINVAL accept l", "fails EINVAL accept l"].map(Into::into));
    let run = watch(words).run();
    let Some(receipt) = run.complete_if_supported() else { return };
    assert_eq!(receipt.failed_socket("accept EINVAL"), 2, "{:#?}", receipt.failed_sockets());
    assert_eq!(receipt.failed_sockets()[0].0["call"], "io_uring:accept");
    assert!(!receipt.has_blind_spot("io_uring"), "nothing else is known of calls");
}
