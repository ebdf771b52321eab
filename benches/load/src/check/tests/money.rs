//! Money: a deposit, an intent that is posted in part, one that is denied, one that is open; and it
//! again with one thing wrong.

use serde_json::{Value, json};

use super::super::memory::By;
use super::*;

const OURS: fn(u64) -> By = |op| By::Op(RUN, op);
const FUNDING: &str = "funding:USD.2";
const PAYEE: &str = "payee:acme:USD.2";
const WORLD: &str = "world:USD.2";
const CAP: &str = "cap:USD.2:2026-11-30";
/// Far away, in microseconds since 1970.
const LATER: i64 = 4_000_000_000_000_000;

fn entered(memory: &mut Memory, of: &str, by: By, data: [i64; 3], transfer: &str) {
    let [amount, held, balance] = data.map(|number| number.to_string());
    let other = if of == FUNDING { PAYEE } else { FUNDING };
    let data = json!({
        "transfer": transfer, "other": other, "amount": amount, "held": held, "balance": balance,
        "workflow": null,
    });
    memory.event("account", of, by, "account.entered.v1", &data);
}

fn held(memory: &mut Memory, by: By, amount: i64, transfer: &str, expires: i64) {
    for (account, side) in [(FUNDING, "pay"), (PAYEE, "receive"), (CAP, "draw")] {
        let ceiling = (account == CAP).then_some("1000");
        let data = json!({
            "transfer": transfer, "side": side, "amount": amount.to_string(), "expires": expires,
            "ceiling": ceiling,
        });
        memory.event("account", account, by, "account.held.v1", &data);
    }
    memory.event("transfer", transfer, by, "transfer.reserved.v1", &json!({}));
    memory.event("intent", transfer, by, "intent.approved.v1", &json!({ "at": 1 }));
}

fn created(memory: &mut Memory, by: By, amount: i64, id: &str) {
    let data = json!({ "amount": amount.to_string(), "expires": LATER });
    memory.event("intent", id, by, "intent.created.v1", &data);
}

fn serve(memory: &mut Memory) {
    for (account, posted) in [(FUNDING, 470), (PAYEE, 30), (WORLD, -500), (CAP, 30)] {
        let sequence = memory.events_of("account", account).len() as u64;
        memory.serve("account", account, sequence, &json!({ "posted": posted.to_string() }));
    }
}

fn good() -> (Memory, Vec<Entry>) {
    let mut memory = Memory::default();
    let opened = json!({ "asset": "USD/2", "class": "funding", "ceiling": null });
    for account in [FUNDING, PAYEE, WORLD, CAP] {
        memory.event("account", account, By::Other, "account.opened.v1", &opened);
    }
    entered(&mut memory, WORLD, OURS(0), [-500, 0, -500], "t");
    entered(&mut memory, FUNDING, OURS(0), [500, 0, 500], "t");
    memory.event("transfer", "t", OURS(0), "transfer.moved.v1", &json!({}));
    created(&mut memory, OURS(4), 50, "i");
    held(&mut memory, OURS(5), 50, "i", LATER);
    entered(&mut memory, FUNDING, OURS(6), [-30, 50, 470], "i");
    entered(&mut memory, PAYEE, OURS(6), [30, 50, 30], "i");
    let drawn = json!({ "transfer": "i", "amount": "30", "held": "50", "spent": "30" });
    memory.event("account", CAP, OURS(6), "account.drawn.v1", &drawn);
    memory.event("transfer", "i", OURS(6), "transfer.posted.v1", &json!({}));
    memory.event("intent", "i", OURS(6), "intent.posted.v1", &json!({ "amount": "30" }));
    created(&mut memory, OURS(8), 9_999, "denied");
    memory.event("intent", "denied", OURS(9), "intent.denied.v1", &json!({ "at": 1 }));
    created(&mut memory, OURS(12), 20, "open");
    held(&mut memory, OURS(13), 20, "open", LATER);
    serve(&mut memory);
    let entries = vec![
        entry(0, Operation::Transfer, 1, 500),
        entry(4, Operation::Intent, 1, 50),
        entry(5, Operation::Authorize, 1, 0),
        entry(6, Operation::Post, 1, 30),
        entry(8, Operation::Intent, 4, 9_999),
        entry(9, Operation::Authorize, 4, 0),
        entry(12, Operation::Intent, 6, 20),
        entry(13, Operation::Authorize, 6, 0),
    ];
    (memory, entries)
}

async fn spoilt(spoil: impl FnOnce(&mut Memory, &mut Vec<Entry>)) -> Vec<Check> {
    let (mut memory, mut entries) = good();
    spoil(&mut memory, &mut entries);
    found(&judged(&memory, &entries).await)
}

/// Changes the last event of a type on an account.
fn change(memory: &mut Memory, account: &str, event_type: &str, member: &str, to: Value) {
    let events = memory.events_of("account", account);
    let event = events.iter_mut().rfind(|event| event.event_type == event_type).unwrap();
    let mut data: Value = serde_json::from_str(event.data.get()).unwrap();
    data[member] = to;
    event.data = super::super::memory::raw(&data);
}

#[tokio::test]
async fn what_is_right_passes_and_every_check_has_looked() {
    let (memory, entries) = good();
    let verdict = judged(&memory, &entries).await;
    assert!(verdict.is_sound(), "{verdict:#?}");
    assert_eq!(verdict.open, 1);
    let examined = |check| verdict.checks[&check].examined;
    // A deposit, three intents, three decisions and a post.
    assert_eq!(examined(Check::Lost), 8);
    // Three transfers and one asset; two reservations in streams and on accounts.
    assert_eq!([examined(Check::Balance), examined(Check::Reservation)], [4, 5]);
    assert_eq!(examined(Check::Served), 4);
}

#[tokio::test]
async fn an_acknowledged_transfer_that_is_not_there_is_lost() {
    let more = |_: &mut Memory, entries: &mut Vec<Entry>| {
        entries.push(entry(16, Operation::Transfer, 8, 5));
    };
    assert_eq!(spoilt(more).await, [Check::Lost]);
}

#[tokio::test]
async fn a_transfer_under_two_ids_is_doubled() {
    let doubled = |memory: &mut Memory, _: &mut Vec<Entry>| {
        entered(memory, WORLD, OURS(0), [-500, 0, -1000], "u");
        entered(memory, FUNDING, OURS(0), [500, 0, 970], "u");
    };
    assert_eq!(spoilt(doubled).await, [Check::Doubled]);
}

#[tokio::test]
async fn an_entry_without_its_other_side_is_out_of_balance() {
    let one_sided = |memory: &mut Memory, _: &mut Vec<Entry>| {
        entered(memory, WORLD, By::Other, [-5, 0, -505], "u");
    };
    assert_eq!(spoilt(one_sided).await, [Check::Balance]);
}

#[tokio::test]
async fn a_transfer_of_four_entries_is_out_of_balance_though_they_sum_to_zero() {
    let twice = |memory: &mut Memory, _: &mut Vec<Entry>| {
        for (world, funding) in [(-505, 475), (-510, 480)] {
            entered(memory, WORLD, By::Other, [-5, 0, world], "u");
            entered(memory, FUNDING, By::Other, [5, 0, funding], "u");
        }
    };
    assert_eq!(spoilt(twice).await, [Check::Balance]);
}

#[tokio::test]
async fn an_amount_that_was_not_asked_for_is_altered() {
    let altered = |_: &mut Memory, entries: &mut Vec<Entry>| entries[0].amount = 400;
    assert_eq!(spoilt(altered).await, [Check::Altered]);
    let altered = |_: &mut Memory, entries: &mut Vec<Entry>| entries[1].amount = 51;
    assert_eq!(spoilt(altered).await, [Check::Altered]);
}

#[tokio::test]
async fn money_of_an_operation_that_the_run_never_had_is_invented() {
    let invented = |_: &mut Memory, entries: &mut Vec<Entry>| {
        entries.remove(0);
    };
    assert_eq!(spoilt(invented).await, [Check::Invented]);
}

#[tokio::test]
async fn what_was_not_applied_and_is_there_is_found() {
    let there = |_: &mut Memory, entries: &mut Vec<Entry>| {
        entries[0].outcome = Outcome::Overloaded;
    };
    assert_eq!(spoilt(there).await, [Check::NotApplied]);
}

#[tokio::test]
async fn a_reservation_whose_time_is_over_has_to_end() {
    let over = |memory: &mut Memory, _: &mut Vec<Entry>| {
        for account in [FUNDING, PAYEE, CAP] {
            change(memory, account, "account.held.v1", "expires", json!(1));
        }
    };
    assert_eq!(spoilt(over).await, [Check::Reservation]);
}

#[tokio::test]
async fn what_one_side_holds_and_the_other_does_not_is_found() {
    let other = |memory: &mut Memory, _: &mut Vec<Entry>| {
        change(memory, PAYEE, "account.held.v1", "amount", json!("21"));
    };
    assert_eq!(spoilt(other).await, [Check::Reservation]);
}

#[tokio::test]
async fn crossed_bounds_are_found() {
    let cap = |memory: &mut Memory, _: &mut Vec<Entry>| {
        change(memory, CAP, "account.held.v1", "ceiling", json!("49"));
    };
    assert_eq!(spoilt(cap).await, [Check::Bound]);
    let funding = |memory: &mut Memory, _: &mut Vec<Entry>| {
        for account in [FUNDING, PAYEE, CAP] {
            change(memory, account, "account.held.v1", "amount", json!("480"));
        }
    };
    assert_eq!(spoilt(funding).await, [Check::Bound]);
    let velocity = |memory: &mut Memory, _: &mut Vec<Entry>| {
        for amount in ["60", "60"] {
            let data = json!({
                "transfer": "i", "amount": amount, "at": 1, "ceiling": "100", "window_s": 60,
            });
            memory.event("account", "velocity:x:USD.2", By::Other, "account.counted.v1", &data);
        }
        memory.serve("account", "velocity:x:USD.2", 2, &json!({ "posted": "120" }));
    };
    assert_eq!(spoilt(velocity).await, [Check::Bound]);
}

#[tokio::test]
async fn a_balance_that_is_not_the_fold_is_found() {
    let says = |memory: &mut Memory, _: &mut Vec<Entry>| {
        change(memory, FUNDING, "account.entered.v1", "balance", json!("471"));
    };
    assert_eq!(spoilt(says).await, [Check::WrongValue]);
    let served = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.serve("account", WORLD, 2, &json!({ "posted": "-499" }));
    };
    assert_eq!(spoilt(served).await, [Check::Served]);
}

#[tokio::test]
async fn an_intent_is_decided_once_and_ends_once() {
    let twice = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.event("intent", "denied", By::Other, "intent.denied.v1", &json!({}));
    };
    assert_eq!(spoilt(twice).await, [Check::Decision]);
    let voided = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.event("intent", "i", By::Other, "intent.voided.v1", &json!({}));
    };
    assert_eq!(spoilt(voided).await, [Check::Decision]);
    let again = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.event("transfer", "i", By::Other, "transfer.voided.v1", &json!({}));
    };
    assert_eq!(spoilt(again).await, [Check::Balance, Check::Reservation]);
}

#[tokio::test]
async fn an_answer_that_the_stream_does_not_bear_out_is_lost() {
    let voided = |_: &mut Memory, entries: &mut Vec<Entry>| {
        // Operation 12 opened the intent.
        entries.push(entry(14, Operation::Void, 6, 0));
    };
    assert_eq!(spoilt(voided).await, [Check::Lost]);
}
