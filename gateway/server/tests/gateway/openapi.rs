//! The document says what is served: the committed one is the present one, and it holds together.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use coppice_api::{CODES, codes};
use coppice_server::openapi::{Place, document};
use coppice_server::routes;
use serde_json::Value;
use tower::ServiceExt;

use crate::support::*;

fn served() -> Value {
    document(&routes::operations())
}

#[test]
fn the_committed_document_is_the_present_one() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let committed: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let is_present = committed == served();
    assert!(is_present, "write it anew with: cargo run -- openapi > docs/openapi.json");
}

#[test]
fn every_parameter_of_a_path_is_described_and_no_other() {
    for operation in routes::operations() {
        let in_path: BTreeSet<_> = operation
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let of_path = operation.parameters.iter().filter(|of| of.place == Place::Path);
        let described: BTreeSet<_> = of_path.map(|parameter| parameter.name).collect();
        assert_eq!(in_path, described, "{}", operation.name);
        for parameter in operation.parameters {
            let schema: Value = serde_json::from_str(parameter.schema).unwrap();
            assert!(schema["type"].is_string(), "{}: {}", operation.name, parameter.name);
            assert!(!parameter.description.is_empty());
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_a_scope_below_v1() {
    let operations = routes::operations();
    let names: BTreeSet<_> = operations.iter().map(|operation| operation.name).collect();
    assert_eq!(names.len(), operations.len());
    for operation in operations {
        let name = operation.name;
        assert!(operation.summary.ends_with('.'), "{name}: its summary is a sentence");
        if operation.path.starts_with("/v1/") {
            assert!(operation.scope.is_some(), "{name} asks for no scope");
        }
        let statuses: BTreeSet<_> = operation.answers.iter().map(|of| of.status).collect();
        assert_eq!(statuses.len(), operation.answers.len(), "{name}: a status twice");
        let refuses = operation.scope.is_some() && statuses.iter().any(|status| *status >= 400);
        assert!(!refuses, "{name}: refusals are codes");
    }
}

/// Codes that stand before any route.
const OF_NO_ROUTE: &[&str] = &[codes::ROUTE_NOT_FOUND.code, codes::METHOD_NOT_ALLOWED.code];

#[test]
fn every_code_is_refused_by_some_route() {
    let text = served().to_string();
    for code in CODES.iter().map(|code| code.code) {
        let named = text.contains(&format!("`{code}`"));
        assert_eq!(named, !OF_NO_ROUTE.contains(&code), "{code}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = served();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.contains(&"#/components/schemas/Problem"));
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

async fn get(path: &str) -> (StatusCode, String, Vec<u8>) {
    let router = routes::router(gateway().state);
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    assert!(headers.contains_key("x-request-id"), "{path}");
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind.unwrap_or_default(), bytes.into())
}

#[tokio::test]
async fn the_document_and_its_page_are_served_without_a_key() {
    let (status, kind, bytes) = get("/openapi.json").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"));
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/v1/entities/{kind}/{id}"]["get"].is_object());
    // This node has no parts that look into it, and says so.
    assert!(document["paths"]["/v1/inspect/tree"].is_null());

    assert_eq!(get("/docs").await.0, StatusCode::PERMANENT_REDIRECT);
    let (status, kind, page) = get("/docs/").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html"));
    let page = String::from_utf8(page).unwrap();
    for part in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.contains(part), "{part}");
        let (status, _, bytes) = get(&format!("/docs/{part}")).await;
        assert!(status == StatusCode::OK && !bytes.is_empty(), "{part}: {status}");
    }
    let (_, _, script) = get("/docs/swagger-initializer.js").await;
    assert!(String::from_utf8(script).unwrap().contains("/openapi.json"));
    assert_eq!(get("/docs/nothing").await.0, StatusCode::NOT_FOUND);

    let (status, kind, page) = get("/redoc").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html; charset=utf-8"));
    let page = String::from_utf8(page).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let heading = format!(
                "<h2 id=\"{}\"><code>{} {path}</code></h2>",
                operation["operationId"].as_str().unwrap(),
                method.to_uppercase()
            );
            assert!(page.contains(&heading), "{heading}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<h2 id=\"schema-{name}\">")), "{name}");
    }
}
