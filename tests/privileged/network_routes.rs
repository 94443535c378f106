//! Attempts that end on the way, between hosts in namespaces of a test's own.

use crate::support::privilege::needs;
use crate::support::{Namespace, calls, watch};

#[test]
fn no_way_there() {
    needs!("ip", "unshare");
    let receipt = calls(&[
        "a=socket AF_INET SOCK_STREAM 0 ; fails ENETUNREACH connect a 192.0.2.1:80",
        "b=socket AF_INET SOCK_STREAM 0 ; fails EHOSTUNREACH connect b 198.51.100.1:80",
        "c=socket AF_INET6 SOCK_STREAM 0 ; fails ENETUNREACH connect c [2001:db8::1]:80",
        "d=socket AF_INET SOCK_STREAM 0 ; fails EACCES connect d 203.0.113.1:80",
    ])
    .alone("&& ip route add unreachable 198.51.100.0/24 && ip route add prohibit 203.0.113.0/24")
    .run()
    .complete(0);
    for (remote, result, errno) in [
        ("192.0.2.1:80", "unreachable", "ENETUNREACH"),
        ("198.51.100.1:80", "unreachable", "EHOSTUNREACH"),
        ("[2001:db8::1]:80", "unreachable", "ENETUNREACH"),
        ("203.0.113.1:80", "failed", "EACCES"),
    ] {
        assert_eq!(receipt.attempt(remote), (result.into(), errno.into()), "{remote}");
    }
}

/// A router says that there is no such host.
#[test]
fn a_router_says_no() {
    needs!("ip", "nsenter", "sysctl");
    let here = Namespace::new();
    let Some(router) = here.neighbour() else { return };
    router.run(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0; ip route add unreachable 10.88.0.0/16",
    );
    here.run("ip route add 10.88.0.0/16 via 10.77.0.2");
    let receipt = calls(&[
        "a=socket AF_INET SOCK_STREAM 0 ; fails EHOSTUNREACH connect a 10.88.0.1:80",
        "b=socket AF_INET SOCK_STREAM|SOCK_NONBLOCK 0 ; fails EINPROGRESS connect b 10.88.0.2:80 ; sleep 2500 ; \
         fails EHOSTUNREACH connect b 10.88.0.2:80",
    ])
    .within(&here)
    .run()
    .complete(0);
    for remote in ["10.88.0.1:80", "10.88.0.2:80"] {
        assert_eq!(receipt.attempt(remote), ("unreachable".into(), "EHOSTUNREACH".into()));
        let one = receipt.one(remote, |one| one.remote() == remote);
        assert_eq!(one.states()[0], "syn_sent", "{one:?}");
        assert!(one.local().starts_with("10.77.0.1:"), "{one:?}");
    }
}

/// A router that drops everything, and a client that gives up after the second packet.
#[test]
fn a_router_says_nothing() {
    needs!("ip", "nsenter", "sysctl");
    let here = Namespace::new();
    let Some(router) = here.neighbour() else { return };
    router.run("sysctl -qw net.ipv4.ip_forward=0; ip -6 route add fd88::/16 dev v1");
    here.run("ip route add 10.88.0.0/16 via 10.77.0.2; ip -6 route add fd88::/16 via fd77::2");
    let receipt = calls(&[
        "a=socket AF_INET SOCK_STREAM 0 ; setsockopt a IPPROTO_TCP TCP_SYNCNT 1 ; fails ETIMEDOUT connect a 10.88.0.1:80",
        "b=socket AF_INET6 SOCK_STREAM 0 ; setsockopt b IPPROTO_TCP TCP_SYNCNT 1 ; fails ETIMEDOUT connect b [fd88::1]:80",
    ])
    .within(&here)
    .run()
    .complete(0);
    for remote in ["10.88.0.1:80", "[fd88::1]:80"] {
        assert_eq!(receipt.attempt(remote), ("timed_out".into(), "ETIMEDOUT".into()));
        let (asked, answered) = receipt.one(remote, |one| one.remote() == remote).packets();
        assert!(asked >= 2 && answered == 0, "{asked} {answered}");
    }
}

/// The other end is on another host, and not observed: the same facts, and no link.
#[test]
fn a_server_elsewhere() {
    needs!("ip", "nsenter", "python3");
    let here = Namespace::new();
    let Some(mut there) = here.neighbour() else { return };
    let serve = "import socket\ns = socket.create_server(('::', 8000), family=socket.AF_INET6, dualstack_ipv6=True)\n\
                 while True:\n c, _ = s.accept()\n d = b''\n while len(d) < 300000: d += c.recv(65536)\n c.sendall(b'y' * 70000)\n c.close()";
    there.serve(&["python3", "-c", serve], "tcp", 8000);
    let receipt = calls(&[
        "a=socket AF_INET SOCK_STREAM 0 ; connect a 10.77.0.2:8000 ; send_all a 300000 4000 ; receive_all a -1 ; close a",
        "b=socket AF_INET6 SOCK_STREAM 0 ; connect b [fd77::2]:8000 ; send_all b 300000 4000 ; receive_all b -1 ; close b",
    ])
    .within(&here)
    .run()
    .complete(0);
    for remote in ["10.77.0.2:8000", "[fd77::2]:8000"] {
        let one = receipt.outbound(remote);
        assert_eq!((one.bytes(), one.peer()), ((300_000, 70_000), None), "{one:?}");
        assert!(one.packets().0 >= 300_000 / 65_536, "{one:?}");
    }
    assert_eq!(receipt.connections().len(), 2);
}

/// Packets as the interface counts them, where nothing else goes through.
#[test]
fn packets_as_the_interface_counts_them() {
    needs!("ip", "unshare");
    let count = "cat /sys/class/net/lo/statistics/tx_packets /sys/class/net/lo/statistics/tx_bytes";
    let program = crate::support::program("calls");
    let script = format!(
        "mount -t sysfs none /sys; set -e; {count}; {} \"$1\" \"$2\" \"$3\"; {count}",
        program.display()
    );
    let receipt_run = watch([
        "unshare",
        "--mount",
        "sh",
        "-c",
        &script,
        "sh",
        "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:8000 ; listen l 5",
        "start c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:8000 ; send_all c 3000000 10000 ; receive_all c 100 ; close c",
        "a=accept4 l ; receive_all a 3000000 ; sendto a 100 0 null ; receive_all a -1 ; close a ; wait",
    ])
    .alone("")
    .run();
    let receipt = receipt_run.complete(0);
    let numbers: Vec<u64> = receipt_run.stdout.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let sent: u64 = receipt.connections().iter().map(|one| one.packets().0).sum();
    let received: u64 = receipt.connections().iter().map(|one| one.packets().1).sum();
    // The answer to the first packet is no connection's yet, and the last acknowledgement no socket's any more.
    assert!(sent.abs_diff(received) <= 2, "{sent} {received}");
    let counted = numbers[2] - numbers[0];
    // A packet of several segments is one for the interface; what no socket sends is its alone.
    assert!(sent + 2 >= counted, "the interface counted {counted}, the receipt {sent}");
    let bytes = numbers[3] - numbers[1];
    // Such a segment has half of what goes into a packet there, at least.
    assert!(sent <= counted + bytes / 32_768 + 2, "the interface counted {counted}, the receipt {sent}");
    assert_eq!(receipt.outbound("127.0.0.1:8000").bytes(), (3_000_000, 100), "the interface carried {bytes}");
}
