//! Packets and processes that do not wish the observer well.

use crate::support::privilege::needs;
use crate::support::wire::{A, address, client_hello, dns_answer, dns_query, over_tcp, percent};
use crate::support::{calls, program, slowness, watch};

/// Numbers that look random, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// The bytes with some of them replaced, or cut off.
    fn spoil(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.next() % 4 {
            let at = usize::try_from(self.next()).unwrap() % bytes.len();
            bytes[at] = u8::try_from(self.next() & 0xff).unwrap();
        }
        if self.next().is_multiple_of(3) {
            let length = usize::try_from(self.next()).unwrap() % bytes.len();
            bytes.truncate(length.max(1));
        }
        bytes
    }
}

/// Whatever is said to be DNS, the run and its receipt are sound, and the exchange is there.
#[test]
fn malformed_names() {
    needs!("ip", "unshare");
    let query = dns_query(7, "www.example.org", A);
    let answer = dns_answer(7, "www.example.org", A, 0, &[("www.example.org", A, address("1.2.3.4"))]);
    let mut noise = Noise(1);
    let mut packets: Vec<Vec<u8>> = (0..150).map(|_| noise.spoil(&query)).collect();
    packets.extend((0..150).map(|_| noise.spoil(&answer)));
    // Names that lead to themselves, to each other, or beyond the end; and counts of records that are not there.
    let header = [0u8, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packets.push([&header[..], &[0xc0, 12, 0, 1, 0, 1]].concat());
    packets.push([&header[..], &[1, b'a', 0xc0, 12, 0, 1, 0, 1]].concat());
    packets.push([&header[..], &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1]].concat());
    packets.push([&header[..], &[0xff, 0xff, 0, 1, 0, 1]].concat());
    packets.push([&header[..], &[63; 300]].concat());
    packets.push([&header[..4], &[0xff; 8], &query[12..]].concat());
    packets.push(header.to_vec());
    packets.push([&header[..], &[9], b"a\x1b]0;x\x07\n\0b", &[0, 0, 1, 0, 1]].concat());
    let bytes: usize = packets.iter().map(Vec::len).sum();
    let count = packets.len() as u64;
    let mut steps = vec![
        "l=socket AF_INET SOCK_DGRAM 0 ; bind l 127.0.0.1:53 ; c=socket AF_INET SOCK_DGRAM 0 ; bind c 127.0.0.1:5000 ; \
         connect l 127.0.0.1:5000 ; connect c 127.0.0.1:53"
            .to_owned(),
    ];
    steps.extend(packets.iter().map(|packet| {
        let packet = percent(packet);
        format!("send c {packet} ; recvfrom l 2000 ; send l {packet} ; recvfrom c 2000")
    }));
    let run = calls(&steps).alone("").run();
    let receipt = run.complete(0);
    let client = receipt.one("the client", |one| one.remote() == "127.0.0.1:53");
    assert_eq!((client.bytes(), client.packets()), ((bytes as u64, bytes as u64), (count, count)));
    let control = run.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{:?}", run.stderr);
}

#[test]
fn malformed_beginnings() {
    needs!();
    let hello = client_hello("secret.example.org", &["h2"]);
    let mut noise = Noise(2);
    let mut beginnings: Vec<Vec<u8>> = (0..120).map(|_| noise.spoil(&hello)).collect();
    beginnings.extend((1..30).map(|length| hello[..length * 7].to_vec()));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    beginnings.extend((0..60).map(|_| noise.spoil(request)));
    beginnings.extend((0..20).map(|_| noise.spoil(b"220 mail ESMTP\r\nSSH-2.0-x\r\n")));
    beginnings.extend((0..20).map(|_| noise.spoil(&over_tcp(&dns_query(1, "a.example", A)))));
    let count = beginnings.len();
    let mut steps = vec![
        "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p".to_owned(),
    ];
    steps.extend(beginnings.iter().map(|bytes| {
        format!(
            "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send c {} ; close c ; \
             receive_all a -1 ; close a",
            percent(bytes)
        )
    }));
    let run = calls(&steps).run();
    let receipt = run.complete(0);
    let there = run.address("127.0.0.1");
    let connections = receipt.connections();
    let clients: Vec<_> = connections.iter().filter(|one| one.remote() == there).collect();
    assert_eq!(clients.len(), count);
    for (client, bytes) in clients.iter().zip(&beginnings) {
        assert_eq!(client.bytes(), (bytes.len() as u64, 0), "{client:?}");
    }
}

/// Each is made, accepted and closed. None is lost, whether the list has room for it or not.
#[test]
fn twenty_thousand_connections() {
    needs!();
    let count = if slowness() > 5.0 { 3_000 } else { 20_000 };
    let receipt = watch(command![program("net_loop"), "connects", count.to_string()]).run().complete(0);
    let connections = receipt.connections();
    let limits = receipt.at("/observation/limits").to_string();
    if !receipt.network_limited() {
        assert_eq!(connections.len(), 2 * count, "{limits}");
    }
    let inbound = connections.iter().filter(|one| one.direction() == "inbound").count();
    assert_eq!(receipt.listeners().len(), 1);
    assert_eq!(receipt.listeners()[0].accepted(), count as u64, "{limits}");
    let unlinked: Vec<_> = connections.iter().filter(|one| one.peer().is_none()).collect();
    assert!(
        unlinked.is_empty() || receipt.network_limited(),
        "{} of {inbound} are linked to no other side: {unlinked:#?}",
        unlinked.len()
    );
    assert!(connections.iter().all(|one| one.result() == "established"));
}

/// Sockets that come to be at the same moment, on all CPUs, are told apart.
#[test]
fn connections_made_at_the_same_time() {
    needs!();
    let count = if slowness() > 5.0 { 3_000 } else { 40_000 };
    let receipt = watch(command![program("net_loop"), "connects", count.to_string(), "4"]).run().complete(0);
    let connections = receipt.connections();
    for direction in ["outbound", "inbound"] {
        let of_it = connections.iter().filter(|one| one.direction() == direction).count();
        assert!(of_it == count || receipt.network_limited(), "{of_it} {direction}");
    }
}

/// Peers of one socket that differ by their port alone, each addressed within a microsecond of the one before.
#[test]
fn peers_by_their_port() {
    needs!();
    let count = 4_000;
    let receipt = watch(command![program("net_loop"), "ports", count.to_string()]).run().complete(0);
    let connections = receipt.connections();
    assert_eq!(connections.len(), count);
    assert!(connections.iter().all(|one| one.bytes() == (64, 0)));
}

/// As many peers of one socket.
#[test]
fn twenty_thousand_peers() {
    needs!();
    let count = if slowness() > 5.0 { 3_000 } else { 20_000 };
    let run = watch(command![program("net_loop"), "peers", count.to_string()]).run();
    run.expect_code(0);
    let receipt = run.receipt();
    let sent = receipt.at("/network/bytes_sent").as_u64().unwrap();
    assert_eq!(sent, 64 * count, "every datagram counts");
}

/// A process that writes itself into another cgroup is observed on, by its calls and by what the kernel says of TCP.
#[test]
fn a_process_in_another_cgroup() {
    needs!();
    let script = "group=$(awk '/ - cgroup2 /{print $5; exit}' /proc/self/mountinfo)/glasshouse-test-$$; mkdir $group; \
                  echo $$ >$group/cgroup.procs; \"$@\"; code=$?; echo $$ >$group/../cgroup.procs; rmdir $group; exit $code";
    let mut words = command!["sh", "-c", script, "sh", program("calls")];
    words.extend(
        [
            "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:0 ; listen l 5 ; p=port l ; print p",
            "c=socket AF_INET SOCK_STREAM 0 ; connect c 127.0.0.1:p ; a=accept4 l ; send_all c 5000 700 ; \
             receive_all a 5000 ; send a abc ; recvfrom c 3 ; close c ; recvfrom a 1 ; close a",
            "r=socket AF_INET SOCK_STREAM 0 ; fails ECONNREFUSED connect r 127.0.0.1:1",
            "u=socket AF_INET SOCK_DGRAM 0 ; sendto u 77 0 127.0.0.1:9",
        ]
        .map(Into::into),
    );
    let run = watch(words).run();
    run.expect_code(0);
    let receipt = run.receipt();
    let there = run.address("127.0.0.1");
    let (client, server) = (receipt.outbound(&there), receipt.inbound(&there));
    assert_eq!((client.result(), server.result()), ("established", "established"));
    assert_eq!((client.bytes(), server.bytes()), ((5000, 3), (3, 5000)));
    assert!(client.process().is_some() && client.process() == server.process(), "{client:?}");
    assert_eq!(receipt.attempt("127.0.0.1:1").0, "refused");
    assert_eq!(receipt.outbound("127.0.0.1:9").bytes_sent(), 77);
}
