//! How a step's input names what was there before: `$input`, `$steps` and `$workflow`.
//!
//! A string that is a reference as a whole stands for the value it names, whatever its type; what
//! isn't there is `null`. Text that should begin with a dollar sign is written with two.
//!
//! | Reference | Names |
//! | --- | --- |
//! | `$input`, `$input.a.b` | what the workflow was submitted with |
//! | `$steps.ID.output`, `$steps.ID.output.a.0` | what a step gave, or a part of it |
//! | `$steps.ID.result`, `$steps.ID.status` | what it said for people, and how it ended |
//! | `$workflow.id`, `$workflow.objective` | the workflow itself |

use coppice_core::Json;
use serde_json::Value;

/// The longest reference, in bytes: far beyond any path that a person writes.
pub const REFERENCE_BYTES_MAX: usize = 512;

/// What references are looked up in.
pub trait Sources {
    /// What the workflow was submitted with.
    fn input(&self) -> Json;
    /// A member of the workflow itself.
    fn workflow(&self, name: &str) -> Option<Json>;
    /// A part of what a step left: `output`, `result` or `status`.
    fn step(&self, id: &str, part: &str) -> Option<Json>;
}

/// What a reference names, before its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// `$input`
    Input,
    /// `$workflow`, with the member's name.
    Workflow(&'a str),
    /// `$steps`, with the step's id and its part.
    Step {
        /// Which step.
        id: &'a str,
        /// `output`, `result` or `status`.
        part: &'a str,
    },
}

/// A reference taken apart: what it names and the path within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// What it names.
    pub named: Named<'a>,
    /// The path within that value.
    pub path: Vec<&'a str>,
}

impl<'a> Reference<'a> {
    /// Of a text that begins with one dollar sign; `None` where it names nothing that there is.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > REFERENCE_BYTES_MAX {
            return None;
        }
        let mut words = text.strip_prefix('$')?.split('.');
        let named = match words.next()? {
            "input" => Named::Input,
            "workflow" => match words.next()? {
                name @ ("id" | "objective") => Named::Workflow(name),
                _ => return None,
            },
            "steps" => {
                let id = words.next().filter(|id| !id.is_empty())?;
                let part = words.next()?;
                matches!(part, "output" | "result" | "status")
                    .then_some(Named::Step { id, part })?
            }
            _ => return None,
        };
        let path: Vec<&str> = words.collect();
        path.iter().all(|word| !word.is_empty()).then_some(Self { named, path })
    }

    /// The value that it names; `null` where there is none.
    #[must_use]
    pub fn look_up(&self, sources: &impl Sources) -> Value {
        let whole = match self.named {
            Named::Input => Some(sources.input()),
            Named::Workflow(name) => sources.workflow(name),
            Named::Step { id, part } => sources.step(id, part),
        };
        let mut value = whole.map(|json| json.value()).unwrap_or_default();
        for word in &self.path {
            value = match &mut value {
                Value::Object(members) => members.remove(*word).unwrap_or_default(),
                Value::Array(items) => match word.parse::<usize>() {
                    Ok(index) if index < items.len() => items.swap_remove(index),
                    _ => Value::Null,
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
            };
        }
        value
    }
}

/// Whether a template has nothing to look up: most have not, and are handed on as they are.
fn is_plain(template: &Json) -> bool {
    !template.as_str().contains("\"$")
}

/// A template with every reference replaced by what it names.
#[must_use]
pub fn resolve(template: &Json, sources: &impl Sources) -> Json {
    if is_plain(template) {
        return template.clone();
    }
    let mut value = template.value();
    replace(&mut value, sources);
    Json::from(value)
}

fn replace(value: &mut Value, sources: &impl Sources) {
    match value {
        Value::String(text) if text.starts_with("$$") => drop(text.remove(0)),
        Value::String(text) if text.starts_with('$') => {
            let found = Reference::parse(text).map(|reference| reference.look_up(sources));
            *value = found.unwrap_or_default();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, sources)),
        Value::Object(members) => members.values_mut().for_each(|item| replace(item, sources)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every text of a template that should be a reference.
#[must_use]
pub fn references(template: &Json) -> Vec<String> {
    let mut found = Vec::new();
    if !is_plain(template) {
        collect(&template.value(), &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('$') && !text.starts_with("$$") => {
            found.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => members.values().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shelf;

    impl Sources for Shelf {
        fn input(&self) -> Json {
            Json::parse(r#"{"a":{"b":[10,20]},"t":"x"}"#).unwrap()
        }

        fn workflow(&self, name: &str) -> Option<Json> {
            (name == "id").then(|| Json::parse("\"w-1\"").unwrap())
        }

        fn step(&self, id: &str, part: &str) -> Option<Json> {
            (id == "split" && part == "output").then(|| Json::parse(r#"{"files":[1]}"#).unwrap())
        }
    }

    #[test]
    fn references_stand_for_what_they_name() {
        for (template, expected) in [
            (r#"{"x":"$input.a.b.1"}"#, r#"{"x":20}"#),
            (r#"["$input.t","$workflow.id"]"#, r#"["x","w-1"]"#),
            (r#"{"f":"$steps.split.output.files"}"#, r#"{"f":[1]}"#),
            (r#"{"f":"$steps.other.output","g":"$input.no.such"}"#, r#"{"f":null,"g":null}"#),
            (r#"{"price":"$$5","plain":"a $input b"}"#, r#"{"plain":"a $input b","price":"$5"}"#),
            (r#"{"x":"$input.a.b.2","y":"$input.t.z"}"#, r#"{"x":null,"y":null}"#),
        ] {
            let resolved = resolve(&Json::parse(template).unwrap(), &Shelf);
            assert_eq!(resolved.value(), Json::parse(expected).unwrap().value());
        }
    }

    #[test]
    fn a_template_without_references_is_handed_on_as_it_is() {
        let template = Json::parse(r#"{ "b": 1, "a": "x$" }"#).unwrap();
        assert_eq!(resolve(&template, &Shelf), template);
    }

    #[test]
    fn what_names_nothing_is_no_reference() {
        for text in ["$", "$x", "$steps", "$steps.a", "$steps.a.b", "$workflow.by", "$input..a"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
        assert!(Reference::parse(&format!("$input.{}", "a".repeat(512))).is_none());
    }
}
