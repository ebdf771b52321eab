//! `GET /v1/events`: committed events as they come, as server-sent events or over a WebSocket.
//!
//! Both are the same follower of the same feed. A server-sent event's id is its position in the
//! journal, so that a client that reconnects goes on behind the last one that it has seen
//! (`Last-Event-ID`, which its library sends by itself); over a WebSocket it asks with `after`.
//!
//! **Invariant:** a stream that the node ends says why: a key that was revoked or has expired, an
//! event that can't be read, by its position, a store that is away, the node's own end.

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
use coppice_api::journal::StreamEnd;
use coppice_core::{EntityId, EntityKind, Position};
use coppice_runtime::{FollowError, Follower, LiveEvent, Scope as Follows};
use futures_util::stream;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::entities;
use super::journal::{Reading, unreadable, view};
use crate::auth::{Identity, Principal, Scope};
use crate::crowd::Endless;
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Verb, faults, parameters, shape};
use crate::problem::Fault;
use crate::query::Query;
use crate::seat::Seat;
use crate::state::AppState;
use crate::streams::{Full, Place, Turn};

/// `GET /v1/events`
pub(super) const EVENTS: Operation = Operation {
    method: Verb::Get,
    path: "/v1/events",
    name: "stream_events",
    family: "events",
    summary: "Committed events as they come, as server-sent events.",
    notes: "The id of each is its position in the journal, which a client goes on behind. The \
        answer doesn't end by itself.",
    scope: Some(Scope::EntitiesRead),
    parameters: &[
        parameters::query("kind", "Only entities of this kind.", parameters::NAME),
        parameters::query("id", "Only this entity.", parameters::ENTITY_ID),
        parameters::query(
            "after",
            "The position to go on behind; from now on where there is none.",
            parameters::COUNTED,
        ),
        parameters::header(
            "Last-Event-ID",
            "As `after`, which it stands above; libraries send it by themselves.",
            parameters::COUNTED,
        ),
    ],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "A stream; the data of each event is an `EventView`.",
        body: Some((SERVER_SENT, shape::<String>)),
    }],
    faults: &[faults::ENTITY, &[codes::STREAMS_FULL]],
};

/// `GET /v1/events/ws`
pub(super) const SOCKET: Operation = Operation {
    path: "/v1/events/ws",
    name: "stream_events_ws",
    summary: "The same over a WebSocket, a message for each event.",
    notes: "A client that reconnects asks with `after`.",
    answers: &[Answer::empty(101, "The connection speaks the WebSocket protocol from here on.")],
    faults: &[faults::ENTITY, &[codes::STREAMS_FULL, codes::UPGRADE_REQUIRED]],
    ..EVENTS
};

const SERVER_SENT: &str = "text/event-stream";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest message that a client may send over a WebSocket: it has nothing to say but pongs.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// How long a client may take to hear that its stream ends.
const GOODBYE_WITHIN: Duration = Duration::from_millis(200);

/// The type of the server-sent event that is the last one, and says why.
const ENDED: &str = "coppice.stream-ended.v1";

/// The longest reason that fits into the frame that closes a WebSocket.
const REASON_BYTES_MAX: usize = 123;

/// A stream that has its place and its follower.
struct Following {
    follower: Follower,
    place: Place,
    /// Of the connection, which a WebSocket outlives.
    _seat: Option<Seat>,
}

/// `GET /v1/events`
pub(super) async fn events(State(state): State<Reading>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    match wanted(&state, &parts, &exchange).await {
        Ok(wanted) => events_of(&state, &parts, &exchange, wanted).await,
        Err(fault) => fault.respond(&exchange),
    }
}

/// Server-sent events of what is wanted.
pub(super) async fn events_of(
    state: &Reading,
    parts: &Parts,
    exchange: &Exchange,
    wanted: Wanted,
) -> Response {
    match follow(state, parts, wanted).await {
        Ok(following) => exchange.finish(sent(following)),
        Err(fault) => fault.respond(exchange),
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
    match wanted(&state, &parts, &exchange).await {
        Ok(wanted) => socket_of(&state, upgrade, &parts, &exchange, wanted).await,
        Err(fault) => fault.respond(&exchange),
    }
}

/// A WebSocket with what is wanted.
pub(super) async fn socket_of(
    state: &Reading,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    parts: &Parts,
    exchange: &Exchange,
    wanted: Wanted,
) -> Response {
    let followed = follow(state, parts, wanted).await;
    let upgrade = upgrade.map_err(|_| {
        Fault::new(codes::UPGRADE_REQUIRED, "this path speaks the WebSocket protocol only")
    });
    match followed.and_then(|following| Ok((following, upgrade?))) {
        Ok((following, upgrade)) => {
            let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
            exchange.finish(upgrade.on_upgrade(|socket| talk(socket, following)))
        }
        Err(fault) => fault.respond(exchange),
    }
}

/// What a caller wants to follow.
pub(super) struct Wanted {
    pub(super) principal: Arc<Principal>,
    /// What the caller must be allowed to for as long as it follows.
    pub(super) scope: Scope,
    pub(super) kind: Option<EntityKind>,
    pub(super) id: Option<EntityId>,
    /// The position to go on behind; from now on where there is none.
    pub(super) after: Option<Position>,
}

/// The position that a request goes on behind: that of its last event, or of its query.
pub(super) fn after(parts: &Parts, query: Option<u64>) -> Result<Option<Position>, Fault> {
    let last = parts.headers.get(LAST_EVENT_ID).map(position).transpose()?;
    Ok(last.or(query).map(Position))
}

async fn wanted(state: &Reading, parts: &Parts, exchange: &Exchange) -> Result<Wanted, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::EntitiesRead).await?.principal;
    let query = Query::read(parts, ["kind", "id", "after"])?;
    let kind = query.text(0).map(|name| state.kind(name)).transpose()?;
    let id = query.text(1).map(entities::entity_id).transpose()?;
    let after = after(parts, query.place(2)?)?;
    Ok(Wanted { principal, scope: Scope::EntitiesRead, kind, id, after })
}

async fn follow(state: &Reading, parts: &Parts, wanted: Wanted) -> Result<Following, Fault> {
    let Wanted { principal, scope, kind, id, after } = wanted;
    let place = place(&state.app, parts, &principal, scope)?;
    let scope = Follows { tenant: principal.tenant.clone(), kind, id };
    let follower = state.journal.feed.follow(scope, after).await;
    let follower = follower.map_err(|error| unreadable(&error))?;
    Ok(Following { follower, place, _seat: parts.extensions.get().cloned() })
}

/// A place that is the caller's for as long as it would be let in.
fn place(
    app: &AppState,
    parts: &Parts,
    principal: &Principal,
    scope: Scope,
) -> Result<Place, Fault> {
    // A certificate was verified with the connection, which ends with it.
    let certified = matches!(principal.identity, Identity::Certificate(_));
    let (caller, headers) = (Arc::clone(app), parts.headers.clone());
    let lapse = async move {
        if certified {
            return std::future::pending().await;
        }
        let every = caller.streams.recheck();
        caller.auth.lapse(&headers, scope, every).await.into()
    };
    app.streams.place(&principal.tenant, Box::pin(lapse)).map_err(|full| {
        let detail = match full {
            Full::Node => "the node has as many streams as it may",
            Full::Tenant => "the tenant has as many streams as one tenant may",
        };
        Fault::new(codes::STREAMS_FULL, detail)
    })
}

fn position(last: &HeaderValue) -> Result<u64, Fault> {
    let number = last.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.filter(|number| i64::try_from(*number).is_ok());
    let malformed = || Fault::new(codes::MALFORMED_REQUEST, "Last-Event-ID is a whole number");
    number.ok_or_else(malformed)
}

/// Why a stream ends, for the client.
struct End {
    fault: Fault,
    /// The event that it can't go on with.
    position: Option<Position>,
    /// What a WebSocket is closed with.
    close: u16,
}

impl End {
    fn of(error: &FollowError) -> Self {
        match error {
            FollowError::Store(error) => {
                let (fault, close) = (unreadable(error), close_code::AGAIN);
                Self { fault, position: None, close }
            }
            FollowError::Unreadable(event) => {
                Self::at(event.position, format!("{event}; follow from after={}", event.position))
            }
        }
    }

    fn at(position: Position, detail: String) -> Self {
        let fault = Fault::new(codes::JOURNAL_DAMAGED, detail);
        Self { fault, position: Some(position), close: close_code::ERROR }
    }

    fn lapsed(fault: Fault) -> Self {
        Self { fault, position: None, close: close_code::POLICY }
    }

    fn closing() -> Self {
        let fault = Fault::new(codes::SHUTTING_DOWN, "the node stops; reconnect to go on");
        Self { fault, position: None, close: close_code::RESTART }
    }

    fn told(&self) -> String {
        let (code, detail) = (self.fault.code().code.to_owned(), self.fault.detail().to_owned());
        debug!(code, detail, "a stream of events ends");
        let end = StreamEnd { code, detail, position: self.position.map(|place| place.0) };
        // Strings and numbers always serialize.
        serde_json::to_string(&end).unwrap_or_default()
    }

    fn reason(&self) -> String {
        let mut reason = format!("{}: {}", self.fault.code().code, self.fault.detail());
        while reason.len() > REASON_BYTES_MAX {
            reason.pop();
        }
        reason
    }
}

type Turned = Turn<Result<Vec<Arc<LiveEvent>>, FollowError>>;

impl Following {
    async fn turn(&mut self) -> Turned {
        self.place.turn(self.follower.next()).await
    }
}

fn sent(following: Following) -> Response {
    let chunks = stream::unfold(Some(following), |following| async {
        let mut following = following?;
        let (mut chunk, end) = match following.turn().await {
            Turn::Next(Ok(events)) => written(&events),
            Turn::Next(Err(error)) => (String::new(), Some(End::of(&error))),
            // It also names the place, so that whoever reconnects skips what was out of scope.
            Turn::Heartbeat => (format!("id: {}\n:\n\n", following.follower.place()), None),
            Turn::Close => (String::new(), Some(End::closing())),
            Turn::Lapsed(fault) => (String::new(), Some(End::lapsed(fault))),
        };
        if let Some(end) = &end {
            // Without an id: the last event's stays the one that the client goes on behind.
            frame(&mut chunk, None, ENDED, &end.told());
        }
        let goes_on = end.is_none().then_some(following);
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(chunk)), goes_on))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SERVER_SENT));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Endless);
    response
}

/// Events as text, and why the stream can't go on: behind one that can't be shown it can't.
fn written(events: &[Arc<LiveEvent>]) -> (String, Option<End>) {
    let mut text = String::new();
    for event in events {
        let json = match shown(event) {
            Ok(json) => json,
            Err(end) => return (text, Some(*end)),
        };
        frame(&mut text, Some(event.position), &event.record.body.event_type, json);
    }
    (text, None)
}

/// One server-sent event. A line break ends a field and cannot be escaped, so whatever lines the
/// data has are fields of their own, which the client puts together again, and a name has one line.
fn frame(text: &mut String, id: Option<Position>, event_type: &str, data: &str) {
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    text.push_str("event: ");
    text.extend(event_type.chars().filter(|c| !c.is_control()));
    text.push('\n');
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}

/// An event as JSON, made once for all streams that show it.
fn shown(event: &LiveEvent) -> Result<&str, Box<End>> {
    let json = event.text(|event| {
        let view = view(event).ok();
        view.and_then(|view| serde_json::to_string(&view).ok())
    });
    json.ok_or_else(|| {
        let position = event.position;
        warn!(position = position.0, "an event can't be shown, its stream ends");
        let detail = format!("the event at position {position} is not JSON; after={position}");
        Box::new(End::at(position, detail))
    })
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
        let told = match turned {
            // One that takes nothing for as long as a heartbeat is gone or doesn't read.
            Turn::Next(Ok(events)) => following.place.turn(tell(&mut socket, &events)).await,
            Turn::Next(Err(error)) => Turn::Next(Told::End(End::of(&error))),
            Turn::Heartbeat => {
                let ping = async {
                    let sent = socket.send(Message::Ping(Bytes::new())).await;
                    sent.map_or(Told::Gone, |()| Told::All)
                };
                following.place.turn(ping).await
            }
            Turn::Close => Turn::Close,
            Turn::Lapsed(fault) => Turn::Lapsed(fault),
        };
        match told {
            Turn::Next(Told::All) => {}
            Turn::Next(Told::Gone) | Turn::Heartbeat => return,
            Turn::Next(Told::End(end)) => return close(socket, &end).await,
            Turn::Close => return close(socket, &End::closing()).await,
            Turn::Lapsed(fault) => return close(socket, &End::lapsed(fault)).await,
        }
    }
}

/// What became of telling.
enum Told {
    All,
    Gone,
    End(End),
}

async fn tell(socket: &mut WebSocket, events: &[Arc<LiveEvent>]) -> Told {
    for event in events {
        let json = match shown(event) {
            Ok(json) => json,
            Err(end) => return Told::End(*end),
        };
        if socket.send(Message::Text(Utf8Bytes::from(json))).await.is_err() {
            return Told::Gone;
        }
    }
    Told::All
}

async fn close(mut socket: WebSocket, end: &End) {
    let reason = Utf8Bytes::from(end.reason());
    let frame = axum::extract::ws::CloseFrame { code: end.close, reason };
    // Whoever is gone already needs no goodbye.
    drop(timeout(GOODBYE_WITHIN, socket.send(Message::Close(Some(frame)))).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_stays_one_whatever_its_data_and_name_are() {
        let mut text = String::new();
        frame(&mut text, Some(Position(7)), "a.b\nid: 9\r.v1", "{\n\"n\":\r\n1}");
        let expected = "id: 7\nevent: a.bid: 9.v1\ndata: {\ndata: \"n\":\ndata: \ndata: 1}\n\n";
        assert_eq!(text, expected);
        let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let json: serde_json::Value = serde_json::from_str(&data.join("\n")).unwrap();
        assert_eq!(json["n"], 1);
    }

    #[test]
    fn a_reason_fits_into_the_frame_that_closes() {
        let end = End::at(Position(1), "é".repeat(200));
        assert!(end.reason().len() <= REASON_BYTES_MAX);
        assert!(end.reason().starts_with("journal_damaged: é"));
    }
}
