//! A delivery of GitHub's from its bytes to a command: verified, read, normalised and routed.
//!
//! It takes processor time in proportion to the body and nothing else, so that whoever has a large
//! one can do it aside.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use coppice_api::codes;
use coppice_core::hash::sha256;
use coppice_domain::ingress::delivery::Receive;
use coppice_domain::ingress::github;
use serde_json::Value;

use super::Ingress;
use super::signature::{Secrets, SignatureFault};
use crate::problem::Fault;

const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");

/// The longest name of an event and id of a delivery. GitHub's have 40 characters and 36.
const NAME_LENGTH_MAX: usize = 64;

/// What a 401 has to say (RFC 9110, section 15.5.2): the scheme is the header that is asked for.
const CHALLENGE: &str = "X-Hub-Signature-256 realm=\"coppice\"";

const JSON: &[u8] = b"application/json";
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What GitHub sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// It tried out the address and the secret, in the delivery of this id.
    Ping(String),
    /// It told of an event.
    Delivery(Box<Receive>),
}

/// What a body says that came with these headers.
///
/// # Errors
/// `webhook_signature_invalid`, and behind a good signature `webhook_header_invalid`,
/// `unsupported_media_type` and `malformed_json`.
pub fn examine(
    ingress: &Ingress,
    secrets: &Secrets,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Examined, Fault> {
    secrets.verify(headers, body).map_err(unsigned)?;
    let name = named(headers, &EVENT, b'_')?;
    let delivery = named(headers, &DELIVERY, b'-')?.to_owned();
    let json = json(headers, body)?;
    let told: Value = serde_json::from_slice(&json).map_err(|error| {
        Fault::new(codes::MALFORMED_JSON, format!("the body is not JSON: {error}"))
    })?;
    if name == github::PING {
        return Ok(Examined::Ping(delivery));
    }
    let event = github::normalise(name, &told);
    let route = ingress.routing.route(&event);
    let body_sha256 = sha256(body).to_string();
    Ok(Examined::Delivery(Box::new(Receive { delivery, body_sha256, event, route })))
}

fn unsigned(fault: SignatureFault) -> Fault {
    Fault::new(codes::WEBHOOK_SIGNATURE_INVALID, fault.to_string()).challenge(CHALLENGE)
}

/// A header that holds a name of letters, digits and one other sign.
fn named<'a>(headers: &'a HeaderMap, header: &HeaderName, sign: u8) -> Result<&'a str, Fault> {
    let mut values = headers.get_all(header).iter();
    let only = values.next().filter(|_| values.next().is_none());
    let is_name = |text: &&str| {
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == sign;
        (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(belongs)
    };
    only.and_then(|value| value.to_str().ok()).filter(is_name).ok_or_else(|| {
        let detail = format!("send the header `{header}` as GitHub does, once");
        Fault::new(codes::WEBHOOK_HEADER_INVALID, detail)
    })
}

/// The body's JSON, which GitHub sends as it is or as the field `payload` of a form.
fn json<'a>(headers: &HeaderMap, body: &'a Bytes) -> Result<Cow<'a, [u8]>, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(JSON) {
        return Ok(Cow::Borrowed(&body[..]));
    }
    if !essence.eq_ignore_ascii_case(FORM) {
        let detail = "a webhook is application/json or application/x-www-form-urlencoded";
        return Err(Fault::new(codes::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let payload = form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    let absent = || Fault::new(codes::MALFORMED_JSON, "the form has no field `payload`");
    let (_, text) = payload.ok_or_else(absent)?;
    Ok(Cow::Owned(text.into_owned().into_bytes()))
}
