//! Questions for names, their answers, and the names that connections get from them.

use crate::support::privilege::needs;
use crate::support::watch::Watch;
use crate::support::wire::{A, AAAA, CNAME, address, dns_answer, dns_name, dns_query, over_tcp, percent};
use crate::support::{Namespace, calls, watch};

/// A program that asks itself: `question` from `c` to `l` at this address, and `answer` back.
fn asks(server: &str, question: &[u8], answer: &[u8]) -> [String; 2] {
    let serve = format!("l=socket AF_INET SOCK_DGRAM 0 ; bind l {server} ; p=port l ; print p");
    let host = server.rsplit_once(':').unwrap().0;
    let ask = format!(
        "c=socket AF_INET SOCK_DGRAM 0 ; bind c 127.0.0.1:0 ; q=port c ; send_to c {} 0 {host}:p ; recvfrom l 1000 ; \
         sleep 20 ; send_to l {} 0 127.0.0.1:q ; recvfrom c 4000 ; close c",
        percent(question),
        percent(answer)
    );
    [serve, ask]
}

fn alone(sequences: &[String]) -> Watch {
    calls(sequences).alone("")
}

#[test]
fn asked_and_answered_over_udp() {
    needs!("ip", "unshare");
    let name = "www.example.org";
    let answer = dns_answer(
        7,
        name,
        A,
        0,
        &[
            (name, CNAME, dns_name("host.example.net")),
            ("host.example.net", A, address("127.0.0.5")),
            ("host.example.net", A, address("127.0.0.6")),
        ],
    );
    let mut sequences = asks("127.0.0.1:53", &dns_query(7, name, A), &answer).to_vec();
    sequences.push(
        "s=socket AF_INET SOCK_STREAM 0 ; bind s 127.0.0.5:8000 ; listen s 5 ; c=socket AF_INET SOCK_STREAM 0 ; \
         connect c 127.0.0.5:8000 ; close c"
            .to_owned(),
    );
    let receipt = alone(&sequences).run().complete(0);
    let question = receipt.question(name, "A");
    assert_eq!((question.rcode(), question.transport()), (Some("NOERROR"), "udp"));
    assert_eq!(question.server(), "127.0.0.1:53");
    assert_eq!(question.0["process"].as_u64(), Some(receipt.root().id()));
    let answers = [
        "host.example.net A 127.0.0.5",
        "host.example.net A 127.0.0.6",
        "www.example.org CNAME host.example.net",
    ];
    assert_eq!(question.answers(), answers.map(str::to_owned).into());
    assert_eq!(question.0["answers"][0]["ttl"], 300);
    let latency = question.0["latency_ms"].as_f64().unwrap();
    assert!(latency >= 20.0, "the answer took its time: {latency}");
    let exchange = receipt.outbound("127.0.0.1:53");
    assert_eq!(question.0["connection"].as_u64(), Some(exchange.id()), "{question:?}");
    assert_eq!(receipt.outbound("127.0.0.5:8000").hostname(), "www.example.org dns");
}

#[test]
fn answers_without_addresses() {
    needs!("ip", "unshare");
    for (rcode, name) in [(3, "NXDOMAIN"), (2, "SERVFAIL"), (5, "REFUSED")] {
        let answer = dns_answer(9, "missing.example", AAAA, rcode, &[]);
        let sequences = asks("127.0.0.1:53", &dns_query(9, "missing.example", AAAA), &answer);
        let receipt = alone(&sequences).run().complete(0);
        let question = receipt.question("missing.example", "AAAA");
        assert_eq!((question.rcode(), question.answers().len()), (Some(name), 0));
    }
}

#[test]
fn never_answered() {
    needs!("ip", "unshare");
    let ask = format!(
        "c=socket AF_INET SOCK_DGRAM 0 ; send_to c {} 0 127.0.0.9:53",
        percent(&dns_query(1, "nobody.example", A))
    );
    let receipt = alone(&[ask]).run().complete(0);
    let question = receipt.question("nobody.example", "A");
    assert_eq!((question.rcode(), question.server()), (None, "127.0.0.9:53".to_owned()));
    assert!(question.0["answered_at"].is_null(), "{question:?}");
    assert!(question.0.to_string().contains("unanswered"), "why: {question:?}");
}

/// DNS on whatever port it is spoken.
#[test]
fn on_another_port() {
    needs!();
    let answer = dns_answer(5, "other.example", AAAA, 0, &[("other.example", AAAA, address("fd00::5"))]);
    let sequences = asks("127.0.0.1:0", &dns_query(5, "other.example", AAAA), &answer);
    let run = calls(&sequences).run();
    let receipt = run.complete(0);
    let question = receipt.question("other.example", "AAAA");
    assert_eq!(question.server(), run.address("127.0.0.1"));
    assert_eq!(question.answers(), ["other.example AAAA fd00::5".to_owned()].into());
}

/// The length comes in a write of its own, and the answer in three.
#[test]
fn over_tcp_in_pieces() {
    needs!("ip", "unshare");
    let question = over_tcp(&dns_query(3, "tcp.example", A));
    let answer = over_tcp(&dns_answer(3, "tcp.example", A, 0, &[("tcp.example", A, address("127.0.0.8"))]));
    let connect = format!(
        "c=socket AF_INET SOCK_STREAM 0 ; setsockopt c IPPROTO_TCP TCP_NODELAY 1 ; connect c 127.0.0.1:53 ; a=accept4 l ; \
         setsockopt a IPPROTO_TCP TCP_NODELAY 1 ; send c {} ; send c {} ; receive_all a {} ; send a {} ; send a {} ; \
         send a {} ; receive_all c {} ; close c ; close a",
        percent(&question[..2]),
        percent(&question[2..]),
        question.len(),
        percent(&answer[..1]),
        percent(&answer[1..9]),
        percent(&answer[9..]),
        answer.len()
    );
    let listen = "l=socket AF_INET SOCK_STREAM 0 ; bind l 127.0.0.1:53 ; listen l 5".to_owned();
    let receipt = alone(&[listen, connect]).run().complete(0);
    let question = receipt.question("tcp.example", "A");
    assert_eq!((question.transport(), question.rcode()), ("tcp", Some("NOERROR")));
    assert_eq!(question.answers(), ["tcp.example A 127.0.0.8".to_owned()].into());
}

/// Questions to everybody on the link. Nobody else is there to answer.
#[test]
fn multicast_names() {
    needs!("ip", "unshare");
    let mdns = percent(&dns_query(0, "printer.local", A));
    let llmnr = percent(&dns_query(77, "laptop", A));
    let ask = format!(
        "c=socket AF_INET SOCK_DGRAM 0 ; bind c 0.0.0.0:5353 ; send_to c {mdns} 0 224.0.0.251:5353 ; \
         d=socket AF_INET SOCK_DGRAM 0 ; send_to d {llmnr} 0 224.0.0.252:5355"
    );
    let route = "multicast on && ip route add 224.0.0.0/4 dev lo";
    let receipt = calls(&[&ask]).alone(route).run().complete(0);
    assert_eq!(receipt.question("printer.local", "A").transport(), "mdns");
    assert_eq!(receipt.question("laptop", "A").transport(), "llmnr");
}

/// Many questions for the same name are few entries, none of which is lost.
#[test]
fn repeated_questions_are_counted() {
    needs!("ip", "unshare");
    let ask = format!("300x send_to c {} 0 127.0.0.9:53", percent(&dns_query(1, "again.example", A)));
    let receipt = alone(&["c=socket AF_INET SOCK_DGRAM 0".to_owned(), ask]).run().complete(0);
    let questions = receipt.questions();
    let asked: u64 = questions.iter().map(|one| one.0["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!((questions.len(), asked), (1, 300), "{questions:#?}");
    assert_eq!(questions[0].query(), "again.example");
    assert_eq!(receipt.outbound("127.0.0.9:53").packets().0, 300);
}

/// A namespace with dnsmasq, which knows some names.
fn with_dnsmasq() -> Namespace {
    let mut place = Namespace::new();
    place.serve_names(&[
        "--address=/web.example/127.0.0.10",
        "--address=/six.example/::1",
        "--cname=alias.example,web.example",
        "--local=/example/",
    ]);
    place
}

#[test]
fn dig_asks_dnsmasq() {
    needs!("dig", "dnsmasq", "ip", "nsenter");
    let place = with_dnsmasq();
    let script = "dig web.example A >&2; dig +tcp web.example A >&2; dig six.example AAAA >&2; dig none.example MX >&2; true";
    let receipt = watch(["sh", "-c", script]).within(&place).run().complete(0);
    let questions = receipt.questions();
    let web: Vec<_> = questions.iter().filter(|one| one.query() == "web.example").collect();
    let transports: Vec<_> = web.iter().map(|one| one.transport()).collect();
    assert_eq!(transports, ["udp", "tcp"], "{questions:#?}");
    for one in web {
        assert_eq!(one.answers(), ["web.example A 127.0.0.10".to_owned()].into());
    }
    assert_eq!(receipt.question("six.example", "AAAA").answers(), ["six.example AAAA ::1".to_owned()].into());
    assert_eq!(receipt.question("none.example", "MX").rcode(), Some("NXDOMAIN"));
    let asked = questions[0].0["process"].as_u64().unwrap();
    assert!(receipt.with_id(asked).execution().path().ends_with("/dig"));
}

/// What a real client was looking for is the name of its connection, whatever the address.
#[test]
fn curl_looks_up_its_server() {
    needs!("curl", "dnsmasq", "python3", "ip", "nsenter");
    let mut place = with_dnsmasq();
    place.serve(
        &["python3", "-m", "http.server", "--directory", "/var/empty", "--bind", "127.0.0.10", "8000"],
        "tcp",
        8000,
    );
    let receipt =
        watch(["curl", "-s", "-o", "out", "http://web.example:8000/?a=b"]).within(&place).run().complete(0);
    let connection =
        receipt.one("curl's", |one| one.remote() == "127.0.0.10:8000" && one.protocol() == "tcp");
    assert_eq!(connection.hostname(), "web.example dns");
    let http = &connection.0["http"];
    assert_eq!((http["method"].as_str(), http["target"].as_str()), (Some("GET"), Some("/?a=b")), "{http}");
    assert_eq!(receipt.question("web.example", "A").rcode(), Some("NOERROR"));
}
