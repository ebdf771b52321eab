//! The OpenAPI document, made of the table.

use std::collections::BTreeMap;

use coppice_api::{Code, Problem, codes, problem};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::faults::ADMISSION;
use super::parameters::{ADMITTED, ALWAYS};
use super::{Operation, Parameter, Place};
use crate::rates::Class;

const CREDENTIALS: &str = "An API key, `sk_live_` or `sk_test_` and 32 hex digits.";
const DESCRIPTION: &str = "Entities that are supervised, event-sourced actors. Every answer has an \
    `X-Request-Id`; every refusal is an RFC 9457 problem whose `code` is stable and whose \
    `outcome` says whether the request may have taken effect.";

/// The document that describes these operations.
#[must_use]
pub fn document(operations: &[&Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let described = described(operation, &mut generator);
        paths
            .entry(operation.path)
            .or_default()
            .insert(operation.method.name().to_owned(), described);
    }
    // Answers name it, so it is among the schemas whatever the operations are.
    generator.subschema_for::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Coppice",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": CREDENTIALS },
            },
        },
    })
}

fn described(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = operation.parameters.iter().map(parameter).collect();
    parameters.extend(ALWAYS.iter().map(parameter));
    let mut described = json!({
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.family],
        "responses": answers(operation, generator),
        "description": operation.notes,
        "security": [],
    });
    if let Some(scope) = operation.scope {
        parameters.extend(ADMITTED.iter().map(parameter));
        described["security"] = json!([{ "bearer": [scope.name()] }]);
        let needed = format!("{} Needs the scope `{}`.", operation.notes, scope.name());
        described["description"] = json!(needed.trim_start());
    }
    if let Some(shape) = operation.body {
        let schema = shape(generator);
        let content = json!({ "application/json": { "schema": schema } });
        described["requestBody"] = json!({ "content": content });
    }
    described["parameters"] = Value::Array(parameters);
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    // The table's own text; the tests read every one of them.
    let schema: Value = serde_json::from_str(parameter.schema).unwrap_or_default();
    json!({
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": schema,
    })
}

fn answers(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut answers = Map::new();
    for answer in operation.answers {
        let mut described = json!({ "description": answer.description });
        if let Some((media, shape)) = answer.body {
            let schema = shape(generator);
            described["content"] = json!({ media: { "schema": schema } });
        }
        answers.insert(answer.status.to_string(), described);
    }
    for (status, codes) in refusals(operation) {
        answers.insert(status.to_string(), refusal(&codes));
    }
    Value::Object(answers)
}

/// What it refuses by status.
fn refusals(operation: &Operation) -> BTreeMap<u16, Vec<Code>> {
    let common: &[Code] = if operation.scope.is_some() { ADMISSION } else { &[] };
    let writes = operation.scope.is_some_and(|scope| Class::of(scope) == Class::Write);
    let load: &[Code] = if writes { &[codes::OVERLOADED] } else { &[] };
    let mut refusals: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in operation.faults.iter().copied().flatten().chain(common).chain(load) {
        let codes = refusals.entry(code.status).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    refusals
}

fn refusal(codes: &[Code]) -> Value {
    let line = |code: &Code| format!("- `{}`: {}", code.code, code.title);
    let lines: Vec<String> = codes.iter().map(line).collect();
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let content = json!({ problem::CONTENT_TYPE: { "schema": schema } });
    json!({ "description": lines.join("\n"), "content": content })
}
