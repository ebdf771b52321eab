//! `/metrics`: who may read it, what it counts, and that its page is of today.

use std::fs;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::StatusCode;
use coppice_server::health::Health;
use coppice_server::metrics;
use coppice_server::observed::Observed;

use crate::http::request;
use crate::support::{Gateway, gateway, gateway_observed, row};

const READER: &str = "sk_test_00000000000000000000000000000009";
const USER: &str = "sk_test_00000000000000000000000000000008";

async fn read(gateway: &Gateway, key: Option<&str>) -> (StatusCode, String) {
    let builder = axum::http::Request::builder().uri("/metrics");
    let builder = match key {
        Some(key) => builder.header("authorization", format!("Bearer {key}")),
        None => builder,
    };
    let reply = gateway.send(builder.body(Body::empty()).unwrap()).await;
    (reply.status, String::from_utf8(reply.body).unwrap())
}

fn value<'a>(text: &'a str, series: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(series));
    line.unwrap_or_else(|| panic!("no {series} in:\n{text}")).rsplit(' ').next().unwrap()
}

#[tokio::test]
async fn metrics_need_their_scope_unless_they_are_public() {
    let gateway = gateway();
    gateway.directory.add(row(READER, "metrics:read"));
    gateway.directory.add(row(USER, "entities:read inspect:read"));
    assert_eq!(read(&gateway, None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(read(&gateway, Some(USER)).await.0, StatusCode::FORBIDDEN);
    let (status, text) = read(&gateway, Some(READER)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let public = gateway_observed(Observed::new(Health::of_nothing(), true));
    assert_eq!(read(&public, None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_counted_by_template_and_never_by_who_asks() {
    let gateway = gateway_observed(Observed::new(Health::of_nothing(), true));
    gateway.directory.add(row(USER, "entities:read"));
    gateway.add().await;
    gateway.add().await;
    gateway.get("/v1/entities/counter/secret-name").await;
    gateway.get("/nowhere/secret-name").await;
    let forbidden = axum::http::Request::builder()
        .method("POST")
        .uri("/v1/entities/counter/secret-name/add")
        .header("authorization", format!("Bearer {USER}"));
    gateway.send(forbidden.body(Body::empty()).unwrap()).await;
    gateway.send(request("DELETE", "/health").body(Body::empty()).unwrap()).await;
    let text = read(&gateway, None).await.1;
    let entity = "route=\"/v1/entities/{kind}/{id}";
    for (series, count) in [
        (
            format!(
                "coppice_http_requests_total{{{entity}/{{command}}\",method=\"POST\",status=\"2xx\"}}"
            ),
            "2",
        ),
        (
            format!(
                "coppice_http_requests_total{{{entity}/{{command}}\",method=\"POST\",status=\"4xx\"}}"
            ),
            "1",
        ),
        (format!("coppice_http_requests_total{{{entity}\",method=\"GET\",status=\"2xx\"}}"), "1"),
        ("coppice_http_requests_total{route=\"none\",method=\"GET\",status=\"4xx\"}".into(), "1"),
        (
            "coppice_http_requests_total{route=\"/health\",method=\"DELETE\",status=\"4xx\"}"
                .into(),
            "1",
        ),
        ("coppice_http_problems_total{code=\"route_not_found\"}".into(), "1"),
        ("coppice_http_problems_total{code=\"scope_missing\"}".into(), "1"),
        ("coppice_auth_refusals_total{reason=\"scope\"}".into(), "1"),
        ("coppice_auth_refusals_total{reason=\"key\"}".into(), "0"),
    ] {
        assert_eq!(value(&text, &series).trim_end_matches(".0"), count, "{series}");
    }
    let bucket =
        format!("coppice_http_request_duration_seconds_bucket{{le=\"+Inf\",{entity}/{{command}}\"");
    assert_eq!(value(&text, &bucket), "3");
    assert!(!text.contains("secret-name"), "a client's words became a label:\n{text}");
}

#[test]
fn the_page_is_made_of_the_table() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = fs::read_to_string(path).unwrap();
    assert!(
        page == metrics::page(),
        "docs/metrics.md is not of today: cargo run -p coppice-server --example metrics_page"
    );
}
