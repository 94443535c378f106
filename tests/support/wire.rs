//! Packets as they are on the wire, for tests that send them byte by byte.

/// Bytes as `calls` reads them: `%00%1f…`.
pub(crate) fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// Types of DNS records.
pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const AAAA: u16 = 28;

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).expect("a label"));
        out.extend(label.bytes());
    }
    out.push(0);
    out
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags].iter().chain(&counts).flat_map(|word| word.to_be_bytes()).collect()
}

fn question(text: &str, kind: u16) -> Vec<u8> {
    let mut out = name(text);
    out.extend([kind.to_be_bytes(), 1u16.to_be_bytes()].concat());
    out
}

/// A question with recursion desired.
pub(crate) fn dns_query(id: u16, text: &str, kind: u16) -> Vec<u8> {
    [header(id, 0x0100, [1, 0, 0, 0]), question(text, kind)].concat()
}

/// Record data: an address, or a name.
pub(crate) fn address(text: &str) -> Vec<u8> {
    match text.parse().expect("an address") {
        std::net::IpAddr::V4(address) => address.octets().into(),
        std::net::IpAddr::V6(address) => address.octets().into(),
    }
}

/// The answer to a question: records of `(name, type, data)`, whose first name is compressed.
pub(crate) fn dns_answer(
    id: u16,
    text: &str,
    kind: u16,
    rcode: u16,
    records: &[(&str, u16, Vec<u8>)],
) -> Vec<u8> {
    let count = u16::try_from(records.len()).expect("a count");
    let mut out = [header(id, 0x8180 | rcode, [1, count, 0, 0]), question(text, kind)].concat();
    for (owner, kind, content) in records {
        out.extend(if *owner == text { vec![0xc0, 12] } else { name(owner) });
        out.extend([kind.to_be_bytes(), 1u16.to_be_bytes()].concat());
        out.extend(300u32.to_be_bytes());
        out.extend(u16::try_from(content.len()).expect("a length").to_be_bytes());
        out.extend(content);
    }
    out
}

/// A name as the data of a CNAME record.
pub(crate) fn dns_name(text: &str) -> Vec<u8> {
    name(text)
}

/// The message with its length before it, as TCP carries it.
pub(crate) fn over_tcp(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).expect("a length").to_be_bytes()[..], message].concat()
}

/// The ClientHello of a browser, whose JA4 is published ([`JA4`]), with this server name and these protocols.
pub(crate) fn client_hello(server: &str, protocols: &[&str]) -> Vec<u8> {
    const CIPHERS: [u16; 16] = [
        0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
        0x009c, 0x009d, 0x002f, 0x0035,
    ];
    const SIGNATURES: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let long =
        |content: &[u8]| [&u16::try_from(content.len()).expect("short").to_be_bytes()[..], content].concat();
    let short = |content: &[u8]| [&[u8::try_from(content.len()).expect("short")], content].concat();
    let sni = long(&[&[0][..], &long(server.as_bytes())].concat());
    let alpn = long(&protocols.iter().flat_map(|protocol| short(protocol.as_bytes())).collect::<Vec<_>>());
    let share = long(&[words(&[0x001d]), long(&[7; 32])].concat());
    let extensions: [(u16, Vec<u8>); 18] = [
        (0x8a8a, vec![]),
        (0x0000, sni),
        (0x0017, vec![]),
        (0xff01, vec![0]),
        (0x000a, long(&words(&[0x001d, 0x0017, 0x0018]))),
        (0x000b, vec![1, 0]),
        (0x0023, vec![]),
        (0x0010, alpn),
        (0x0005, vec![1, 0, 0, 0, 0]),
        (0x000d, long(&words(&SIGNATURES))),
        (0x0012, vec![]),
        (0x0033, share),
        (0x002d, vec![1, 1]),
        (0x002b, short(&words(&[0xcaca, 0x0304, 0x0303]))),
        (0x001b, vec![2, 0, 2]),
        (0x4469, vec![0, 3, 2, b'h', b'2']),
        (0x1a1a, vec![0]),
        (0x0015, vec![0; 180]),
    ];
    let mut list = Vec::new();
    for (kind, content) in extensions {
        list.extend(words(&[kind]));
        list.extend(long(&content));
    }
    let mut hello = words(&[0x0303]);
    hello.extend([0x42; 32]);
    hello.extend(short(&[1; 32]));
    hello.extend(long(&words(&CIPHERS)));
    hello.extend([1, 0]);
    hello.extend(long(&list));
    let length = u32::try_from(hello.len()).expect("short").to_be_bytes();
    let handshake = [&[1], &length[1..], &hello].concat();
    [&[22, 3, 1][..], &long(&handshake)].concat()
}

/// What FoxIO's description of JA4 says of it, with h2 as the first protocol.
pub(crate) const JA4: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

#[cfg(test)]
mod tests {
    use super::*;

    /// The fingerprint from the lists that it is made of.
    #[test]
    fn the_published_fingerprint_is_of_these_lists() {
        let hash = |text: &str| super::super::sha256(text.as_bytes())[..12].to_owned();
        let ciphers = "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9";
        let rest = "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
                    0403,0804,0401,0503,0805,0501,0806,0601";
        assert_eq!(format!("t13d1516h2_{}_{}", hash(ciphers), hash(rest)), JA4);
    }

    #[test]
    fn messages_are_as_long_as_they_say() {
        let hello = client_hello("example.org", &["h2", "http/1.1"]);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])) + 5, hello.len());
        assert_eq!(dns_query(7, "a.bc", A), b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01");
        assert_eq!(percent(&over_tcp(b"ab")), "%00%02%61%62");
        assert_eq!(dns_answer(7, "a.bc", A, 0, &[("a.bc", A, address("1.2.3.4"))]).len(), 22 + 16);
    }
}
