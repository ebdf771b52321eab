//! Random plans under random outcomes, until nothing is left to happen.

use coppice_core::{EffectOutcome, Entity};
use proptest::prelude::*;

use super::super::event::{EndStatus, Event, Settlement};
use super::super::graph::StepStatus;
use super::super::{State, Workflow, WorkflowError};
use super::driver::{Driver, paid, plan, step, when};
use crate::workflow::plan::{OnFailure, Plan};

/// One step of a plan: which earlier ones it needs, and of what sort it is.
type Sort = (Vec<prop::sample::Index>, u8);

fn plans() -> impl Strategy<Value = Plan> {
    let sort = (prop::collection::vec(any::<prop::sample::Index>(), 0..3), any::<u8>());
    (prop::collection::vec(sort, 1..14), 1..5_u32).prop_map(|(sorts, parallel_max)| {
        let mut plan = plan(sorts.iter().enumerate().map(|(place, sort)| made(place, sort)));
        plan.parallel_max = parallel_max;
        plan
    })
}

fn made(place: usize, (needs, sort): &Sort) -> crate::workflow::plan::Step {
    let mut needs: Vec<String> = if place == 0 {
        Vec::new()
    } else {
        needs.iter().map(|n| format!("s{}", n.index(place))).collect()
    };
    needs.sort();
    needs.dedup();
    let names: Vec<&str> = needs.iter().map(String::as_str).collect();
    let id = format!("s{place}");
    let mut made = if sort & 1 == 1 { paid(&id, &names) } else { step(&id, &names) };
    made.approval = sort & 6 == 6;
    made.on_failure = match (sort >> 3) & 3 {
        0 => OnFailure::Fail,
        1 => OnFailure::Continue,
        _ => OnFailure::Partial,
    };
    if sort & 0x60 == 0x60 && !needs.is_empty() {
        made.when = when(&format!("$steps.{}.output.n", needs[0]), "above", "3");
    }
    if sort & 0x80 == 0x80 {
        made.ends = super::driver::ends(&format!("$steps.{id}.output.n"), "equals", "9", "success");
    }
    made
}

/// Does one thing that may happen; false where nothing may.
fn happens(driver: &mut Driver, pick: prop::sample::Index, roll: u8) -> bool {
    let calls = driver.calls();
    let asked = Workflow::view(&driver.state).unwrap().approvals;
    let timers = usize::from(Workflow::pending(&driver.state).wake_at().is_some());
    let count = calls.len() + asked.len() + timers;
    if count == 0 {
        return false;
    }
    if roll == 255 && driver.ended().is_none() {
        driver.cancel();
        return true;
    }
    let at = pick.index(count);
    if let Some(call) = calls.get(at) {
        answer(driver, call, roll);
    } else if let Some(step) = asked.get(at - calls.len()) {
        driver.decide(Some(step), !roll.is_multiple_of(8)).unwrap();
    } else {
        driver.ring();
    }
    true
}

fn answer(driver: &mut Driver, call: &str, roll: u8) {
    let (word, step) = call.split_once(' ').unwrap();
    let unreachable = EffectOutcome::Failed { code: "unreachable".into(), detail: "".into() };
    match (word, roll % 10) {
        ("run", 0) => driver.failed(step, "plugin_failed"),
        ("run", 1) => driver.failed(step, "plugin_timeout"),
        ("run", 2) => driver.failed(step, "approval_required"),
        ("run", _) => driver.done(step, &format!(r#"{{"n":{}}}"#, roll / 10 % 10)),
        ("pay", 0) => driver.authorized(step, r#"{"decision":"denied","reason_code":"x"}"#),
        ("pay", 1) => {
            driver.authorized(step, r#"{"decision":"denied","reason_code":"approval_required"}"#);
        }
        ("pay", 2) => driver.answered(call, &unreachable),
        ("pay", _) => driver.authorized(step, r#"{"decision":"approved"}"#),
        ("post", 0) => driver.moved(step, Settlement::Expired),
        ("post", 1) => driver.answered(call, &unreachable),
        ("post", _) => driver.moved(step, Settlement::Posted),
        _ => driver.moved(step, Settlement::Voided),
    }
}

/// What the whole history must show.
fn checked(driver: &Driver) {
    let replayed = driver.history.iter().fold(State::default(), Workflow::evolve);
    assert_eq!(replayed, driver.state, "a replay gives the same");
    let work = driver.state.work.as_deref().unwrap();
    let mut open = std::collections::BTreeSet::new();
    for event in &driver.history {
        match event {
            Event::PaymentHeld(held) => assert!(open.insert(held.intent.clone())),
            Event::PaymentSettled(settled) => assert!(open.remove(&settled.intent)),
            Event::StepFinished(finished) => {
                let place = work.graph.place(&finished.step).unwrap();
                let needs = &work.graph.plan.steps[usize::try_from(place).unwrap()].needs;
                assert!(needs.iter().all(|need| {
                    driver
                        .history
                        .iter()
                        .take_while(|other| *other != event)
                        .any(|other| over(other, need))
                        || skipped(driver, need)
                }));
            }
            Event::Submitted(_)
            | Event::Planned(_)
            | Event::Begun(_)
            | Event::ApprovalAsked(_)
            | Event::StepDecided(_)
            | Event::StepFailed(_)
            | Event::StepRetried(_)
            | Event::CancelAsked(_)
            | Event::Ended(_) => {}
        }
    }
    assert!(open.is_empty(), "every reservation ended: {open:?}");
}

fn over(event: &Event, step: &str) -> bool {
    match event {
        Event::StepFinished(finished) => finished.step == step,
        Event::StepFailed(failed) => failed.step == step && failed.retry_at.is_none(),
        Event::Submitted(_)
        | Event::Planned(_)
        | Event::Begun(_)
        | Event::ApprovalAsked(_)
        | Event::StepDecided(_)
        | Event::StepRetried(_)
        | Event::PaymentHeld(_)
        | Event::PaymentSettled(_)
        | Event::CancelAsked(_)
        | Event::Ended(_) => false,
    }
}

fn skipped(driver: &Driver, step: &str) -> bool {
    driver.status(step) == StepStatus::Skipped.name()
}

proptest! {
    #[test]
    fn every_schedule_comes_to_an_end_that_its_history_explains(
        plan in plans(),
        (waits, cancels) in (any::<bool>(), any::<bool>()),
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 400),
    ) {
        let mut driver = if waits { Driver::waiting(plan) } else { Driver::submitted(plan) };
        if waits {
            prop_assert!(driver.calls().is_empty() && driver.whole() == "pending");
            prop_assert!(matches!(driver.decide(None, true), Err(WorkflowError::NoApproval(_))));
            if cancels {
                driver.cancel();
                prop_assert_eq!(driver.ended(), Some(EndStatus::Cancelled));
                prop_assert!(matches!(driver.begin(), Err(WorkflowError::Over)));
                checked(&driver);
                return Ok(());
            }
        }
        driver.begin().unwrap();
        let ended = moves.into_iter().any(|(pick, roll)| !happens(&mut driver, pick, roll));
        prop_assert!(ended, "it comes to rest");
        prop_assert!(driver.ended().is_some());
        checked(&driver);
        let view = Workflow::view(&driver.state).unwrap();
        let every = |name: &str| view.steps.iter().all(|step| [name, "skipped"].contains(&step.status));
        if driver.ended() == Some(EndStatus::Failed) {
            prop_assert!(view.steps.iter().any(|step| step.status == "failed") || !every("success"));
        }
    }
}
