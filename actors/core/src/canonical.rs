//! One JSON text for one value: the digest of a state must not depend on the order in which a
//! struct lists its fields.
//!
//! Object members are sorted by their UTF-16 code units and no white space is written, as RFC 8785
//! has it. Numbers are written as `serde_json` writes them, which equals RFC 8785 for integers up
//! to 2^53; states hold no floats.

use serde::Serialize;
use serde_json::Value;

use crate::hash::{Hash, sha256};

/// The canonical JSON text of a value.
///
/// # Errors
/// Where the value can't be written as JSON (a map with keys that aren't text).
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    write(&serde_json::to_value(value)?, &mut text)?;
    Ok(text)
}

/// SHA-256 of the canonical JSON text of a state: what replay, rehearsal and verify compare.
///
/// # Errors
/// As [`to_canonical_json`].
pub fn state_digest<T: Serialize>(state: &T) -> Result<Hash, serde_json::Error> {
    Ok(sha256(to_canonical_json(state)?.as_bytes()))
}

fn write(value: &Value, text: &mut String) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&serde_json::to_string(name)?);
                text.push(':');
                write(member, text)?;
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text)?;
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&serde_json::to_string(value)?);
        }
    }
    Ok(())
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
    fn members_are_sorted_by_utf16_as_rfc_8785_shows() {
        // U+FB33 sorts after U+1F600 by code unit, before it by code point.
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2});
        assert_eq!(to_canonical_json(&value).unwrap(), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}
