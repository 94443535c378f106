use proptest::prelude::*;

use super::{
    super::{
        Progress,
        tls::{ClientHello, client_hello, unfinished},
    },
    grows_consistently, samples,
};

fn hello(sample: &str) -> ClientHello {
    client_hello(&samples::bytes(sample)).found().unwrap()
}

/// The fingerprints were computed by another program, written for that from the specification.
#[test]
fn real_clients() {
    let h2 = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let expected = ClientHello {
        sni: Some(b"example.org".to_vec()),
        alpn: h2.clone(),
        versions: vec![0x0304, 0x0303, 0x0302, 0x0301],
        ja4: Some("t13d3111h2_e8f1e7e78f70_1f22a2ca17c4".to_owned()),
    };
    assert_eq!(hello(samples::HELLO_TLS13), expected);
    let expected = ClientHello {
        sni: None,
        alpn: vec![],
        versions: vec![0x0303],
        ja4: Some("t12i280600_d943125447b4_e7e480e5a997".to_owned()),
    };
    assert_eq!(hello(samples::HELLO_TLS12), expected);
    let expected = ClientHello {
        sni: Some(b"example.com".to_vec()),
        alpn: h2,
        versions: vec![0x0304, 0x0303, 0x0302, 0x0301],
        ja4: Some("t13d3112h2_e8f1e7e78f70_b26ce05bbdd6".to_owned()),
    };
    assert_eq!(hello(samples::HELLO_CURL), expected);
    let expected = ClientHello {
        sni: Some(b"python.example".to_vec()),
        alpn: vec![],
        versions: vec![0x0304, 0x0303],
        ja4: Some("t13d181100_85036bcba153_d41ae481755e".to_owned()),
    };
    assert_eq!(hello(samples::HELLO_PYTHON), expected);
}

/// The same message in records of `size` bytes each.
fn in_records(stream: &[u8], size: usize) -> Vec<u8> {
    let records = stream[5..].chunks(size).map(|fragment| {
        let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
        [&stream[..3], &length, fragment].concat()
    });
    records.collect::<Vec<_>>().concat()
}

#[test]
fn a_hello_in_several_records() {
    let stream = samples::bytes(samples::HELLO_CURL);
    for size in [1, 3, 4, 5, 100, 511, 512] {
        let split = in_records(&stream, size);
        assert_eq!(client_hello(&split), client_hello(&stream));
        if size > 50 {
            grows_consistently(&split, client_hello);
        }
    }
}

#[test]
fn beginnings() {
    let stream = samples::bytes(samples::HELLO_TLS13);
    grows_consistently(&stream, client_hello);
    for length in 0..stream.len() {
        assert_eq!(client_hello(&stream[..length]), Progress::NeedsMore);
    }
    // What follows is not looked at.
    let more = [&stream[..], b"\x14\x03\x03\x00\x01\x01"].concat();
    assert_eq!(client_hello(&more), client_hello(&stream));
}

#[test]
fn unfinished_hellos() {
    let stream = samples::bytes(samples::HELLO_CURL);
    let whole = hello(samples::HELLO_CURL);
    let end =
        |part: &[u8]| stream.windows(part.len()).position(|window| window == part).unwrap() + part.len();
    let (name, protocols) = (end(b"example.com"), end(b"http/1.1"));
    for length in 0..stream.len() {
        let Some(hello) = unfinished(&stream[..length]) else {
            assert!(length < name);
            continue;
        };
        assert_eq!(hello.sni, whole.sni.clone().filter(|_| length >= name), "{length}");
        assert_eq!(hello.alpn.is_empty(), length < protocols);
        assert!(hello.ja4.is_none() && (hello.versions.is_empty() || hello.versions == whole.versions));
    }
}

#[test]
fn what_is_no_hello() {
    let stream = samples::bytes(samples::HELLO_TLS13);
    let changed = |at: usize, value: u8| {
        let mut stream = stream.clone();
        stream[at] = value;
        stream
    };
    // Another kind of record, a version of something else, another message, a message that is longer than anything
    // that is looked at, an old version of SSL, ciphers of half a number.
    for (at, value) in [(0, 23), (1, 2), (2, 9), (5, 2), (6, 1), (9, 2), (77, 63)] {
        assert_eq!(client_hello(&changed(at, value)), Progress::No, "{at}");
    }
    assert_eq!(client_hello(b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00"), Progress::No);
    assert_eq!(client_hello(b"\x16\x03\x01\xff\xff"), Progress::No);
    assert_eq!(client_hello(b"GET / HTTP/1.1\r\n\r\n"), Progress::No);
}

/// A hello of some extensions.
fn made(version: u16, ciphers: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let ciphers: Vec<u8> = ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()).collect();
    let extensions: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &length(content), content].concat())
        .collect();
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(length(&ciphers));
    body.extend(ciphers);
    body.extend([1, 0]);
    if !extensions.is_empty() {
        body.extend(length(&extensions));
        body.extend(extensions);
    }
    let message = [&[1, 0][..], &length(&body), &body].concat();
    [&[0x16, 3, 1][..], &length(&message), &message].concat()
}

#[test]
fn grease_is_left_out() {
    let stream = made(
        0x0303,
        &[0x8A8A, 0x1301, 0x0A1A],
        &[
            (0x2A2A, b""),
            (43, b"\x06\x9a\x9a\x03\x04\x03\x03"),
            (16, b"\x00\x06\x02\x0a\x0a\x02h2"),
            (13, b"\x00\x04\x3a\x3a\x04\x03"),
            (0xFAFA, b"\0"),
        ],
    );
    let hello = client_hello(&stream).found().unwrap();
    assert_eq!((hello.sni, hello.versions), (None, vec![0x0304, 0x0303]));
    assert_eq!(hello.alpn, [b"h2".to_vec()]);
    // 0x0A1A is none: both bytes of GREASE are the same.
    assert!(hello.ja4.as_ref().unwrap().starts_with("t13i0203h2_"));
    let plain = made(
        0x0303,
        &[0x1301, 0x0A1A],
        &[(43, b"\x04\x03\x04\x03\x03"), (16, b"\x00\x03\x02h2"), (13, b"\x00\x02\x04\x03")],
    );
    assert_eq!(client_hello(&plain).found().unwrap().ja4, hello.ja4);
}

#[test]
fn odd_extensions() {
    let ja4 = |extensions: &[(u16, &[u8])]| client_hello(&made(0x0301, &[], extensions)).found().unwrap();
    let none = ja4(&[]);
    assert_eq!(none.ja4.as_deref(), Some("t10i000000_000000000000_000000000000"));
    assert_eq!(none.versions, [0x0301]);
    // A name that cannot be read, or is none, is one that was sent.
    for broken in [&b"\x00\x09"[..], b"", b"\x00\x05\x00\x00\x09ab", b"\x00\x03\x00\x00\x00"] {
        let hello = ja4(&[(0, broken)]);
        assert_eq!(hello.sni, None);
        assert!(hello.ja4.unwrap().starts_with("t10d0001"));
    }
    assert_eq!(ja4(&[(0, b"\x00\x07\x00\x00\x04a\x00.\xff")]).sni.as_deref(), Some(&b"a\0.\xff"[..]));
    let long = [&b"\x03\xec\x00\x03\xe9"[..], &[b'a'; 1001]].concat();
    assert_eq!(ja4(&[(0, &long)]).sni, None);
    // Many of everything: what is kept is bounded, and what is counted is not.
    let versions = [&[254][..], &[3; 254]].concat();
    let protocols = [&[0x20, 0x00][..], &b"\x01x".repeat(0x1000)].concat();
    let hello = ja4(&[(43, &versions), (16, &protocols)]);
    assert_eq!((hello.versions.len(), hello.alpn.len()), (32, 32));
    assert!(hello.ja4.unwrap().starts_with("t12i0002xx"));
    // An extension that is longer than all of them.
    let mut stream = made(0x0303, &[0x1301], &[(99, b"abc")]);
    let at = stream.len() - 4;
    stream[at] = 4;
    assert_eq!(client_hello(&stream), Progress::No);
}

proptest! {
    #[test]
    fn any_records(mut stream: Vec<u8>, size in 1_usize..600) {
        let _ = (client_hello(&stream), unfinished(&stream));
        stream.splice(0..0, samples::bytes(samples::HELLO_CURL));
        stream.truncate(517);
        prop_assert_eq!(client_hello(&in_records(&stream, size)), client_hello(&stream));
    }
}
