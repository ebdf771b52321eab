//! A stream goes on from event to event.

use super::served::Event;
use super::verdict::{Check, Verdict, Violation};

/// Judges all events of an entity: sequences have no gap, and each event names the hash of the one
/// before it.
pub(super) fn check(entity: &str, events: &[Event]) -> Verdict {
    let mut verdict = Verdict::default();
    let violation =
        |check, told, is| Violation { check, entity: entity.to_owned(), op: None, told, is };
    let mut before: Option<&Event> = None;
    for event in events {
        let expected = before.map_or(0, |before| before.sequence) + 1;
        verdict.examined(Check::Gap, 1);
        verdict.examined(Check::Unreadable, 1);
        if event.sequence != expected {
            let is = format!("there is {}", event.sequence);
            verdict.violated(violation(Check::Gap, format!("sequence {expected} is next"), is));
        }
        if let Some(before) = before {
            verdict.examined(Check::Chain, 1);
            if before.hash != event.previous_hash {
                let told = format!("the hash before it is {}", before.hash);
                let is = format!("event {} names {}", event.sequence, event.previous_hash);
                verdict.violated(violation(Check::Chain, told, is));
            }
        }
        before = Some(event);
    }
    verdict
}
