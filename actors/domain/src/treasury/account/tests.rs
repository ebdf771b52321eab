//! What accounts answer, in given/when/then form.

use coppice_core::{DomainEvent, Rejection, Timestamp};
use proptest::prelude::*;

use super::command::{Command, Draw, Enter, Hold, Look, Open, Post, Release, parse};
use super::decide::decide;
use super::error::AccountError;
use super::event::Event;
use super::state::{State, evolve};
use super::{APPROVALS_MAX, Cause, HOLDS_MAX, Side};
use crate::treasury::day::Day;
use crate::treasury::money::Amount;

const FUNDING: &str = "funding:USD.2";
const WORLD: &str = "world:USD.2";
const PAYEE: &str = "payee:acme:USD.2";
const BUDGET: &str = "budget:w:USD.2";
const VELOCITY: &str = "velocity:x:USD.2";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn cap() -> String {
    format!("cap:{}:USD.2", Day::of(at(0)))
}

/// What comes of a command: the state after it and the room that it answers.
fn told(
    id: &str,
    state: State,
    command: &Command,
    now: Timestamp,
) -> Result<(State, Option<Amount>), AccountError> {
    let (name, body) = command.encode().unwrap();
    assert_eq!(&parse(name, body.as_bytes()).unwrap(), command);
    let decision = decide(&state, command, id, now)?;
    let after = decision.events.iter().fold(state, |state, event| {
        let text = event.encode().unwrap();
        assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
        evolve(state, event)
    });
    Ok((after, decision.reply.room))
}

fn does(id: &str, state: State, command: &Command, now: Timestamp) -> State {
    told(id, state, command, now).unwrap().0
}

fn refuses(id: &str, state: &State, command: &Command, now: Timestamp) -> &'static str {
    told(id, state.clone(), command, now).unwrap_err().code()
}

fn open(ceiling: Option<u64>) -> Command {
    Command::Open(Open { ceiling: ceiling.map(Amount::of) })
}

fn hold(transfer: &str, side: Side, amount: u64, expires: i64) -> Command {
    let (transfer, amount, expires) = (transfer.into(), Amount::of(amount), at(expires));
    Command::Hold(Hold { transfer, side, amount, expires })
}

fn draw(transfer: &str, amount: u64, expires: i64, terms: Option<(u64, Option<u32>)>) -> Command {
    Command::Draw(Draw {
        transfer: transfer.into(),
        amount: Amount::of(amount),
        expires: at(expires),
        ceiling: terms.map(|(ceiling, _)| Amount::of(ceiling)),
        window_s: terms.and_then(|(_, window_s)| window_s),
    })
}

fn post(transfer: &str, amount: u64) -> Command {
    let (transfer, amount, other) = (transfer.into(), Amount::of(amount), Some(PAYEE.into()));
    Command::Post(Post { transfer, amount, other, workflow: None })
}

fn release(transfer: &str) -> Command {
    Command::Release(Release { transfer: transfer.into(), cause: Cause::Voided })
}

fn enter(side: Side, amount: u64, other: &str) -> Command {
    let (transfer, amount, other) = ("t".into(), Amount::of(amount), other.into());
    Command::Enter(Enter { transfer, side, amount, other, workflow: None })
}

/// A funding account with so much in it.
fn funded(amount: u64) -> State {
    let state = does(FUNDING, State::default(), &open(None), at(0));
    does(FUNDING, state, &enter(Side::Receive, amount, WORLD), at(0))
}

fn room(id: &str, state: &State, now: i64) -> Option<i128> {
    let look = Command::Look(Look { ceiling: None, window_s: None });
    let (after, room) = told(id, state.clone(), &look, at(now)).unwrap();
    assert_eq!(&after, state, "looking changes nothing");
    room.map(Amount::units)
}

#[test]
fn given_funds_when_held_posted_and_released_then_never_more_is_promised_than_there_is() {
    let state = funded(100);
    let state = does(FUNDING, state, &hold("a", Side::Pay, 60, 10), at(0));
    assert_eq!(
        refuses(FUNDING, &state, &hold("b", Side::Pay, 41, 10), at(0)),
        "insufficient_funds"
    );
    let (state, left) = told(FUNDING, state, &hold("b", Side::Pay, 40, 10), at(0)).unwrap();
    assert_eq!(left, Some(Amount::ZERO));
    let state = does(FUNDING, state, &post("a", 50), at(1));
    assert_eq!((state.view().posted, room(FUNDING, &state, 1)), (Amount::of(50), Some(10)));
    let state = does(FUNDING, state, &release("b"), at(1));
    assert_eq!((state.view().holds, room(FUNDING, &state, 1)), (0, Some(50)));
    for again in [post("a", 1), release("a"), release("b")] {
        assert_eq!(refuses(FUNDING, &state, &again, at(1)), "account_not_held");
    }
}

#[test]
fn given_a_hold_when_its_time_is_over_then_it_is_dead_for_everyone_before_anybody_ends_it() {
    let state = does(FUNDING, funded(100), &hold("a", Side::Pay, 100, 10), at(0));
    assert_eq!(room(FUNDING, &state, 9), Some(0));
    assert_eq!(room(FUNDING, &state, 10), Some(100));
    assert_eq!(refuses(FUNDING, &state, &post("a", 1), at(10)), "account_hold_expired");
    let state = does(FUNDING, state, &hold("b", Side::Pay, 100, 20), at(10));
    assert_eq!(state.view().holds, 2, "the dead one is still there to be ended");
    // Its end gives nothing back a second time, whatever the clock says by then.
    let state = does(FUNDING, state, &release("a"), at(10));
    assert_eq!(room(FUNDING, &state, 10), Some(0));
    let late = hold("c", Side::Pay, 1, 10);
    assert_eq!(refuses(FUNDING, &funded(5), &late, at(10)), "account_hold_expired");
}

#[test]
fn given_a_payee_when_money_is_promised_and_posted_then_it_has_it_and_bounds_nothing() {
    let state = does(PAYEE, State::default(), &hold("a", Side::Receive, 60, 10), at(0));
    let view = state.view();
    assert_eq!((view.held_in, view.available), (Amount::of(60), None));
    let state = does(PAYEE, state, &post("a", 25), at(1));
    let view = state.view();
    assert_eq!((view.posted, view.held_in), (Amount::of(25), Amount::ZERO));
    assert_eq!(room(PAYEE, &state, 1), None);
}

#[test]
fn money_leaves_by_an_intent_only() {
    let state = funded(100);
    let pay = |other: &str| enter(Side::Pay, 10, other);
    assert_eq!(refuses(FUNDING, &state, &pay(PAYEE), at(0)), "account_intent_only");
    assert_eq!(refuses(FUNDING, &state, &pay("nothing"), at(0)), "account_intent_only");
    assert_eq!(refuses(WORLD, &State::default(), &pay(PAYEE), at(0)), "account_intent_only");
    let receive = enter(Side::Receive, 10, FUNDING);
    assert_eq!(refuses(PAYEE, &State::default(), &receive, at(0)), "account_intent_only");
    let state = does(FUNDING, state, &pay("funding:rent:USD.2"), at(0));
    assert_eq!(state.view().posted, Amount::of(90));
    let world = does(WORLD, State::default(), &pay(FUNDING), at(0));
    assert_eq!(world.view().posted, Amount::of(10).negated(), "the world may owe");
    let more = enter(Side::Pay, 91, "funding:rent:USD.2");
    assert_eq!(refuses(FUNDING, &state, &more, at(0)), "insufficient_funds");
}

#[test]
fn a_budget_is_its_ceiling_and_a_workflow_without_one_spends_nothing() {
    let none = State::default();
    assert_eq!(refuses(BUDGET, &none, &draw("a", 1, 10, None), at(0)), "budget_exceeded");
    let state = does(BUDGET, none, &open(Some(100)), at(0));
    let state = does(BUDGET, state, &draw("a", 70, 10, None), at(0));
    assert_eq!(refuses(BUDGET, &state, &draw("b", 31, 10, None), at(0)), "budget_exceeded");
    let state = does(BUDGET, state, &post("a", 40), at(1));
    assert_eq!((state.view().posted, room(BUDGET, &state, 1)), (Amount::of(40), Some(60)));
    // A ceiling that comes with the command is not the budget's.
    let larger = draw("b", 61, 10, Some((1_000, None)));
    assert_eq!(refuses(BUDGET, &state, &larger, at(1)), "budget_exceeded");
    let state = does(BUDGET, state, &draw("b", 60, 10, None), at(1));
    let state = does(BUDGET, state, &release("b"), at(2));
    assert_eq!(room(BUDGET, &state, 2), Some(60));
}

#[test]
fn opening_again_changes_nothing_and_another_ceiling_is_refused() {
    let state = does(BUDGET, State::default(), &open(Some(100)), at(0));
    let state = does(BUDGET, state, &draw("a", 70, 10, None), at(0));
    let (after, left) = told(BUDGET, state.clone(), &open(Some(100)), at(0)).unwrap();
    assert_eq!((&after, left), (&state, Some(Amount::of(30))));
    for ceiling in [Some(101), None] {
        assert_eq!(refuses(BUDGET, &state, &open(ceiling), at(0)), "account_ceiling");
    }
    assert_eq!(refuses(FUNDING, &State::default(), &open(Some(1)), at(0)), "account_ceiling");
    assert_eq!(does(FUNDING, funded(5), &open(None), at(0)), funded(5));
    for id in [WORLD, PAYEE, VELOCITY, &cap()] {
        assert_eq!(refuses(id, &State::default(), &open(None), at(0)), "account_class");
    }
}

#[test]
fn a_daily_cap_is_of_its_day_and_takes_the_ceiling_in_force() {
    let (id, terms) = (cap(), Some((100, None)));
    let state = does(&id, State::default(), &draw("a", 80, 10, terms), at(0));
    assert_eq!(refuses(&id, &state, &draw("b", 21, 10, terms), at(0)), "daily_cap_exceeded");
    let lower = draw("b", 1, 10, Some((80, None)));
    assert_eq!(refuses(&id, &state, &lower, at(0)), "daily_cap_exceeded");
    let tomorrow = at(86_400);
    let late = draw("b", 1, 86_500, terms);
    assert_eq!(refuses(&id, &state, &late, tomorrow), "account_day_over");
    // What was drawn on it is posted and released on any day.
    let state = does(&id, state, &draw("b", 20, 100_000, terms), at(86_399));
    let state = does(&id, state, &post("b", 5), tomorrow);
    let state = does(&id, state, &release("a"), tomorrow);
    assert_eq!(state.view().posted, Amount::of(5));
    assert_eq!(refuses(&id, &State::default(), &draw("a", 1, 10, None), at(0)), "account_ceiling");
}

#[test]
fn a_velocity_counts_what_was_approved_lately_and_forgets_by_time_only() {
    let terms = Some((100, Some(60)));
    let state = does(VELOCITY, State::default(), &draw("a", 60, 10, terms), at(0));
    let state = does(VELOCITY, state, &draw("b", 40, 40, terms), at(30));
    assert_eq!(refuses(VELOCITY, &state, &draw("c", 1, 99, terms), at(59)), "velocity_exceeded");
    assert_eq!(refuses(VELOCITY, &state, &release("a"), at(59)), "account_not_held");
    let (_, left) = told(VELOCITY, state.clone(), &draw("c", 60, 99, terms), at(60)).unwrap();
    assert_eq!(left, Some(Amount::ZERO), "the first one is outside by then");
    let longer = draw("c", 1, 99, Some((100, Some(61))));
    assert_eq!(refuses(VELOCITY, &state, &longer, at(60)), "velocity_exceeded");
    let windowless = draw("c", 1, 99, Some((100, None)));
    assert_eq!(refuses(VELOCITY, &state, &windowless, at(60)), "account_ceiling");
    let dead = draw("c", 1, 60, terms);
    assert_eq!(refuses(VELOCITY, &state, &dead, at(60)), "account_hold_expired");
}

#[test]
fn an_account_keeps_so_many_holds_and_approvals_and_no_more() {
    let mut state = funded(1_000_000);
    for number in 0..HOLDS_MAX {
        state = does(FUNDING, state, &hold(&number.to_string(), Side::Pay, 1, 10), at(0));
    }
    let more = hold("more", Side::Pay, 1, 10);
    assert_eq!(refuses(FUNDING, &state, &more, at(0)), "account_holds_full");
    let terms = Some((1_000_000, Some(60)));
    let mut state = State::default();
    for number in 0..APPROVALS_MAX {
        state = does(VELOCITY, state, &draw(&number.to_string(), 1, 10, terms), at(0));
    }
    assert_eq!(refuses(VELOCITY, &state, &draw("more", 1, 99, terms), at(0)), "velocity_exceeded");
    assert!(told(VELOCITY, state, &draw("more", 1, 99, terms), at(60)).is_ok());
}

#[test]
fn what_does_not_belong_is_refused() {
    let state = does(FUNDING, funded(100), &hold("a", Side::Pay, 10, 10), at(0));
    for (id, command, code) in [
        ("nothing", open(None), "account_name"),
        (FUNDING, hold("a", Side::Pay, 10, 10), "account_held"),
        (FUNDING, hold("b", Side::Pay, 0, 10), "account_amount"),
        (FUNDING, hold("b", Side::Draw, 1, 10), "account_class"),
        (WORLD, hold("b", Side::Pay, 1, 10), "account_class"),
        (BUDGET, hold("b", Side::Receive, 1, 10), "account_class"),
        (FUNDING, draw("b", 1, 10, None), "account_class"),
        (BUDGET, enter(Side::Pay, 1, FUNDING), "account_class"),
        (FUNDING, enter(Side::Draw, 1, FUNDING), "account_class"),
        (FUNDING, post("a", 11), "account_post_exceeds"),
        (FUNDING, post("a", 0), "account_amount"),
    ] {
        assert_eq!(refuses(id, &state, &command, at(0)), code, "{id} {command:?}");
    }
    let closed = State::default();
    for (command, code) in [
        (hold("a", Side::Pay, 1, 10), "insufficient_funds"),
        (hold("a", Side::Receive, 1, 10), "account_not_open"),
        (enter(Side::Receive, 1, WORLD), "account_not_open"),
    ] {
        assert_eq!(refuses(FUNDING, &closed, &command, at(0)), code);
    }
    assert!(parse("close", b"{}").is_err());
    assert!(parse("open", br#"{"ceiling":1.5}"#).is_err());
    assert!(parse("open", br#"{"floor":1}"#).is_err());
}

#[test]
fn a_balance_that_would_be_no_amount_is_refused_before_it_is_promised() {
    let mut state = State { posted: Amount::MAX, ..funded(1) };
    let one = hold("a", Side::Receive, 1, 10);
    assert_eq!(refuses(FUNDING, &state, &one, at(0)), "account_out_of_range");
    let entry = enter(Side::Receive, 1, WORLD);
    assert_eq!(refuses(FUNDING, &state, &entry, at(0)), "account_out_of_range");
    state.posted = Amount::MAX.negated();
    let entry = enter(Side::Pay, 1, FUNDING);
    assert_eq!(refuses(WORLD, &state, &entry, at(0)), "account_out_of_range");
}

fn step() -> impl Strategy<Value = (Command, i64)> {
    let name = || (0..5_u8).prop_map(|number| number.to_string());
    let command = prop_oneof![
        (name(), 1..50_u64, 0..40_i64).prop_map(|(id, amount, expires)| hold(
            &id,
            Side::Pay,
            amount,
            expires
        )),
        (name(), 1..50_u64, 0..40_i64).prop_map(|(id, amount, expires)| hold(
            &id,
            Side::Receive,
            amount,
            expires
        )),
        (name(), 0..50_u64).prop_map(|(id, amount)| post(&id, amount)),
        name().prop_map(|id| release(&id)),
        (1..50_u64).prop_map(|amount| enter(Side::Receive, amount, WORLD)),
        (1..50_u64).prop_map(|amount| enter(Side::Pay, amount, "funding:b:USD.2")),
    ];
    (command, 0..3_i64)
}

proptest! {
    #[test]
    fn whatever_comes_a_funding_account_never_promises_more_than_it_has(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (mut state, mut now) = (funded(60), 0);
        for (command, passed) in steps {
            now += passed;
            let before = room(FUNDING, &state, now).unwrap();
            let Ok((after, _)) = told(FUNDING, state.clone(), &command, at(now)) else { continue };
            prop_assert!(room(FUNDING, &after, now).unwrap() >= 0, "{:?}", command);
            prop_assert!(after.view().posted >= Amount::ZERO);
            if let Command::Hold(Hold { side: Side::Pay, amount, .. }) = &command {
                prop_assert_eq!(room(FUNDING, &after, now).unwrap(), before - amount.units());
            }
            let text = serde_json::to_string(&after).unwrap();
            prop_assert_eq!(&serde_json::from_str::<State>(&text).unwrap(), &after);
            state = after;
        }
    }
}
