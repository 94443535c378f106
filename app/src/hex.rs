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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        assert_eq!(hex(&[0, 0xab, 0x10]), "00ab10");
        assert_eq!(hex_digits(&[0xff, 1]), *b"ff01");
    }
}
