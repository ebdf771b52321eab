//! What a workflow answers.

use std::collections::BTreeMap;

use coppice_core::{Context, Decision, Json, Timestamp};

use super::command::{Begin, Cancel, Command, Decide, Submit};
use super::error::{INPUT_BYTES_MAX, OBJECTIVE_CHARS_MAX, REASON_BYTES_MAX, WorkflowError};
use super::event::{
    ApprovalAsked, Begun, CancelAsked, EndStatus, Ended, Event, StepDecided, StepRetried, Submitted,
};
use super::graph::{Draft, Ripple, StepStatus, index};
use super::look::Fresh;
use super::outcome;
use super::state::{State, Work};
use super::tally::{Change, Tally};
use super::view::{Receipt, status_of};

type Decided = Result<Decision<Event, Receipt>, WorkflowError>;

pub(super) fn decide(state: &State, command: &Command, context: &Context<'_>) -> Decided {
    match (command, state.work.as_deref()) {
        (Command::Submit(submit), None) => submitted(submit, context),
        (Command::Submit(_), Some(_)) => Err(WorkflowError::Exists),
        (_, None) => Err(WorkflowError::NotSubmitted),
        (Command::Begin(begin), Some(work)) => begun(work, begin, context.now),
        (Command::Decide(decide), Some(work)) => decided(work, decide, context.now),
        (Command::Cancel(cancel), Some(work)) => cancelled(work, cancel, context.now),
        (Command::Settle { effect, outcome }, Some(work)) => {
            Ok(outcome::settled(work, effect, outcome, context.now))
        }
        (Command::Ring { timer }, Some(work)) => Ok(rung(work, &timer.0, context.now)),
    }
}

fn submitted(submit: &Submit, context: &Context<'_>) -> Decided {
    submit.plan.check().map_err(WorkflowError::Plan)?;
    if submit.objective.is_empty() || submit.objective.chars().count() > OBJECTIVE_CHARS_MAX {
        return Err(WorkflowError::Objective);
    }
    let input = submit.input.as_str();
    if !input.starts_with('{') || input.len() > INPUT_BYTES_MAX {
        return Err(WorkflowError::Input);
    }
    if submit.budget.as_ref().is_some_and(|budget| budget.amount <= 0) {
        return Err(WorkflowError::Budget);
    }
    let event = Submitted {
        workflow: context.key.id().to_string(),
        objective: submit.objective.clone(),
        task_type: submit.task_type.clone(),
        input: submit.input.clone(),
        priority: submit.priority.name().to_owned(),
        budget: submit.budget.clone(),
        source: submit.source.clone(),
        planning: submit.planning.clone(),
        plan: submit.plan.clone().guarded(),
        at: context.now,
    };
    let (work, event) = (Work::new(&event), Box::new(event));
    if submit.waits {
        let work = Work { waits: true, ..work };
        let reply = Receipt::new(&work, status_of(&work));
        return Ok(Decision { events: vec![Event::Planned(event)], reply });
    }
    Ok(After::beginning(&work).decision(&work, vec![Event::Submitted(event)], context.now))
}

fn begun(work: &Work, begin: &Begin, now: Timestamp) -> Decided {
    if !work.waits {
        let reply = Receipt::new(work, status_of(work));
        return Ok(Decision { events: Vec::new(), reply });
    }
    if work.ended.is_some() || work.tally.halted.is_some() {
        return Err(WorkflowError::Over);
    }
    let event = Begun { by: begin.by.clone(), policy: begin.policy.clone(), at: now };
    Ok(After::beginning(work).decision(work, vec![Event::Begun(event)], now))
}

fn decided(work: &Work, decide: &Decide, now: Timestamp) -> Decided {
    if work.ended.is_some() || work.tally.halted.is_some() {
        return Err(WorkflowError::Over);
    }
    if decide.reason.len() > REASON_BYTES_MAX {
        return Err(WorkflowError::Reason);
    }
    let place = match &decide.step {
        Some(step) => work.graph.place(step).filter(|place| work.asked.contains(place)),
        None => work.asked.first().copied().filter(|_| work.asked.len() == 1),
    };
    let Some(place) = place else {
        let waiting = work.asked.len();
        let detail = match &decide.step {
            Some(step) => format!("{step} does not wait for approval"),
            None => format!("{waiting} steps wait for approval: say which is meant"),
        };
        return Err(WorkflowError::NoApproval(detail));
    };
    let event = StepDecided {
        step: work.graph.plan.steps[index(place)].id.clone(),
        approved: decide.approved,
        reason: decide.reason.clone(),
        by: decide.by.clone(),
        at: now,
    };
    let change = Change::Decided { place, approved: decide.approved };
    let after = After::of(work, change, None, None);
    Ok(after.decision(work, vec![Event::StepDecided(event)], now))
}

fn cancelled(work: &Work, cancel: &Cancel, now: Timestamp) -> Decided {
    if work.ended.is_some() {
        return Err(WorkflowError::Over);
    }
    if cancel.reason.len() > REASON_BYTES_MAX {
        return Err(WorkflowError::Reason);
    }
    // To ask again changes nothing.
    if work.tally.halted.is_some() {
        let reply = Receipt::new(work, status_of(work));
        return Ok(Decision { events: Vec::new(), reply });
    }
    let event = CancelAsked { reason: cancel.reason.clone(), by: cancel.by.clone() };
    let after = After::of(work, Change::Cancelled, None, None);
    Ok(after.decision(work, vec![Event::CancelAsked(event)], now))
}

/// A step's time to be tried again has come. A timer that isn't a step's, or of a step that doesn't
/// wait any more, was taken off with what it was for.
fn rung(work: &Work, timer: &str, now: Timestamp) -> Decision<Event, Receipt> {
    let place = timer.strip_prefix("retry:").and_then(|place| place.parse().ok());
    let Some(place) = place.filter(|place| work.retrying.contains(place)) else {
        return Decision { events: Vec::new(), reply: Receipt::new(work, status_of(work)) };
    };
    let step = work.graph.plan.steps[index(place)].id.clone();
    let after = After::of(work, Change::Retried { place }, None, None);
    after.decision(work, vec![Event::StepRetried(StepRetried { step })], now)
}

/// What a change leads to.
pub(super) struct After {
    change: Option<Change>,
    tally: Tally,
    ripple: Ripple,
}

impl After {
    /// Of its begin.
    fn beginning(work: &Work) -> Self {
        let mut draft = Draft { base: &work.cells, changed: BTreeMap::new() };
        let ripple = work.graph.begin(&mut draft, |place| work.holds(place, None));
        let unfinished = work.tally.unfinished - ripple.skipped;
        Self { change: None, tally: Tally { unfinished, ..work.tally }, ripple }
    }

    /// Of a change to a step whose reservation it says something about itself, or to none.
    pub(super) fn of(
        work: &Work,
        change: Change,
        but: Option<u32>,
        fresh: Option<Fresh<'_>>,
    ) -> Self {
        let mut draft = Draft { base: &work.cells, changed: BTreeMap::new() };
        let mut tally = work.tally;
        let (graph, idle) = (&work.graph, work.idle_held(but));
        let holds = |place| work.holds(place, fresh);
        let ripple = tally.apply(graph, &mut draft, change, idle, holds);
        Self { change: Some(change), tally, ripple }
    }

    /// The events with those that follow from them: approvals that are asked for, and the end.
    pub(super) fn decision(
        self,
        work: &Work,
        mut events: Vec<Event>,
        now: Timestamp,
    ) -> Decision<Event, Receipt> {
        let steps = &work.graph.plan.steps;
        events.extend(self.ripple.asks.iter().map(|place| {
            let (step, reason) = (steps[index(*place)].id.clone(), "plan".to_owned());
            Event::ApprovalAsked(ApprovalAsked { step, reason, detail: None })
        }));
        let ending = self.tally.ending().filter(|_| work.ended.is_none());
        let submitted_at = work.about.at;
        let ended = ending.map(|status| Ended { status, submitted_at, at: now });
        events.extend(ended.map(Event::Ended));
        let status = ending.map_or_else(|| self.standing(work), end_name);
        Decision { events, reply: Receipt::new(work, status) }
    }
}

impl After {
    /// Where a workflow that hasn't ended stands after the change; as [`status_of`] says it then.
    fn standing(&self, work: &Work) -> &'static str {
        let (decided, put_off, retried, parked) = match self.change {
            Some(Change::Decided { place, .. }) => (Some(place), false, None, false),
            Some(Change::PutOff { .. }) => (None, true, None, false),
            Some(Change::Retried { place }) => (None, false, Some(place), false),
            Some(Change::Parked { .. }) => (None, false, None, true),
            Some(
                Change::Finished { .. }
                | Change::Failed { .. }
                | Change::Held { .. }
                | Change::Settled { .. }
                | Change::Cancelled,
            )
            | None => (None, false, None, false),
        };
        let starts = !self.ripple.ready.is_empty() || !work.ready.is_empty();
        let retries = put_off || work.retrying.iter().any(|place| Some(*place) != retried);
        let under_way = self.tally.in_flight > 0 || self.tally.settling > 0;
        let asks = parked || !self.ripple.asks.is_empty();
        if under_way || starts || retries {
            "running"
        } else if asks || work.asked.iter().any(|place| Some(*place) != decided) {
            StepStatus::WaitingApproval.name()
        } else {
            StepStatus::Queued.name()
        }
    }
}

/// The name of an end in answers.
pub(super) const fn end_name(status: EndStatus) -> &'static str {
    match status {
        EndStatus::Success => "success",
        EndStatus::Partial => "partial",
        EndStatus::Failed => "failed",
        EndStatus::Cancelled => "cancelled",
        EndStatus::Rejected => "rejected",
    }
}

/// SHA-256 of a value's canonical form, as it stands in events; of its text where it nests deeper
/// than can be read.
pub(super) fn digest(json: &Json) -> String {
    let plain = || coppice_core::hash::sha256(json.as_str().as_bytes());
    json.digest().unwrap_or_else(|_| plain()).to_string()
}
