//! Values against JSON Schemas.

use coppice_policy::{SchemaError, Schemas};
use serde_json::{Value, json};

const TRANSFER: &str = r#"{
    "type": "object",
    "properties": {
        "to": {"type": "string", "pattern": "^0x[0-9a-f]{4}$"},
        "amount": {"type": "string"}
    },
    "required": ["to", "amount"],
    "additionalProperties": false
}"#;

#[test]
fn a_value_fits_or_is_told_what_does_not_and_where() {
    let schemas = Schemas::default();
    assert_eq!(schemas.validate(TRANSFER, &json!({"to": "0x00ff", "amount": "1"})), Ok(()));
    let found = schemas.validate(TRANSFER, &json!({"to": "0xZZ", "note": 1})).unwrap_err();
    let at: Vec<_> = found.iter().map(|violation| violation.at.as_str()).collect();
    assert!(at.contains(&"/to") && at.contains(&""), "{found:?}");
    assert!(found.iter().any(|violation| violation.message.contains("amount")), "{found:?}");
    assert!(found.iter().any(|violation| violation.rule.contains("pattern")), "{found:?}");
}

#[test]
fn a_schema_that_can_not_be_used_refuses_every_value() {
    let schemas = Schemas::default();
    let large = format!("{{\"title\": \"{}\"}}", "x".repeat(1 << 20));
    for (schema, is_expected) in [
        ("{", (|e| matches!(e, SchemaError::NotJson(_))) as fn(&SchemaError) -> bool),
        ("[]", |e| matches!(e, SchemaError::Unusable(_))),
        (r#"{"type": "texts"}"#, |e| matches!(e, SchemaError::Unusable(_))),
        (r#"{"pattern": "("}"#, |e| matches!(e, SchemaError::Unusable(_))),
        (r##"{"$ref": "#/$defs/none"}"##, |e| matches!(e, SchemaError::Unusable(_))),
        (&large, |e| matches!(e, SchemaError::TooLarge)),
    ] {
        let error = schemas.check(schema).unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert_eq!(schemas.validate(schema, &json!({})).unwrap_err().len(), 1);
    }
}

#[test]
fn nothing_is_fetched() {
    let schemas = Schemas::default();
    for to in ["http://127.0.0.1:1/schema", "https://example.com/schema", "file:///etc/hosts"] {
        let error = schemas.check(&json!({"$ref": to}).to_string()).unwrap_err();
        assert!(matches!(error, SchemaError::Unusable(_)), "{to}: {error:?}");
    }
}

#[test]
fn a_pattern_takes_no_longer_than_its_text_is_long() {
    let schemas = Schemas::default();
    let schema = r#"{"pattern": "^(a+)+$"}"#;
    let value = Value::String(format!("{}b", "a".repeat(50_000)));
    assert_eq!(schemas.validate(schema, &value).unwrap_err().len(), 1);
    let huge = schemas.check(r#"{"pattern": "((a{1000}){1000}){1000}"}"#);
    assert!(matches!(huge, Err(SchemaError::Unusable(_))), "{huge:?}");
    let backwards = schemas.check(r#"{"pattern": "(a)\\1"}"#);
    assert!(matches!(backwards, Err(SchemaError::Unusable(_))), "{backwards:?}");
}

#[test]
fn a_schema_that_refers_to_itself_comes_to_an_end() {
    let schemas = Schemas::default();
    let tree = r##"{"type": "object", "properties": {"next": {"$ref": "#"}}}"##;
    let mut value = json!({});
    for _ in 0..100 {
        value = json!({"next": value});
    }
    assert_eq!(schemas.validate(tree, &value), Ok(()));
    assert!(schemas.validate(tree, &json!({"next": {"next": 7}})).is_err());
    // Whatever it means, it says so.
    drop(schemas.validate(r##"{"$ref": "#"}"##, &json!({})));
    drop(schemas.validate(r##"{"allOf": [{"$ref": "#"}]}"##, &json!({})));
}

#[test]
fn a_long_list_of_violations_is_cut() {
    let schemas = Schemas::default();
    let schema = r#"{"items": {"type": "string"}}"#;
    let value = Value::Array((0..1_000).map(Value::from).collect());
    assert_eq!(schemas.validate(schema, &value).unwrap_err().len(), 20);
    let value = json!(["\u{e9}".repeat(100_000)]);
    let found = schemas.validate(r#"{"items": {"type": "number"}}"#, &value).unwrap_err();
    assert!(found[0].message.len() < 600);
}

#[test]
fn more_schemas_than_are_kept_are_still_checked() {
    let schemas = Schemas::default();
    for number in 0..300 {
        let schema = json!({"const": number}).to_string();
        assert_eq!(schemas.validate(&schema, &json!(number)), Ok(()));
        assert!(schemas.validate(&schema, &json!(number + 1)).is_err());
    }
    assert!(format!("{schemas:?}").contains("256"), "{schemas:?}");
    assert_eq!(schemas.validate(r#"{"const":0}"#, &json!(0)), Ok(()));
}
