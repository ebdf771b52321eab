//! Pages of other origins: allowed where they are configured, and nowhere else.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use coppice_server::{cors, routes};
use tower::ServiceExt;

use crate::support::{Gateway, KEY, config, gateway_with};

const PAGE: &str = "https://console.example.com";
const PATH: &str = "/v1/entities/counter/a";

fn served(origins: &[&str]) -> (Gateway, Router) {
    let mut config = config();
    config.server.cors.origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    config.rates.read_per_s = 1;
    let gateway = gateway_with(&config);
    let router = cors::around(routes::router(gateway.state.clone()), &config.server.cors);
    (gateway, router)
}

async fn ask(router: &Router, method: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap) {
    let mut request = Request::builder().method(method).uri(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert!(response.headers().contains_key("x-request-id"), "every answer has a request id");
    (response.status().as_u16(), response.headers().clone())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

async fn preflight(router: &Router, origin: &str) -> (u16, HeaderMap) {
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    ask(router, "OPTIONS", &asks).await
}

#[tokio::test]
async fn nothing_is_allowed_where_no_origin_is_set() {
    let (_gateway, router) = served(&[]);
    let (status, headers) = preflight(&router, PAGE).await;
    assert_eq!(status, 405);
    assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    let bearer = format!("Bearer {KEY}");
    let asks = [("origin", PAGE), ("authorization", bearer.as_str())];
    let (status, headers) = ask(&router, "GET", &asks).await;
    assert_eq!(status, 200);
    assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    assert!(!headers.contains_key(header::VARY));
}

#[tokio::test]
async fn a_preflight_asks_for_no_credential_and_takes_from_no_limit() {
    let (gateway, router) = served(&[PAGE]);
    for _ in 0..20 {
        let (status, headers) = preflight(&router, PAGE).await;
        assert_eq!(status, 204);
        assert_eq!(text(&headers, "access-control-allow-origin"), Some(PAGE));
        assert_eq!(text(&headers, "access-control-allow-methods"), Some("GET, POST, DELETE"));
        let allowed = text(&headers, "access-control-allow-headers").unwrap().to_lowercase();
        for name in ["authorization", "content-type", "idempotency-key", "if-match"] {
            assert!(allowed.contains(name), "{allowed}");
        }
        assert_eq!(text(&headers, "access-control-max-age"), Some("600"));
        assert!(text(&headers, "vary").unwrap().starts_with("Origin"));
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
    assert_eq!(gateway.directory.lookups(), 0);
    // The limit of one read a second has room for it still.
    let bearer = format!("Bearer {KEY}");
    let asks = [("origin", PAGE), ("authorization", bearer.as_str())];
    assert_eq!(ask(&router, "GET", &asks).await.0, 200);
}

#[tokio::test]
async fn answers_and_problems_can_be_read_by_a_page_that_is_allowed() {
    let (_gateway, router) = served(&["https://other.example.com", PAGE]);
    let (status, headers) = ask(&router, "GET", &[("origin", PAGE)]).await;
    assert_eq!(status, 401, "it still needs a credential");
    assert_eq!(text(&headers, "access-control-allow-origin"), Some(PAGE));
    let exposed = text(&headers, "access-control-expose-headers").unwrap().to_lowercase();
    for name in ["etag", "ratelimit", "x-request-id", "retry-after", "idempotency-hit"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    assert_eq!(text(&headers, "vary"), Some("Origin"));
}

#[tokio::test]
async fn an_origin_that_is_not_configured_is_told_nothing() {
    let (_gateway, router) = served(&[PAGE]);
    for origin in [
        "https://evil.example.com",
        "http://console.example.com",
        "https://console.example.com.evil.com",
        "https://console.example.com:8443",
        "https://evil.com/https://console.example.com",
        "null",
        "",
    ] {
        for (status, headers) in
            [preflight(&router, origin).await, ask(&router, "GET", &[("origin", origin)]).await]
        {
            assert!([204, 401].contains(&status), "{origin:?}: {status}");
            let told = headers.keys().any(|name| name.as_str().starts_with("access-control"));
            assert!(!told, "{origin:?}: {headers:?}");
            assert!(headers.contains_key(header::VARY), "a cache must not mix the two up");
        }
    }
}

#[tokio::test]
async fn what_is_no_preflight_is_answered_by_its_route() {
    let (_gateway, router) = served(&["*"]);
    assert_eq!(ask(&router, "OPTIONS", &[("origin", PAGE)]).await.0, 405);
    let plain = [("access-control-request-method", "POST")];
    assert_eq!(ask(&router, "OPTIONS", &plain).await.0, 405);
    let (_, headers) = preflight(&router, PAGE).await;
    assert_eq!(text(&headers, "access-control-allow-origin"), Some("*"));
}
