//! The examples of the npm package, and what of people stands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The fewest examples that there have ever been: fewer means that they were not all found.
const EXAMPLES_MIN: usize = 700;

/// One example body.
#[derive(Debug)]
pub(crate) struct Example {
    /// Where it stands, for messages.
    pub(crate) name: String,
    /// The type of its event.
    pub(crate) event: String,
    pub(crate) body: Value,
}

/// Every example of every edition.
pub(crate) fn all() -> Vec<Example> {
    let home = fetched("examples");
    let mut examples = Vec::new();
    let mut editions: Vec<_> =
        std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().path()).collect();
    editions.sort();
    for edition in editions.iter().map(|path| path.join("index.json")).filter(|path| path.exists())
    {
        let text = std::fs::read_to_string(&edition).unwrap();
        let types: Vec<Value> = serde_json::from_str(&text).unwrap();
        for of in types {
            let event = of["name"].as_str().unwrap();
            for (number, body) in of["examples"].as_array().unwrap().iter().enumerate() {
                let edition = edition.parent().unwrap().file_name().unwrap().display();
                examples.push(Example {
                    name: format!("{edition}/{event}/{number}"),
                    event: event.to_owned(),
                    body: body.clone(),
                });
            }
        }
    }
    assert!(examples.len() >= EXAMPLES_MIN, "{} examples in {}", examples.len(), home.display());
    examples
}

/// What GitHub documents of the bodies of a type of event, on github.com.
#[derive(Debug, Default)]
pub(crate) struct Documented {
    /// Its actions; none where its bodies have none, or senders make them up.
    pub(crate) actions: BTreeSet<String>,
    /// Members that some body of it must have.
    pub(crate) required: BTreeSet<String>,
}

/// Every type of event of the package's schema, which has a definition for each type and action.
pub(crate) fn documented() -> BTreeMap<String, Documented> {
    let path = fetched("schemas").join("schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let definitions = schema["definitions"].as_object().unwrap();
    let mut types = BTreeMap::<String, Documented>::new();
    for (name, body) in definitions {
        let Some((event, action)) = name.split_once('$') else { continue };
        let of = types.entry(event.to_owned()).or_default();
        require(body, definitions, &mut of.required);
        if action != "event" {
            of.actions.insert(action.to_owned());
        }
    }
    types
}

fn require(
    body: &Value,
    definitions: &serde_json::Map<String, Value>,
    required: &mut BTreeSet<String>,
) {
    if let Some(name) = body["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return require(&definitions[name], definitions, required);
    }
    let named = body["required"].as_array().into_iter().flatten();
    required.extend(named.map(|name| name.as_str().unwrap().to_owned()));
    for part in body["allOf"].as_array().into_iter().flatten() {
        require(part, definitions, required);
    }
}

/// The package's directory. Where it can't be fetched the test fails and says why.
fn fetched(what: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/webhook-examples");
    let output = Command::new(script).arg(env!("CARGO_TARGET_TMPDIR")).arg(what).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the {what} could not be fetched: {said}");
    let path = String::from_utf8(output.stdout).unwrap();
    PathBuf::from(path.strip_suffix('\n').unwrap())
}

/// Every e-mail address in a text, as a second pair of eyes: whatever has letters or digits before
/// its `@` and a dot with letters behind in what follows it.
pub(crate) fn addresses(text: &str) -> Vec<String> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || "._%+-".contains(letter);
    let of_host = |letter: char| letter.is_ascii_alphanumeric() || ".-".contains(letter);
    let mut found = Vec::new();
    for (at, _) in text.match_indices('@') {
        let name: String = text[..at].chars().rev().take_while(|it| of_name(*it)).collect();
        let name: String = name.chars().rev().collect();
        let host: String = text[at + 1..].chars().take_while(|it| of_host(*it)).collect();
        let host = host.trim_end_matches(['.', '-']);
        let top = host.rsplit_once('.').map_or("", |(_, top)| top);
        if !name.is_empty() && top.len() > 1 && top.chars().all(|it| it.is_ascii_alphabetic()) {
            found.push(format!("{name}@{host}"));
        }
    }
    found
}

/// The names of people: of authors, committers and pushers that are no logins.
pub(crate) fn people(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(body, &mut found);
    found
}

fn walk(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            // Whoever has an address and a name is a person.
            let name = members.get("name").and_then(Value::as_str);
            if members.get("email").is_some_and(Value::is_string)
                && let Some(name) = name.filter(|name| name.contains(' '))
            {
                found.push(name.to_owned());
            }
            members.values().for_each(|member| walk(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
