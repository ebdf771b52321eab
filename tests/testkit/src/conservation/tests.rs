//! What the checker must find.

use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, EventRecord, Hash, StreamHead, StreamKey,
    TenantId, Timestamp,
};
use uuid::Uuid;

use super::*;

const EXPIRES: i64 = 1_000;

/// Events in commits, as (kind, id, type, payload).
type Commit<'a> = &'a [(&'a str, &'a str, &'a str, String)];

fn checked(commits: &[Commit<'_>]) -> Result<Balanced, Unbalanced> {
    let (mut events, mut batches) = (Vec::new(), Vec::new());
    for (number, commit) in (1..).zip(commits) {
        let first = Position(events.len() as u64 + 1);
        for (kind, id, event_type, payload) in *commit {
            let key = StreamKey::new(
                TenantId::new("t").unwrap(),
                EntityKind::new(kind).unwrap(),
                EntityId::new(id).unwrap(),
            );
            let body = EventBody {
                event_type: (*event_type).into(),
                payload: payload.as_str().into(),
                recorded_at: Timestamp::EPOCH,
                causation: CommandId(Uuid::nil()),
                correlation: CorrelationId(Uuid::nil()),
                workflow: None,
                policy_bundle: None,
                subject: None,
                key_id: None,
            };
            let record = EventRecord::chain(StreamHead::genesis(&key), body);
            let position = Position(events.len() as u64 + 1);
            events.push(StoredEvent { position, key, record });
        }
        let last = Position(events.len() as u64);
        let (previous_hash, hash) = (Hash::ZERO, Hash::ZERO);
        batches.push(BatchRow { number, first, last, previous_hash, hash });
    }
    check(&events, &batches)
}

fn entered(
    account: &'static str,
    amount: i64,
    held: i64,
    balance: i64,
) -> (&'static str, &'static str, &'static str, String) {
    let payload = format!(
        r#"{{"transfer":"x","other":"o","amount":"{amount}","held":"{held}","balance":"{balance}"}}"#
    );
    ("account", account, "account.entered.v1", payload)
}

fn held(
    account: &'static str,
    side: &str,
    amount: i64,
    ceiling: Option<i64>,
) -> (&'static str, &'static str, &'static str, String) {
    let ceiling = ceiling.map_or_else(|| "null".to_owned(), |ceiling| format!("\"{ceiling}\""));
    let payload = format!(
        r#"{{"transfer":"i","side":"{side}","amount":"{amount}","expires":{EXPIRES},"ceiling":{ceiling}}}"#
    );
    ("account", account, "account.held.v1", payload)
}

fn moved() -> (&'static str, &'static str, &'static str, String) {
    ("transfer", "x", "transfer.moved.v1", "{}".to_owned())
}

fn of(
    kind: &'static str,
    event_type: &'static str,
) -> (&'static str, &'static str, &'static str, String) {
    (kind, "i", event_type, "{}".to_owned())
}

const FUNDING: &str = "funding:USD.2";
const WORLD: &str = "world:USD.2";
const PAYEE: &str = "payee:a:USD.2";
const CAP: &str = "cap:2026-01-01:USD.2";

fn deposit() -> Vec<(&'static str, &'static str, &'static str, String)> {
    vec![moved(), entered(WORLD, -100, 0, -100), entered(FUNDING, 100, 0, 100)]
}

fn approval(amount: i64) -> Vec<(&'static str, &'static str, &'static str, String)> {
    vec![
        of("intent", "intent.approved.v1"),
        of("transfer", "transfer.reserved.v1"),
        held(FUNDING, "pay", amount, None),
        held(PAYEE, "receive", amount, None),
        held(CAP, "draw", amount, Some(60)),
    ]
}

#[track_caller]
fn assert_problem(commits: &[Commit<'_>], part: &str) {
    let problem = checked(commits).unwrap_err().problem;
    assert!(problem.contains(part), "{problem}");
}

#[test]
fn what_is_right_is_found_right() {
    let summary = checked(&[&deposit(), &approval(60)]).unwrap();
    assert_eq!((summary.cuts, summary.approved, summary.pending), (2, 1, 1));
}

#[test]
fn half_a_transfer_in_a_commit_is_found() {
    let deposit = deposit();
    assert_problem(&[&deposit[..2], &deposit[2..]], "sum to -100");
}

#[test]
fn a_hold_on_one_side_only_is_found() {
    let (deposit, approval) = (deposit(), approval(60));
    assert_problem(&[&deposit, &approval[..3]], "holds");
    assert_problem(&[&deposit, &approval[2..]], "holds");
    let mut unequal = approval;
    unequal[3] = held(PAYEE, "receive", 59, None);
    assert_problem(&[&deposit, &unequal], "holds");
}

#[test]
fn more_promised_than_there_is_and_a_crossed_ceiling_are_found() {
    assert_problem(&[&approval(60)], "promises 60 and has 0");
    assert_problem(&[&deposit(), &approval(61)], "61 of 60 used");
}

#[test]
fn a_second_end_and_a_second_decision_are_found() {
    let (deposit, approval) = (deposit(), approval(60));
    let voided = of("transfer", "transfer.voided.v1");
    assert_problem(&[&deposit, &approval, std::slice::from_ref(&voided)], "holds");
    let again = of("intent", "intent.denied.v1");
    assert_problem(&[&deposit, &approval, std::slice::from_ref(&again)], "decided twice");
    assert_problem(&[&[voided]], "which is None");
}

#[test]
fn an_approval_without_its_transfer_is_found() {
    assert_problem(&[&[of("intent", "intent.approved.v1")]], "reserved false");
}

#[test]
fn a_balance_that_is_not_the_sum_is_found() {
    assert_problem(&[&[entered(FUNDING, 100, 0, 101)]], "says 101 and has 100");
    assert_problem(&[&[entered(FUNDING, -1, 0, -1)]], "has -1");
}
