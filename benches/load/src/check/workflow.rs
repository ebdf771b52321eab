//! Workflows: every acknowledged one came to its end once, with one result for each step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::Options;
use super::asked::{Asked, Fate};
use super::links;
use super::served::{Event, Served, ServedError, all_events, all_ids};
use super::verdict::{Check, Verdict, Violation};
use crate::record::{Operation, op_of};

const KIND: &str = "workflow";
/// Between two looks at workflows that haven't ended.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

#[derive(Deserialize)]
struct Submitted {
    plan: Plan,
}

#[derive(Deserialize)]
struct Plan {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    id: String,
}

#[derive(Deserialize)]
struct StepResult {
    step: String,
    #[serde(default)]
    retry_at: Option<serde_json::Value>,
}

/// A workflow as its events tell it.
#[derive(Debug, Default)]
struct Flow {
    op: Option<u64>,
    ended: u64,
    steps: BTreeSet<String>,
    /// Results of each step that stand.
    results: BTreeMap<String, u64>,
    unreadable: Vec<(u64, String)>,
}

impl Flow {
    fn read(run: u64, events: &[Event]) -> Self {
        let mut flow = Self::default();
        for event in events {
            if let Err(error) = flow.note(run, event) {
                flow.unreadable.push((event.sequence, error.to_string()));
            }
        }
        flow
    }

    fn note(&mut self, run: u64, event: &Event) -> serde_json::Result<()> {
        match event.event_type.as_str() {
            "workflow.submitted.v1" | "workflow.planned.v1" => {
                self.op = op_of(run, event.correlation);
                let submitted: Submitted = serde_json::from_str(event.data.get())?;
                self.steps = submitted.plan.steps.into_iter().map(|step| step.id).collect();
            }
            "workflow.ended.v1" => self.ended += 1,
            "workflow.step_finished.v1" => {
                let result: StepResult = serde_json::from_str(event.data.get())?;
                *self.results.entry(result.step).or_default() += 1;
            }
            "workflow.step_failed.v1" => {
                let result: StepResult = serde_json::from_str(event.data.get())?;
                if result.retry_at.is_none_or(|at| at.is_null()) {
                    *self.results.entry(result.step).or_default() += 1;
                }
            }
            "workflow.step_retried.v1" => {
                let result: StepResult = serde_json::from_str(event.data.get())?;
                // A person had a step that had failed for good tried again: that result is void.
                if let Some(results) = self.results.get_mut(&result.step) {
                    *results = results.saturating_sub(1);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Judges the workflows that the run began.
pub(super) async fn check<S: Served>(
    served: &S,
    options: &Options,
    asked: &Asked,
) -> Result<Verdict, ServedError> {
    let mut verdict = Verdict::default();
    if !asked.any(&[Operation::Workflow]) {
        return Ok(verdict);
    }
    let began = Instant::now();
    let mut ids = all_ids(served, KIND).await?;
    let mut seen: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    loop {
        let is_last = began.elapsed() >= options.settle;
        let mut open = Vec::new();
        for (id, flow, linked) in read_all(served, options, ids).await? {
            let Some(op) = flow.op else { continue };
            if flow.ended == 0 && !is_last {
                open.push(id);
                continue;
            }
            seen.entry(op).or_default().push(id.clone());
            judge(&mut verdict, asked, op, &id, &flow);
            verdict.absorb(linked);
        }
        if open.is_empty() {
            break;
        }
        ids = open;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    for (op, wanted) in asked.of(Operation::Workflow) {
        let found = seen.get(&op).map_or(0, Vec::len);
        count(&mut verdict, op, wanted.fate, found);
    }
    Ok(verdict)
}

async fn read_all<S: Served>(
    served: &S,
    options: &Options,
    ids: Vec<String>,
) -> Result<Vec<(String, Flow, Verdict)>, ServedError> {
    let flows = ids.into_iter().map(|id| async move {
        let events = all_events(served, KIND, &id).await?;
        let linked = links::check(&format!("{KIND}/{id}"), &events);
        Ok((id, Flow::read(options.run, &events), linked))
    });
    stream::iter(flows).buffered(options.at_once.max(1)).try_collect().await
}

fn judge(verdict: &mut Verdict, asked: &Asked, op: u64, id: &str, flow: &Flow) {
    let mut violated = |check, told: String, is: String| {
        let entity = format!("{KIND}/{id}");
        verdict.violated(Violation { check, entity, op: Some(op), told, is });
    };
    for (sequence, problem) in &flow.unreadable {
        violated(Check::Unreadable, format!("event {sequence}"), problem.clone());
    }
    if asked.get(op).is_none_or(|wanted| wanted.operation != Operation::Workflow) {
        let told = "it was submitted by this run".to_owned();
        violated(Check::Invented, told, "the run never asked for it".to_owned());
    }
    if flow.ended != 1 {
        let is = format!("it has ended {} times", flow.ended);
        violated(Check::Unended, "a workflow ends once".to_owned(), is);
    }
    for (step, results) in &flow.results {
        if *results > 1 || !flow.steps.contains(step) {
            let is = format!("step {step} has {results}");
            violated(Check::Step, "a step of the plan has one result".to_owned(), is);
        }
    }
    let results = flow.results.len() as u64;
    verdict.examined(Check::Unended, 1);
    verdict.examined(Check::Step, results);
    verdict.examined(Check::Invented, 1);
}

/// Each that was acknowledged is there, none is there twice.
fn count(verdict: &mut Verdict, op: u64, fate: Fate, found: usize) {
    let mut violated = |check, told: &str| {
        let (told, is) = (told.to_owned(), format!("{found} workflows are of it"));
        let entity = KIND.to_owned();
        verdict.violated(Violation { check, entity, op: Some(op), told, is });
    };
    match fate {
        Fate::Acknowledged if found == 0 => violated(Check::Lost, "it was acknowledged"),
        Fate::NotApplied if found > 0 => violated(Check::NotApplied, "it was not applied"),
        _ if found > 1 => violated(Check::Doubled, "one workflow was asked for"),
        _ => {}
    }
    verdict.examined(Check::Doubled, 1);
    verdict.examined(Check::Lost, u64::from(fate == Fate::Acknowledged));
    verdict.examined(Check::NotApplied, u64::from(fate == Fate::NotApplied));
    verdict.unknown_applied += u64::from(fate == Fate::Unknown && found > 0);
    verdict.unknown_absent += u64::from(fate == Fate::Unknown && found == 0);
}
