//! What a step's references and conditions see of its workflow.

use coppice_core::Json;

use super::graph::{StepStatus, index};
use super::state::Work;
use crate::workflow::reference::Sources;

/// What references and conditions see: what is recorded, and the outcome in hand before it is.
pub(super) struct Look<'a> {
    pub(super) work: &'a Work,
    pub(super) fresh: Option<Fresh<'a>>,
}

/// An outcome that isn't recorded yet.
#[derive(Clone, Copy)]
pub(super) struct Fresh<'a> {
    pub(super) place: u32,
    pub(super) status: StepStatus,
    pub(super) output: &'a Json,
    pub(super) result: &'a str,
}

impl Sources for Look<'_> {
    fn input(&self) -> Json {
        self.work.about.input.clone()
    }

    fn workflow(&self, name: &str) -> Option<Json> {
        let about = &self.work.about;
        let text = if name == "id" { &about.workflow } else { &about.objective };
        Json::of(text).ok()
    }

    fn step(&self, id: &str, part: &str) -> Option<Json> {
        let place = self.work.graph.place(id)?;
        let record = &self.work.records[index(place)];
        let recorded = (record.end, &record.output, record.result.as_str());
        let (status, output, result) = match self.fresh.filter(|fresh| fresh.place == place) {
            Some(fresh) => (Some(fresh.status), fresh.output, fresh.result),
            None => recorded,
        };
        match part {
            "output" => Some(output.clone()),
            "result" => Json::of(result).ok(),
            // What is over and has no record wasn't run.
            _ => Json::of(status.unwrap_or(StepStatus::Skipped).name()).ok(),
        }
    }
}
