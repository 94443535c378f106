//! Bytes as digits.

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| hex_digits::<1, 2>(&[*byte])).map(char::from).collect()
}

/// The digits of each byte: every variable of every environment has a SHA-256.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The same of so many bytes, `M` being twice `N`.
pub(crate) fn hex_digits<const N: usize, const M: usize>(bytes: &[u8; N]) -> [u8; M] {
    let mut digits = [b'0'; M];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = PAIRS[usize::from(*byte)];
    }
    digits
}

/// The bytes that lower-case hexadecimal digits stand for; `None` if it is not exactly so many.
pub(crate) fn bytes_of_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    let mut bytes = [0; N];
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        assert_eq!(hex(&[0, 0xab, 0x10]), "00ab10");
        assert_eq!(hex_digits(&[0xff, 1]), *b"ff01");
        assert_eq!(bytes_of_hex(b"ff01"), Some([0xff, 1]));
        for wrong in [b"ff0".as_slice(), b"ff011", b"fg01", b"FF01", b""] {
            assert_eq!(bytes_of_hex::<2>(wrong), None);
        }
    }
}
