//! Bytes within bytes.

/// Whether a pattern stands anywhere in bytes; one of nothing stands nowhere.
#[must_use]
pub fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return false };
    let ends = bytes.len().saturating_sub(rest.len());
    (0..ends).any(|at| bytes[at] == *first && bytes[at + 1..].starts_with(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_at_the_beginning_in_the_middle_and_at_the_end() {
        for (pattern, is_there) in
            [("abc", true), ("ca", true), ("bc", true), ("abcabc", true), ("cb", false)]
        {
            assert_eq!(contains(b"abcabc", pattern.as_bytes()), is_there, "{pattern}");
        }
        assert!(!contains(b"abcabc", b"abcabca"), "longer than what it is looked for in");
        assert!(!contains(b"", b"a"));
        assert!(!contains(b"abc", b""));
    }
}
