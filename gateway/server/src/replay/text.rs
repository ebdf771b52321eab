//! A past as text for people.

use serde_json::Value;

use super::{PersonalData, Replayed};
use crate::inspection::text::{plain, table};
use coppice_core::calendar::utc;

/// The entity as it was, with where that was read, and the events where they were asked for.
#[must_use]
pub fn text(replayed: &Replayed) -> String {
    let Replayed { tenant, kind, id, sequence, sequence_last, hash, .. } = replayed;
    let recorded = utc(replayed.recorded_at);
    let mut text =
        format!("{tenant}/{kind}/{id} at sequence {sequence} of {sequence_last}, {recorded}\n");
    text.push_str(&format!("hash {hash}\n"));
    for span in &replayed.sources {
        text.push_str(&format!("from {}: {} to {}\n", plain(&span.source), span.first, span.last));
    }
    if let (Some(archive), false) = (&replayed.archive, replayed.journal) {
        let batch = archive.last_batch;
        let note = "what came behind it is not here, for no journal was read";
        text.push_str(&format!("the archive ends with batch {batch}; {note}\n"));
    }
    match replayed.personal_data {
        PersonalData::None | PersonalData::Shown => {}
        PersonalData::Closed => text.push_str(
            "personal data is shown as if it were erased: it takes the platform's key and the \
             store's to open it\n",
        ),
    }
    match &replayed.state {
        None => text.push_str("deleted\n"),
        Some(state) => {
            // What was serialized reads again.
            let state: Value = serde_json::from_str(state.get()).unwrap_or_default();
            let state = serde_json::to_string_pretty(&state).unwrap_or_default();
            for line in state.lines() {
                text.push_str(&plain(line));
                text.push('\n');
            }
        }
    }
    if let Some(events) = &replayed.events {
        let cells = events.iter().map(|shown| {
            let event = &shown.event;
            vec![
                event.sequence.to_string(),
                event.position.to_string(),
                utc(event.recorded_at),
                plain(&event.event_type),
                event.causation.to_string(),
                plain(&shown.source),
                plain(event.data.get()),
            ]
        });
        let heads = ["sequence", "position", "recorded at", "type", "causation", "source", "data"];
        text.push('\n');
        text.push_str(&table(&heads, cells));
    }
    text
}
