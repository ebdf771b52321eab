//! What must hold of streams and events, said once. Unit, property and simulation tests call
//! these, and so does the shell: before an append and after a read.

use thiserror::Error;

use crate::envelope::{EventRecord, StreamHead};
use crate::ids::Sequence;

/// A stream that isn't what its chain says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChainFault {
    /// A sequence is missing, doubled or out of order.
    #[error("sequence {found} stands where {expected} belongs")]
    Sequence {
        /// The sequence that continues the stream.
        expected: Sequence,
        /// The sequence found.
        found: Sequence,
    },
    /// The event does not continue the one before it.
    #[error("event {0} does not continue the hash before it")]
    Link(Sequence),
    /// The event's content and its hash disagree.
    #[error("event {0} does not match its hash")]
    Content(Sequence),
    /// The entity's row and the last event disagree.
    #[error("the stream ends at {found} but its entity row says {expected}")]
    Head {
        /// The sequence that the entity's row names.
        expected: Sequence,
        /// The sequence of the last event.
        found: Sequence,
    },
}

/// Checks that an event continues a stream, and gives the new head.
///
/// # Errors
/// The [`ChainFault`] that it shows.
pub fn check_link(head: StreamHead, event: &EventRecord) -> Result<StreamHead, ChainFault> {
    let expected = head.sequence.next();
    if event.sequence != expected {
        return Err(ChainFault::Sequence { expected, found: event.sequence });
    }
    if event.previous_hash != head.hash {
        return Err(ChainFault::Link(event.sequence));
    }
    if event.computed_hash() != event.hash {
        return Err(ChainFault::Content(event.sequence));
    }
    Ok(event.head())
}

/// Checks that a walk through a stream ended where the entity's row says it ends.
///
/// # Errors
/// [`ChainFault::Head`] or, at equal sequences, [`ChainFault::Link`].
pub fn check_head(row: StreamHead, walked: StreamHead) -> Result<(), ChainFault> {
    if row.sequence != walked.sequence {
        return Err(ChainFault::Head { expected: row.sequence, found: walked.sequence });
    }
    if row.hash != walked.hash {
        return Err(ChainFault::Link(row.sequence));
    }
    Ok(())
}

/// Whether a text names an event type: `^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\.v\d+$`.
#[must_use]
pub fn is_event_type(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('.').collect();
    let Some(version) = parts.pop() else { return false };
    let is_version = version.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_name = |part: &&str| {
        part.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    is_version && parts.len() >= 2 && parts.iter().all(is_name)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::envelope::EventBody;
    use crate::ids::{CommandId, CorrelationId, EntityId, EntityKind, StreamKey, TenantId};
    use crate::time::Timestamp;

    fn body(payload: &str) -> EventBody {
        EventBody {
            event_type: "counter.added.v1".into(),
            payload: payload.into(),
            recorded_at: Timestamp::from_micros(7),
            causation: CommandId(Uuid::from_u128(1)),
            correlation: CorrelationId(Uuid::from_u128(2)),
            workflow: None,
            policy_bundle: None,
            subject: None,
            key_id: None,
        }
    }

    fn genesis() -> StreamHead {
        StreamHead::genesis(&StreamKey::new(
            TenantId::new("t").unwrap(),
            EntityKind::new("counter").unwrap(),
            EntityId::new("c").unwrap(),
        ))
    }

    #[test]
    fn a_chained_event_continues_its_stream() {
        let first = EventRecord::chain(genesis(), body("{}"));
        let second = EventRecord::chain(first.head(), body("{}"));
        let head = check_link(genesis(), &first).unwrap();
        assert_eq!(check_link(head, &second), Ok(second.head()));
    }

    #[test]
    fn altered_missing_and_reordered_events_are_each_named() {
        let first = EventRecord::chain(genesis(), body("{}"));
        let second = EventRecord::chain(first.head(), body("{}"));
        let mut altered = first.clone();
        altered.body.payload = "[]".into();
        assert_eq!(check_link(genesis(), &altered), Err(ChainFault::Content(Sequence(1))));
        assert_eq!(
            check_link(genesis(), &second),
            Err(ChainFault::Sequence { expected: Sequence(1), found: Sequence(2) })
        );
        let elsewhere = EventRecord::chain(
            StreamHead { sequence: Sequence(1), hash: genesis().hash },
            body("{}"),
        );
        assert_eq!(check_link(first.head(), &elsewhere), Err(ChainFault::Link(Sequence(2))));
    }

    #[test]
    fn event_types_follow_the_pattern() {
        for good in ["counter.added.v1", "money.intent.created.v12", "a.b_2.v0"] {
            assert!(is_event_type(good), "{good} is an event type");
        }
        for bad in [
            "",
            "v1",
            "counter.v1",
            "counter.added",
            "Counter.added.v1",
            "a..v1",
            "a.b.v",
            "a.b.vx",
        ] {
            assert!(!is_event_type(bad), "{bad} is no event type");
        }
    }
}
