//! Places in the journal as clients carry them: from an answer (`X-Position`) to a read that must
//! not be behind it (`X-Read-After`).
//!
//! A token is text that a client hands on as it is. Inside it names either an entity of the client's
//! own tenant and its sequence, or a position. **Invariant:** the tenant comes from the caller's key
//! and never from a token, so a token of another tenant names nothing there.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use coppice_api::{codes, headers};
use coppice_core::{EntityId, EntityKind, Position, Sequence, StreamKey, TenantId};
use coppice_persistence::{Store, StoreError};

use crate::problem::Fault;

const READ_AFTER: HeaderName = HeaderName::from_static(headers::READ_AFTER);

/// The first part of a token: tokens of another form have another number.
const VERSION: &str = "1";

/// The place of an entity's last event that an answer shows.
pub(crate) fn of_entity(kind: &str, id: &EntityId, sequence: Sequence) -> HeaderValue {
    value(format!("{VERSION}.e.{sequence}.{kind}.{id}"))
}

/// A place of the journal.
pub(crate) fn of_position(position: Position) -> HeaderValue {
    value(format!("{VERSION}.p.{position}"))
}

/// Digits, kinds and ids are visible ASCII, which is always a valid value.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// What a token names.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Entity(StreamKey, Sequence),
    Journal(Position),
}

/// The position behind which a read must not be; none where it doesn't say.
///
/// # Errors
/// `malformed_request` for a token that is none, or that the journal doesn't bear out: another
/// tenant's, or from before the store was set back.
pub(crate) async fn read_after(
    parts: &Parts,
    tenant: &TenantId,
    store: &dyn Store,
) -> Result<Option<Position>, Fault> {
    let mut values = parts.headers.get_all(READ_AFTER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let malformed = || {
        let detail = "X-Read-After is the X-Position of an earlier answer, given once";
        Fault::new(codes::MALFORMED_REQUEST, detail)
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let place = text.and_then(|text| parsed(text, tenant)).ok_or_else(malformed)?;
    let found = match place {
        Place::Entity(key, sequence) => of_event(store, &key, sequence).await,
        Place::Journal(position) => of_position_in(store, position).await,
    };
    let found = found.map_err(|error| Fault::of_store(&error, "the journal can not be read"))?;
    found.map(Some).ok_or_else(malformed)
}

/// A position that the journal has. It may have been read a moment before the node knows its commit
/// for durable, so beyond the end that it knows the journal itself is asked.
async fn of_position_in(
    store: &dyn Store,
    position: Position,
) -> Result<Option<Position>, StoreError> {
    if position <= store.last_position().await? {
        return Ok(Some(position));
    }
    let Some(before) = position.0.checked_sub(1) else { return Ok(None) };
    let events = store.read_journal(Position(before), 1).await?;
    Ok(events.first().map(|_| position))
}

async fn of_event(
    store: &dyn Store,
    key: &StreamKey,
    sequence: Sequence,
) -> Result<Option<Position>, StoreError> {
    let Some(before) = sequence.0.checked_sub(1) else { return Ok(None) };
    let events = store.read_stream(key, Sequence(before), 1).await?;
    Ok(events.first().map(|event| event.position))
}

fn parsed(text: &str, tenant: &TenantId) -> Option<Place> {
    let number = |text: &str| text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    let rest = text.strip_prefix(VERSION)?.strip_prefix('.')?;
    if let Some(position) = rest.strip_prefix("p.") {
        return number(position).map(|position| Place::Journal(Position(position)));
    }
    // The id comes last: it may have dots of its own.
    let mut parts = rest.strip_prefix("e.")?.splitn(3, '.');
    let sequence = Sequence(number(parts.next()?)?);
    let kind = EntityKind::new(parts.next()?).ok()?;
    let id = EntityId::new(parts.next()?).ok()?;
    Some(Place::Entity(StreamKey::new(tenant.clone(), kind, id), sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_what_it_was_made_of_and_the_callers_own_tenant() {
        let (own, other) = (TenantId::new("own").unwrap(), TenantId::new("other").unwrap());
        let id = EntityId::new("a.b:7").unwrap();
        let token = of_entity("counter", &id, Sequence(12));
        let key = |tenant: &TenantId| {
            StreamKey::new(tenant.clone(), EntityKind::new("counter").unwrap(), id.clone())
        };
        for tenant in [&own, &other] {
            let place = parsed(token.to_str().unwrap(), tenant);
            assert_eq!(place, Some(Place::Entity(key(tenant), Sequence(12))));
        }
        let token = of_position(Position(9));
        let place = parsed(token.to_str().unwrap(), &own);
        assert_eq!(place, Some(Place::Journal(Position(9))));
    }

    #[test]
    fn what_is_no_token_names_nothing() {
        let tenant = TenantId::new("own").unwrap();
        for text in [
            "",
            "1",
            "1.",
            "2.p.1",
            "1.p.",
            "1.p.-1",
            "1.p.99999999999999999999",
            "1.x.1",
            "1.e.1",
            "1.e.1.counter",
            "1.e.1.counter.",
            "1.e..counter.a",
            "1.e.1.Counter.a",
            "1.p.1.2",
        ] {
            assert_eq!(parsed(text, &tenant), None, "{text:?}");
        }
    }
}
