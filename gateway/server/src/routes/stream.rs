//! `GET /v1/events`: committed events as they come, as server-sent events or over a WebSocket.
//!
//! Both are the same follower of the same feed. A server-sent event's id is its position in the
//! journal, so that a client that reconnects goes on behind the last one that it has seen
//! (`Last-Event-ID`, which its library sends by itself); over a WebSocket it asks with `after`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use coppice_api::codes;
use coppice_core::{Position, StoredEvent};
use coppice_persistence::StoreError;
use coppice_runtime::{Follower, Scope as Follows};
use futures_util::stream;
use tokio::time::timeout;
use tracing::warn;

use super::entities;
use super::journal::{Reading, unreadable, view};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::problem::Fault;
use crate::query::Query;
use crate::streams::{Place, Turn};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest message that a client may send over a WebSocket: it has nothing to say but pongs.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// How long a client may take to hear that its stream ends.
const GOODBYE_WITHIN: Duration = Duration::from_millis(200);

/// A stream that has its place and its follower.
struct Following {
    follower: Follower,
    place: Place,
}

/// `GET /v1/events`
pub(super) async fn events(State(state): State<Reading>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    match follow(&state, &parts, &exchange).await {
        Ok(following) => exchange.finish(sent(following)),
        Err(fault) => fault.respond(&exchange),
    }
}

/// `GET /v1/events/ws`
pub(super) async fn socket(
    State(state): State<Reading>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let followed = follow(&state, &parts, &exchange).await;
    let upgrade = upgrade.map_err(|_| {
        Fault::new(codes::UPGRADE_REQUIRED, "this path speaks the WebSocket protocol only")
    });
    match followed.and_then(|following| Ok((following, upgrade?))) {
        Ok((following, upgrade)) => {
            let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
            exchange.finish(upgrade.on_upgrade(|socket| talk(socket, following)))
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn follow(state: &Reading, parts: &Parts, exchange: &Exchange) -> Result<Following, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::EntitiesRead).await?.principal;
    let query = Query::read(parts, ["kind", "id", "after"])?;
    let kind = query.text(0).map(|name| state.kind(name)).transpose()?;
    let id = query.text(1).map(entities::entity_id).transpose()?;
    let after = match parts.headers.get(LAST_EVENT_ID) {
        Some(last) => Some(position(last)?),
        None => query.place(2)?,
    };
    let Some(place) = state.app.streams.place() else {
        return Err(Fault::new(codes::STREAMS_FULL, "the node has as many streams as it may"));
    };
    let scope = Follows { tenant: principal.tenant.clone(), kind, id };
    let follower = state.journal.feed.follow(scope, after.map(Position)).await;
    Ok(Following { follower: follower.map_err(|error| unreadable(&error))?, place })
}

fn position(last: &HeaderValue) -> Result<u64, Fault> {
    let number = last.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.filter(|number| i64::try_from(*number).is_ok());
    let malformed = || Fault::new(codes::MALFORMED_REQUEST, "Last-Event-ID is a whole number");
    number.ok_or_else(malformed)
}

type Turned = Turn<Result<Vec<Arc<StoredEvent>>, StoreError>>;

impl Following {
    async fn turn(&mut self) -> Turned {
        self.place.turn(self.follower.next()).await
    }
}

fn sent(following: Following) -> Response {
    let chunks = stream::unfold(Some(following), |following| async {
        let mut following = following?;
        let (chunk, goes_on) = match following.turn().await {
            Turn::Next(Ok(events)) => written(&events),
            Turn::Next(Err(error)) => {
                warn!(%error, "a stream of events ends");
                return None;
            }
            // It also names the place, so that whoever reconnects skips what was out of scope.
            Turn::Heartbeat => (format!("id: {}\n:\n\n", following.follower.place()), true),
            Turn::Close => return None,
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(chunk)), goes_on.then_some(following)))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Events as text, and whether the stream can go on: behind one that can't be shown it can't.
fn written(events: &[Arc<StoredEvent>]) -> (String, bool) {
    let mut text = String::new();
    for event in events {
        let Some(json) = shown(event) else { return (text, false) };
        let (position, event_type) = (event.position, &event.record.body.event_type);
        // Writing to a string can't fail, and JSON has no line breaks but in its own escapes.
        let written = write!(text, "id: {position}\nevent: {event_type}\ndata: {json}\n\n");
        debug_assert!(written.is_ok(), "a string takes every character");
    }
    (text, true)
}

fn shown(event: &StoredEvent) -> Option<String> {
    let view = view(event).ok().and_then(|view| serde_json::to_string(&view).ok());
    if view.is_none() {
        warn!(position = event.position.0, "an event can't be shown, its stream ends");
    }
    view
}

/// One message per event. The client's own messages are read for the protocol's sake only.
async fn talk(mut socket: WebSocket, mut following: Following) {
    loop {
        let turned = tokio::select! {
            biased;
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            turned = following.turn() => turned,
        };
        let goes_on = match turned {
            // One that takes nothing for as long as a heartbeat is gone or doesn't read.
            Turn::Next(Ok(events)) => {
                let told = following.place.turn(tell(&mut socket, &events)).await;
                matches!(told, Turn::Next(true))
            }
            Turn::Next(Err(error)) => {
                warn!(%error, "a stream of events ends");
                return close(socket, close_code::AGAIN).await;
            }
            Turn::Heartbeat => {
                let ping = socket.send(Message::Ping(Bytes::new()));
                matches!(following.place.turn(ping).await, Turn::Next(Ok(())))
            }
            Turn::Close => return close(socket, close_code::RESTART).await,
        };
        if !goes_on {
            return;
        }
    }
}

async fn tell(socket: &mut WebSocket, events: &[Arc<StoredEvent>]) -> bool {
    for event in events {
        let Some(json) = shown(event) else { return false };
        if socket.send(Message::Text(Utf8Bytes::from(json))).await.is_err() {
            return false;
        }
    }
    true
}

async fn close(mut socket: WebSocket, code: u16) {
    let frame = axum::extract::ws::CloseFrame { code, reason: Utf8Bytes::default() };
    // Whoever is gone already needs no goodbye.
    drop(timeout(GOODBYE_WITHIN, socket.send(Message::Close(Some(frame)))).await);
}
