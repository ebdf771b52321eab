//! What transfers answer, in given/when/then form.

use coppice_core::{DomainEvent, EffectId, EffectOutcome, Entity, Rejection, TimerId, Timestamp};

use super::command::{Command, Expire, Move, Post, Reserve, Void, parse};
use super::decide::decide;
use super::event::Event;
use super::state::{State, Status, evolve};
use super::{Transfer, TransferError};
use crate::treasury::money::Amount;
use crate::treasury::names::Name;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn told(state: State, command: &Command, now: Timestamp) -> Result<State, TransferError> {
    if let Some((name, body)) = command.encode().unwrap() {
        assert_eq!(&parse(name, body.as_bytes()).unwrap(), command);
    }
    let decision = decide(&state, command, "t-1", now)?;
    let after = decision.events.iter().fold(state, |state, event| {
        let text = event.encode().unwrap();
        assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
        evolve(state, event)
    });
    assert_eq!(after.view(), decision.reply);
    Ok(after)
}

fn refuses(state: &State, command: &Command, now: Timestamp) -> &'static str {
    told(state.clone(), command, now).unwrap_err().code()
}

fn reserve() -> Reserve {
    Reserve {
        from: "funding:USD.2".into(),
        to: "payee:acme:USD.2".into(),
        amount: Amount::of(100),
        expires: at(10),
        limits: vec!["budget:w:USD.2".into()],
        workflow: Some(Name::new("w").unwrap()),
        merchant: Name::new("acme").unwrap(),
        category: Name::new("compute").unwrap(),
    }
}

fn moving() -> Move {
    let (from, to) = ("world:USD.2".into(), "funding:USD.2".into());
    Move { from, to, amount: Amount::of(100), workflow: None }
}

fn pending() -> State {
    told(State::default(), &Command::Reserve(reserve()), at(0)).unwrap()
}

fn post(amount: u64) -> Command {
    Command::Post(Post { amount: Amount::of(amount) })
}

const VOID: Command = Command::Void(Void {});
const EXPIRE: Command = Command::Expire(Expire {});

#[test]
fn given_a_reservation_when_it_ends_then_it_ends_once() {
    let ends = [
        (post(100), at(5), Status::Posted, 100),
        (post(30), at(5), Status::Posted, 30),
        (VOID, at(5), Status::Voided, 0),
        (EXPIRE, at(10), Status::Expired, 0),
    ];
    for (end, now, status, posted) in ends {
        let state = told(pending(), &end, now).unwrap();
        assert_eq!((state.view().status, state.view().posted), (status, Amount::of(posted)));
        assert_eq!((state.pending.wake_at(), state.pending.owes()), (None, false));
        for again in [post(1), VOID, EXPIRE] {
            assert_eq!(refuses(&state, &again, at(20)), "transfer_ended");
        }
        assert_eq!(refuses(&state, &Command::Reserve(reserve()), at(0)), "transfer_other");
    }
}

#[test]
fn from_its_expiry_on_it_can_only_expire_whichever_message_comes_first() {
    let state = pending();
    assert_eq!(state.pending.wake_at(), Some(at(10)));
    let before = at(10).saturating_add_micros(-1);
    assert_eq!(refuses(&state, &EXPIRE, before), "transfer_not_due");
    assert!(told(state.clone(), &post(1), before).is_ok());
    for late in [post(1), VOID] {
        assert_eq!(refuses(&state, &late, at(10)), "transfer_expired");
    }
}

#[test]
fn given_its_time_is_over_when_the_timer_fires_then_the_commit_that_ends_it_is_owed() {
    let timer = TimerId("expiry".into());
    let due = Transfer::on_timer(&pending(), &timer, at(10)).unwrap();
    let state = told(pending(), &due, at(12)).unwrap();
    let effect = state.pending.effect(&EffectId("expire-1".into())).unwrap();
    assert_eq!(&*effect.handler, "treasury");
    assert_eq!(&*effect.request, r#"{"op":"expire","transfer":"t-1"}"#);
    assert_eq!(state.view().status, Status::Pending, "the commit ends it");
    assert!(!told(state.clone(), &EXPIRE, at(12)).unwrap().pending.owes());

    // What the handler could not do is tried again, as another effect.
    let outcome = EffectOutcome::Unknown { detail: "cut".into() };
    let put_off = Transfer::on_effect(&state, &EffectId("expire-1".into()), &outcome).unwrap();
    let state = told(state, &put_off, at(12)).unwrap();
    assert_eq!((state.pending.wake_at(), state.pending.owes()), (Some(at(42)), false));
    let state = told(state, &due, at(42)).unwrap();
    assert!(state.pending.effect(&EffectId("expire-2".into())).is_some());
}

#[test]
fn a_timer_that_a_clock_set_back_makes_too_early_waits_for_the_expiry() {
    let state = told(pending(), &Command::Due, at(7)).unwrap();
    assert_eq!((state.pending.wake_at(), state.pending.owes()), (Some(at(10)), false));
}

#[test]
fn a_plain_movement_is_there_at_once_and_once() {
    let state = told(State::default(), &Command::Move(moving()), at(0)).unwrap();
    assert_eq!((state.view().status, state.view().posted), (Status::Posted, Amount::of(100)));
    assert_eq!(refuses(&state, &Command::Move(moving()), at(0)), "transfer_other");
    assert_eq!(refuses(&state, &VOID, at(0)), "transfer_ended");
}

#[test]
fn what_does_not_belong_is_refused() {
    let none = State::default();
    for (command, code) in [(post(1), "transfer_not_there"), (VOID, "transfer_not_there")] {
        assert_eq!(refuses(&none, &command, at(0)), code);
    }
    for amount in [0, 101] {
        assert_eq!(refuses(&pending(), &post(amount), at(0)), "transfer_amount");
    }
    type Change = (fn(&mut Reserve), &'static str);
    let changes: [Change; 6] = [
        (|reserve| reserve.to = "payee:acme:EUR.2".into(), "transfer_accounts"),
        (|reserve| reserve.to = "budget:w:USD.2".into(), "transfer_accounts"),
        (|reserve| reserve.from = reserve.to.clone(), "transfer_accounts"),
        (|reserve| reserve.limits = vec!["funding:USD.2".into()], "transfer_accounts"),
        (|reserve| reserve.amount = Amount::ZERO, "transfer_amount"),
        (|reserve| reserve.expires = at(0), "transfer_expired"),
    ];
    for (change, code) in changes {
        let mut reserve = reserve();
        change(&mut reserve);
        assert_eq!(refuses(&none, &Command::Reserve(reserve.clone()), at(0)), code, "{reserve:?}");
    }
    let mut nowhere = moving();
    nowhere.to = "nowhere".into();
    assert_eq!(refuses(&none, &Command::Move(nowhere), at(0)), "transfer_accounts");
    assert!(parse("due", b"{}").is_err(), "only the system says so");
}
