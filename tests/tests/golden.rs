//! Bytes that databases in the field hold. A test that fails here says that they would no longer
//! read, or no longer verify: raise the layout tag or the hash's domain, don't edit the constant.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::sync::Arc;

use coppice_core::envelope::EventBody;
use coppice_core::sensitive::{Sealed, Vault, with_vault};
use coppice_core::{
    CommandId, CorrelationId, DomainEvent, EffectMode, Entity, EventRecord, Hash, Position,
    StreamHead, StreamKey, SubjectId, TimerId, Timestamp,
};
use coppice_domain::compliance::{Control, Erasure, control, erasure};
use coppice_domain::example::counter::State;
use coppice_domain::example::{Alarm, Contact, Counter, alarm, contact};
use coppice_domain::ingress::{Delivery, delivery};
use coppice_domain::plugin::{Breaker, PluginVersion, breaker, version};
use coppice_domain::policy::{PublishedBundle, TaskSchema, bundle, task_schema};
use coppice_domain::workflow::{Workflow, flow};
use coppice_persistence::{chain, snapshot};
use coppice_tests::node::{route, tenant};
use coppice_tests::running::stream_key;
use uuid::Uuid;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key() -> StreamKey {
    stream_key("counter", "golden")
}

fn body() -> EventBody {
    EventBody {
        event_type: "counter.added.v1".into(),
        payload: r#"{"n":1}"#.into(),
        recorded_at: Timestamp::from_micros(1_767_225_600_000_000),
        causation: CommandId(Uuid::from_u128(1)),
        correlation: CorrelationId(Uuid::from_u128(2)),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    }
}

fn full_body() -> EventBody {
    EventBody {
        workflow: Some("workflow".into()),
        policy_bundle: Some("bundle".into()),
        subject: Some(SubjectId::new("sub_1").unwrap()),
        key_id: Some("key_1".into()),
        ..body()
    }
}

#[test]
fn an_alarms_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(Alarm::SNAPSHOT_LAYOUT, 1, "a new layout needs golden bytes of its own");
    let at = |micros| Timestamp::from_micros(micros);
    let set = |name: &str, due| {
        alarm::Event::TimerSet(alarm::TimerSet {
            timer: TimerId(name.into()),
            due: at(due),
            grace_ms: Some(5),
            mode: EffectMode::AtMostOnce,
            counter: Some("cups".to_owned()),
        })
    };
    let rung = alarm::Rung { timer: TimerId("a".into()), due: at(300) };
    let events = [set("a", 300), set("b", 70_000), alarm::Event::Rung(rung)];
    let state = events.iter().fold(alarm::State::default(), Alarm::evolve);
    let encoded = snapshot::encode(&state).unwrap();
    let golden = "01016201050101046375707302020662656c6c2d31000462656c6c227b2274696d6572223a2261222c22647565223a3330302c226e756d626572223a317d010674656c6c2d310106656e746974793d7b226b696e64223a22636f756e746572222c226964223a2263757073222c22636f6d6d616e64223a22616464222c22626f6479223a7b226e223a317d7d00010162fce022020001000000";
    assert_eq!(hex(&encoded), golden);
    assert_eq!(snapshot::decode::<alarm::State>(&encoded).unwrap(), state);
}

#[test]
fn a_contacts_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(Contact::SNAPSHOT_LAYOUT, 1, "a new layout needs golden bytes of its own");
    // Sealed as a journal holds it; what it says is nobody's business here.
    let sealed = |text: &str| {
        format!(r#"{{"subject":"sub_1","sealed":{{"key_id":"key_1","text":"{text}"}}}}"#)
    };
    let payload = format!(r#"{{"name":{},"email":{}}}"#, sealed("0a"), sealed("0b"));
    let erased = Arc::new(AllErased) as Arc<dyn Vault>;
    with_vault(erased, || {
        let registered = contact::Event::decode("contact.registered.v1", &payload).unwrap();
        let events = [registered, contact::Event::Called];
        let state = events.iter().fold(contact::State::default(), Contact::evolve);
        let encoded = snapshot::encode(&state).unwrap();
        let golden = "01057375625f31056b65795f31023061057375625f31056b65795f3102306201";
        assert_eq!(hex(&encoded), golden);
        assert_eq!(snapshot::decode::<contact::State>(&encoded).unwrap(), state);
        let encoded = snapshot::encode(&contact::State::default()).unwrap();
        assert_eq!(hex(&encoded), "0000");
    });
}

#[test]
fn a_workflows_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(Workflow::SNAPSHOT_LAYOUT, 2, "a new layout needs golden bytes of its own");
    let event = |name: &str, payload: &str| flow::Event::decode(name, payload).unwrap();
    let step = r#"{"id":"a","plugin":"b","capability":"c"}"#;
    let work = format!(
        r#"{{"workflow":"w","objective":"o","input":{{"n":1}},"priority":"P2","source":{{"channel":"api"}},"plan":{{"name":"p","steps":[{step}]}},"at":300}}"#
    );
    let finished = r#"{"step":"a","status":"success","output":{},"input_hash":"h","output_hash":"h","plugin":"b@1","at":310}"#;
    let begins = vec![event("workflow.submitted.v1", &work)];
    let done = [begins.clone(), vec![event("workflow.step_finished.v1", finished)]].concat();
    let mut found = Vec::new();
    for events in [vec![event("workflow.planned.v1", &work)], begins, done] {
        let state = events.iter().fold(flow::State::default(), Workflow::evolve);
        let encoded = snapshot::encode(&state).unwrap();
        assert_eq!(snapshot::decode::<flow::State>(&encoded).unwrap(), state);
        found.push(hex(&encoded));
    }
    let golden = [
        "0100000000000001000001000100000000046e756c6c0000000000000000000000000100000000",
        "010100000000000102000100010100010000046e756c6c000000000000000000000000000001010572756e3a300006706c7567696efb0f017b22776f726b666c6f77223a2277222c2273746570223a2261222c22706c7567696e223a2262222c2276657273696f6e223a6e756c6c2c226361706162696c697479223a2263222c226465736372697074696f6e223a22222c22696e707574223a7b7d2c227072696f72697479223a225032222c22617070726f766564223a66616c73652c226368616e6e656c223a22617069222c2275736572223a6e756c6c2c2266616c6c6261636b223a6e756c6c2c226964656d706f74656e63795f6b6579223a2238613263363736302d386236362d386337642d626430312d393930666631623034373832222c227265717565737465645f6174223a3330302c22636f7272656c6174696f6e223a2277227d0000",
        "000000010000000104000100010100000104027b7d00036240310000000001fb6c0200000000000000010000",
    ];
    // What it was submitted with, as text.
    let submitted = "01b67b22776f726b666c6f77223a2277222c226f626a656374697665223a226f222c22696e707574223a7b226e223a317d2c227072696f72697479223a225032222c22736f75726365223a7b226368616e6e656c223a22617069227d2c22706c616e223a7b226e616d65223a2270222c227374657073223a5b7b226964223a2261222c22706c7567696e223a2262222c226361706162696c697479223a2263222c22696e707574223a7b7d7d5d7d2c226174223a3330307d";
    assert_eq!(found, golden.map(|rest| format!("{submitted}{rest}")));
}

#[test]
fn a_plugins_and_its_breakers_snapshots_keep_their_bytes_under_their_layout_tags() {
    assert_eq!(
        (PluginVersion::SNAPSHOT_LAYOUT, Breaker::SNAPSHOT_LAYOUT),
        (1, 1),
        "give golden bytes"
    );
    let event = |name: &str, payload: &str| version::Event::decode(name, payload).unwrap();
    let registered = r#"{"manifest":{"name":"p"},"place":{"http":"http://a"},"by":"b","at":300}"#;
    let health = r#"{"status":"degraded","components":{"disk":"healthy"},"message":"m","at":301}"#;
    let events = [
        event("plugin.registered.v1", registered),
        event("plugin.health_changed.v1", health),
        event("plugin.deregistered.v1", r#"{"by":"b","at":302}"#),
    ];
    let state = events.iter().fold(version::State::default(), PluginVersion::evolve);
    let encoded = snapshot::encode(&state).unwrap();
    let golden =
        "0301010101046469736b0001016d0c7b226e616d65223a2270227d010108687474703a2f2f61fb5802fb5c02";
    assert_eq!(hex(&encoded), golden);
    assert_eq!(snapshot::decode::<version::State>(&encoded).unwrap(), state);

    let event = |name: &str, payload: &str| breaker::Event::decode(name, payload).unwrap();
    let opened = event("breaker.opened.v1", r#"{"cause":"failures","at":300,"until":400}"#);
    let call = r#""00000000-0000-0000-0000-000000000001""#;
    let probe = format!(r#"{{"call":{call},"at":400,"until":500}}"#);
    let probe = event("breaker.probe_admitted.v1", &probe);
    let closed = event("breaker.closed.v1", r#"{"at":410}"#);
    let failed = event("breaker.failed.v1", r#"{"at":420}"#);
    for (events, golden) in [
        (vec![opened], "01fb20030000fb580201"),
        (vec![opened, probe], "021000000000000000000000000000000001fb2003fbe8030000fb200301"),
        (vec![opened, probe, closed, failed], "000100fb340301"),
    ] {
        let state = events.iter().fold(breaker::State::default(), Breaker::evolve);
        let encoded = snapshot::encode(&state).unwrap();
        assert_eq!(hex(&encoded), golden);
        assert_eq!(snapshot::decode::<breaker::State>(&encoded).unwrap(), state);
    }
}

#[test]
fn a_deliverys_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(Delivery::SNAPSHOT_LAYOUT, 1, "a new layout needs golden bytes of its own");
    let event =
        r#"{"source":"github","type":"push","subject":{"kind":"push"},"priority":"P2","data":{}}"#;
    let route = r#"{"rule":1,"plan":"p","priority":"P1"}"#;
    let payload = format!(
        r#"{{"delivery":"d","body_sha256":"00","event":{event},"route":{route},"at":300}}"#
    );
    let received = delivery::Event::decode("delivery.received.v1", &payload).unwrap();
    let planned = r#"{"effect":"plan","workflow":"w"}"#;
    let planned = delivery::Event::decode("delivery.planned.v1", planned).unwrap();
    let state = Delivery::evolve(delivery::State::default(), &received);
    let golden = "010164023030557b22736f75726365223a22676974687562222c2274797065223a2270757368222c227375626a656374223a7b226b696e64223a2270757368227d2c227072696f72697479223a225032222c2264617461223a7b7d7d0101017001fb580200010104706c616e0007706c616e6e6572897b2264656c6976657279223a2264222c22706c616e223a2270222c227072696f72697479223a225031222c226576656e74223a7b22736f75726365223a22676974687562222c2274797065223a2270757368222c227375626a656374223a7b226b696e64223a2270757368227d2c227072696f72697479223a225032222c2264617461223a7b7d7d7d0000";
    assert_eq!(hex(&snapshot::encode(&state).unwrap()), golden);
    let state = Delivery::evolve(state, &planned);
    let encoded = snapshot::encode(&state).unwrap();
    let golden = "010164023030557b22736f75726365223a22676974687562222c2274797065223a2270757368222c227375626a656374223a7b226b696e64223a2270757368227d2c227072696f72697479223a225032222c2264617461223a7b7d7d0101017001fb580201000177010000";
    assert_eq!(hex(&encoded), golden);
    assert_eq!(snapshot::decode::<delivery::State>(&encoded).unwrap(), state);
}

#[test]
fn the_switches_and_an_erasures_record_keep_their_bytes_under_their_layout_tags() {
    assert_eq!((Control::SNAPSHOT_LAYOUT, Erasure::SNAPSHOT_LAYOUT), (1, 1), "give golden bytes");
    let said = |target: &str| {
        let payload = format!(r#"{{"target":{target},"reason":"r","by":"b","at":300}}"#);
        control::Event::decode("system_control.stopped.v1", &payload).unwrap()
    };
    let targets = [r#""everything""#, r#"{"kind":"counter"}"#, r#"{"tenant":"acme"}"#];
    let events = targets.map(said);
    let state = events.iter().fold(control::State::default(), Control::evolve);
    let encoded = snapshot::encode(&state).unwrap();
    let golden = "0101720162fb58020107636f756e74657201720162fb5802010461636d6501720162fb5802";
    assert_eq!(hex(&encoded), golden);
    assert_eq!(snapshot::decode::<control::State>(&encoded).unwrap(), state);

    let payload = r#"{"by":"b","at":300,"effect":"destroy-1"}"#;
    let asked = erasure::Event::decode("erasure.requested.v1", payload).unwrap();
    let state = Erasure::evolve(erasure::State::default(), &asked);
    let encoded = snapshot::encode(&state).unwrap();
    let golden = "01fb5802000101010964657374726f792d310007657261737572650a7b226279223a2262227d0000";
    assert_eq!(hex(&encoded), golden);
    assert_eq!(snapshot::decode::<erasure::State>(&encoded).unwrap(), state);
}

#[test]
fn a_task_schemas_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(TaskSchema::SNAPSHOT_LAYOUT, 1, "a new layout needs golden bytes of its own");
    let registered = |version: u64| {
        let payload = format!(
            r#"{{"version":{version},"schema":"{{}}","hash":"h{version}","by":"b","at":300}}"#
        );
        task_schema::Event::decode("task_schema.registered.v1", &payload).unwrap()
    };
    let events = [registered(1), registered(2)];
    let state = events.iter().fold(task_schema::State::default(), TaskSchema::evolve);
    let encoded = snapshot::encode(&state).unwrap();
    assert_eq!(hex(&encoded), "0102026832027b7d0162fb58020101026831fb5802");
    assert_eq!(snapshot::decode::<task_schema::State>(&encoded).unwrap(), state);
}

#[test]
fn the_published_bundles_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(PublishedBundle::SNAPSHOT_LAYOUT, 1, "a new layout needs golden bytes of its own");
    let published = |number: u64| {
        let files = r#"{"title":"t","data":"d","policies":"p","schema":"s"}"#;
        let payload = format!(
            r#"{{"number":{number},"version":"v{number}","hash":"h{number}","files":{files},
            "reason":"r","by":"b","at":300}}"#
        );
        bundle::Event::decode("policy_bundle.published.v1", &payload).unwrap()
    };
    let events = [published(1), published(2)];
    let state = events.iter().fold(bundle::State::default(), PublishedBundle::evolve);
    let encoded = snapshot::encode(&state).unwrap();
    let golden = "0102027632026832017401640170017301720162fb580201010276310268310172\
                  0162fb5802";
    assert_eq!(hex(&encoded), golden);
    assert_eq!(snapshot::decode::<bundle::State>(&encoded).unwrap(), state);
}

#[derive(Debug)]
struct AllErased;

impl Vault for AllErased {
    fn seal(&self, _: &SubjectId, _: &[u8]) -> Result<Sealed, String> {
        Err("nothing is sealed here".to_owned())
    }

    fn open(&self, _: &SubjectId, _: &Sealed) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

#[test]
fn a_counters_snapshot_keeps_its_bytes_under_its_layout_tag() {
    assert_eq!(Counter::SNAPSHOT_LAYOUT, 1, "a new layout needs golden bytes of its own");
    let golden =
        [(0, "00"), (1, "02"), (-1, "01"), (300, "fb5802"), (i64::MAX, "fdfeffffffffffffff")];
    for (value, bytes) in golden {
        let state = State { value };
        let encoded = snapshot::encode(&state).unwrap();
        assert_eq!(hex(&encoded), bytes, "{value}");
        assert_eq!(snapshot::decode::<State>(&encoded).unwrap(), state);
    }
}

#[test]
fn stream_ids_and_genesis_hashes_stay() {
    assert_eq!(key().stream().0.to_string(), "41905797-4192-897a-92dd-d03924e71817");
    assert_eq!(
        StreamHead::genesis(&key()).hash.to_string(),
        "ea1ab1e8905212be95db78fd9b82d4ac479b19a338b895f32b9aa002f93753e6"
    );
    assert_eq!(key().shard(256).0, 144);
}

#[test]
fn command_ids_of_idempotency_keys_stay() {
    let id = CommandId::from_idempotency_key(&tenant(), &route("golden"), "key");
    assert_eq!(id.0.to_string(), "365fd5bc-e263-8388-a4b1-b1f4a8904d43");
}

#[test]
fn event_hashes_stay() {
    let first = EventRecord::chain(StreamHead::genesis(&key()), body());
    assert_eq!(
        first.hash.to_string(),
        "a5f2f2c77b7104f53f21c4a7cbcbafbdf5c9a14eb432cfbf423dd2697fbcc192"
    );
    let second = EventRecord::chain(first.head(), full_body());
    assert_eq!(
        second.hash.to_string(),
        "5b3193919733b32270e21151b2d24a9c50f8fc3297a906f24f3f48606f83b598"
    );
    assert_eq!(first.event_id().0.to_string(), "a5f2f2c7-7b71-84f5-bf21-c4a7cbcbafbd");
}

#[test]
fn every_field_of_an_event_is_in_its_hash() {
    type Alter = fn(&mut EventBody);
    let alterations: [Alter; 9] = [
        |body| body.event_type = "counter.added.v2".into(),
        |body| body.payload = r#"{"n":2}"#.into(),
        |body| body.recorded_at = Timestamp::EPOCH,
        |body| body.causation = CommandId(Uuid::from_u128(3)),
        |body| body.correlation = CorrelationId(Uuid::from_u128(3)),
        |body| body.workflow = None,
        |body| body.policy_bundle = None,
        |body| body.subject = None,
        |body| body.key_id = None,
    ];
    let head = StreamHead::genesis(&key());
    let mut hashes = vec![EventRecord::chain(head, full_body()).hash];
    for alter in alterations {
        let mut body = full_body();
        alter(&mut body);
        hashes.push(EventRecord::chain(head, body).hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), alterations.len() + 1);
}

#[test]
fn batch_hashes_stay() {
    let events = [Hash([1; 32]), Hash([2; 32])];
    let first = chain::batch_hash(Hash::ZERO, 1, Position(1), Position(2), events.into_iter());
    assert_eq!(
        first.to_string(),
        "800553f23c83974b33f81d1b1735ad2c300e01567f42e0418b4a66c9048fbc03"
    );
    let second = chain::batch_hash(first, 2, Position(3), Position(3), events.into_iter().take(1));
    assert_eq!(
        second.to_string(),
        "a492bbe750ff2a787a3d60ac585f2dff79748f5c46c6521302f43a71bb88f5da"
    );
}
