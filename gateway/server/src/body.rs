//! Reading a request's body within its limits of size and time.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::{Bytes, BytesMut};
use coppice_api::codes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::problem::Fault;

/// How much of a body that is too large is still read and thrown away. A client that is answered
/// while it writes often sees a broken connection in place of the answer.
const DISCARD_BYTES_MAX: usize = 1 << 20;

/// The whole body.
///
/// # Errors
/// `body_too_large`, `body_timeout`, or `malformed_request` where it breaks off.
pub async fn read(mut body: Body, bytes_max: usize, deadline: Instant) -> Result<Bytes, Fault> {
    // The timer is only armed where the body isn't there yet.
    match timeout_at(deadline, collect(&mut body, bytes_max, |_| Ok(()))).await {
        Ok(outcome) => outcome,
        Err(_) => Err(too_late()),
    }
}

/// The whole body, of which each byte takes a place for as long as what is given beside it lives.
/// Nobody waits for a place, so two that are halfway can't wait for each other.
///
/// # Errors
/// As [`read`], and `ingress_full` where there are not so many places.
pub async fn read_within(
    mut body: Body,
    bytes_max: usize,
    deadline: Instant,
    places: &Semaphore,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Fault> {
    let mut held: Option<SemaphorePermit<'_>> = None;
    let take = |bytes: usize| {
        let taken = u32::try_from(bytes).ok().and_then(|bytes| places.try_acquire_many(bytes).ok());
        let full = || Fault::new(codes::INGRESS_FULL, "other webhooks take all the room there is");
        let taken = taken.ok_or_else(full)?;
        match &mut held {
            None => held = Some(taken),
            Some(held) => held.merge(taken),
        }
        Ok(())
    };
    let outcome = timeout_at(deadline, collect(&mut body, bytes_max, take)).await;
    Ok((outcome.map_err(|_| too_late())??, held))
}

fn too_late() -> Fault {
    Fault::new(codes::BODY_TIMEOUT, "the body did not arrive in time")
}

/// `take` is asked for each piece before it is kept.
async fn collect(
    body: &mut Body,
    bytes_max: usize,
    mut take: impl FnMut(usize) -> Result<(), Fault>,
) -> Result<Bytes, Fault> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut length = 0_usize;
    while let Some(chunk) = next_chunk(body).await? {
        length = length.saturating_add(chunk.len());
        if length > bytes_max {
            discard(body, length).await;
            let detail = format!("the body is larger than {bytes_max} bytes");
            return Err(Fault::new(codes::BODY_TOO_LARGE, detail));
        }
        if let Err(fault) = take(chunk.len()) {
            drop((first, whole));
            discard(body, length).await;
            return Err(fault);
        }
        // A body in one piece, which is nearly every one, is not copied.
        if first.is_empty() {
            first = chunk;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

async fn discard(body: &mut Body, mut length: usize) {
    while length < DISCARD_BYTES_MAX
        && let Ok(Some(chunk)) = next_chunk(body).await
    {
        length = length.saturating_add(chunk.len());
    }
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, Fault> {
    while !body.is_end_stream() {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            None => break,
            Some(Err(_)) => {
                return Err(Fault::new(codes::MALFORMED_REQUEST, "the body broke off"));
            }
            // Trailers mean nothing here.
            Some(Ok(frame)) => {
                if let Ok(chunk) = frame.into_data()
                    && !chunk.is_empty()
                {
                    return Ok(Some(chunk));
                }
            }
        }
    }
    Ok(None)
}

/// Refuses what doesn't say that it is JSON; an empty body needs to say nothing.
///
/// # Errors
/// `unsupported_media_type`.
pub fn require_json(headers: &HeaderMap, body: &[u8]) -> Result<(), Fault> {
    const JSON: &[u8] = b"application/json";
    let accepted = match headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        None => body.is_empty(),
        Some(JSON) => true,
        Some(other) => {
            let essence = other.split(|byte| *byte == b';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case(JSON)
        }
    };
    if accepted {
        return Ok(());
    }
    Err(Fault::new(
        codes::UNSUPPORTED_MEDIA_TYPE,
        "send the header `Content-Type: application/json`",
    ))
}
