use proptest::prelude::*;

use super::{
    super::{MAX_DNS_MESSAGES, Recognised, Recogniser, Sender, stream::MAX_BYTES},
    samples,
};

use Sender::{Client, Server};

/// Feeds whole pieces, each direction from the sequence number 1 on.
fn fed(mut recogniser: Recogniser, pieces: &[(Sender, &[u8])]) -> Recogniser {
    let mut next = [1, 1];
    for (sender, bytes) in pieces {
        let at = &mut next[usize::from(*sender == Server)];
        recogniser.feed(*sender, *at, bytes, bytes.len());
        *at += u32::try_from(bytes.len()).unwrap();
    }
    recogniser
}

fn started(is_dns_port: bool) -> Recogniser {
    let mut recogniser = Recogniser::new(is_dns_port);
    recogniser.starts_at(Client, 1);
    recogniser.starts_at(Server, 1);
    recogniser
}

#[test]
fn tls() {
    let hello = samples::bytes(samples::HELLO_CURL);
    let recogniser = fed(started(false), &[(Client, &hello[..100]), (Client, &hello[100..])]);
    assert!(recogniser.is_done());
    let found = recogniser.into_recognised();
    assert_eq!(found.tls.unwrap().sni.as_deref(), Some(&b"example.com"[..]));
    assert_eq!((found.http, found.client), (None, None));
    // A server says no hello.
    let recogniser = fed(started(false), &[(Server, &hello)]);
    assert!(recogniser.is_done_with(Server) && !recogniser.is_done_with(Client));
    assert_eq!(recogniser.recognised(), &Recognised::default());
    // Unless it is not known who the server is.
    let recogniser = fed(Recogniser::without_roles(false), &[(Server, &hello)]);
    assert!(recogniser.is_done() && recogniser.recognised().tls.is_some());
    assert_eq!(recogniser.recognised().client, Some(Server));
}

#[test]
fn http_and_tunnels() {
    let found = fed(started(false), &[(Client, &samples::bytes(samples::HTTP))]).into_recognised();
    assert_eq!(found.http.unwrap().host.as_deref(), Some(&b"www.example.com"[..]));
    let connect = samples::bytes(samples::HTTP_CONNECT);
    let hello = samples::bytes(samples::HELLO_TLS13);
    let answer = b"HTTP/1.1 200 OK\r\n\r\n";
    for pieces in [
        &[(Client, &connect[..]), (Server, answer), (Client, &hello)][..],
        &[(Client, &[&connect[..], &hello].concat())],
        &[(Client, &connect[..50]), (Client, &[&connect[50..], &hello[..9]].concat()), (Client, &hello[9..])],
    ] {
        let recogniser = fed(started(false), pieces);
        assert!(recogniser.is_done());
        let found = recogniser.into_recognised();
        assert_eq!(found.http.unwrap().host.as_deref(), Some(&b"example.net:443"[..]));
        assert_eq!(found.tls.unwrap().sni.as_deref(), Some(&b"example.org"[..]));
    }
    // Something else in the tunnel.
    assert!(fed(started(false), &[(Client, &connect), (Client, b"SSH-2.0-x\r\n")]).is_done());
}

#[test]
fn ssh() {
    let client = samples::bytes(samples::SSH);
    let recogniser = fed(started(false), &[(Server, b"SSH-2.0-dropbear\r\n"), (Client, &client)]);
    assert!(recogniser.is_done());
    let found = recogniser.into_recognised().ssh;
    assert_eq!(found.server.as_deref(), Some(&b"SSH-2.0-dropbear"[..]));
    assert!(found.client.unwrap().starts_with(b"SSH-2.0-OpenSSH"));
}

#[test]
fn smtp_and_ftp() {
    let helo = samples::bytes(samples::SMTP_CLIENT);
    for greeting in ["220 mail.example ESMTP ready\r\n", "220 mail.example\r\n"] {
        let server = (Server, greeting.as_bytes());
        for pieces in [[server, (Client, &helo[..])], [(Client, &helo), server]] {
            let recogniser = fed(started(false), &pieces);
            assert!(recogniser.is_done());
            let smtp = recogniser.into_recognised().smtp.unwrap();
            assert_eq!(smtp.helo.as_deref(), Some(&b"client.example"[..]));
            assert_eq!(smtp.greeting.unwrap(), greeting.as_bytes()[4..].trim_ascii());
        }
    }
    let ftp = fed(started(false), &[(Server, b"220 (vsFTPd 3.0.3)\r\n"), (Client, b"USER anonymous\r\n")]);
    assert!(ftp.is_done());
    assert_eq!(ftp.into_recognised(), Recognised::default());
}

#[test]
fn dns_over_tcp() {
    let query = samples::bytes(samples::DNS_TCP);
    let answer = samples::bytes(samples::DNS_TCP_ANSWER);
    let mut recogniser = fed(
        started(true),
        &[
            (Client, &query[..1]),
            (Client, &query[1..]),
            (Server, &answer),
            (Client, &query),
            (Server, &answer),
        ],
    );
    assert!(!recogniser.is_done());
    let messages = recogniser.take_dns();
    assert_eq!(
        messages.iter().map(|(sender, _)| *sender).collect::<Vec<_>>(),
        [Client, Server, Client, Server]
    );
    assert!(messages.iter().all(|(_, message)| message.questions[0].name.to_string() == "www.example.test"));
    assert!(recogniser.recognised().dns.is_empty());
    // On any other port it is nothing.
    assert_eq!(fed(started(false), &[(Client, &query)]).into_recognised(), Recognised::default());

    // The question of a message that is not there as a whole, and the message behind it, whichever comes first.
    let length = u32::try_from(answer.len()).unwrap();
    for order in [[0, 1], [1, 0]] {
        let mut recogniser = started(true);
        for piece in order {
            let seen = if piece == 0 { &answer[..40] } else { &answer[..] };
            recogniser.feed(Server, 1 + piece * length, seen, answer.len());
        }
        let messages = recogniser.take_dns();
        assert_eq!(messages.iter().map(|(_, message)| message.malformed).collect::<Vec<_>>(), [true, false]);
        assert!(messages.iter().all(|(_, message)| message.questions.len() == 1));
    }

    // Without end: what is held is bounded, and what is looked at as well.
    let many = query.repeat(100);
    let recogniser = fed(started(true), &vec![(Client, &many[..]); 20]);
    assert!(recogniser.is_done_with(Client));
    let found = recogniser.into_recognised();
    assert_eq!(found.dns.len(), MAX_DNS_MESSAGES);
    assert_eq!(found.dns_left_out as usize, 64 * 1024 / query.len() - MAX_DNS_MESSAGES + 1);
}

#[test]
fn other_protocols_on_the_port_of_dns() {
    for (sample, length) in [(samples::HTTP, 20), (samples::HELLO_CURL, 200), (samples::SSH, 9)] {
        let stream = samples::bytes(sample);
        let recogniser = fed(started(true), &[(Client, &stream[..length]), (Client, &stream[length..])]);
        assert!(recogniser.is_done_with(Client));
        assert!(recogniser.recognised().dns.is_empty());
        assert_ne!(recogniser.into_recognised(), Recognised::default());
    }
}

#[test]
fn what_is_nothing_is_dropped_at_once() {
    let recogniser = fed(started(false), &[(Client, &samples::bytes(samples::GIT)), (Server, b"\0\x01\x02")]);
    assert!(recogniser.is_done());
    // Where the start is not known, what was sent first may come yet.
    let hello = samples::bytes(samples::HELLO_CURL);
    let mut recogniser = Recogniser::new(false);
    recogniser.feed(Client, 101, &hello[100..], hello.len() - 100);
    assert!(!recogniser.is_done_with(Client));
    recogniser.feed(Client, 1, &hello[..100], 100);
    assert!(recogniser.is_done() && recogniser.recognised().tls.is_some());
    let recogniser = fed(Recogniser::new(false), &[(Client, b"\0"), (Client, b"\0"), (Client, b"\0")]);
    assert!(recogniser.is_done_with(Client));
}

#[test]
fn what_does_not_end() {
    // A head without a host and without end, a line without end, and too many packets.
    let head = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; MAX_BYTES]].concat();
    let pieces: Vec<_> = head.chunks(1000).map(|piece| (Client, piece)).collect();
    let recogniser = fed(started(false), &pieces);
    assert!(recogniser.is_done() && recogniser.recognised().http.is_some());
    let line = [b"GET /".to_vec(), vec![b'x'; MAX_BYTES]].concat();
    let found = fed(started(false), &[(Client, &line)]).into_recognised().http.unwrap();
    assert!(found.target_truncated && found.version.is_none());
    let slow = b"GET / HTTP/1.1\r\nX: ".iter().cycle().take(200).copied().collect::<Vec<_>>();
    let pieces: Vec<_> = slow.chunks(1).map(|piece| (Client, piece)).collect();
    assert!(fed(started(false), &pieces).is_done());
    // A packet of which the rest was not seen.
    let mut recogniser = started(false);
    recogniser.feed(Client, 1, b"GET / HTTP/1.1\r\nHo", 300);
    assert!(recogniser.is_done() && recogniser.recognised().http.is_some());
    let mut recogniser = started(false);
    recogniser.feed(Client, 1, &samples::bytes(samples::HELLO_CURL)[..200], 517);
    assert!(recogniser.is_done());
    let hello = recogniser.into_recognised().tls.unwrap();
    assert_eq!((hello.sni.as_deref(), hello.ja4), (Some(&b"example.com"[..]), None));
}

proptest! {
    #[test]
    fn every_order_of_the_pieces_gives_the_same(
        sample in 0..samples::STREAMS.len(),
        start: u32,
        is_dns_port: bool,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        keys in proptest::collection::vec(any::<u32>(), 40),
    ) {
        let stream = samples::bytes(samples::STREAMS[sample]);
        let recognise = |pieces: &[(usize, usize)]| {
            let mut recogniser = Recogniser::new(is_dns_port);
            recogniser.starts_at(Client, start);
            for (from, to) in pieces {
                let at = start.wrapping_add(u32::try_from(*from).unwrap());
                recogniser.feed(Client, at, &stream[*from..*to], to - from);
            }
            recogniser.into_recognised()
        };
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let mut from = 0_usize;
        let mut pieces = Vec::new();
        for to in ends {
            pieces.push((from, to));
            // Some pieces come twice, or reach into the one before.
            if keys[pieces.len()] % 3 == 0 {
                pieces.push((from.saturating_sub(7), to));
            }
            from = to;
        }
        let mut shuffled: Vec<_> = pieces.iter().copied().zip(&keys).collect();
        shuffled.sort_by_key(|(_, key)| **key);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(piece, _)| piece).collect();
        let whole = recognise(&[(0, stream.len())]);
        prop_assert_eq!(&recognise(&pieces), &whole);
        prop_assert_eq!(&recognise(&shuffled), &whole);
    }

    #[test]
    fn arbitrary_connections(
        pieces in proptest::collection::vec(
            (any::<bool>(), 0_u32..3000, proptest::collection::vec(any::<u8>(), 0..300), 0_usize..3), 0..100),
        is_dns_port: bool,
        roles: bool,
    ) {
        let mut recogniser =
            if roles { Recogniser::new(is_dns_port) } else { Recogniser::without_roles(is_dns_port) };
        for (from_server, at, bytes, more) in &pieces {
            let sender = if *from_server { Server } else { Client };
            recogniser.feed(sender, *at, bytes, bytes.len() + more.saturating_sub(1));
        }
        prop_assert!(recogniser.recognised().dns.len() <= MAX_DNS_MESSAGES);
    }
}
