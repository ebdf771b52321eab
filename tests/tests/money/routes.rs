//! The routes of money, by the real binary: the whole story, and what is refused.

use coppice_testkit::client::Reply;
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};

struct House {
    _sandbox: Sandbox,
    client: Client,
}

impl House {
    async fn open() -> Self {
        let sandbox = Sandbox::builder(binary())
            .env("COPPICE_TREASURY__AUTHORIZE_TIMEOUT_MS", "20000")
            .start()
            .await
            .unwrap();
        let client = Client::new(sandbox.url(), sandbox.key());
        Self { _sandbox: sandbox, client }
    }

    async fn post(&self, path: &str, body: Value, key: Option<&str>) -> Reply {
        self.client.post(path, &body, key).await.unwrap()
    }

    async fn made(&self, path: &str, body: Value, key: Option<&str>) -> Value {
        let reply = self.post(path, body, key).await;
        assert_eq!(reply.status, 201, "{path}: {}", reply.body);
        reply.body
    }

    async fn get(&self, path: &str) -> Reply {
        self.client.get_path(path).await.unwrap()
    }

    async fn shown(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    }

    async fn intent(&self, body: Value) -> String {
        let made = self.made("/v1/money/intents", body, None).await;
        made["id"].as_str().unwrap().to_owned()
    }
}

fn wanted(amount: u64) -> Value {
    json!({
        "amount": amount, "asset": "USD/2", "merchant": "acme", "category": "compute",
        "ttl_seconds": 3600, "workflow_id": "w-1",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_comes_in_is_set_aside_spent_and_given_back_and_the_ledger_shows_it() {
    let house = House::open().await;
    let opened = house.made("/v1/money/accounts", json!({"asset": "USD"}), None).await;
    assert_eq!((&opened["id"], &opened["class"]), (&json!("funding:USD.2"), &json!("funding")));
    let budget = json!({"asset": "USD/2", "workflow_id": "w-1", "ceiling": 5000});
    let opened = house.made("/v1/money/accounts", budget, None).await;
    assert_eq!((&opened["id"], &opened["available"]), (&json!("budget:w-1:USD.2"), &json!(5000)));
    let deposit = json!({"to": "funding:USD.2", "amount": "10000"});
    let moved = house.made("/v1/money/transfers", deposit, Some("d-1")).await;
    assert_eq!((&moved["decimal"], &moved["from"]), (&json!("100.00"), &json!("world:USD.2")));

    let intent = house.made("/v1/money/intents", wanted(1250), Some("i-1")).await;
    assert_eq!((&intent["status"], &intent["decision"]), (&json!("created"), &Value::Null));
    let id = intent["id"].as_str().unwrap();
    let decide = json!({"intent_id": id});
    let decided = house.post("/v1/money/authorize", decide.clone(), None).await;
    let approved = json!({"intent_id": id, "decision": "approved", "reason_code": "approved"});
    assert_eq!((decided.status.as_u16(), &decided.body), (200, &approved));
    let account = house.shown("/v1/money/accounts/funding:USD.2").await;
    let held = ["balance", "held_out", "available", "holds"].map(|member| account[member].clone());
    assert_eq!(held, [json!(10000), json!(1250), json!(8750), json!(1)]);
    let path = format!("/v1/money/intents/{id}/post");
    let posted = house.post(&path, json!({"amount": 1000}), None).await.body;
    assert_eq!(posted, json!({"intent_id": id, "status": "posted", "posted": 1000}));
    let again = house.post("/v1/money/authorize", decide, None).await;
    assert_eq!(again.body, approved, "what was decided is the answer to every repeat");

    let voided = house.intent(wanted(700)).await;
    house.post("/v1/money/authorize", json!({"intent_id": voided}), None).await;
    let open = house.intent(wanted(300)).await;
    house.post("/v1/money/authorize", json!({"intent_id": open}), None).await;
    let path = format!("/v1/money/intents/{voided}/void");
    assert_eq!(house.post(&path, json!({}), None).await.body["status"], "voided");
    let denied = house.intent(wanted(4000)).await;
    let decided = house.post("/v1/money/authorize", json!({"intent_id": denied}), None).await.body;
    assert_eq!(decided["reason_code"], "budget_exceeded", "{decided}");

    let ledger = house.shown("/v1/ledger/w-1").await;
    assert_eq!(ledger["transfers"].as_array().unwrap().len(), 3, "{ledger}");
    let sums =
        json!([{"asset": "USD/2", "transfers": 3, "posted": 1000, "pending": 300, "entries": 0}]);
    assert_eq!(ledger["sums"], sums);
    let of = |id: &str| {
        let transfers = ledger["transfers"].as_array().unwrap().iter();
        transfers.clone().find(|line| line["id"] == id).unwrap().clone()
    };
    let entries = of(id)["entries"].as_array().unwrap().clone();
    let mut amounts: Vec<_> =
        entries.iter().map(|entry| entry["amount"].as_i64().unwrap()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [-1000, 1000]);
    assert_eq!((&of(&voided)["status"], &of(&voided)["entries"]), (&json!("voided"), &json!([])));
    assert_eq!(of(&open)["status"], "pending");
    let page = house.shown("/v1/ledger/w-1?limit=2").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = house.shown(&format!("/v1/ledger/w-1?limit=2&cursor={cursor}")).await;
    assert_eq!(
        (rest["transfers"].as_array().unwrap().len(), &rest["next_cursor"]),
        (1, &Value::Null)
    );
    let none = json!({"transfers": [], "sums": [], "next_cursor": null});
    assert_eq!(house.shown("/v1/ledger/nothing").await, none);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_with_its_key_meets_the_same_and_another_body_is_refused() {
    let house = House::open().await;
    house.made("/v1/money/accounts", json!({"asset": "USD"}), None).await;
    let deposit = |amount: u64| json!({"to": "funding:USD.2", "amount": amount});
    for (path, body, other) in [
        ("/v1/money/transfers", deposit(10), deposit(11)),
        ("/v1/money/intents", wanted(10), wanted(11)),
    ] {
        let first = house.made(path, body.clone(), Some("k")).await;
        assert_eq!(house.made(path, body.clone(), Some("k")).await, first);
        let reused = house.post(path, other, Some("k")).await;
        assert_eq!((reused.status.as_u16(), reused.code()), (422, Some("idempotency_key_reused")));
        assert_ne!(house.made(path, body, None).await["id"], first["id"]);
    }
    let account = house.shown("/v1/money/accounts/funding:USD.2").await;
    assert_eq!(account["balance"], 20);
    let budget = |ceiling: u64| json!({"asset": "USD", "workflow_id": "w", "ceiling": ceiling});
    house.made("/v1/money/accounts", budget(5), None).await;
    house.made("/v1/money/accounts", budget(5), None).await;
    let other = house.post("/v1/money/accounts", budget(6), None).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, Some("account_ceiling")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_refused_by_its_code() {
    let house = House::open().await;
    house.made("/v1/money/accounts", json!({"asset": "USD"}), None).await;
    let created = house.intent(wanted(10)).await;
    let changed = |member: &str, value: Value| {
        let mut body = wanted(10);
        body[member] = value;
        body
    };
    let intents = "/v1/money/intents";
    let none = "00000000-0000-4000-8000-000000000000";
    for (path, body, status, code) in [
        (intents, changed("amount", json!(0)), 422, "intent_amount"),
        (intents, changed("amount", json!(1.5)), 422, "invalid_body"),
        (intents, changed("amount", json!("1e3")), 422, "invalid_body"),
        (intents, changed("asset", json!("usd")), 422, "invalid_body"),
        (intents, changed("merchant", json!("a b")), 422, "invalid_body"),
        (intents, changed("ttl_seconds", json!(604_801)), 422, "invalid_body"),
        (intents, changed("ttl_seconds", json!(0)), 422, "intent_ttl"),
        (intents, changed("from", json!("payee:x:USD.2")), 422, "intent_accounts"),
        (intents, changed("tip", json!(1)), 422, "invalid_body"),
        ("/v1/money/authorize", json!({"intent_id": none}), 404, "intent_not_found"),
        ("/v1/money/authorize", json!({}), 422, "invalid_body"),
        (
            "/v1/money/transfers",
            json!({"to": "payee:a:USD.2", "amount": 1}),
            422,
            "account_intent_only",
        ),
        ("/v1/money/transfers", json!({"to": "nowhere", "amount": 1}), 422, "invalid_body"),
        (
            "/v1/money/transfers",
            json!({"to": "funding:USD.2", "amount": -1}),
            422,
            "transfer_amount",
        ),
        ("/v1/money/accounts", json!({"asset": "USD", "ceiling": 1}), 422, "account_ceiling"),
        ("/v1/money/accounts", json!({"asset": "USD", "workflow_id": "w"}), 422, "account_ceiling"),
    ] {
        let reply = house.post(path, body.clone(), None).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (status, Some(code)),
            "{path} {body}: {}",
            reply.body
        );
        assert_eq!(reply.outcome(), Some("not_applied"));
    }
    let post = house.post(&format!("{intents}/{created}/post"), json!({}), None).await;
    assert_eq!(post.code(), Some("intent_not_approved"));
    assert_eq!(
        house.get("/v1/money/accounts/payee:acme:USD.2").await.code(),
        Some("account_not_found")
    );
    assert_eq!(house.get(&format!("{intents}/{none}")).await.code(), Some("intent_not_found"));
    assert_eq!(house.get("/v1/ledger/a%20b").await.code(), Some("malformed_request"));
    // Nobody commands an account by its bare name, and everybody may read it.
    let bare = "/v1/entities/account/funding:USD.2";
    let hold = json!({"transfer": "t", "side": "pay", "amount": 1, "expires": i64::MAX});
    assert_eq!(
        house.post(&format!("{bare}/hold"), hold, None).await.code(),
        Some("unknown_command")
    );
    assert_eq!(house.shown(bare).await["state"]["class"], "funding");
}
