//! What a step's `when` and `ends` ask of values that are there by then.

use coppice_core::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reference::{Reference, Sources};

/// How a value is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// It is the same JSON value.
    Equals,
    /// It is another.
    Differs,
    /// It is a number above the other.
    Above,
    /// It is a number and not below the other.
    AtLeast,
    /// It is a number below the other.
    Below,
    /// It is a number and not above the other.
    AtMost,
    /// It is there and not `null`.
    Exists,
    /// It is `null`, false, zero, or an empty text, list or object.
    Empty,
    /// It is anything else.
    NotEmpty,
    /// It is a list with that member, or a text with that part.
    Contains,
}

/// A test of one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The value, a [reference](super::reference).
    pub of: String,
    /// How it is tested.
    pub is: Test,
    /// What it is held against, where the test takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
}

impl Condition {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, sources: &impl Sources) -> bool {
        let reference = Reference::parse(&self.of);
        let found = reference.map(|reference| reference.look_up(sources)).unwrap_or_default();
        let other = || self.value.as_ref().map(Json::value).unwrap_or_default();
        match self.is {
            Test::Equals => same(&found, &other()),
            Test::Differs => !same(&found, &other()),
            Test::Above => numbers(&found, &other()).is_some_and(|(a, b)| a > b),
            Test::AtLeast => numbers(&found, &other()).is_some_and(|(a, b)| a >= b),
            Test::Below => numbers(&found, &other()).is_some_and(|(a, b)| a < b),
            Test::AtMost => numbers(&found, &other()).is_some_and(|(a, b)| a <= b),
            Test::Exists => !found.is_null(),
            Test::Empty => is_empty(&found),
            Test::NotEmpty => !is_empty(&found),
            Test::Contains => contains(&found, &other()),
        }
    }

    /// Whether the test takes a value and has one, or takes none and has none.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        let takes_one = !matches!(self.is, Test::Exists | Test::Empty | Test::NotEmpty);
        takes_one == self.value.is_some()
    }
}

/// Numbers are the same where they are as large, however they are written.
fn same(a: &Value, b: &Value) -> bool {
    match numbers(a, b) {
        Some((a, b)) => a == b,
        None => a == b,
    }
}

/// Whole numbers beyond 2^53 are compared as the floats next to them; conditions are on counts.
fn numbers(a: &Value, b: &Value) -> Option<(f64, f64)> {
    Some((a.as_f64()?, b.as_f64()?))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(items), part) => items.iter().any(|item| same(item, part)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Input(&'static str);

    impl Sources for Input {
        fn input(&self) -> Json {
            Json::parse(self.0).unwrap()
        }

        fn workflow(&self, _: &str) -> Option<Json> {
            None
        }

        fn step(&self, _: &str, _: &str) -> Option<Json> {
            None
        }
    }

    fn holds(is: Test, value: Option<&str>) -> impl Fn(&'static str) -> bool {
        let value = value.map(|text| Json::parse(text).unwrap());
        let condition = Condition { of: "$input".to_owned(), is, value };
        assert!(condition.is_whole());
        move |input| condition.holds(&Input(input))
    }

    #[test]
    fn every_test_has_its_truth() {
        type Row = (Test, Option<&'static str>, &'static [&'static str], &'static [&'static str]);
        let table: [Row; 10] = [
            (Test::Equals, Some("1"), &["1", "1.0"], &["2", "\"1\"", "null"]),
            (Test::Differs, Some("\"a\""), &["\"b\"", "null"], &["\"a\""]),
            (Test::Above, Some("2"), &["3", "2.5"], &["2", "\"3\"", "null"]),
            (Test::AtLeast, Some("2"), &["2"], &["1"]),
            (Test::Below, Some("2"), &["1"], &["2", "null"]),
            (Test::AtMost, Some("2"), &["2"], &["3"]),
            (Test::Exists, None, &["0", "\"\"", "[]"], &["null"]),
            (Test::Empty, None, &["null", "0", "\"\"", "[]", "{}", "false"], &["1", "[0]", "true"]),
            (Test::NotEmpty, None, &["1"], &["0"]),
            (Test::Contains, Some("\"b\""), &["\"abc\"", "[\"b\"]"], &["\"a\"", "[\"abc\"]", "1"]),
        ];
        for (is, value, true_of, false_of) in table {
            let holds = holds(is, value);
            assert!(true_of.iter().all(|input| holds(input)), "{is:?}");
            assert!(!false_of.iter().any(|input| holds(input)), "{is:?}");
        }
    }
}
