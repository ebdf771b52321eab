//! Bytes as lower-case hexadecimal digits.

use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes that are written at once: all of a SHA-256 value.
const PIECE: usize = 32;

/// Writes two digits for each byte.
///
/// # Errors
/// Those of the formatter.
pub fn write(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut text = [0; 2 * PIECE];
    for piece in bytes.chunks(PIECE) {
        for (pair, byte) in text.chunks_exact_mut(2).zip(piece) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        // Digits are ASCII.
        f.write_str(str::from_utf8(&text[..2 * piece.len()]).map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);

    impl fmt::Display for Bytes {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(f, &self.0)
        }
    }

    #[test]
    fn each_byte_is_two_digits_whatever_their_number() {
        for count in [0, 1, 8, 31, 32, 33, 64, 100] {
            let bytes: Vec<u8> = (0..count).map(|index: u8| index.wrapping_mul(37)).collect();
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(Bytes(bytes).to_string(), expected, "{count}");
        }
    }
}
