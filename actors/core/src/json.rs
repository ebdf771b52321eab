//! JSON text as a value of its own, for events and states that carry what others say.
//!
//! **Invariants:** it holds one well-formed JSON value; inside JSON it is that value itself and not
//! a string with quotes in it, and inside a snapshot it is its text. Two are equal where their text
//! is.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash as HashInto, Hasher};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::canonical::canonical_text;
use crate::hash::{Hash, sha256};

/// One JSON value, as the text that it came in.
///
/// It was read when it was made and isn't read again to be written.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// An empty object.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Value::Object(serde_json::Map::new()))
    }

    /// Of a text.
    ///
    /// # Errors
    /// Where it isn't one JSON value.
    pub fn parse(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        // White space around it is left out.
        RawValue::from_string(text.into()).map(Self)
    }

    /// Of a value that can be written as JSON.
    ///
    /// # Errors
    /// Where it can't, such as a map with keys that aren't text.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        to_raw_value(value).map(Self)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Read into a type.
    ///
    /// # Errors
    /// Where it doesn't fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// As a tree; `null` for one that nests deeper than serde_json reads.
    #[must_use]
    pub fn value(&self) -> Value {
        self.read().unwrap_or_default()
    }

    /// SHA-256 of its canonical form (RFC 8785): the same for every text of the same value.
    ///
    /// # Errors
    /// Where it nests deeper than serde_json reads.
    pub fn digest(&self) -> Result<Hash, serde_json::Error> {
        let value: Value = self.read()?;
        Ok(sha256(canonical_text(&value)?.as_bytes()))
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Json {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl HashInto for Json {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        // A tree's keys are text and its numbers are finite, so this can't fail.
        to_raw_value(&value).map_or_else(|_| Self::null(), Self)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.0.serialize(serializer)
        } else {
            serializer.serialize_str(self.as_str())
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Box::<RawValue>::deserialize(deserializer).map(Self)
        } else {
            Self::parse(String::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        said: Json,
    }

    #[test]
    fn inside_json_it_is_itself() {
        let text = r#"{"said":{"b":[1, 2],"a":null}}"#;
        let holder: Holder = serde_json::from_str(text).unwrap();
        assert_eq!(holder.said.as_str(), r#"{"b":[1, 2],"a":null}"#);
        assert_eq!(serde_json::to_string(&holder).unwrap(), text);
        let value = serde_json::to_value(&holder).unwrap();
        assert_eq!(value["said"]["b"][1], 2);
        assert_eq!(serde_json::from_value::<Holder>(value).unwrap().said.value()["b"][0], 1);
    }

    #[test]
    fn only_one_well_formed_value_is_taken() {
        assert_eq!(Json::parse(" 7 ").unwrap().as_str(), "7");
        for text in ["", "{", "1 2", "{a:1}", "nul"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_of_the_same_value_have_the_same_digest() {
        let digest = |text: &str| Json::parse(text).unwrap().digest().unwrap();
        assert_eq!(digest(r#"{"a":1,"b":2.0}"#), digest("{ \"b\": 2, \"a\": 1 }"));
        assert_ne!(digest(r#"{"a":1}"#), digest(r#"{"a":2}"#));
    }
}
