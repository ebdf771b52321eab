//! Where a hash of a step's input or output stands in the journal: the read models behind
//! `GET /v1/audit/verify/{hash}`.
//!
//! An event names two hashes and a projection one document, so there is a projection for each.

use coppice_core::{Entity, StoredEvent};
use coppice_domain::workflow::Workflow;
use coppice_runtime::projection::{
    Before, DocumentRef, ParkPolicy, Projection, Touched, Undigestible,
};
use serde::{Deserialize, Serialize};

/// Hashes of inputs.
pub const STEP_INPUTS: &str = "step_inputs";
/// Hashes of outputs.
pub const STEP_OUTPUTS: &str = "step_outputs";

/// Places that are kept of one hash: the first ones. The same input in thousands of steps is
/// ordinary, and one place proves as much as all.
const PLACES_MAX: usize = 16;

/// Where a hash stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The workflow.
    pub workflow: String,
    /// The step.
    pub step: String,
    /// Its event's place in the workflow's stream.
    pub sequence: u64,
}

/// A document: where a hash stands, and how often in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The first places.
    pub places: Vec<Place>,
    /// All of them.
    pub count: u64,
}

/// Whether a hash is of what a step was given or of what it gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of its input.
    Input,
    /// Of its output.
    Output,
}

/// What is read of `workflow.step_finished.v1` and `workflow.step_failed.v1`, and nothing of the rest:
/// every step of the node comes by here twice.
#[derive(Deserialize)]
struct Tried {
    step: String,
    input_hash: String,
    /// Only what finished has one.
    #[serde(default)]
    output_hash: Option<String>,
}

impl Side {
    /// The read model.
    #[must_use]
    pub const fn model(self) -> &'static str {
        match self {
            Self::Input => STEP_INPUTS,
            Self::Output => STEP_OUTPUTS,
        }
    }

    /// The step of an event and its hash on this side.
    fn of(self, event: &StoredEvent) -> Result<Option<(String, String)>, Undigestible> {
        let body = &event.record.body;
        if event.key.kind().as_str() != Workflow::KIND
            || !body.event_type.starts_with("workflow.step_f")
        {
            return Ok(None);
        }
        let tried = serde_json::from_str(&body.payload);
        let Tried { step, input_hash, output_hash } =
            tried.map_err(|error| Undigestible(error.to_string()))?;
        let hash = match self {
            Self::Input => Some(input_hash),
            Self::Output => output_hash,
        };
        Ok(hash.map(|hash| (step, hash)))
    }
}

/// The projection of one side.
#[derive(Debug, Clone, Copy)]
pub struct Hashes(pub Side);

impl Projection for Hashes {
    type Document = Places;
    type Said = Place;

    fn name(&self) -> &'static str {
        self.0.model()
    }

    fn model(&self) -> &'static str {
        self.0.model()
    }

    fn park_policy(&self) -> ParkPolicy {
        ParkPolicy::GoOn
    }

    fn read(&self, event: &StoredEvent) -> Touched<Place> {
        let Some((step, hash)) = self.0.of(event)? else { return Ok(None) };
        let document = DocumentRef { tenant: event.key.tenant().clone(), id: hash.into() };
        let (workflow, sequence) = (event.key.id().to_string(), event.record.sequence.0);
        Ok(Some((document, Place { workflow, step, sequence })))
    }

    fn read_deletion(&self, _: &StoredEvent) -> Touched<Place> {
        Ok(None)
    }

    fn fold(&self, places: Before<Places>, place: Place) -> Result<Option<Places>, Undigestible> {
        let mut places = places.read()?.unwrap_or_default();
        places.count += 1;
        if places.places.len() < PLACES_MAX {
            places.places.push(place);
        }
        Ok(Some(places))
    }
}
