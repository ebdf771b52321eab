//! What a workflow is.

use std::collections::BTreeSet;
use std::sync::Arc;

use coppice_core::{Effect, EffectId, EffectMode, Json, Pending, TimerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::plan::{EndsAs, Plan};
use super::super::reference;
use super::event::{
    ApprovalAsked, EndStatus, Ended, Event, PaymentHeld, PaymentSettled, Settlement, StepDecided,
    StepFailed, StepFinished, StepRetried, Submitted,
};
use super::graph::{Cell, Graph, Ripple, StepStatus, index};
use super::look::{Fresh, Look};
use super::request::{self, Call};
use super::stored::Stored;
use super::tally::{Change, Tally};

/// A workflow's state; empty until it was submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) work: Option<Box<Work>>,
}

/// What is known of one step beside its cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Runs that were begun.
    pub(super) tries: u32,
    /// Reservations that were asked for.
    payments: u32,
    /// The call under way.
    pub(super) call: Option<Call>,
    pub(super) end: Option<StepStatus>,
    pub(super) output: Json,
    pub(super) result: String,
    pub(super) plugin: String,
    /// The last failure: its code, and the same for people.
    pub(super) error: Option<(String, String)>,
    pub(super) approved_by: Option<String>,
    /// The intent that money is or was reserved under, and how it ended.
    pub(super) intent: Option<String>,
    pub(super) settlement: Option<Settlement>,
    pub(super) finished_at: Option<Timestamp>,
}

/// A workflow that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct Work {
    pub(super) graph: Arc<Graph>,
    /// What it was submitted with; its plan is in the graph.
    pub(super) about: Arc<Submitted>,
    pub(super) tally: Tally,
    pub(super) cells: Vec<Cell>,
    pub(super) records: Vec<Record>,
    /// Steps that may run and wait for their turn.
    pub(super) ready: BTreeSet<u32>,
    /// Steps that wait to be tried again.
    pub(super) retrying: BTreeSet<u32>,
    /// Steps that wait for a person.
    pub(super) asked: BTreeSet<u32>,
    /// Steps that money is reserved for.
    pub(super) held: BTreeSet<u32>,
    pub(super) halt_reason: Option<String>,
    /// Whether somebody has yet to say that it begins.
    pub(super) waits: bool,
    pub(super) ended: Option<Ended>,
    pub(super) pending: Pending,
}

impl Work {
    pub(super) fn new(submitted: &Submitted) -> Self {
        let mut about = submitted.clone();
        let plan = std::mem::replace(
            &mut about.plan,
            Plan { name: String::new(), parallel_max: 0, steps: Vec::new() },
        );
        let graph = Graph::new(plan);
        let tally = Tally { unfinished: graph.count(), ..Tally::default() };
        Self {
            cells: graph.cells(),
            records: vec![Record::default(); index(graph.count())],
            graph: Arc::new(graph),
            about: Arc::new(about),
            tally,
            ready: BTreeSet::new(),
            retrying: BTreeSet::new(),
            asked: BTreeSet::new(),
            held: BTreeSet::new(),
            halt_reason: None,
            waits: false,
            ended: None,
            pending: Pending::default(),
        }
    }

    /// Whether a step's condition holds.
    pub(super) fn holds(&self, place: u32, fresh: Option<Fresh<'_>>) -> bool {
        let when = &self.graph.plan.steps[index(place)].when;
        when.as_ref().is_none_or(|when| when.holds(&Look { work: self, fresh }))
    }

    /// As what the workflow ends behind a step that succeeded, if it does.
    pub(super) fn ends_behind(&self, fresh: Fresh<'_>) -> Option<EndStatus> {
        let ending = self.graph.plan.steps[index(fresh.place)].ends.as_ref()?;
        let look = Look { work: self, fresh: Some(fresh) };
        ending.when.holds(&look).then_some(ending.ends_as.into())
    }

    /// A step's input with everything looked up.
    pub(super) fn input(&self, place: u32) -> Json {
        let step = &self.graph.plan.steps[index(place)];
        reference::resolve(&step.input, &Look { work: self, fresh: None })
    }

    /// Reservations of steps that aren't under way, but for one step's.
    pub(super) fn idle_held(&self, but: Option<u32>) -> u32 {
        let idle = self.held.iter().filter(|place| {
            Some(**place) != but && self.cells[index(**place)].status != StepStatus::Running
        });
        u32::try_from(idle.count()).unwrap_or(u32::MAX)
    }

    fn apply(&mut self, change: Change, but: Option<u32>) {
        let idle = self.idle_held(but);
        let was_halted = self.tally.halted.is_some();
        let (mut cells, graph) = (std::mem::take(&mut self.cells), Arc::clone(&self.graph));
        let mut tally = self.tally;
        let ripple = tally.apply(&graph, &mut cells, change, idle, |place| self.holds(place, None));
        (self.cells, self.tally) = (cells, tally);
        self.take_in(ripple);
        if self.tally.halted.is_some() && !was_halted {
            self.stop();
        }
        self.start();
    }

    fn take_in(&mut self, ripple: Ripple) {
        self.ready.extend(ripple.ready);
        self.asked.extend(ripple.asks);
    }

    /// Lets go of everything that isn't under way; what is reserved for it is given back.
    fn stop(&mut self) {
        for place in std::mem::take(&mut self.retrying) {
            self.pending.clear_timer(&timer(place));
        }
        self.ready.clear();
        self.asked.clear();
        let idle: Vec<u32> = self.held.iter().copied().collect();
        for place in idle {
            if self.cells[index(place)].status != StepStatus::Running {
                self.settle(place, Call::Void);
            }
        }
    }

    /// Starts steps that may run, as many as may at once.
    fn start(&mut self) {
        while self.tally.halted.is_none()
            && self.tally.in_flight < self.graph.plan.parallel_max
            && let Some(place) = self.ready.pop_first()
        {
            self.tally.in_flight += 1;
            self.cells[index(place)].status = StepStatus::Running;
            let paid = self.graph.plan.steps[index(place)].payment.is_some();
            let call = if paid && !self.held.contains(&place) { Call::Pay } else { Call::Run };
            self.call(place, call);
        }
    }

    fn call(&mut self, place: u32, call: Call) {
        let record = &mut self.records[index(place)];
        record.tries += u32::from(call == Call::Run);
        record.call = Some(call);
        if call == Call::Pay {
            record.payments += 1;
            let intent = request::intent(&self.about.workflow, place, record.payments);
            record.intent = Some(intent);
        }
        let effect = request::of(self, place, call);
        self.pending.add_effect(call.effect_id(place), effect);
    }

    /// Posts or voids what is reserved for a step.
    fn settle(&mut self, place: u32, call: Call) {
        self.held.remove(&place);
        let effect = request::of(self, place, call);
        self.pending.add_effect(call.effect_id(place), effect);
    }

    /// The call of a step under way has ended.
    fn called(&mut self, place: u32) {
        if let Some(call) = self.records[index(place)].call.take() {
            self.pending.remove_effect(&call.effect_id(place));
        }
    }

    fn begin(&mut self) {
        let (mut cells, graph) = (std::mem::take(&mut self.cells), Arc::clone(&self.graph));
        let ripple = graph.begin(&mut cells, |place| self.holds(place, None));
        self.cells = cells;
        self.tally.unfinished -= ripple.skipped;
        self.take_in(ripple);
        self.start();
    }

    fn finished(&mut self, event: &StepFinished) {
        let Some(place) = self.graph.place(&event.step) else { return };
        self.called(place);
        let fresh =
            Fresh { place, status: event.status, output: &event.output, result: &event.result };
        let ends = self.ends_behind(fresh);
        let record = &mut self.records[index(place)];
        record.end = Some(event.status);
        record.output = event.output.clone();
        record.result.clone_from(&event.result);
        record.plugin.clone_from(&event.plugin);
        record.error = None;
        record.finished_at = Some(event.at);
        let paid = self.held.contains(&place);
        if paid {
            self.settle(place, Call::Post);
        }
        self.apply(Change::Finished { place, status: event.status, ends, paid }, Some(place));
    }

    fn failed(&mut self, event: &StepFailed) {
        let Some(place) = self.graph.place(&event.step) else { return };
        self.called(place);
        let record = &mut self.records[index(place)];
        record.error = Some((event.code.clone(), event.detail.clone()));
        if let Some(due) = event.retry_at {
            self.retrying.insert(place);
            self.pending.set_timer(timer(place), due);
            return self.apply(Change::PutOff { place }, Some(place));
        }
        record.end = Some(StepStatus::Failed);
        record.finished_at = Some(event.at);
        let paid = self.held.contains(&place);
        if paid {
            self.settle(place, Call::Void);
        }
        self.halt_reason.get_or_insert_with(|| format!("{} failed: {}", event.step, event.code));
        self.apply(Change::Failed { place, paid }, Some(place));
    }

    fn asked(&mut self, event: &ApprovalAsked) {
        let Some(place) = self.graph.place(&event.step) else { return };
        if self.cells[index(place)].status == StepStatus::Running {
            self.called(place);
            self.asked.insert(place);
            self.apply(Change::Parked { place }, Some(place));
        }
    }

    fn decided(&mut self, event: &StepDecided) {
        let Some(place) = self.graph.place(&event.step) else { return };
        self.asked.remove(&place);
        let record = &mut self.records[index(place)];
        if event.approved {
            record.approved_by = Some(event.by.clone());
        } else {
            record.end = Some(StepStatus::Rejected);
            record.finished_at = Some(event.at);
            self.halt_reason = Some(format!("{} was rejected: {}", event.step, event.reason));
        }
        // A step that was rejected is not under way, so what was reserved for it is idle.
        self.apply(Change::Decided { place, approved: event.approved }, None);
    }

    fn retried(&mut self, event: &StepRetried) {
        let Some(place) = self.graph.place(&event.step) else { return };
        self.retrying.remove(&place);
        self.pending.clear_timer(&timer(place));
        self.apply(Change::Retried { place }, None);
    }

    fn paid(&mut self, event: &PaymentHeld) {
        let Some(place) = self.graph.place(&event.step) else { return };
        self.called(place);
        self.held.insert(place);
        let halted = self.tally.halted.is_some();
        self.records[index(place)].intent = Some(event.intent.clone());
        if halted {
            self.records[index(place)].end = Some(StepStatus::Cancelled);
            self.settle(place, Call::Void);
        } else {
            self.call(place, Call::Run);
        }
        self.apply(Change::Held { place }, Some(place));
    }

    fn settled(&mut self, event: &PaymentSettled) {
        let Some(place) = self.graph.place(&event.step) else { return };
        let posted = self.pending.remove_effect(&Call::Post.effect_id(place));
        self.pending.remove_effect(&Call::Void.effect_id(place));
        self.records[index(place)].settlement = Some(event.settlement);
        let as_it_should = is_as_it_should(posted, event.settlement);
        self.apply(Change::Settled { as_it_should }, None);
    }
}

/// Whether a reservation ended as was asked. One that ran out while it was to be given back did.
pub(super) const fn is_as_it_should(posting: bool, settlement: Settlement) -> bool {
    match settlement {
        Settlement::Posted => true,
        Settlement::Voided | Settlement::Expired => !posting,
        Settlement::Refused => false,
    }
}

/// The timer that tries a step again.
pub(super) fn timer(place: u32) -> TimerId {
    TimerId(format!("retry:{place}").into())
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    if let Event::Submitted(submitted) | Event::Planned(submitted) = event {
        let mut work = Work::new(submitted);
        work.waits = matches!(event, Event::Planned(_));
        if !work.waits {
            work.begin();
        }
        return State { work: Some(Box::new(work)) };
    }
    let Some(work) = state.work.as_deref_mut() else { return state };
    match event {
        Event::Submitted(_) | Event::Planned(_) => {}
        Event::Begun(_) => {
            work.waits = false;
            work.begin();
        }
        Event::ApprovalAsked(event) => work.asked(event),
        Event::StepDecided(event) => work.decided(event),
        Event::StepFinished(event) => work.finished(event),
        Event::StepFailed(event) => work.failed(event),
        Event::StepRetried(event) => work.retried(event),
        Event::PaymentHeld(event) => work.paid(event),
        Event::PaymentSettled(event) => work.settled(event),
        Event::CancelAsked(event) => {
            work.halt_reason = Some(event.reason.clone());
            work.apply(Change::Cancelled, None);
        }
        Event::Ended(event) => work.ended = Some(event.clone()),
    }
    state
}

impl From<EndsAs> for EndStatus {
    fn from(ends: EndsAs) -> Self {
        match ends {
            EndsAs::Success => Self::Success,
            EndsAs::Partial => Self::Partial,
        }
    }
}

/// An effect for a handler, tried again under its key until its outcome is known.
pub(super) fn effect(handler: &str, request: &impl Serialize, mode: EffectMode) -> Effect {
    // Text and numbers always serialize; the handler would refuse an empty request.
    let request = serde_json::to_string(request).unwrap_or_default();
    Effect { handler: handler.into(), request: request.into(), mode }
}

/// The state's cell of an effect that isn't one of a workflow's is no place at all.
pub(super) fn place_of(effect: &EffectId) -> Option<(Call, u32)> {
    let (word, place) = effect.0.split_once(':')?;
    let call = Call::named(word)?;
    Some((call, place.parse().ok()?))
}
