//! What stands still under a freeze or behind a kill switch, and how it goes on.

use std::time::Duration;

use coppice_core::{CommandId, CorrelationId, EntityKind, ShardId, Target};
use coppice_runtime::{Failure, Lease, NodeError, OfficeError, RuntimeOptions, Spoken, Word};
use coppice_testkit::{Action, Point, Times};
use coppice_tests::bell::Ring;
use coppice_tests::node::{PATIENCE, SHARDS, claim, tenant, value};
use coppice_tests::running::{command, eventually};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::world::{Running, World};

/// Longer than anything waits before it looks again.
const LONG: Duration = Duration::from_secs(120);

impl Running {
    async fn say(&self, target: Target, stops: bool) -> Spoken {
        let word = Word {
            target,
            stops,
            reason: "a test says so".to_owned(),
            by: "a test".to_owned(),
            command_id: CommandId(Uuid::now_v7()),
            keyed: false,
            correlation: CorrelationId(Uuid::now_v7()),
            deadline: Instant::now() + PATIENCE,
        };
        self.node.control().say(word).await.unwrap()
    }

    pub(crate) async fn freeze(&self) {
        assert!(self.say(Target::Everything, true).await.changed);
    }

    pub(crate) async fn unfreeze(&self) {
        assert!(self.say(Target::Everything, false).await.changed);
    }
}

fn world(options: RuntimeOptions) -> World {
    World { obeys: true, ..World::new(options) }
}

fn kind(name: &str) -> Target {
    Target::Kind(EntityKind::new(name).unwrap())
}

#[tokio::test(start_paused = true)]
async fn timers_that_come_due_under_a_freeze_fire_once_when_it_ends() {
    let world = world(RuntimeOptions::default());
    let running = world.start().await;
    running.set("a", 500).await;
    running.freeze().await;
    sleep(LONG).await;
    assert_eq!((world.bell.count(), running.view("a").await["rung"].as_u64()), (0, Some(0)));
    running.unfreeze().await;
    running.shows("a", "heard", 1).await;
    assert_eq!(world.bell.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_when_the_freeze_comes_has_its_outcome_recorded_and_is_the_last() {
    let mut world = world(RuntimeOptions::default());
    world.concurrency = 1;
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("a", 1).await;
    running.set("b", 1).await;
    eventually("the first call is under way", || world.bell.count() == 1).await;
    running.freeze().await;
    world.bell.let_go(1);
    let heard = async || {
        let of = async |alarm| running.view(alarm).await["heard"].as_u64().unwrap();
        of("a").await + of("b").await
    };
    sleep(LONG).await;
    assert_eq!((world.bell.count(), heard().await), (1, 1), "the second waits for its turn");
    running.unfreeze().await;
    running.shows("a", "heard", 1).await;
    running.shows("b", "heard", 1).await;
    assert_eq!((world.bell.count(), world.bell.keys().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_failed_before_the_freeze_is_not_made_again_in_it() {
    let world = world(RuntimeOptions::default());
    let running = world.start().await;
    world.bell.script([Ring::NotSent]);
    running.set("a", 1).await;
    eventually("it was tried", || world.bell.count() == 1).await;
    running.freeze().await;
    sleep(LONG).await;
    assert_eq!(world.bell.count(), 1);
    running.unfreeze().await;
    running.shows("a", "heard", 1).await;
    assert_eq!((world.bell.count(), world.bell.keys().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_frozen_stays_so_and_does_what_it_owes_once_it_is_not() {
    let world = world(RuntimeOptions::default());
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("owing", 1).await;
    running.set("due", 60_000).await;
    eventually("the call is under way", || world.bell.count() == 1).await;
    running.freeze().await;
    let running = world.restart(running).await;
    sleep(LONG).await;
    assert_eq!(world.bell.count(), 1, "nothing is sent by a node that starts frozen");
    let refused = running.tell("owing", "set", r#"{"timer":"u","in_ms":1}"#).await;
    assert_eq!(refused, Err(Failure::Frozen(Target::Everything)));
    running.unfreeze().await;
    running.shows("owing", "heard", 1).await;
    running.shows("due", "heard", 1).await;
    assert_eq!((world.bell.count(), world.bell.keys().len()), (3, 2), "the first was cut off");
}

#[tokio::test(start_paused = true)]
async fn a_new_owner_knows_of_the_freeze_before_it_does_anything() {
    let world = world(RuntimeOptions::default());
    let first = world.start().await;
    first.set("a", 1).await;
    first.shows("a", "heard", 1).await;
    // Both live; the second takes the shards over, is frozen, and dies.
    first.lease.revoke_all();
    let second = world.start().await;
    second.set("a", 500).await;
    second.freeze().await;
    second.node.abort();
    let back = claim(&world.store, "node").await;
    for shard in (0..SHARDS).map(ShardId) {
        first.lease.set_epoch(shard, back.epoch(shard).unwrap());
    }
    sleep(LONG).await;
    assert_eq!(world.bell.count(), 1, "the timer waits with the first node as well");
    let refused = first.tell("a", "set", r#"{"timer":"u","in_ms":1}"#).await;
    assert_eq!(refused, Err(Failure::Frozen(Target::Everything)));
    first.unfreeze().await;
    first.shows("a", "heard", 2).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_switches_can_not_be_read_no_node_starts() {
    let world = world(RuntimeOptions::default());
    let running = world.start().await;
    running.set("a", 60_000).await;
    running.node.abort();
    world.store.faults().arm(Point::Entity, Action::Unavailable, Times::Always);
    let started = world.try_start().await;
    let failure = started.err().expect("it must not start");
    assert!(matches!(failure, NodeError::Control(Failure::StoreUnavailable)), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_killed_kind_is_put_down_and_holds_no_other_up() {
    let options = RuntimeOptions { pool_open_max: 2, pool_queue_max: 4, ..Default::default() };
    let mut world = world(options);
    world.concurrency = 1;
    let running = world.start().await;
    // The alarms' counters are killed: what is sent to them would be refused for ever, and fill
    // the pool of all commands between entities.
    running.say(kind("counter"), true).await;
    for alarm in ["a", "b", "c", "d", "e", "f"] {
        let body = r#"{"timer":"t","in_ms":1,"counter":"cups"}"#;
        running.tell(alarm, "set", body).await.unwrap();
    }
    for alarm in ["a", "b", "c", "d", "e", "f"] {
        running.shows(alarm, "heard", 1).await;
    }
    sleep(LONG).await;
    assert_eq!(world.bell.count(), 6, "the bell isn't of the killed kind");
    let refused = running.caller.add("cups", 1, None).await;
    assert_eq!(refused, Err(Failure::Frozen(kind("counter"))));
    running.say(kind("counter"), false).await;
    for alarm in ["a", "b", "c", "d", "e", "f"] {
        running.shows(alarm, "heard", 2).await;
        running.shows(alarm, "outstanding", 0).await;
    }
    let cups = running.caller.read("cups").await.unwrap();
    assert_eq!(value(&cups.state), 6);
}

#[tokio::test(start_paused = true)]
async fn timers_and_effects_of_a_killed_kind_or_tenant_wait_for_it() {
    for target in [kind("alarm"), Target::Tenant(tenant())] {
        let world = world(RuntimeOptions::default());
        let running = world.start().await;
        world.bell.script([Ring::NotSent, Ring::NotSent]);
        running.set("sent", 1).await;
        running.set("due", 2_000).await;
        eventually("it was tried", || world.bell.count() == 1).await;
        running.say(target.clone(), true).await;
        sleep(LONG).await;
        assert_eq!(world.bell.count(), 1, "{target}");
        let counted = running.caller.add("cups", 1, None).await;
        let stops_all = target == Target::Tenant(tenant());
        assert_eq!(counted.is_err(), stops_all, "{target}");
        running.say(target, false).await;
        running.shows("sent", "heard", 1).await;
        running.shows("due", "heard", 1).await;
        assert_eq!(world.bell.keys().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_what_was_accepted_before_gets_its_answer_under_a_freeze() {
    let options = RuntimeOptions { command_window: 1, ..RuntimeOptions::default() };
    let world = world(options);
    let running = world.start().await;
    let first = running.caller.add("cups", 5, Some("k")).await.unwrap();
    for key in ["l", "m", "n"] {
        running.caller.add("cups", 1, Some(key)).await.unwrap();
    }
    running.freeze().await;
    let again = running.caller.add("cups", 5, Some("k")).await.unwrap();
    assert!(again.repeated && again.reply == first.reply, "{again:?}");
    let fresh = running.caller.add("cups", 5, Some("fresh")).await;
    assert_eq!(fresh, Err(Failure::Frozen(Target::Everything)));
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_not_taken_away_by_a_replay_that_would_be_refused() {
    let world = world(RuntimeOptions::default());
    let running = world.start().await;
    let crash = command("p", "crash", "{}", Some("k"));
    for _ in 0..3 {
        running.caller.0.ask("profile", crash.clone()).await.unwrap_err();
    }
    let letter = running.letter().await;
    running.freeze().await;
    let replayed = running.node.dead_letters().replay(&tenant(), letter.id).await;
    let frozen = Failure::Frozen(Target::Everything);
    assert!(matches!(replayed, Err(OfficeError::NotTaken(failure)) if failure == frozen));
    assert_eq!(running.letters().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_that_the_system_must_stop_can_freeze_it_and_the_first_reason_stands() {
    let world = world(RuntimeOptions::default());
    let running = world.start().await;
    let control = running.node.control();
    assert!(control.freeze("the ledger does not add up", "health").await.unwrap().changed);
    assert!(!control.freeze("the store is slow", "health").await.unwrap().changed);
    let stop = running.node.gate().stops().frozen.unwrap();
    assert_eq!((&*stop.reason, &*stop.by), ("the ledger does not add up", "health"));
    let shown = control.look(Instant::now() + PATIENCE).await.unwrap();
    assert!(shown.state.contains("the ledger does not add up"), "{}", shown.state);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_falls_with_a_freeze_in_its_hands_leaves_the_gate_as_the_journal_says() {
    for (point, is_durable) in
        [(Point::BeforeAppend, false), (Point::AfterAppendBeforeAnswer, true)]
    {
        let world = world(RuntimeOptions::default());
        let running = world.start().await;
        running.set("a", 20_000).await;
        world.store.faults().arm(point, Action::Panic, Times::Next(1));
        let said = running.node.control().freeze("a test says so", "a test").await;
        assert!(said.is_err(), "{point:?}: nobody knows what became of it: {said:?}");
        // Its tree is up again, and the timer due.
        sleep(LONG).await;
        let stops = running.node.gate().stops();
        assert_eq!(stops.frozen.is_some(), is_durable, "{point:?}");
        assert_eq!(world.bell.count(), usize::from(!is_durable), "{point:?}");
        if is_durable {
            running.unfreeze().await;
        }
        running.shows("a", "heard", 1).await;
        assert_eq!(world.bell.count(), 1, "{point:?}");
    }
}
