//! A workflow by given, when, then, and by many random schedules.

mod driver;
mod schedules;

use coppice_core::{EffectOutcome, Entity};

use self::driver::{Driver, plan, step};
use super::event::{EndStatus, Settlement};
use super::{Decide, Workflow, WorkflowError};
use crate::workflow::plan::{OnFailure, PlanFault};

#[test]
fn given_steps_in_a_row_when_each_is_done_then_the_next_one_starts_with_its_output() {
    let mut two = step("b", &["a"]);
    two.input = coppice_core::Json::parse(r#"{"from":"$steps.a.output.n"}"#).unwrap();
    let mut driver = Driver::submitted(plan([step("a", &[]), two]));
    assert_eq!(driver.calls(), ["run a"]);
    driver.done("a", r#"{"n":7}"#);
    assert_eq!(driver.calls(), ["run b"]);
    assert_eq!(driver.request("b")["input"]["from"], 7);
    driver.done("b", "{}");
    assert_eq!(driver.ended(), Some(EndStatus::Success));
    // One event for each step, one for the beginning and one for the end.
    assert_eq!(driver.events, 4);
}

#[test]
fn given_a_plan_that_moves_funds_without_approval_then_it_waits_for_one_all_the_same() {
    let moving = |plugin: &str, fallback: Option<&str>| {
        let mut moving = step("move", &[]);
        (moving.plugin, moving.capability) = (plugin.to_owned(), "onchain_action".to_owned());
        moving.fallback = fallback.map(str::to_owned);
        Driver::submitted(plan([moving]))
    };
    let mut driver = moving("builtin", None);
    assert_eq!((driver.calls(), driver.status("move")), (vec![], "waiting_approval"));
    assert_eq!(moving("own", Some("builtin")).status("move"), "waiting_approval");
    assert_eq!(moving("own", None).calls(), ["run move"], "another plugin's is its own");
    driver.decide(Some("move"), true).unwrap();
    assert_eq!(driver.calls(), ["run move"]);
}

#[test]
fn given_branches_when_all_are_done_then_they_are_merged() {
    let merge = step("merge", &["x", "y", "z"]);
    let branches = ["x", "y", "z"].map(|id| step(id, &["split"]));
    let [x, y, z] = branches;
    let mut driver = Driver::submitted(plan([step("split", &[]), x, y, z, merge]));
    driver.done("split", "{}");
    assert_eq!(driver.calls(), ["run x", "run y", "run z"]);
    driver.done("y", "{}");
    driver.done("x", "{}");
    assert_eq!(driver.calls(), ["run z"]);
    driver.done("z", "{}");
    assert_eq!(driver.calls(), ["run merge"]);
}

#[test]
fn given_a_condition_when_it_does_not_hold_then_its_branch_is_skipped_and_the_rest_goes_on() {
    let mut yes = step("yes", &["a"]);
    yes.when = driver::when("$steps.a.output.n", "above", "1");
    let mut no = step("no", &["a"]);
    no.when = driver::when("$steps.a.output.n", "at_most", "1");
    let after_no = step("after_no", &["no"]);
    let merge = step("merge", &["yes", "no"]);
    let mut driver = Driver::submitted(plan([step("a", &[]), yes, no, after_no, merge]));
    driver.done("a", r#"{"n":2}"#);
    assert_eq!(driver.calls(), ["run yes"]);
    assert_eq!(driver.status("after_no"), "skipped");
    driver.done("yes", "{}");
    driver.done("merge", "{}");
    assert_eq!(driver.ended(), Some(EndStatus::Success));
}

#[test]
fn given_a_step_that_ends_the_workflow_when_its_condition_holds_then_the_rest_never_starts() {
    let mut first = step("a", &[]);
    first.ends = driver::ends("$steps.a.output.n", "equals", "0", "partial");
    let mut driver = Driver::submitted(plan([first, step("b", &["a"])]));
    driver.done("a", r#"{"n":0}"#);
    assert_eq!(driver.ended(), Some(EndStatus::Partial));
    assert_eq!(driver.status("b"), "skipped");
    assert!(driver.calls().is_empty());
}

#[test]
fn given_a_failure_for_good_then_the_policy_of_the_step_decides() {
    for (on_failure, calls, end) in [
        (OnFailure::Partial, vec!["run c"], EndStatus::Partial),
        (OnFailure::Continue, vec!["run b", "run c"], EndStatus::Success),
        (OnFailure::Fail, vec!["run c"], EndStatus::Failed),
    ] {
        let mut first = step("a", &[]);
        first.on_failure = on_failure;
        let mut driver = Driver::submitted(plan([first, step("b", &["a"]), step("c", &[])]));
        driver.failed("a", "plugin_failed");
        assert_eq!(driver.calls(), calls, "{on_failure:?}");
        for call in calls {
            driver.done(call.strip_prefix("run ").unwrap(), "{}");
        }
        assert_eq!(driver.ended(), Some(end), "{on_failure:?}");
    }
}

#[test]
fn given_nothing_that_succeeded_then_it_is_failed_and_not_partial() {
    let mut driver = Driver::submitted(plan([step("a", &[]), step("b", &["a"])]));
    driver.failed("a", "plugin_failed");
    assert_eq!(driver.ended(), Some(EndStatus::Failed));
}

#[test]
fn given_a_failure_that_may_pass_then_it_is_tried_again_after_a_wait_that_doubles() {
    let mut driver = Driver::submitted(plan([step("a", &[])]));
    driver.failed("a", "plugin_timeout");
    assert_eq!((driver.calls().len(), driver.wait_micros()), (0, Some(1_000_000)));
    driver.ring();
    assert_eq!(driver.calls(), ["run a"]);
    driver.failed("a", "plugin_unavailable");
    assert_eq!(driver.wait_micros(), Some(2_000_000));
    driver.ring();
    driver.failed("a", "plugin_timeout");
    assert_eq!(driver.ended(), Some(EndStatus::Failed));
}

#[test]
fn given_another_try_then_what_is_asked_is_the_same_under_the_same_key() {
    let mut driver = Driver::submitted(plan([step("a", &[]), step("b", &[])]));
    let (first, other) = (driver.request("a"), driver.request("b"));
    assert_ne!(first["idempotency_key"], other["idempotency_key"]);
    driver.failed("a", "plugin_timeout");
    driver.ring();
    assert_eq!(driver.request("a"), first);
}

#[test]
fn given_an_approval_when_it_is_asked_for_then_the_step_waits_and_a_refusal_ends_it() {
    for approved in [true, false] {
        let mut second = step("b", &["a"]);
        second.approval = true;
        let mut driver = Driver::submitted(plan([step("a", &[]), second]));
        driver.done("a", "{}");
        assert!(driver.calls().is_empty());
        assert_eq!((driver.status("b"), driver.whole()), ("waiting_approval", "waiting_approval"));
        driver.decide(None, approved).unwrap();
        if approved {
            assert_eq!(driver.calls(), ["run b"]);
            assert_eq!(driver.request("b")["approved"], true);
        } else {
            assert_eq!(driver.ended(), Some(EndStatus::Rejected));
        }
    }
}

#[test]
fn given_a_policy_that_wants_approval_when_the_step_runs_then_it_is_parked_and_goes_on_later() {
    let mut driver = Driver::submitted(plan([step("a", &[])]));
    assert_eq!(driver.request("a")["approved"], false, "nobody has said anything");
    driver.failed("a", "approval_required");
    assert_eq!(driver.whole(), "waiting_approval");
    driver.decide(Some("a"), true).unwrap();
    assert_eq!(driver.request("a")["approved"], true);
    driver.done("a", "{}");
    assert_eq!(driver.ended(), Some(EndStatus::Success));
}

#[test]
fn given_a_cancellation_then_what_is_under_way_is_awaited_and_nothing_more_starts() {
    let mut driver = Driver::submitted(plan([step("a", &[]), step("b", &["a"])]));
    driver.cancel();
    assert_eq!((driver.ended(), driver.whole()), (None, "running"));
    driver.done("a", "{}");
    assert_eq!(driver.ended(), Some(EndStatus::Cancelled));
    assert_eq!((driver.status("a"), driver.status("b")), ("success", "cancelled"));
}

#[test]
fn given_a_workflow_that_waits_then_nothing_is_owed_before_somebody_begins_it() {
    let made = || {
        let mut asks = step("b", &[]);
        asks.approval = true;
        plan([step("a", &[]), asks])
    };
    let mut driver = Driver::waiting(made());
    assert_eq!((driver.calls().len(), driver.whole()), (0, "pending"));
    assert_eq!((driver.status("a"), driver.status("b")), ("pending", "pending"));
    assert!(matches!(driver.decide(Some("b"), true), Err(WorkflowError::NoApproval(_))));
    driver.begin().unwrap();
    let by_itself = Driver::submitted(made());
    assert_eq!(Workflow::view(&driver.state), Workflow::view(&by_itself.state));
    assert_eq!(driver.calls(), by_itself.calls());
    // To ask again changes nothing, also of one that nobody had to begin.
    for mut asked in [by_itself, driver] {
        let (events, calls) = (asked.events, asked.calls());
        asked.begin().unwrap();
        assert_eq!((asked.events, asked.calls()), (events, calls));
        asked.done("a", "{}");
        asked.decide(None, true).unwrap();
        asked.done("b", "{}");
        assert_eq!(asked.ended(), Some(EndStatus::Success));
        asked.begin().unwrap();
    }
}

#[test]
fn given_a_workflow_that_waits_when_it_is_cancelled_then_it_never_begins() {
    let mut driver = Driver::waiting(plan([driver::paid("a", &[])]));
    driver.cancel();
    assert_eq!((driver.ended(), driver.calls().len()), (Some(EndStatus::Cancelled), 0));
    assert_eq!(driver.status("a"), "cancelled");
    assert!(matches!(driver.begin(), Err(WorkflowError::Over)));
}

#[test]
fn given_a_paid_step_then_it_is_reserved_run_and_posted_before_the_end() {
    let mut driver = Driver::submitted(plan([driver::paid("a", &[])]));
    assert_eq!(driver.calls(), ["pay a"]);
    driver.authorized("a", r#"{"decision":"approved","reason_code":"ok"}"#);
    assert_eq!(driver.calls(), ["run a"]);
    driver.done("a", "{}");
    assert_eq!((driver.calls(), driver.ended()), (vec!["post a".to_owned()], None));
    driver.moved("a", Settlement::Posted);
    assert_eq!(driver.ended(), Some(EndStatus::Success));
}

#[test]
fn given_a_paid_step_that_fails_then_its_reservation_is_given_back() {
    let mut driver = Driver::submitted(plan([driver::paid("a", &[])]));
    driver.authorized("a", r#"{"decision":"approved"}"#);
    driver.failed("a", "plugin_failed");
    assert_eq!((driver.calls(), driver.ended()), (vec!["void a".to_owned()], None));
    driver.moved("a", Settlement::Voided);
    assert_eq!(driver.ended(), Some(EndStatus::Failed));
}

#[test]
fn given_money_that_ran_out_before_it_was_posted_then_the_workflow_is_not_a_success() {
    let mut driver = Driver::submitted(plan([driver::paid("a", &[])]));
    driver.authorized("a", r#"{"decision":"approved"}"#);
    driver.done("a", "{}");
    driver.moved("a", Settlement::Expired);
    assert_eq!(driver.ended(), Some(EndStatus::Partial));
}

#[test]
fn given_a_payment_that_is_denied_then_the_step_never_runs() {
    let mut driver = Driver::submitted(plan([driver::paid("a", &[])]));
    driver.authorized("a", r#"{"decision":"denied","reason_code":"budget_exceeded"}"#);
    assert_eq!(driver.ended(), Some(EndStatus::Failed));
    assert_eq!(driver.error("a"), "budget_exceeded");
}

#[test]
fn given_a_payment_that_needs_approval_then_it_is_asked_anew_under_another_intent() {
    let mut driver = Driver::submitted(plan([driver::paid("a", &[])]));
    let first = driver.request("a")["intent_id"].clone();
    driver.authorized("a", r#"{"decision":"denied","reason_code":"approval_required"}"#);
    driver.decide(None, true).unwrap();
    assert_eq!(driver.calls(), ["pay a"]);
    let request = driver.request("a");
    assert_ne!(request["intent_id"], first);
    assert_eq!(request["approved"], true);
}

#[test]
fn given_a_cancellation_while_money_is_reserved_then_it_is_given_back_and_nothing_runs() {
    let mut driver = Driver::submitted(plan([driver::paid("a", &[])]));
    driver.cancel();
    driver.authorized("a", r#"{"decision":"approved"}"#);
    assert_eq!(driver.calls(), ["void a"]);
    driver.moved("a", Settlement::Voided);
    assert_eq!(driver.ended(), Some(EndStatus::Cancelled));
}

#[test]
fn given_a_width_then_no_more_steps_are_under_way() {
    let mut wide = plan((0..10).map(|n| step(&format!("s{n}"), &[])));
    wide.parallel_max = 3;
    let mut driver = Driver::submitted(wide);
    assert_eq!(driver.calls(), ["run s0", "run s1", "run s2"]);
    driver.done("s1", "{}");
    assert_eq!(driver.calls(), ["run s0", "run s2", "run s3"]);
}

#[test]
fn an_unknown_outcome_of_what_may_run_once_is_left_to_an_operator() {
    let mut once = step("a", &[]);
    once.mode = coppice_core::EffectMode::AtMostOnce;
    let driver = Driver::submitted(plan([once, step("b", &[])]));
    let unknown = EffectOutcome::Unknown { detail: "cut".into() };
    assert!(driver.command("run a", &unknown).is_none());
    assert!(driver.command("run b", &unknown).is_some());
}

#[test]
fn refusals_have_their_codes() {
    let cycle = plan([step("a", &["c"]), step("b", &["a"]), step("c", &["b"])]);
    let Err(WorkflowError::Plan(PlanFault::Cycle(way))) = driver::submit(cycle) else {
        panic!("a way round must be found")
    };
    assert_eq!(way, ["a", "c", "b", "a"]);
    for (faulty, says) in [
        (plan([step("a", &["x"])]), "needs x"),
        (plan([step("a", &[]), step("a", &[])]), "two steps are called a"),
        (plan([step("a b", &[])]), "an id is"),
        (plan([]), "1 to"),
    ] {
        assert!(driver::submit(faulty).unwrap_err().to_string().contains(says), "{says}");
    }
    let mut blind = step("b", &[]);
    blind.input = coppice_core::Json::parse(r#"{"x":"$steps.a.output"}"#).unwrap();
    let refused = driver::submit(plan([step("a", &[]), blind])).unwrap_err().to_string();
    assert!(refused.contains("a step that it does not need"), "{refused}");

    let mut driver = Driver::submitted(plan([step("a", &[])]));
    let named = Decide {
        step: Some("a".to_owned()),
        approved: true,
        reason: String::new(),
        by: "me".to_owned(),
    };
    assert!(matches!(driver.decide_with(&named), Err(WorkflowError::NoApproval(_))));
    driver.done("a", "{}");
    assert!(matches!(driver.decide_with(&named), Err(WorkflowError::Over)));
}
