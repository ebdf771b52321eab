//! `/v1/control` against callers who may not, and against garbage.

use coppice_testkit::client::Reply;
use coppice_testkit::sandbox::OPERATOR_KEY;
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::json;

struct Node {
    _sandbox: Sandbox,
    tenant: Client,
    operator: Client,
}

async fn node() -> Node {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let tenant = Client::new(sandbox.url(), sandbox.key());
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    Node { _sandbox: sandbox, tenant, operator }
}

async fn say(client: &Client, path: &str, key: Option<&str>) -> Reply {
    client.post(path, &json!({ "reason": "because" }), key).await.unwrap()
}

const TURNS: [&str; 6] = [
    "/v1/control/freeze",
    "/v1/control/unfreeze",
    "/v1/control/kinds/counter/kill",
    "/v1/control/kinds/counter/revive",
    "/v1/control/tenants/default/kill",
    "/v1/control/tenants/default/revive",
];

#[tokio::test]
async fn no_tenant_sees_or_turns_a_switch_whatever_its_key_may_do_otherwise() {
    let node = node().await;
    for path in TURNS {
        let refused = say(&node.tenant, path, None).await;
        let found = (refused.status.as_u16(), refused.code());
        assert_eq!(found, (403, Some("scope_missing")), "{path}: {refused:?}");
        let nobody = node.tenant.http().post(format!("{}{path}", node._sandbox.url()));
        assert_eq!(nobody.send().await.unwrap().status().as_u16(), 401);
    }
    let look = node.tenant.get_path("/v1/control").await.unwrap();
    assert_eq!(look.code(), Some("scope_missing"));
    assert!(node.tenant.add("a", 1, None).await.unwrap().value().is_some(), "nothing is stopped");
    let stops = node.operator.get_path("/v1/control").await.unwrap().body;
    assert_eq!(stops, json!({ "sequence": 0, "frozen": null, "kinds": [], "tenants": [] }));
}

#[tokio::test]
async fn the_switches_are_out_of_reach_of_the_routes_of_entities_also_for_operators() {
    let node = node().await;
    let body = json!({ "target": "everything", "reason": "because", "by": "somebody else" });
    for client in [&node.tenant, &node.operator] {
        let path = "/v1/entities/system_control/system";
        let forged = client.post(&format!("{path}/stop"), &body, None).await.unwrap();
        assert_eq!(forged.code(), Some("unknown_command"), "{forged:?}");
        let deleted = client.delete(path).await.unwrap();
        assert_eq!(deleted.code(), Some("unknown_command"), "{deleted:?}");
        let forged = client.post("/v1/entities/erasure/s/request", &body, None).await.unwrap();
        assert_eq!(forged.code(), Some("unknown_command"), "{forged:?}");
    }
    say(&node.operator, "/v1/control/kinds/counter/kill", None).await;
    let seen = node.tenant.get_path("/v1/entities/system_control/system").await.unwrap();
    assert_eq!(seen.code(), Some("entity_not_found"), "a tenant has none of its own");
    // Their journal is the operators' to read like any other.
    let path = "/v1/entities/system_control/system/events";
    let events = node.operator.get_path(path).await.unwrap().body;
    assert_eq!(events["events"][0]["type"], "system_control.stopped.v1", "{events}");
}

#[tokio::test]
async fn a_switch_holds_its_own_kind_or_tenant_and_no_other() {
    let node = node().await;
    let set = json!({ "timer": "t", "in_ms": 60_000 });
    let alarm = "/v1/entities/alarm/a/set";
    say(&node.operator, "/v1/control/kinds/counter/kill", None).await;
    assert_eq!(node.tenant.add("a", 1, None).await.unwrap().code(), Some("frozen"));
    assert_eq!(node.tenant.post(alarm, &set, None).await.unwrap().status.as_u16(), 200);
    say(&node.operator, "/v1/control/tenants/default/kill", None).await;
    assert_eq!(node.tenant.post(alarm, &set, None).await.unwrap().code(), Some("frozen"));
    let stops = node.operator.get_path("/v1/control").await.unwrap().body;
    assert_eq!(stops["kinds"][0]["kind"], "counter", "{stops}");
    assert_eq!(stops["tenants"][0]["tenant"], "default");
    assert_eq!(stops["tenants"][0]["stop"]["reason"], "because");
    say(&node.operator, "/v1/control/tenants/default/revive", None).await;
    assert_eq!(node.tenant.post(alarm, &set, None).await.unwrap().status.as_u16(), 200);
    assert_eq!(node.tenant.add("a", 1, None).await.unwrap().code(), Some("frozen"));
    say(&node.operator, "/v1/control/kinds/counter/revive", None).await;
    assert_eq!(node.tenant.add("a", 1, None).await.unwrap().value(), Some(1));
}

#[tokio::test]
async fn a_second_freeze_changes_nothing_and_a_repeat_gets_its_first_answer() {
    let node = node().await;
    let of = |reply: &Reply| {
        assert_eq!(reply.status.as_u16(), 200, "{reply:?}");
        let flag = |name: &str| reply.body[name].as_bool().unwrap();
        (flag("changed"), flag("repeated"), reply.body["sequence"].as_u64().unwrap())
    };
    let freeze = "/v1/control/freeze";
    assert_eq!(of(&say(&node.operator, freeze, Some("k")).await), (true, false, 1));
    assert_eq!(of(&say(&node.operator, freeze, Some("k")).await), (true, true, 1));
    assert_eq!(of(&say(&node.operator, freeze, Some("l")).await), (false, false, 1));
    let other = json!({ "reason": "another" });
    let reused = node.operator.post(freeze, &other, Some("k")).await.unwrap();
    assert_eq!(reused.code(), Some("idempotency_key_reused"));
    assert_eq!(of(&say(&node.operator, "/v1/control/unfreeze", None).await), (true, false, 2));
    assert_eq!(of(&say(&node.operator, "/v1/control/unfreeze", None).await), (false, false, 2));
    assert_eq!(node.tenant.add("a", 1, None).await.unwrap().value(), Some(1));
}

#[tokio::test]
async fn what_is_no_target_or_no_reason_is_refused_with_a_code_and_stops_nothing() {
    let node = node().await;
    for (path, code) in [
        ("/v1/control/kinds/ghost/kill", "unknown_kind"),
        ("/v1/control/kinds/Counter/kill", "unknown_kind"),
        ("/v1/control/kinds/system_control/kill", "unknown_kind"),
        ("/v1/control/kinds/erasure/kill", "unknown_kind"),
        ("/v1/control/tenants/nobody/kill", "tenant_not_found"),
        ("/v1/control/tenants/a%20b/kill", "tenant_not_found"),
        ("/v1/control/tenants/_operators/kill", "tenant_not_found"),
        ("/v1/control/melt", "route_not_found"),
    ] {
        let refused = say(&node.operator, path, None).await;
        let found = (refused.status.as_u16(), refused.code(), refused.outcome());
        assert_eq!(found, (404, Some(code), Some("not_applied")), "{path}");
    }
    for (body, code) in [
        (json!({}), "invalid_body"),
        (json!({ "reason": 1 }), "invalid_body"),
        (json!({ "reason": "r", "by": "me" }), "invalid_body"),
        (json!(["r"]), "invalid_body"),
        (json!({ "reason": "" }), "control_reason_invalid"),
        (json!({ "reason": "x".repeat(1_001) }), "control_reason_invalid"),
    ] {
        for path in TURNS {
            let refused = node.operator.post(path, &body, None).await.unwrap();
            let found = (refused.status.as_u16(), refused.code());
            assert_eq!(found, (422, Some(code)), "{path} {body}");
        }
    }
    let read = node.operator.get_path("/v1/control/freeze").await.unwrap();
    assert_eq!(read.code(), Some("method_not_allowed"));
    assert_eq!(node.tenant.add("a", 1, None).await.unwrap().value(), Some(1));
}
