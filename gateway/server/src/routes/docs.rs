//! `/openapi.json`, `/docs` and `/redoc`: the document of this node's routes, a page to try it, and a
//! page to read it without a script.
//!
//! The first page is Swagger UI out of its crate: nothing of it comes from another host.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use coppice_api::codes;
use utoipa_swagger_ui::Config;

use super::json;
use crate::exchange::Exchange;
use crate::openapi::{Operation, document, page};
use crate::problem::Fault;

/// Scripts and styles are the page's own; it talks to this node and to nobody else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

#[derive(Clone)]
struct Documentation {
    document: Bytes,
    reference: Bytes,
    page: Arc<Config<'static>>,
}

/// The routes, for these operations.
pub(super) fn router(operations: &[&Operation]) -> Router {
    let document = document(operations);
    let reference = Bytes::from(page(&document));
    // A value always serializes.
    let document = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let page = Arc::new(Config::from("/openapi.json").persist_authorization(false));
    Router::new()
        .route("/openapi.json", get(openapi))
        .route("/docs", get(index))
        .route("/docs/", get(index))
        .route("/docs/{*file}", get(file))
        .route("/redoc", get(read))
        .with_state(Documentation { document, reference, page })
}

async fn openapi(State(state): State<Documentation>, request: Request) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    exchange.finish(json(Body::from(state.document)))
}

async fn read(State(state): State<Documentation>, request: Request) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    exchange.finish(displayed(Body::from(state.reference), Some(html)))
}

/// The page names its parts relative to its own path, which must therefore end in a slash.
async fn index(State(state): State<Documentation>, request: Request) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    if exchange.path().ends_with('/') {
        return shown(&state, "index.html", &exchange);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/docs/"));
    exchange.finish(response)
}

async fn file(
    State(state): State<Documentation>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    shown(&state, &file, &exchange)
}

fn shown(state: &Documentation, file: &str, exchange: &Exchange) -> Response {
    let Ok(Some(file)) = utoipa_swagger_ui::serve(file, Arc::clone(&state.page)) else {
        let nothing = Fault::new(codes::ROUTE_NOT_FOUND, "there is no such part of the page");
        return nothing.respond(exchange);
    };
    let kind = HeaderValue::try_from(file.content_type).ok();
    exchange.finish(displayed(Body::from(file.bytes.into_owned()), kind))
}

/// Something for a browser to show.
fn displayed(body: Body, kind: Option<HeaderValue>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
