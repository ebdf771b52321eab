//! Whether a text is random.

/// Shorter texts can't be told from words by their entropy.
const LENGTH_MIN: usize = 20;

/// Longer ones are data, such as a picture.
const LENGTH_MAX: usize = 200;

/// Digits that a random text of letters and digits has at least: names end with one or two.
const DIGITS_MIN: usize = 3;

/// The longest run of neighbouring characters that chance may bring: alphabets have longer ones.
const RUN_MAX: usize = 4;

/// Whether it is a random text of letters, digits and the signs of base64.
pub(super) fn is_random(text: &str, bits_min: f64) -> bool {
    let bytes = text.as_bytes();
    let is_of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&bytes.len()) || !bytes.iter().all(is_of_base64) {
        return false;
    }
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let digits = count(u8::is_ascii_digit);
    let has_all = digits >= DIGITS_MIN
        && count(u8::is_ascii_uppercase) > 1
        && count(u8::is_ascii_lowercase) > 1;
    has_all && !is_words(text) && longest_run(bytes) <= RUN_MAX && bits(bytes) >= bits_min
}

/// Whether it reads like words and numbers joined by signs, or by capital letters.
fn is_words(text: &str) -> bool {
    let mut changes = 0;
    for pair in text.as_bytes().windows(2) {
        let digit = |byte: u8| byte.is_ascii_digit();
        changes += usize::from(digit(pair[0]) != digit(pair[1]));
    }
    // Random text goes to and fro between letters and digits; a name has its numbers together.
    let parts = text.split(['_', '-', '/']).filter(|part| !part.is_empty()).count();
    changes < text.len() / 8 || parts * 5 > text.len()
}

/// The longest run of equal characters or of neighbours in the alphabet.
fn longest_run(bytes: &[u8]) -> usize {
    let mut longest = 1;
    let mut run = 1;
    for pair in bytes.windows(2) {
        let is_next = pair[1] == pair[0] || pair[1] == pair[0].wrapping_add(1);
        run = if is_next { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    longest
}

/// Bits of entropy a character, after Shannon.
fn bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let length: f64 = counts.iter().copied().map(f64::from).sum();
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_is_told_from_names_and_alphabets() {
        for text in ["Zq8rT2vXw9LmK4bNcYd7HnPs3JfGt6Re", "q7Xv2LbT9sKd4WmZ8pRfYc3HnJ6u"] {
            assert!(is_random(text, 4.2), "{text}");
        }
        for text in [
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "some_very_long_name_of_2024_and_more_Words",
            "InternationalizationUtilities2024Factory",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "short1Aa",
            "",
        ] {
            assert!(!is_random(text, 4.2), "{text}");
        }
    }
}
