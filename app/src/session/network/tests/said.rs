//! Tests of what payloads say: names, answers, first bytes.

use super::{at, mirrored, text};
use crate::{
    disclosure::Disclosure,
    event::*,
    session::{samples::*, tests::session, *},
};

const TWO: ProcessKey = ProcessKey { start: 20, tgid: 101 };

/// A DNS message: id, flags and code, questions, and records with their types and data.
fn message(id: u16, flags: u16, questions: &[(&str, u16)], answers: &[(&str, u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [id, flags, questions.len() as u16, answers.len() as u16, 0, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    for (name, kind) in questions {
        bytes.extend(labels(name));
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&1_u16.to_be_bytes());
    }
    for (name, kind, data) in answers {
        bytes.extend(labels(name));
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&1_u16.to_be_bytes());
        bytes.extend_from_slice(&300_u32.to_be_bytes());
        bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
        bytes.extend_from_slice(data);
    }
    bytes
}

fn labels(name: &str) -> Vec<u8> {
    let parts = name.split('.').filter(|part| !part.is_empty());
    let mut bytes: Vec<u8> = parts.flat_map(|part| [&[part.len() as u8], part.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

const QUERY: u16 = 0x0100;
const RESPONSE: u16 = 0x8180;
const NXDOMAIN: u16 = 0x8183;
const A: u16 = 1;
const CNAME: u16 = 5;
const PTR: u16 = 12;

fn query(id: u16, name: &str) -> Vec<u8> {
    message(id, QUERY, &[(name, A)], &[])
}

fn response(id: u16, name: &str, address: [u8; 4]) -> Vec<u8> {
    message(id, RESPONSE, &[(name, A)], &[(name, A, &address)])
}

/// An exchange as `query type rcode latency count`.
fn told(network: &NetworkView) -> Vec<String> {
    let one = |one: &DnsEntry| {
        let latency = one.asked_at.zip(one.answered_at).map(|(asked, answered)| answered - asked);
        let rcode = one.rcode.map_or("-".into(), |rcode| rcode.to_string());
        let latency = latency.map_or("-".into(), |latency| latency.to_string());
        format!("{} {} {rcode} {latency} {}", text(&one.query), one.kind, one.count)
    };
    network.dns.iter().map(one).collect()
}

fn hostname(one: &Connection) -> Option<(String, HostnameSource)> {
    one.hostname.as_ref().map(|(name, source)| (text(name), *source))
}

#[test]
fn a_question_finds_its_first_answer() {
    let resolver = udp(1, 1, "10.0.0.53", 30, (2, 2));
    let other = udp(2, 1, "10.0.0.54", 30, (1, 0));
    let network = session(&[
        at(30, flow(resolver.clone())),
        at(30, payload(&resolver, true, 0, &query(7, "a.example"))),
        at(31, payload(&other, true, 0, &query(7, "a.example"))),
        at(32, payload(&resolver, true, 0, &query(7, "a.example"))),
        at(33, payload(&resolver, true, 0, &query(8, "b.example"))),
        at(40, payload(&resolver, false, 0, &message(8, NXDOMAIN, &[("B.example", A)], &[]))),
        at(50, payload(&resolver, false, 0, &response(7, "a.example", [10, 0, 0, 2]))),
        at(60, payload(&resolver, false, 0, &response(7, "a.example", [6, 6, 6, 6]))),
        at(70, payload(&resolver, true, 0, &query(7, "a.example"))),
        at(80, payload(&resolver, false, 0, &response(9, "c.example", [10, 0, 0, 3]))),
    ])
    .network();
    let expected = [
        "a.example 1 0 20 2",
        "a.example 1 - - 1",
        "b.example 1 3 7 1",
        "a.example 1 - - 1",
        "c.example 1 0 - 1",
    ];
    assert_eq!(told(&network), expected);
    let first = &network.dns[0];
    assert_eq!((first.process, first.connection), (network.connections[0].process, Some(0)));
    assert_eq!(first.server, Some(end("10.0.0.53", 53)));
    assert_eq!(first.answers[0].value, DnsValue::Address([10, 0, 0, 2].into()));
    assert_eq!(first.transport, DnsTransport::Udp);
}

#[test]
fn names_come_from_answers_before_the_connection_by_aliases() {
    let resolver = udp(1, 1, "10.0.0.53", 10, (1, 1));
    let alias = labels("cdn.example");
    let answer = message(
        7,
        RESPONSE,
        &[("www.example", A)],
        &[
            ("www.example", CNAME, &alias),
            ("CDN.example", A, &[10, 0, 0, 2]),
            ("x.example", A, &[10, 0, 0, 3]),
        ],
    );
    let late = response(8, "late.example", [10, 0, 0, 2]);
    let mapped = Flow { remote: Some(end("::ffff:10.0.0.2", 443)), ..tcp(3, 3, "::1", 35) };
    let network = session(&[
        at(10, payload(&resolver, true, 0, &query(7, "www.example"))),
        event(20, TWO, payload(&resolver, false, 0, &answer)),
        at(30, flow(tcp(2, 2, "10.0.0.2", 30))),
        at(35, flow(mapped)),
        at(36, flow(tcp(4, 4, "10.0.0.3", 36))),
        at(15, flow(tcp(5, 5, "10.0.0.2", 15))),
        at(40, payload(&resolver, false, 0, &late)),
        at(50, flow(tcp(6, 6, "10.0.0.2", 50))),
    ])
    .network();
    let names: Vec<_> = network.connections.iter().map(hostname).collect();
    let dns = |name: &str| Some((name.to_owned(), HostnameSource::Dns));
    let expected = [None, dns("www.example"), dns("www.example"), dns("x.example"), dns("late.example")];
    assert_eq!(names, expected);
}

#[test]
fn what_client_and_server_saw_is_told_once() {
    let client = udp(1, 1, "10.0.0.53", 30, (1, 1));
    let server = mirrored(&client, 2, 2);
    let stranger = Flow { remote: Some(end("10.0.0.99", 5_000)), ..mirrored(&client, 3, 2) };
    let network = session(&[
        at(30, flow(client.clone())),
        event(30, TWO, flow(server.clone())),
        event(30, TWO, flow(stranger.clone())),
        event(31, TWO, payload(&server, false, 0, &query(7, "a.example"))),
        at(31, payload(&client, true, 0, &query(7, "a.example"))),
        event(32, TWO, payload(&server, true, 0, &response(7, "a.example", [1, 2, 3, 4]))),
        at(33, payload(&client, false, 0, &response(7, "a.example", [1, 2, 3, 4]))),
        event(40, TWO, payload(&stranger, false, 0, &query(7, "a.example"))),
        event(41, TWO, payload(&stranger, true, 0, &response(7, "a.example", [1, 2, 3, 4]))),
    ])
    .network();
    assert_eq!(told(&network), ["a.example 1 0 2 1", "a.example 1 0 1 1"]);
    let received: Vec<_> = network.dns.iter().map(|one| (one.received, one.process)).collect();
    assert_eq!(received, [(false, network.connections[0].process), (true, Some(TWO))]);
    assert_eq!(network.dns[1].server, Some(end("10.0.0.53", 53)));
}

#[test]
fn multicast_is_answered_by_others() {
    let group = Flow {
        local: Some(end("10.0.0.1", 5353)),
        remote: Some(end("224.0.0.251", 5353)),
        ..udp(1, 1, "224.0.0.251", 30, (1, 0))
    };
    let answering = Flow { flow: 2, remote: Some(end("10.0.0.7", 5353)), ..group.clone() };
    let looped = Flow { flow: 3, socket: 9, ..group.clone() };
    let host = labels("host.local");
    let announcement =
        message(0, 0x8400, &[], &[("_ipp._tcp.local", PTR, &host), ("host.local", A, &[10, 0, 0, 7])]);
    let network = session(&[
        at(30, payload(&group, true, 0, &message(0, 0, &[("_ipp._tcp.local", PTR)], &[]))),
        at(30, payload(&looped, false, 0, &message(0, 0, &[("_ipp._tcp.local", PTR)], &[]))),
        at(35, payload(&answering, false, 0, &announcement)),
        at(90, payload(&answering, false, 0, &announcement)),
    ])
    .network();
    assert_eq!(told(&network), ["_ipp._tcp.local 12 0 5 1", "_ipp._tcp.local 12 0 - 1"]);
    assert_eq!(network.dns[0].transport, DnsTransport::Mdns);
    assert_eq!(network.dns[1].answers.len(), 2);
}

#[test]
fn questions_to_other_ports_and_over_tcp() {
    let odd = Flow { remote: Some(end("10.0.0.53", 5300)), ..udp(1, 1, "10.0.0.53", 30, (1, 0)) };
    let stream = Flow { remote: Some(end("10.0.0.53", 53)), ..tcp(2, 2, "10.0.0.53", 40) };
    let in_stream = |bytes: Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
    let both = [in_stream(query(1, "one.example")), in_stream(query(2, "two.example"))].concat();
    let network = session(&[
        at(30, payload(&odd, true, 0, &query(7, "a.example"))),
        at(31, payload(&odd, true, 0, b"no message at all")),
        at(40, flow(stream.clone())),
        at(41, payload(&stream, true, 100, &both[..20])),
        at(42, payload(&stream, true, 120, &both[20..])),
        at(45, payload(&stream, false, 900, &in_stream(response(2, "two.example", [1, 2, 3, 4])))),
    ])
    .network();
    assert_eq!(told(&network), ["a.example 1 - - 1", "one.example 1 - - 1", "two.example 1 0 3 1"]);
    assert_eq!(network.dns[2].transport, DnsTransport::Tcp);
}

#[test]
fn a_request_names_its_host_unless_it_goes_to_a_proxy() {
    let check = |request: &str, direction, expected: Option<&str>| {
        let to = Flow { direction, ..tcp(1, 1, "10.0.0.2", 30) };
        let sent = direction != Some(Direction::Inbound);
        let network =
            session(&[at(30, flow(to.clone())), at(31, payload(&to, sent, 5, request.as_bytes()))]).network();
        let one = &network.connections[0];
        assert!(one.told.as_ref().is_some_and(|told| told.http.is_some()), "{request}");
        let expected = expected.map(|name| (name.to_owned(), HostnameSource::Http));
        assert_eq!(hostname(one), expected, "{request}");
    };
    let request = "GET /x HTTP/1.1\r\nHost: a.example:8080\r\n\r\n";
    check(request, Some(Direction::Outbound), Some("a.example"));
    check(request, Some(Direction::Inbound), None);
    check(request, None, Some("a.example"));
    check("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Some(Direction::Outbound), None);
    check("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", Some(Direction::Outbound), Some("b.example"));
    check("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", Some(Direction::Outbound), None);
    check("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", Some(Direction::Outbound), None);
}

#[test]
fn banners_belong_to_their_sides() {
    let check = |direction| {
        let to = Flow { direction, ..tcp(1, 1, "10.0.0.2", 30) };
        let network = session(&[
            at(30, flow(to.clone())),
            at(31, payload(&to, true, 5, b"SSH-2.0-one\r\n")),
            at(32, payload(&to, false, 9, b"SSH-2.0-other\r\n")),
        ])
        .network();
        let ssh = network.connections[0].told.as_ref().and_then(|told| told.ssh.clone());
        let (client, server) = ssh.map(|ssh| (ssh.client, ssh.server)).unwrap_or_default();
        (client.as_ref().map(text).unwrap_or_default(), server.as_ref().map(text).unwrap_or_default())
    };
    let one_is_client = ("SSH-2.0-one".to_owned(), "SSH-2.0-other".to_owned());
    assert_eq!(check(Some(Direction::Outbound)), one_is_client);
    assert_eq!(check(None), one_is_client);
    assert_eq!(check(Some(Direction::Inbound)), (one_is_client.1, one_is_client.0));
}

#[test]
fn what_is_beyond_a_cap_of_questions_is_counted() {
    let caps = Caps { dns: 1, dns_answers: 1, ..Caps::default() };
    let mut session = Session::with_caps(caps);
    let resolver = udp(1, 1, "10.0.0.53", 30, (2, 2));
    let two =
        message(7, RESPONSE, &[("a.example", A)], &[("a.example", A, &[1; 4]), ("a.example", A, &[2; 4])]);
    let asked = [query(7, "a.example"), query(8, "b.example")]
        .map(|bytes| at(30, payload(&resolver, true, 0, &bytes)));
    let answered =
        [two, response(8, "b.example", [1; 4])].map(|bytes| at(31, payload(&resolver, false, 0, &bytes)));
    let events = Disclosure::default().pass_all(asked.into_iter().chain(answered));
    events.iter().for_each(|event| session.apply(event));
    let tally = |list: &str| {
        let limit = session.limits().into_iter().find(|limit| limit.list == list);
        limit.map(|limit| (limit.tally.seen, limit.tally.kept))
    };
    assert_eq!(tally("network.dns"), Some((2, 1)));
    assert_eq!(tally("network.dns[].answers"), Some((2, 1)));
    assert_eq!(session.network().dns[0].answers.len(), 1);
}
