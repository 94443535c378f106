//! JA4, FoxIO's fingerprint of TLS clients (technical_details/JA4.md of FoxIO-LLC/ja4). Of the JA4 family, it is the
//! one under a BSD licence.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{ALPN, ClientHello, Offer, SERVER_NAME};

pub(super) fn fingerprint(hello: &ClientHello, offer: &Offer) -> String {
    let version = match hello.versions.iter().max() {
        Some(0x0304) => "13",
        Some(0x0303) => "12",
        Some(0x0302) => "11",
        Some(0x0301) => "10",
        Some(0x0300) => "s3",
        _ => "00",
    };
    let sni = if offer.has_sni { 'd' } else { 'i' };
    let [ciphers, extensions] = [&offer.ciphers, &offer.extensions].map(|list| list.len().min(99));
    let alpn = ends(hello.alpn.first().map_or(&[], Vec::as_slice));

    let mut sorted = offer.ciphers.clone();
    sorted.sort_unstable();
    let cipher_hash = hash(&listed(&sorted));

    // What the first part says already is left out, so that a client has one hash whomever it talks to.
    let mut sorted: Vec<_> =
        offer.extensions.iter().copied().filter(|kind| ![SERVER_NAME, ALPN].contains(kind)).collect();
    sorted.sort_unstable();
    let mut text = listed(&sorted);
    if !text.is_empty() && !offer.signature_algorithms.is_empty() {
        text.push('_');
        text.push_str(&listed(&offer.signature_algorithms));
    }
    format!("t{version}{sni}{ciphers:02}{extensions:02}{alpn}_{cipher_hash}_{}", hash(&text))
}

/// The first and the last character of a protocol's name, of its hexadecimal form if one of them is neither letter nor
/// digit.
fn ends(protocol: &[u8]) -> String {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [*first, *last].map(char::from).iter().collect()
    } else {
        format!("{:x}{:x}", first >> 4, last & 0xF)
    }
}

fn listed(values: &[u16]) -> String {
    let mut text = String::with_capacity(5 * values.len());
    for value in values {
        let comma = if text.is_empty() { "" } else { "," };
        // A string takes everything.
        let _ = write!(text, "{comma}{value:04x}");
    }
    text
}

/// The first 12 hexadecimal digits of the SHA-256, and zeros for nothing.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    Sha256::digest(text).iter().take(6).fold(String::with_capacity(12), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification: a Chrome.
    #[test]
    fn the_published_example() {
        let hello = ClientHello {
            sni: Some(b"example.org".to_vec()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![0x0304, 0x0303],
            ja4: None,
        };
        let mut offer = Offer {
            ciphers: vec![
                0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
                0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
                0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
            ],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            has_sni: true,
        };
        assert_eq!(fingerprint(&hello, &offer), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        offer.signature_algorithms.clear();
        assert_eq!(fingerprint(&hello, &offer), "t13d1516h2_8daaf6152771_6d807ffa2a79");
        offer.ciphers = (0..120).collect();
        offer.extensions = vec![SERVER_NAME, ALPN];
        assert!(fingerprint(&hello, &offer).starts_with("t13d9902h2_"));
        assert!(fingerprint(&hello, &offer).ends_with("_000000000000"));
        offer.ciphers.clear();
        assert_eq!(fingerprint(&hello, &offer), "t13d0002h2_000000000000_000000000000");
    }

    /// The Firefox of FoxIO's own samples.
    #[test]
    fn another_published_one() {
        let hello = ClientHello {
            sni: Some(b"example.org".to_vec()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![0x0304, 0x0303],
            ja4: None,
        };
        let offer = Offer {
            ciphers: vec![
                0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009,
                0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x0000, 0x0017, 0xff01, 0x000a, 0x000b, 0x0023, 0x0010, 0x0005, 0x0022, 0x0033, 0x002b,
                0x000d, 0x002d, 0x001c, 0x0015,
            ],
            signature_algorithms: vec![
                0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
            ],
            has_sni: true,
        };
        assert_eq!(fingerprint(&hello, &offer), "t13d1715h2_5b57614c22b0_3d5424432f57");
    }

    #[test]
    fn ends_of_protocols() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "00"),
            (b"h2", "h2"),
            (b"http/1.1", "h1"),
            (b"x", "xx"),
            (b"\xAB", "ab"),
            (b"\xAB\xCD", "ad"),
            (b"\x30\xAB", "3b"),
            (b"\x30\x31\xAB\xCD", "3d"),
            (b"\x30\xAB\xCD\x31", "01"),
        ];
        for (protocol, expected) in cases {
            assert_eq!(ends(protocol), expected);
        }
    }

    #[test]
    fn versions() {
        let offer =
            Offer { ciphers: vec![], extensions: vec![], signature_algorithms: vec![], has_sni: false };
        let cases: [(&[u16], &str); 6] = [
            (&[0x0303, 0x0304], "t13i"),
            (&[0x0303], "t12i"),
            (&[0x0302], "t11i"),
            (&[0x0301], "t10i"),
            (&[0x0300], "ts3i"),
            (&[0x7f1c, 0x0304], "t00i"),
        ];
        for (versions, expected) in cases {
            let versions = versions.to_vec();
            let hello = ClientHello { sni: None, alpn: vec![], versions, ja4: None };
            assert!(fingerprint(&hello, &offer).starts_with(expected));
        }
    }
}
