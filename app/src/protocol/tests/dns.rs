use core::net::IpAddr;
use std::time::Instant;

use proptest::prelude::*;

use super::{
    super::dns::{
        Data, DnsError, MAX_ANSWERS, MAX_QUESTIONS, Message, kind_name, looks_like, parse, rcode_name, split,
    },
    samples,
};

fn message(sample: &str) -> Message {
    parse(&samples::bytes(sample)).unwrap()
}

/// A message as text: the question, the code, and what was answered.
fn told(message: &Message) -> String {
    let mut lines = vec![format!(
        "{} {} {}{}",
        if message.is_response { "response" } else { "query" },
        message.opcode,
        rcode_name(message.rcode),
        if message.malformed { " malformed" } else { "" },
    )];
    for question in &message.questions {
        lines.push(format!("{}? {} {:x}", question.name, kind_name(question.kind), question.class));
    }
    for answer in &message.answers {
        let data = match &answer.data {
            Data::Address(address) => address.to_string(),
            Data::Name(name) => name.to_string(),
            Data::Other(length) => format!("{length} bytes"),
        };
        lines.push(format!("{} {} {data}", answer.name, kind_name(answer.kind)));
    }
    lines.join("; ")
}

#[test]
fn real_messages() {
    let check = |sample, expected: &str| assert_eq!(told(&message(sample)), expected);
    check(samples::DNS_A, "query 0 NOERROR; www.example.test? A 1");
    check(samples::DNS_A_ANSWER, "response 0 NOERROR; www.example.test? A 1; www.example.test A 192.0.2.1");
    check(samples::DNS_AAAA, "query 0 NOERROR; www.example.test? AAAA 1");
    check(
        samples::DNS_AAAA_ANSWER,
        "response 0 NOERROR; www.example.test? AAAA 1; www.example.test AAAA 2001:db8::1",
    );
    check(
        samples::DNS_CNAME_ANSWER,
        "response 0 NOERROR; alias.example.test? A 1; alias.example.test CNAME www.example.test; \
         www.example.test A 192.0.2.1",
    );
    check(
        samples::DNS_MX_ANSWER,
        "response 0 NOERROR; example.test? MX 1; example.test MX mail.example.test",
    );
    check(
        samples::DNS_SRV_ANSWER,
        "response 0 NOERROR; _ldap._tcp.example.test? SRV 1; _ldap._tcp.example.test SRV srv.example.test",
    );
    check(samples::DNS_TXT_ANSWER, "response 0 NOERROR; example.test? TXT 1; example.test TXT 12 bytes");
    check(
        samples::DNS_PTR_ANSWER,
        "response 0 NOERROR; 1.2.0.192.in-addr.arpa? PTR 1; 1.2.0.192.in-addr.arpa PTR www.example.test",
    );
    check(samples::DNS_NXDOMAIN, "response 0 NXDOMAIN; nx.test? A 1");
    check(samples::DNS_HTTPS_REFUSED, "response 0 REFUSED; www.example.test? HTTPS 1");
    let odd = message(samples::DNS_ODD);
    assert_eq!(told(&odd), r"query 0 NOERROR; a\.b\000\027\255.example.test? TYPE65280 1");
    assert_eq!(odd.questions[0].name.labels().next(), Some(&b"a.b\0\x1b\xff"[..]));
    assert_eq!(message(samples::DNS_A).id, 0xAAFB);
}

/// A message of a header and sections as they stand.
fn made(flags: u16, counts: [u16; 4], sections: &[u8]) -> Vec<u8> {
    let header = [[0x12, 0x34], flags.to_be_bytes()].concat();
    let counts: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
    [&header, &counts, sections].concat()
}

const QUESTION: &[u8] = b"\x01a\x04test\0\0\x01\0\x01";

#[test]
fn multicast() {
    // A query for two services, a unicast response wanted for one, with an answer that is known already.
    let stream = made(
        0,
        [2, 1, 0, 0],
        b"\x05_http\x04_tcp\x05local\0\0\x0c\x80\x01\x04_ipp\xc0\x12\0\x0c\0\x01\
          \xc0\x0c\0\x0c\0\x01\0\0\x11\x94\0\x09\x06My Web\xc0\x0c",
    );
    assert_eq!(
        told(&parse(&stream).unwrap()),
        r"query 0 NOERROR; _http._tcp.local? PTR 8001; _ipp._tcp.local? PTR 1; _http._tcp.local PTR My\032Web._http._tcp.local"
    );
    // An announcement, which has no question; the upper bit of the class flushes caches.
    let stream =
        made(0x8400, [0, 1, 0, 0], b"\x04host\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x07");
    assert_eq!(told(&parse(&stream).unwrap()), "response 0 NOERROR; host.local A 192.0.2.7");
    // LLMNR: the bit that is the authority's elsewhere says that names conflict.
    assert_eq!(told(&parse(&made(0x0400, [1, 0, 0, 0], QUESTION)).unwrap()), "query 0 NOERROR; a.test? A 1");
}

#[test]
fn extended_codes_and_flags() {
    // OPT with 1 in the upper byte: 1 << 4 | 0 is BADVERS.
    let stream = made(0x8380, [1, 0, 0, 1], &[QUESTION, b"\0\0\x29\x04\xd0\x01\0\0\0\0\0"].concat());
    let message = parse(&stream).unwrap();
    assert_eq!((message.rcode, message.truncated, message.malformed), (16, true, false));
    assert_eq!(rcode_name(message.rcode), "BADVERS");
    assert_eq!([0, 3, 12, 4095].map(rcode_name), ["NOERROR", "NXDOMAIN", "RCODE12", "RCODE4095"]);
    assert_eq!(rcode_name(u16::MAX), "RCODE65535");
    assert_eq!([1, 65, 255, 65280].map(kind_name), ["A", "HTTPS", "ANY", "TYPE65280"]);
    assert_eq!(parse(&made(0x2800, [1, 0, 0, 0], QUESTION)).unwrap().opcode, 5);
}

#[test]
fn the_question_of_what_is_broken() {
    let question = |stream: &[u8]| {
        let message = parse(stream).unwrap();
        assert!(message.malformed);
        told(&message)
    };
    // Answers that are announced and not there, one that ends too early, something behind the end.
    let expected = "response 0 NOERROR malformed; a.test? A 1";
    assert_eq!(question(&made(0x8000, [1, 0xFFFF, 0xFFFF, 0xFFFF], QUESTION)), expected);
    assert_eq!(question(&made(0x8000, [1, 1, 0, 0], &[QUESTION, b"\xc0\x0c\0\x01"].concat())), expected);
    assert_eq!(question(&made(0x8000, [1, 0, 0, 0], &[QUESTION, b"x"].concat())), expected);
    // An address of five bytes, and one that is none as its class is another.
    let answers = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x05abcde\xc0\x0c\0\x01\0\x03\0\0\0\0\0\x04abcd";
    assert_eq!(
        question(&made(0x8000, [1, 2, 0, 0], &[QUESTION, answers].concat())),
        format!("{expected}; a.test A 5 bytes; a.test A 4 bytes")
    );
    // A name that points to itself, one that points forwards, one that goes on beyond the end.
    for name in [&b"\xc0\x0c"[..], b"\xc0\xff", b"\x3f", b"\x80", b""] {
        let stream = made(0, [1, 0, 0, 0], &[name, b"\0\x01\0\x01"].concat());
        assert_eq!(parse(&stream), Err(DnsError::Unreadable));
    }
    assert_eq!(parse(&[0; 11]), Err(DnsError::Short(11)));
    let empty = parse(&[0; 12]).unwrap();
    assert!(!empty.malformed && empty.questions.is_empty());
}

#[test]
fn what_is_kept_is_bounded() {
    let many = made(0x8000, [0xFFFF; 4], &QUESTION.repeat(1000));
    let message = parse(&many).unwrap();
    assert_eq!((message.questions.len(), message.cut, message.malformed), (MAX_QUESTIONS, true, true));
    let answers = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04abcd".repeat(4000);
    let message = parse(&made(0x8000, [1, 4000, 0, 0], &[QUESTION, &answers].concat())).unwrap();
    assert_eq!((message.answers.len(), message.cut, message.malformed), (MAX_ANSWERS, true, false));
}

/// Pointers to pointers, as long as they may be, as the names of as many records as there can be.
#[test]
fn chains_of_pointers_take_no_time() {
    const POINTERS: u16 = 250;
    const RECORDS: u16 = 5_000;
    // The chain is the data of the first record, which begin behind the header and 11 bytes more.
    let mut chain = b"\x01a\0".to_vec();
    let mut target = 12 + 11;
    for at in 0..POINTERS {
        chain.extend((0xC000_u16 | target).to_be_bytes());
        target = 12 + 11 + 3 + 2 * at;
    }
    let length = u16::try_from(chain.len()).unwrap().to_be_bytes();
    let first = [&b"\0\0\x10\0\x01\0\0\0\0"[..], &length, &chain].concat();
    let record = [&(0xC000 | target).to_be_bytes()[..], b"\0\x01\0\x01\0\0\0\0\0\0"].concat();
    let sections = [first, record.repeat(usize::from(RECORDS))].concat();
    let started = Instant::now();
    let message = parse(&made(0x8000, [0, 0, 0, RECORDS + 1], &sections)).unwrap();
    assert!(!message.malformed);
    // Some hundredths of a second.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    let message = parse(&made(0x8000, [0, 1, 0, 0], &sections)).unwrap();
    assert_eq!(message.answers[0].data, Data::Other(503));
}

#[test]
fn what_looks_like_a_message() {
    for sample in samples::MESSAGES {
        // A type that is nobody's and a label of control characters.
        let expected = sample != samples::DNS_ODD;
        assert_eq!(looks_like(&samples::bytes(sample)), expected, "{}", told(&message(sample)));
    }
    let good = samples::bytes(samples::DNS_AAAA);
    assert!(!looks_like(&[&good[..], b"x"].concat()));
    for length in 0..good.len() {
        assert!(!looks_like(&good[..length]));
    }
    // Flags of a response in a query, an unknown operation, a reserved bit.
    for (at, bits) in [(2, 0x04), (2, 0x02), (3, 0x80), (3, 0x03), (2, 0x18), (3, 0x40)] {
        let mut stream = good.clone();
        stream[at] |= bits;
        assert!(!looks_like(&stream), "{at} {bits}");
    }
    assert!(looks_like(&made(0x0100, [1, 0, 0, 0], b"\0\0\x02\0\x01")));
    assert!(!looks_like(&made(0x0100, [1, 0, 0, 0], b"\0\0\x01\0\x01")));
    assert!(looks_like(&made(0x0100, [1, 0, 0, 0], b"\x01*\x04test\0\0\x01\0\x01")));
    assert!(!looks_like(&made(0x0100, [1, 0, 0, 0], b"\x02a \x04test\0\0\x01\0\x01")));
    assert!(!looks_like(&made(0x0100, [1, 0, 0, 0], b"\x01a\x04test\0\0\x01\0\x09")));
    assert!(!looks_like(&[0; 512]));
}

#[test]
fn names() {
    let name = |labels: &[u8]| {
        let sections = [labels, b"\0\0\x01\0\x01"].concat();
        parse(&made(0, [1, 0, 0, 0], &sections)).unwrap().questions.remove(0).name
    };
    assert_eq!(name(b"").to_string(), ".");
    assert!(name(b"").is_root());
    assert_eq!(name(b"\x03A\\b\x02\x7f \x02\xc3\xa9").to_string(), r"A\\b.\127\032.\195\169");
    assert_eq!(name(b"\x03WwW\x02Ex"), name(b"\x03WwW\x02Ex"));
    assert_ne!(name(b"\x03WwW\x02Ex"), name(b"\x03www\x02ex"));
    assert_eq!(name(b"\x03WwW\x02Ex").to_lowercase(), name(b"\x03www\x02ex"));
    // Four labels of 62 bytes have 252 and the root one; one byte more is still a name, two are not.
    let long = [&[62][..], &[b'a'; 62]].concat().repeat(4);
    assert_eq!(name(&long).labels().count(), 4);
    let too_long = [&long[..], b"\x02bb\0\0\x01\0\x01"].concat();
    assert_eq!(parse(&made(0, [1, 0, 0, 0], &too_long)), Err(DnsError::Unreadable));
    assert_eq!(samples_address(), "192.0.2.1".parse::<IpAddr>().unwrap());
}

fn samples_address() -> IpAddr {
    match message(samples::DNS_A_ANSWER).answers.remove(0).data {
        Data::Address(address) => address,
        _ => unreachable!("the sample is one of an address"),
    }
}

#[test]
fn messages_of_a_stream() {
    let stream = samples::bytes(samples::DNS_TCP);
    let twice = [&stream[..], &stream].concat();
    let (message, rest) = split(&twice).unwrap();
    assert_eq!((message, rest), (&stream[2..], &stream[..]));
    assert!(looks_like(message));
    assert_eq!(split(rest), Some((&stream[2..], &[][..])));
    for length in 0..stream.len() {
        assert_eq!(split(&stream[..length]), None);
    }
    assert_eq!(split(b"\0\0x"), Some((&[][..], &b"x"[..])));
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = parse(&bytes) {
            prop_assert!(message.questions.len() <= MAX_QUESTIONS && message.answers.len() <= MAX_ANSWERS);
        }
        prop_assert!(!looks_like(&bytes));
    }

    /// Even behind the header of a query.
    #[test]
    fn arbitrary_questions(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(!looks_like(&made(0x0100, [1, 0, 0, 0], &bytes)));
    }
}
