//! A workflow as a snapshot has it.

use std::collections::BTreeSet;

use coppice_core::Pending;
use serde::{Deserialize, Serialize};

use super::event::{Ended, Submitted};
use super::graph::Cell;
use super::state::{Record, Work};
use super::tally::Tally;

/// What is written to a snapshot: the plan goes as text, and its edges are made again.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    submitted: String,
    tally: Tally,
    cells: Vec<Cell>,
    records: Vec<Record>,
    ready: BTreeSet<u32>,
    retrying: BTreeSet<u32>,
    asked: BTreeSet<u32>,
    held: BTreeSet<u32>,
    halt_reason: Option<String>,
    waits: bool,
    ended: Option<Ended>,
    pending: Pending,
}

impl From<Work> for Stored {
    fn from(work: Work) -> Self {
        let submitted = Submitted { plan: work.graph.plan.clone(), ..(*work.about).clone() };
        Self {
            // What came out of JSON goes into it again.
            submitted: serde_json::to_string(&submitted).unwrap_or_default(),
            tally: work.tally,
            cells: work.cells,
            records: work.records,
            ready: work.ready,
            retrying: work.retrying,
            asked: work.asked,
            held: work.held,
            halt_reason: work.halt_reason,
            waits: work.waits,
            ended: work.ended,
            pending: work.pending,
        }
    }
}

impl TryFrom<Stored> for Work {
    type Error = serde_json::Error;

    fn try_from(stored: Stored) -> Result<Self, serde_json::Error> {
        let submitted: Submitted = serde_json::from_str(&stored.submitted)?;
        let fresh = Self::new(&submitted);
        Ok(Self {
            tally: stored.tally,
            cells: stored.cells,
            records: stored.records,
            ready: stored.ready,
            retrying: stored.retrying,
            asked: stored.asked,
            held: stored.held,
            halt_reason: stored.halt_reason,
            waits: stored.waits,
            ended: stored.ended,
            pending: stored.pending,
            ..fresh
        })
    }
}
