//! Drives a workflow as the runtime would, and checks after each step what always holds.

use coppice_core::{
    CommandId, Context, CorrelationId, DomainEvent, EffectId, EffectMode, EffectOutcome, Entity,
    EntityId, EntityKind, Json, Sequence, StreamKey, TenantId, Timestamp,
};
use serde_json::Value;
use uuid::Uuid;

use super::super::event::{EndStatus, Settlement, Source};
use super::super::graph::StepStatus;
use super::super::request::Call;
use super::super::state::{State, place_of};
use super::super::{
    Begin, Cancel, Command, Decide, Event, Priority, Submit, Workflow, WorkflowError,
};
use crate::workflow::condition::Condition;
use crate::workflow::plan::{Ending, OnFailure, PARALLEL_DEFAULT, Payment, Plan, Retry, Step};

pub(super) fn step(id: &str, needs: &[&str]) -> Step {
    Step {
        id: id.to_owned(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        plugin: "builtin".to_owned(),
        version: None,
        capability: "generic_action".to_owned(),
        description: String::new(),
        input: Json::empty(),
        when: None,
        ends: None,
        approval: false,
        payment: None,
        retry: Retry::default(),
        mode: EffectMode::Retry,
        on_failure: OnFailure::Partial,
        fallback: None,
    }
}

pub(super) fn paid(id: &str, needs: &[&str]) -> Step {
    let (asset, merchant, category) = ("USD".into(), "reviewer".into(), "review".into());
    let payment = Payment { amount: 100, asset, merchant, category, ttl_seconds: 60 };
    Step { payment: Some(payment), ..step(id, needs) }
}

pub(super) fn plan(steps: impl IntoIterator<Item = Step>) -> Plan {
    let steps = steps.into_iter().collect();
    Plan { name: "test".to_owned(), parallel_max: PARALLEL_DEFAULT, steps }
}

fn condition(of: &str, is: &str, value: &str) -> Condition {
    let text = format!(r#"{{"of":"{of}","is":"{is}","value":{value}}}"#);
    serde_json::from_str(&text).unwrap()
}

pub(super) fn when(of: &str, is: &str, value: &str) -> Option<Condition> {
    Some(condition(of, is, value))
}

pub(super) fn ends(of: &str, is: &str, value: &str, ends_as: &str) -> Option<Ending> {
    let ends_as = serde_json::from_str(&format!("\"{ends_as}\"")).unwrap();
    Some(Ending { when: condition(of, is, value), ends_as })
}

fn key() -> StreamKey {
    let (tenant, kind) = (TenantId::new("t").unwrap(), EntityKind::new("workflow").unwrap());
    StreamKey::new(tenant, kind, EntityId::new("w-1").unwrap())
}

fn submission(plan: Plan, waits: bool) -> Command {
    Command::Submit(Box::new(Submit {
        objective: "see it through".to_owned(),
        task_type: None,
        input: Json::empty(),
        priority: Priority::P2,
        budget: None,
        source: Source::default(),
        planning: None,
        plan,
        waits,
    }))
}

pub(super) fn submit(plan: Plan) -> Result<(), WorkflowError> {
    Driver::default().told(&submission(plan, false))
}

/// A workflow, its time, and its history.
#[derive(Debug, Default)]
pub(super) struct Driver {
    pub(super) state: State,
    now: i64,
    pub(super) events: usize,
    pub(super) history: Vec<Event>,
}

impl Driver {
    pub(super) fn submitted(plan: Plan) -> Self {
        let mut driver = Self::default();
        driver.told(&submission(plan, false)).unwrap();
        driver
    }

    /// One that was submitted to wait.
    pub(super) fn waiting(plan: Plan) -> Self {
        let mut driver = Self::default();
        driver.told(&submission(plan, true)).unwrap();
        driver
    }

    pub(super) fn begin(&mut self) -> Result<(), WorkflowError> {
        self.told(&Command::Begin(Begin { by: "me".to_owned(), policy: None }))
    }

    /// Decides a command and takes its events in, each by way of its text.
    pub(super) fn told(&mut self, command: &Command) -> Result<(), WorkflowError> {
        let key = key();
        let id = Uuid::from_u128(u128::try_from(self.events).unwrap());
        let context = Context {
            now: Timestamp::from_micros(self.now),
            key: &key,
            sequence: Sequence(u64::try_from(self.events).unwrap()),
            command_id: CommandId(id),
            correlation: CorrelationId(id),
        };
        let decision = Workflow::decide(&self.state, command, &context)?;
        for event in &decision.events {
            let text = event.encode().unwrap();
            assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
            self.state = Workflow::evolve(std::mem::take(&mut self.state), event);
        }
        self.events += decision.events.len();
        self.history.extend(decision.events);
        self.check(decision.reply.status);
        Ok(())
    }

    /// What holds after every decision.
    fn check(&self, replied: &str) {
        let work = self.state.work.as_deref().unwrap();
        assert_eq!(replied, self.whole(), "the reply says where it stands");
        assert_eq!(work.tally.ending().is_some(), work.ended.is_some(), "it ends when it can");
        if work.ended.is_some() {
            assert_eq!(work.pending, blank(&work.pending), "nothing is owed after the end");
        }
        let running = work.cells.iter().filter(|cell| cell.status == StepStatus::Running).count();
        assert_eq!(usize::try_from(work.tally.in_flight).unwrap(), running);
        assert!(work.tally.in_flight <= work.graph.plan.parallel_max);
        let owed = work.pending.added_since(0).count();
        assert_eq!(owed, usize::try_from(work.tally.in_flight + work.tally.settling).unwrap());
        if work.ended.is_none() {
            let moves = work.tally.in_flight > 0
                || work.tally.settling > 0
                || !work.asked.is_empty()
                || work.waits
                || work.pending.wake_at().is_some();
            assert!(moves, "something will happen or it has ended");
        }
        let text = serde_json::to_string(&self.state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), self.state);
    }

    /// Every call that is owed, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        let pending = Workflow::pending(&self.state);
        let mut calls: Vec<_> =
            pending.added_since(0).map(|owed| place_of(owed.id).unwrap()).collect();
        calls.sort_by_key(|(_, place)| *place);
        calls.iter().map(|(call, place)| format!("{} {}", word(*call), self.id(*place))).collect()
    }

    fn id(&self, place: u32) -> String {
        let work = self.state.work.as_deref().unwrap();
        work.graph.plan.steps[usize::try_from(place).unwrap()].id.clone()
    }

    fn effect(&self, call: &str) -> EffectId {
        let (word, step) = call.split_once(' ').unwrap();
        let place = self.state.work.as_deref().unwrap().graph.place(step).unwrap();
        EffectId(format!("{word}:{place}").into())
    }

    pub(super) fn command(&self, call: &str, outcome: &EffectOutcome) -> Option<Command> {
        Workflow::on_effect(&self.state, &self.effect(call), outcome)
    }

    pub(super) fn answered(&mut self, call: &str, outcome: &EffectOutcome) {
        assert!(self.calls().contains(&call.to_owned()), "{call} is not owed");
        let command = self.command(call, outcome).unwrap();
        self.told(&command).unwrap();
        let effect = self.effect(call);
        let again = Workflow::pending(&self.state).effect(&effect).is_some();
        assert!(!again || !call.starts_with('p'), "the effect is off");
    }

    pub(super) fn done(&mut self, step: &str, output: &str) {
        let response = format!(r#"{{"status":"success","output":{output},"plugin":"b@1.0.0"}}"#);
        self.answered(&format!("run {step}"), &EffectOutcome::Done { response: response.into() });
    }

    pub(super) fn failed(&mut self, step: &str, code: &str) {
        let outcome = EffectOutcome::Failed { code: code.into(), detail: "so it is".into() };
        self.answered(&format!("run {step}"), &outcome);
    }

    pub(super) fn authorized(&mut self, step: &str, response: &str) {
        let outcome = EffectOutcome::Done { response: response.into() };
        self.answered(&format!("pay {step}"), &outcome);
    }

    pub(super) fn moved(&mut self, step: &str, settlement: Settlement) {
        let status = serde_json::to_string(&settlement).unwrap();
        let call = self
            .calls()
            .into_iter()
            .find(|call| *call == format!("post {step}") || *call == format!("void {step}"));
        let response = format!(r#"{{"status":{status}}}"#);
        let outcome = EffectOutcome::Done { response: response.into() };
        self.answered(&call.unwrap(), &outcome);
    }

    pub(super) fn ring(&mut self) {
        let (due, timer) = {
            let mut timers = Workflow::pending(&self.state).timers();
            timers.next().map(|(due, timer)| (due, timer.clone())).unwrap()
        };
        self.now = self.now.max(due.as_micros());
        let command = Workflow::on_timer(&self.state, &timer, due).unwrap();
        self.told(&command).unwrap();
        assert_eq!(Workflow::pending(&self.state).timer(&timer), None);
    }

    pub(super) fn wait_micros(&self) -> Option<i64> {
        Workflow::pending(&self.state).wake_at().map(|due| due.as_micros() - self.now)
    }

    pub(super) fn decide(
        &mut self,
        step: Option<&str>,
        approved: bool,
    ) -> Result<(), WorkflowError> {
        let (step, by) = (step.map(str::to_owned), "me".to_owned());
        self.decide_with(&Decide { step, approved, reason: "because".to_owned(), by })
    }

    pub(super) fn decide_with(&mut self, decide: &Decide) -> Result<(), WorkflowError> {
        self.told(&Command::Decide(decide.clone()))
    }

    pub(super) fn cancel(&mut self) {
        let cancel = Cancel { reason: "enough".to_owned(), by: "me".to_owned() };
        self.told(&Command::Cancel(cancel)).unwrap();
    }

    /// What the call under way of a step is asked with.
    pub(super) fn request(&self, step: &str) -> Value {
        let calls = self.calls();
        let call = calls.iter().find(|call| call.ends_with(&format!(" {step}"))).unwrap();
        let effect = Workflow::pending(&self.state).effect(&self.effect(call)).unwrap();
        serde_json::from_str(&effect.request).unwrap()
    }

    pub(super) fn ended(&self) -> Option<EndStatus> {
        self.state.work.as_deref()?.ended.as_ref().map(|ended| ended.status)
    }

    pub(super) fn whole(&self) -> &'static str {
        Workflow::view(&self.state).unwrap().status
    }

    pub(super) fn status(&self, step: &str) -> &'static str {
        let view = Workflow::view(&self.state).unwrap();
        view.steps.iter().find(|other| other.id == step).unwrap().status
    }

    pub(super) fn error(&self, step: &str) -> String {
        let view = Workflow::view(&self.state).unwrap();
        let step = view.steps.into_iter().find(|other| other.id == step).unwrap();
        step.error.unwrap().code
    }
}

fn word(call: Call) -> &'static str {
    match call {
        Call::Run => "run",
        Call::Pay => "pay",
        Call::Post => "post",
        Call::Void => "void",
    }
}

/// As many effects were ever added, and none of them, nor a timer, is left.
fn blank(pending: &coppice_core::Pending) -> coppice_core::Pending {
    let text = format!(r#"{{"ordinal_next":{},"effects":[],"timers":[]}}"#, pending.mark());
    serde_json::from_str(&text).unwrap()
}
