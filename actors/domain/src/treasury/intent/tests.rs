//! What intents answer, in given/when/then form.

use coppice_core::{DomainEvent, Entity, Json, Rejection, TimerId, Timestamp};

use super::command::{Approve, Command, Create, Deny, Expire, Post, Void, Withdraw, parse};
use super::decide::decide;
use super::event::{Denied, Event};
use super::state::{Decided, State, Status, evolve};
use super::{Intent, IntentError};
use crate::treasury::money::Amount;
use crate::treasury::names::Name;
use crate::treasury::reason::Reason;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn events(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, IntentError> {
    if let Some((name, body)) = command.encode().unwrap() {
        assert_eq!(&parse(name, body.as_bytes()).unwrap(), command);
    }
    let decision = decide(state, command, now)?;
    let after = decision.events.iter().fold(state.clone(), |state, event| {
        let text = event.encode().unwrap();
        assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
        evolve(state, event)
    });
    assert_eq!(after.view(), decision.reply);
    Ok(decision.events)
}

fn told(state: State, command: &Command, now: Timestamp) -> Result<State, IntentError> {
    Ok(events(&state, command, now)?.iter().fold(state, evolve))
}

fn refuses(state: &State, command: &Command, now: Timestamp) -> &'static str {
    told(state.clone(), command, now).unwrap_err().code()
}

fn create() -> Create {
    Create {
        amount: Amount::of(100),
        from: "funding:USD.2".into(),
        to: "payee:acme:USD.2".into(),
        merchant: Name::new("acme").unwrap(),
        category: Name::new("compute").unwrap(),
        ttl_s: 10,
        workflow: None,
    }
}

fn created() -> State {
    told(State::default(), &Command::Create(create()), at(0)).unwrap()
}

const RECORD: &str = r#"{"bundle":"b","allowed":true}"#;

fn approve() -> Command {
    Command::Approve(Approve { policy: Some(Json::parse(RECORD).unwrap()) })
}

fn deny(reason: Reason) -> Command {
    Command::Deny(Deny { reason, policy: Some(Json::parse("{\"allowed\":false}").unwrap()) })
}

fn approved() -> State {
    told(created(), &approve(), at(1)).unwrap()
}

const WITHDRAW: Command = Command::Withdraw(Withdraw {});
const VOID: Command = Command::Void(Void {});
const EXPIRE: Command = Command::Expire(Expire {});

#[test]
fn whichever_of_approval_and_denial_comes_first_stands() {
    let denied = told(created(), &deny(Reason::Timeout), at(1)).unwrap();
    assert_eq!(refuses(&denied, &approve(), at(1)), "intent_decided");
    let stands = Some(Decided { approved: false, reason: Reason::Timeout });
    assert_eq!(denied.view().decided, stands);
    assert_eq!(events(&denied, &deny(Reason::PolicyDenied), at(2)).unwrap(), [], "and stays");

    assert_eq!(events(&approved(), &deny(Reason::Timeout), at(2)).unwrap(), []);
    let stands = Some(Decided { approved: true, reason: Reason::Approved });
    assert_eq!(approved().view().decided, stands);
    assert_eq!(refuses(&approved(), &approve(), at(1)), "intent_decided");
}

#[test]
fn the_policys_record_is_in_the_decisions_event_whole() {
    let command = deny(Reason::MerchantNotAllowed);
    let [Event::Denied(Denied { reason, policy, at: when })] =
        &events(&created(), &command, at(1)).unwrap()[..]
    else {
        panic!("it is denied")
    };
    assert_eq!((*reason, *when), (Reason::MerchantNotAllowed, at(1)));
    assert_eq!(*policy, Some(Json::parse("{\"allowed\":false}").unwrap()));
    let text = events(&created(), &approve(), at(1)).unwrap()[0].encode().unwrap();
    assert!(text.contains(&format!("\"policy\":{RECORD}")), "{text}");
}

#[test]
fn from_its_expiry_on_it_is_expired_whichever_message_comes_first() {
    let state = created();
    assert_eq!(state.pending.wake_at(), Some(at(10)));
    assert_eq!(refuses(&state, &approve(), at(10)), "intent_expired");
    let timer = TimerId("expiry".into());
    let lapse = Intent::on_timer(&state, &timer, at(10)).unwrap();
    for late in [deny(Reason::Timeout), WITHDRAW, lapse] {
        let view = told(state.clone(), &late, at(10)).unwrap().view();
        let reason = Reason::IntentExpired;
        let expected = (Status::Expired, Some(Decided { approved: false, reason }));
        assert_eq!((view.status, view.decided), expected);
    }
}

#[test]
fn an_approved_one_ends_once_and_stays_approved() {
    let post = |amount| Command::Post(Post { amount: Amount::of(amount) });
    assert_eq!(approved().pending.wake_at(), None, "its transfer has the timer");
    for (end, status, posted) in [
        (post(100), Status::Posted, 100),
        (post(1), Status::Posted, 1),
        (VOID, Status::Voided, 0),
        (EXPIRE, Status::Expired, 0),
    ] {
        let state = told(approved(), &end, at(20)).unwrap();
        let view = state.view();
        assert_eq!((view.status, view.posted), (status, Amount::of(posted)));
        assert!(view.decided.is_some_and(|decided| decided.approved));
        for again in [post(1), VOID, EXPIRE] {
            assert_eq!(refuses(&state, &again, at(20)), "intent_not_approved");
        }
    }
    for amount in [0, 101] {
        assert_eq!(refuses(&approved(), &post(amount), at(2)), "intent_amount");
    }
    assert_eq!(refuses(&created(), &post(1), at(2)), "intent_not_approved");
    assert_eq!(refuses(&created(), &EXPIRE, at(20)), "intent_not_approved");
}

#[test]
fn one_that_is_not_decided_can_be_taken_back_and_then_not_approved() {
    let state = told(created(), &WITHDRAW, at(1)).unwrap();
    let decided = Some(Decided { approved: false, reason: Reason::Withdrawn });
    assert_eq!((state.view().status, state.view().decided), (Status::Voided, decided));
    assert_eq!(refuses(&state, &approve(), at(1)), "intent_decided");
    // What holds something is given up together with it.
    assert_eq!(refuses(&approved(), &WITHDRAW, at(1)), "intent_decided");
    assert_eq!(refuses(&created(), &VOID, at(1)), "intent_not_approved");
}

#[test]
fn the_same_intent_again_changes_nothing_and_another_is_refused() {
    let again = Command::Create(create());
    assert_eq!(events(&created(), &again, at(5)).unwrap(), []);
    assert_eq!(events(&approved(), &again, at(500)).unwrap(), []);
    let changes: [fn(&mut Create); 4] = [
        |create| create.amount = Amount::of(99),
        |create| create.category = Name::new("other").unwrap(),
        |create| create.ttl_s = 11,
        |create| create.workflow = Some(Name::new("w").unwrap()),
    ];
    for change in changes {
        let mut create = create();
        change(&mut create);
        assert_eq!(refuses(&created(), &Command::Create(create), at(5)), "intent_other");
    }
}

#[test]
fn what_does_not_belong_is_refused() {
    let none = State::default();
    type Change = (fn(&mut Create), &'static str);
    let changes: [Change; 7] = [
        (|create| create.from = "world:USD.2".into(), "intent_accounts"),
        (|create| create.from = "funding:EUR.2".into(), "intent_accounts"),
        (|create| create.to = "funding:x:USD.2".into(), "intent_accounts"),
        (|create| create.to = "payee:other:USD.2".into(), "intent_accounts"),
        (|create| create.amount = Amount::ZERO, "intent_amount"),
        (|create| create.ttl_s = 0, "intent_ttl"),
        (|create| create.ttl_s = super::TTL_S_MAX + 1, "intent_ttl"),
    ];
    for (change, code) in changes {
        let mut create = create();
        change(&mut create);
        assert_eq!(refuses(&none, &Command::Create(create.clone()), at(0)), code, "{create:?}");
    }
    for command in [approve(), deny(Reason::Timeout), WITHDRAW, VOID, EXPIRE] {
        assert_eq!(refuses(&none, &command, at(0)), "intent_not_there");
    }
    assert!(parse("lapse", b"{}").is_err(), "only the system says so");
}
