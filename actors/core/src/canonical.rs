//! One JSON text for one value: the digest of a state must not depend on the order in which a
//! struct lists its fields.
//!
//! Object members are sorted by their UTF-16 code units and no white space is written, as RFC 8785
//! has it. So are numbers with a fraction or an exponent. An integer is written with all its digits,
//! also beyond 2^53, where RFC 8785 would round it: two amounts must not have one hash.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::Value;

use crate::hash::{Hash, sha256};

/// The canonical JSON text of a value.
///
/// # Errors
/// Where the value can't be written as JSON (a map with keys that aren't text).
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    canonical_text(&serde_json::to_value(value)?)
}

/// The same of a value that is a tree already.
///
/// # Errors
/// As [`to_canonical_json`].
pub fn canonical_text(value: &Value) -> Result<String, serde_json::Error> {
    let mut text = Vec::with_capacity(TEXT_BYTES);
    write(value, &mut text)?;
    // What is written is JSON, which is UTF-8.
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

/// Room for most texts at once.
const TEXT_BYTES: usize = 256;

/// SHA-256 of the canonical JSON text of a state: what replay, rehearsal and verify compare.
///
/// # Errors
/// As [`to_canonical_json`].
pub fn state_digest<T: Serialize>(state: &T) -> Result<Hash, serde_json::Error> {
    Ok(sha256(to_canonical_json(state)?.as_bytes()))
}

fn write(value: &Value, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| by_utf16(a, b));
            text.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                serde_json::to_writer(&mut *text, name)?;
                text.push(b':');
                write(member, text)?;
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write(item, text)?;
            }
            text.push(b']');
        }
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().map(shortest).unwrap_or_default();
            text.extend_from_slice(number.as_bytes());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(&mut *text, value)?;
        }
    }
    Ok(())
}

/// By UTF-16 code units; for ASCII, which nearly every name is, by bytes.
fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

/// A float as ECMAScript writes it (ECMA-262, `Number::toString`), which RFC 8785 prescribes.
fn shortest(number: f64) -> String {
    // Rust's exponent form has the same shortest digits: one before the point, then the rest.
    let text = format!("{:e}", number.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or_default() + 1;
    let sign = if number < 0.0 { "-" } else { "" };
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    if number == 0.0 {
        return "0".to_owned();
    }
    if (count..=21).contains(&point) {
        return format!("{sign}{digits}{}", zeros(point - count));
    }
    if (1..=21).contains(&point) {
        let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or_default());
        return format!("{sign}{whole}.{part}");
    }
    if (-5..=0).contains(&point) {
        return format!("{sign}0.{}{digits}", zeros(-point));
    }
    let (first, rest) = digits.split_at(1);
    let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
    let plus = if point > 0 { "+" } else { "" };
    format!("{sign}{first}{rest}e{plus}{}", point - 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_and_white_space_is_gone() {
        let value = json!({"b": [1, {"z": null, "a": "x"}], "a": true});
        assert_eq!(to_canonical_json(&value).unwrap(), r#"{"a":true,"b":[1,{"a":"x","z":null}]}"#);
    }

    #[test]
    fn floats_are_written_as_rfc_8785_shows() {
        // From its appendix B, and the borders between the forms.
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (-5e-324, "-5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (295_147_905_179_352_830_000.0, "295147905179352830000"),
            (9.999_999_999_999_997e22, "9.999999999999997e+22"),
            (1e23, "1e+23"),
            (1e21, "1e+21"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (9.999_999_999_999_997e-7, "9.999999999999997e-7"),
            (0.000_001, "0.000001"),
            (333_333_333.333_333_3, "333333333.3333333"),
            (-4.5, "-4.5"),
            (2.0, "2"),
        ] {
            assert_eq!(to_canonical_json(&number).unwrap(), expected);
        }
        assert_eq!(to_canonical_json(&u64::MAX).unwrap(), "18446744073709551615");
    }

    #[test]
    fn members_are_sorted_by_utf16_as_rfc_8785_shows() {
        // U+FB33 sorts after U+1F600 by code unit, before it by code point.
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2});
        assert_eq!(to_canonical_json(&value).unwrap(), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}
