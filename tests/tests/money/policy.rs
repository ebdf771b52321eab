//! The policy is asked first, and its record goes into the decision's event.

use std::sync::Arc;

use coppice_domain::treasury::Reason;
use coppice_testkit::read_whole_journal;
use coppice_treasury::{Permission, Question, Unavailable, Verdict};
use serde_json::{Value, json};

use crate::world::{Setting, World, call, memory, name, wants};

/// Says what the merchant's name tells it to.
#[derive(Debug)]
struct Scripted;

impl Permission for Scripted {
    fn ask(&self, question: &Question<'_>) -> Result<Verdict, Unavailable> {
        let merchant = question.wanted.merchant.as_str();
        let record = json!({
            "bundle": "b-1",
            "asker": question.asker.kind,
            "merchant": merchant,
            "amount": question.wanted.amount.to_string(),
            "approved": question.approved,
        });
        let (allowed, requires_approval, code) = match merchant {
            "away" => return Err(Unavailable("no bundle".to_owned())),
            "barred" => (false, false, "merchant_not_allowed"),
            "odd" => (false, false, "another_code"),
            "watched" => (true, true, ""),
            _ => (true, false, ""),
        };
        let record = if merchant == "wordy" { json!("x".repeat(40_000)) } else { record };
        let (reason_code, record) = (code.to_owned(), record.into());
        Ok(Verdict { allowed, requires_approval, reason_code, record })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_says_no_or_nothing_is_a_denial_with_its_record() {
    let setting = Setting { permission: Arc::new(Scripted), ..Setting::default() };
    let world = World::fresh(&memory(), &setting).await;
    world.money.fund(1_000).await;
    for (merchant, reason, recorded) in [
        ("barred", Reason::MerchantNotAllowed, true),
        ("odd", Reason::PolicyDenied, true),
        ("watched", Reason::ApprovalRequired, true),
        ("away", Reason::PolicyUnavailable, false),
        ("wordy", Reason::PolicyUnavailable, false),
        ("fine", Reason::Approved, true),
    ] {
        let mut wanted = wants(100);
        wanted.merchant = name(merchant);
        assert_eq!(world.money.wants(merchant, &wanted).await, reason, "{merchant}");
        let journal = read_whole_journal(world.store.as_ref()).await.unwrap();
        let of_intent = journal.iter().filter(|event| event.key.id().as_str() == merchant);
        let decision = of_intent.map(|event| &event.record.body).find(|body| {
            body.event_type.contains("denied") || body.event_type.contains("approved")
        });
        let payload: Value = serde_json::from_str(&decision.unwrap().payload).unwrap();
        let expected = json!({
            "bundle": "b-1",
            "asker": "api_key",
            "merchant": merchant,
            "amount": "100",
            "approved": false,
        });
        assert_eq!(payload["policy"], if recorded { expected } else { Value::Null }, "{merchant}");
    }
    assert_eq!(world.money.has().await, (1_000, 100));
    // A person has said yes to another intent for it.
    let mut wanted = wants(100);
    wanted.merchant = name("watched");
    world.money.create("again", &wanted).await;
    let authorized = world.money.treasury.authorize(&call(), "again", true).await.unwrap();
    assert_eq!(authorized.reason, Reason::Approved);
    world.balanced().await;
}
