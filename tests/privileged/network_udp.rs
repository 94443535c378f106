//! UDP, and whatever else has peers and no connections: exchanges, bytes and packets.

use crate::support::network::Connection;
use crate::support::privilege::needs;
use crate::support::watch::Run;
use crate::support::{Receipt, calls};

/// A bound socket `l` of port `p`.
const BOUND: &str = "l=socket AF_INET SOCK_DGRAM 0 ; bind l 127.0.0.1:0 ; p=port l ; print p";

/// Both sides of the only exchange with the port that the program printed.
#[track_caller]
fn sides<'a>(run: &Run, receipt: &'a Receipt) -> (Connection<'a>, Connection<'a>) {
    let there = run.address("127.0.0.1");
    let client = receipt.one(&format!("to {there}"), |one| one.remote() == there);
    (client, receipt.one(&format!("at {there}"), |one| one.local() == there))
}

#[test]
fn question_and_answer() {
    needs!();
    let run = calls(&[
        BOUND,
        "c=socket AF_INET SOCK_DGRAM 0 ; connect c 127.0.0.1:p ; q=port c ; send c abc ; recvfrom l 10 ; \
         sendto l 5 0 127.0.0.1:q ; recvfrom c 10 ; send c x ; recvfrom l 10 ; close c",
    ])
    .run();
    let receipt = run.complete(0);
    let (client, server) = sides(&run, &receipt);
    for (side, direction, bytes, packets) in
        [(client, "outbound", (4, 5), (2, 1)), (server, "inbound", (5, 4), (1, 2))]
    {
        assert_eq!(
            (side.protocol(), side.result(), side.direction()),
            ("udp", "answered", direction),
            "{side:?}"
        );
        assert_eq!((side.bytes(), side.packets()), (bytes, packets), "{side:?}");
        assert_eq!(side.process(), Some(receipt.root().id()), "{side:?}");
        assert_eq!((side.state(), side.states().len()), ("none", 0), "{side:?}");
        assert_eq!(side.0["socket_type"], "dgram");
    }
    assert_eq!((client.peer(), server.peer()), (Some(server.id()), Some(client.id())));
    assert_eq!(receipt.listener(&server.local()).state(), "bound");
}

#[test]
fn only_one_way_or_none() {
    needs!();
    let run = calls(&[
        BOUND,
        "c=socket AF_INET SOCK_DGRAM 0 ; sendto c 7 0 127.0.0.1:p ; recvfrom l 10",
        "u=socket AF_INET SOCK_DGRAM 0 ; connect u 127.0.0.1:9 ; close u",
    ])
    .run();
    let receipt = run.complete(0);
    let (client, server) = sides(&run, &receipt);
    assert_eq!((client.result(), client.bytes(), client.packets()), ("unanswered", (7, 0), (1, 0)));
    assert_eq!((server.result(), server.bytes(), server.packets()), ("received", (0, 7), (0, 1)));
    let unused = receipt.one("the unused", |one| one.remote() == "127.0.0.1:9");
    assert_eq!((unused.result(), unused.bytes()), ("unused", (0, 0)));
}

/// One socket, several peers, by every call that sends.
#[test]
fn several_peers_of_one_socket() {
    needs!();
    let more = "c=socket AF_INET SOCK_DGRAM 0 ; sendto c 7 0 127.0.0.1:9 ; sendmsg c 127.0.0.2:9 10,20 0 ; \
                sendmmsg c 127.0.0.3:9 1,2,3 0 ; sendmsg c 127.0.0.2:9 100 0 ; sendto c 0 0 127.0.0.4:9";
    let receipt = calls(&[more]).run().complete(0);
    for (remote, bytes, packets) in
        [("127.0.0.1:9", 7, 1), ("127.0.0.2:9", 130, 2), ("127.0.0.3:9", 6, 3), ("127.0.0.4:9", 0, 1)]
    {
        let peer = receipt.one(remote, |one| one.remote() == remote);
        assert_eq!((peer.bytes(), peer.packets().0), ((bytes, 0), packets), "{peer:?}");
        assert_eq!((peer.direction(), peer.result()), ("outbound", "unanswered"), "{peer:?}");
    }
}

/// From nothing at all to the largest there is.
#[test]
fn every_size_of_a_packet() {
    needs!();
    let run = calls(&[
        BOUND,
        "c=socket AF_INET SOCK_DGRAM 0 ; sizes c l 127.0.0.1:p 0 1600 1 ; sizes c l 127.0.0.1:p 1601 65507 97 ; \
         sizes c l 127.0.0.1:p 65507 65507 1 ; fails EMSGSIZE sendto c 65508 0 127.0.0.1:p",
    ])
    .run();
    let receipt = run.complete(0);
    let sizes: Vec<u64> = (0..=1600).chain((1601..=65507).step_by(97)).chain([65507]).collect();
    let (bytes, packets) = (sizes.iter().sum(), sizes.len() as u64);
    let (client, server) = sides(&run, &receipt);
    assert_eq!((client.bytes(), client.packets()), ((bytes, 0), (packets, 0)));
    assert_eq!((server.bytes(), server.packets()), ((0, bytes), (0, packets)));
    let there = format!("send EMSGSIZE {}", run.address("127.0.0.1"));
    assert_eq!(receipt.failed_socket(&there), 1, "{:#?}", receipt.failed_sockets());
}

#[test]
fn other_families() {
    needs!();
    for (bound, there, host) in
        [("[::1]:0", "[::1]:p", "[::1]"), ("[::]:0", "[::ffff:127.0.0.1]:p", "[::ffff:127.0.0.1]")]
    {
        let run = calls(&[
            &format!("l=socket AF_INET6 SOCK_DGRAM 0 ; bind l {bound} ; p=port l ; print p"),
            &format!("c=socket AF_INET6 SOCK_DGRAM 0 ; sendto c 7 0 {there} ; recvfrom l 10 ; sizes c l {there} 1 2000 100"),
        ])
        .run();
        let receipt = run.complete(0);
        let bytes = 7 + (1..=2000).step_by(100).sum::<u64>();
        let remote = run.address(host);
        let client = receipt.one(&remote, |one| one.remote() == remote);
        assert_eq!((client.bytes(), client.packets()), ((bytes, 0), (21, 0)), "{client:?}");
        let server = receipt.one("the other side", |one| one.id() != client.id());
        assert_eq!((server.bytes(), server.peer()), ((0, bytes), Some(client.id())), "{server:?}");
    }
}

#[test]
fn udp_lite() {
    needs!();
    let run = calls(&[
        "needs l=socket AF_INET SOCK_DGRAM IPPROTO_UDPLITE ; bind l 127.0.0.1:0 ; p=port l ; print p",
        "c=socket AF_INET SOCK_DGRAM IPPROTO_UDPLITE ; sendto c 7 0 127.0.0.1:p ; recvfrom l 10",
    ])
    .run();
    let Some(receipt) = run.complete_if_supported() else { return };
    let (client, server) = sides(&run, &receipt);
    assert_eq!((client.protocol(), client.bytes(), client.packets()), ("udplite", (7, 0), (1, 0)));
    assert_eq!((server.protocol(), server.bytes(), server.packets()), ("udplite", (0, 7), (0, 1)));
}

#[test]
fn sctp() {
    needs!();
    let run = calls(&[
        "needs l=socket AF_INET SOCK_STREAM IPPROTO_SCTP ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p",
        "c=socket AF_INET SOCK_STREAM IPPROTO_SCTP ; connect c 127.0.0.1:p ; a=accept4 l ; send c abc ; recvfrom a 3 ; \
         close c ; close a",
    ])
    .run();
    let Some(receipt) = run.complete_if_supported() else { return };
    let client = receipt.outbound(&run.address("127.0.0.1"));
    assert_eq!((client.protocol(), client.result()), ("sctp", "established"));
}

/// The answer that nobody is there comes back as an error.
#[test]
fn refused_datagrams() {
    needs!();
    let receipt =
        calls(&["c=socket AF_INET SOCK_DGRAM 0 ; connect c 127.0.0.1:9 ; send c abc ; sleep 50 ; \
                           fails ECONNREFUSED send c abc ; close c"])
        .run()
        .complete(0);
    let peer = receipt.one("the peer", |one| one.remote() == "127.0.0.1:9");
    assert_eq!((peer.direction(), peer.bytes_received()), ("outbound", 0), "{peer:?}");
    assert!(["unanswered", "refused"].contains(&peer.result()), "{peer:?}");
    let failed = receipt.failed_sockets().iter().any(|failed| failed.errno() == "ECONNREFUSED");
    assert!(peer.error() == "ECONNREFUSED" || failed, "{peer:?} {:#?}", receipt.failed_sockets());
}

/// Connected to one peer, to none, and to another.
#[test]
fn peers_one_after_the_other() {
    needs!();
    let run = calls(&[
        "l=socket AF_INET SOCK_DGRAM 0 ; bind l 0.0.0.0:0 ; p=port l ; print p",
        "c=socket AF_INET SOCK_DGRAM 0 ; connect c 127.0.0.1:p ; send c abc ; connect c unspec ; connect c 127.0.0.2:p ; \
         send c de ; connect c 127.0.0.3:p",
    ])
    .run();
    let receipt = run.complete(0);
    for (host, bytes) in [("127.0.0.1", 3), ("127.0.0.2", 2), ("127.0.0.3", 0)] {
        let there = run.address(host);
        let peer = receipt.outbound(&there);
        assert_eq!((peer.bytes_sent(), peer.0["closed_at"].is_string()), (bytes, true), "{peer:?}");
    }
}

/// One call sends several packets.
#[test]
fn segments_of_one_call() {
    needs!();
    let run = calls(&[
        BOUND,
        "c=socket AF_INET SOCK_DGRAM 0 ; setsockopt c IPPROTO_UDP UDP_SEGMENT 100 ; sendto c 1050 0 127.0.0.1:p",
        "11x recvfrom l 200",
    ])
    .run();
    let receipt = run.complete(0);
    let (client, server) = sides(&run, &receipt);
    assert_eq!((client.bytes_sent(), client.packets().0), (1050, 11), "{client:?}");
    assert_eq!((server.bytes_received(), server.packets().1), (1050, 11), "{server:?}");
}

#[test]
fn what_cannot_be_sent() {
    needs!("ip", "unshare");
    let receipt = calls(&[
        "c=socket AF_INET SOCK_DGRAM 0",
        "2x fails ENETUNREACH sendto c 1 0 192.0.2.1:9",
        "fails EHOSTUNREACH sendto c 1 0 198.51.100.1:9",
        "fails EDESTADDRREQ send c abc",
    ])
    .alone("&& ip route add unreachable 198.51.100.0/24")
    .run()
    .complete(0);
    let lines: Vec<_> =
        receipt.failed_sockets().iter().map(|one| format!("{} {}", one.errno(), one.address())).collect();
    assert_eq!(receipt.failed_socket("send ENETUNREACH 192.0.2.1:9"), 2, "{lines:?}");
    assert_eq!(receipt.failed_socket("send EHOSTUNREACH 198.51.100.1:9"), 1, "{lines:?}");
    assert_eq!(receipt.failed_socket("send EDESTADDRREQ"), 1, "{lines:?}");
}

/// An echo request with three bytes of payload, by a socket that anybody may have, and by one of root's.
#[test]
fn icmp() {
    needs!("ip", "unshare", "sysctl");
    let run = calls(&[
        "d=socket AF_INET SOCK_DGRAM IPPROTO_ICMP ; send_to d %08%00%33%9b%00%01%00%01abc 0 127.0.0.1:0 ; recvfrom d 100",
        "r=socket AF_INET SOCK_RAW IPPROTO_ICMP ; send_to r %08%00%33%9b%00%01%00%01abc 0 127.0.0.2:0 ; recvfrom r 100",
        "s=socket AF_INET6 SOCK_RAW 253 ; send_to s abcd 0 [::1]:0",
    ])
    .alone("&& sysctl -qw net.ipv4.ping_group_range='0 1000'")
    .run();
    let receipt = run.complete(0);
    let ping =
        receipt.one("ping", |one| one.0["socket_type"] == "dgram" && one.remote().starts_with("127.0.0.1"));
    assert_eq!((ping.protocol(), ping.process()), ("icmp", Some(receipt.root().id())), "{ping:?}");
    assert_eq!((ping.result(), ping.bytes_sent() >= 3), ("answered", true), "{ping:?}");
    let raw =
        receipt.one("raw", |one| one.0["socket_type"] == "raw" && one.remote().starts_with("127.0.0.2"));
    assert_eq!((raw.protocol(), raw.0["remote"]["port"].is_null()), ("icmp", true), "{raw:?}");
    assert!(raw.bytes_sent() >= 3, "{raw:?}");
    let other =
        receipt.one("another protocol", |one| one.remote().trim_matches(['[', ']']).starts_with("::1"));
    assert_eq!((other.protocol(), other.bytes_sent() >= 4), ("ipproto_253", true), "{other:?}");
}
