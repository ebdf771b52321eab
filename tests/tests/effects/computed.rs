//! Effects that are computed: they go with what added them, and are called where they can't be.

use std::time::Duration;

use coppice_core::{CommandId, EffectId};
use coppice_persistence::{Journal, LetterReason};
use coppice_runtime::task::spawn;
use coppice_runtime::work::message::{effect_key, outcome_key};
use coppice_runtime::{Answer, Failure, Request, RuntimeOptions};
use coppice_testkit::{Point, Times};
use coppice_tests::bell::Ring;
use coppice_tests::node::{PATIENCE, id, tenant};
use coppice_tests::running::{command, eventually, stream_key};
use tokio::time::Instant;

use crate::relay::{Computes, Runner};
use crate::world::{Running, World};

const ALL: Computes = |_| Some("{}");
const NONE: Computes = |_| None;

fn world(computes: Computes) -> World {
    World { runner: Runner::new(computes), ..World::default() }
}

impl Running {
    async fn go(&self, left: u32, key: Option<&str>) -> Result<Answer, Failure> {
        let body = format!(r#"{{"left":{left}}}"#);
        self.caller.0.ask("relay", command("r", "go", &body, key)).await
    }

    /// How many hops are left, and the number of events.
    async fn left(&self) -> (u32, u64) {
        let deadline = Instant::now() + PATIENCE;
        let view = self.caller.0.view("relay", tenant(), id("r"), deadline).await.unwrap();
        (view.state.parse().unwrap(), view.sequence.0)
    }

    async fn arrives(&self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (left, events) = self.left().await;
            if left == 0 {
                return events;
            }
            assert!(Instant::now() < deadline, "it never arrived, {left} are left");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_computed_is_one_commit_with_what_asked_for_it() {
    let world = world(ALL);
    let running = world.start().await;
    let appends = || world.store.faults().calls(Point::BeforeAppend);
    let before = appends();
    // The answer is that of the command itself.
    assert_eq!(running.go(5, Some("k")).await.unwrap().sequence.0, 1);
    assert_eq!(appends() - before, 1);
    assert_eq!(running.left().await, (0, 6));
    assert_eq!(world.runner.computed(), [5, 4, 3, 2, 1]);
    assert!(world.runner.called().is_empty());
    // Recorded as if each had been called, under the same ids.
    let key = stream_key("relay", "r");
    let events = world.store.look(|events| {
        let own = events.iter().filter(|event| event.key == key);
        own.map(|event| event.record.body.clone()).collect::<Vec<_>>()
    });
    for (ordinal, hopped) in (0..).zip(&events[1..]) {
        let effect = effect_key(key.stream(), &EffectId("hop".into()), ordinal);
        assert_eq!(hopped.causation, CommandId(outcome_key(effect)));
        assert_eq!(hopped.correlation.0, hopped.causation.0);
    }
    let row = world.store.entity(&key).await.unwrap().unwrap();
    assert_eq!((row.head.sequence.0, row.owes), (6, false));
    // A repeat has the first answer, and a next life the same state.
    let running = world.restart(running).await;
    assert_eq!(running.left().await, (0, 6));
    let again = running.go(5, Some("k")).await.unwrap();
    assert_eq!((again.sequence.0, again.repeated), (1, true));
    assert_eq!(world.runner.computed().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_it_is_there_where_its_commit_never_was() {
    let world = world(ALL);
    let running = world.start().await;
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let caller = running.caller.clone();
    let asked = spawn(async move {
        caller.0.ask("relay", command("r", "go", r#"{"left":3}"#, Some("k"))).await
    });
    hold.reached(1).await;
    assert_eq!(world.runner.computed(), [3, 2, 1]);
    let running = world.restart(running).await;
    hold.release();
    assert!(asked.await.unwrap().is_err());
    assert_eq!(running.left().await, (0, 0));
    running.go(3, Some("k")).await.unwrap();
    assert_eq!(running.left().await, (0, 4));
    assert_eq!(world.runner.computed(), [3, 2, 1, 3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_computed_is_called_after_the_commit_and_what_follows_is_computed_again() {
    let world = world(|left| (left != 3).then_some("{}"));
    let running = world.start().await;
    let hold = world.store.faults().hold(Point::AfterAppendBeforeAnswer, Times::Next(1));
    let caller = running.caller.clone();
    let asked =
        spawn(
            async move { caller.0.ask("relay", command("r", "go", r#"{"left":5}"#, None)).await },
        );
    hold.reached(1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.runner.computed(), [5, 4]);
    assert!(world.runner.called().is_empty(), "the commit is not known");
    hold.release();
    asked.await.unwrap().unwrap();
    assert_eq!(running.arrives().await, 6);
    assert_eq!(world.runner.computed(), [5, 4, 2, 1]);
    assert_eq!(world.runner.called(), [3]);
}

#[tokio::test(start_paused = true)]
async fn one_command_has_so_many_computed_and_the_rest_is_called() {
    let options = RuntimeOptions { computed_max: 3, ..RuntimeOptions::default() };
    let world = World { runner: Runner::new(ALL), ..World::new(options) };
    let running = world.start().await;
    running.go(10, None).await.unwrap();
    assert_eq!(running.arrives().await, 11);
    assert_eq!(world.runner.computed(), [10, 9, 8, 6, 5, 4, 2, 1]);
    assert_eq!(world.runner.called(), [7, 3]);
    let options = RuntimeOptions { computed_max: 0, ..RuntimeOptions::default() };
    let world = World { runner: Runner::new(ALL), ..World::new(options) };
    let running = world.start().await;
    running.go(2, None).await.unwrap();
    running.arrives().await;
    assert_eq!((world.runner.computed().len(), world.runner.called().len()), (0, 2));
}

/// What an outcome has taken off or set anew is as the last one left it.
#[tokio::test(start_paused = true)]
async fn what_a_computed_outcome_takes_off_is_neither_called_nor_rung() {
    let body = r#"{"left":3,"detour":true}"#;
    for (computes, called) in [
        ((|left| (left <= 3).then_some("{}")) as Computes, &[][..]),
        (|left| (left == 3).then_some("{}"), &[2, 1]),
        // The detour alone: it takes the hop's place.
        (|left| (left > 3).then_some("{}"), &[2, 1]),
    ] {
        let world = world(computes);
        let running = world.start().await;
        running.caller.0.ask("relay", command("r", "go", body, None)).await.unwrap();
        assert_eq!(running.arrives().await, 4);
        assert_eq!(running.node.inspector().timers().len(), 0);
        assert_eq!(world.runner.called(), called);
    }
}

const SLOWLY: Duration = Duration::from_millis(3);

/// In true time, for a computation can't let the paused one go on.
#[tokio::test]
async fn one_turn_computes_so_long_and_the_rest_is_called() {
    let options =
        RuntimeOptions { computing: Duration::from_millis(5), ..RuntimeOptions::default() };
    let slowly: Computes = |_| {
        let started = std::time::Instant::now();
        while started.elapsed() < SLOWLY {
            std::hint::spin_loop();
        }
        Some("{}")
    };
    let world = World { runner: Runner::new(slowly), ..World::new(options) };
    let running = world.start().await;
    running.go(6, None).await.unwrap();
    assert_eq!(running.arrives().await, 7);
    let (computed, called) = (world.runner.computed(), world.runner.called());
    // Two fit, or one where the machine is slow; then one is called, and its outcome is another turn.
    assert_eq!(computed[0], 6);
    assert!(called[0] == 5 || called[0] == 4, "{computed:?}, {called:?}");
    assert_eq!((computed.len() + called.len(), called.len() >= 2), (6, true));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_may_stand_in_the_middle_of_it() {
    let options = RuntimeOptions { snapshot_every: 2, ..RuntimeOptions::default() };
    let world =
        World { runner: Runner::new(|left| (left > 1).then_some("{}")), ..World::new(options) };
    let running = world.start().await;
    world.runner.bell.script([Ring::Hang]);
    running.go(5, None).await.unwrap();
    let saved = || world.store.faults().calls(Point::SaveSnapshots) > 0;
    eventually("a snapshot is saved", saved).await;
    let running = world.restart(running).await;
    assert_eq!(running.arrives().await, 6);
    assert_eq!((world.runner.computed(), world.runner.called()), (vec![5, 4, 3, 2], vec![1, 1]));
}

/// What ended the process may have been the outcome or what was computed behind it: by themselves,
/// each is counted for what it does.
#[tokio::test(start_paused = true)]
async fn behind_a_message_that_is_delivered_again_nothing_is_computed() {
    let world = world(|left| (left == 1).then_some("{}"));
    let running = world.start().await;
    world.runner.bell.script([Ring::Hang]);
    running.go(2, None).await.unwrap();
    eventually("it is called", || world.runner.called() == [2]).await;
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    world.runner.bell.let_go(1);
    hold.reached(1).await;
    assert_eq!(world.runner.computed(), [1]);
    let running = world.restart(running).await;
    hold.release();
    assert_eq!(running.arrives().await, 3);
    assert_eq!(world.runner.computed(), [1]);
    assert_eq!(world.runner.called(), [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_can_not_be_had_again_is_recorded_by_itself() {
    let world = world(|left| (left != 2).then_some("{}"));
    let running = world.start().await;
    let body = r#"{"left":3,"once":true}"#;
    running.caller.0.ask("relay", command("r", "go", body, None)).await.unwrap();
    assert_eq!(running.arrives().await, 4);
    assert_eq!((world.runner.computed(), world.runner.called()), (vec![3], vec![2, 1]));
}

#[tokio::test(start_paused = true)]
async fn behind_another_entitys_command_nothing_is_computed() {
    let world = world(ALL);
    let running = world.start().await;
    let sender = Some(stream_key("alarm", "a").stream());
    let request = command("r", "go", r#"{"left":2}"#, Some("k"));
    running.caller.0.ask("relay", Request { sender, ..request }).await.unwrap();
    assert_eq!(running.arrives().await, 3);
    // The first outcome is a message like any other.
    assert_eq!((world.runner.computed(), world.runner.called()), (vec![1], vec![2]));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_refused_or_changes_nothing_is_left_to_the_call() {
    for said in [|_| Some("refuse"), |_| Some("ignore")] as [Computes; 2] {
        let world = world(said);
        let running = world.start().await;
        running.go(1, None).await.unwrap();
        assert_eq!(running.arrives().await, 2);
        assert_eq!((world.runner.computed(), world.runner.called()), (vec![1], vec![1]));
        assert!(running.letters().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_crashes_over_it_is_called() {
    let world = world(|_| panic!("told to"));
    let running = world.start().await;
    running.go(2, None).await.unwrap();
    assert_eq!(running.arrives().await, 3);
    assert_eq!(world.runner.asked(), [2, 1]);
    assert_eq!((world.runner.computed(), world.runner.called()), (vec![], vec![2, 1]));
}

/// Behind the crash each message meets the entity by itself, so that the one to blame is found.
#[tokio::test(start_paused = true)]
async fn an_entity_that_crashes_over_a_computed_outcome_computes_no_more() {
    let world = world(|left| Some(if left == 2 { "panic" } else { "{}" }));
    let running = world.start().await;
    assert_eq!(running.go(3, Some("k")).await, Err(Failure::Crashed));
    assert_eq!(running.left().await, (0, 0));
    assert_eq!(running.go(3, Some("k")).await.unwrap().sequence.0, 1);
    assert_eq!(running.arrives().await, 4);
    assert_eq!(world.runner.computed(), [3, 2]);
    assert_eq!(world.runner.called(), [3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_effect_of_an_earlier_life_may_have_been_begun_and_is_called() {
    let world = world(NONE);
    let running = world.start().await;
    world.runner.bell.script([Ring::Hang]);
    running.go(2, None).await.unwrap();
    eventually("it is called", || world.runner.called() == [2]).await;
    world.runner.like(ALL);
    let running = world.restart(running).await;
    assert_eq!(running.arrives().await, 3);
    assert_eq!(world.runner.called(), [2, 2, 1]);
    assert_eq!((world.runner.asked(), world.runner.computed()), (vec![2], vec![]));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_computed_under_a_freeze() {
    let world = World { obeys: true, ..world(NONE) };
    let running = world.start().await;
    world.runner.bell.script([Ring::Hang]);
    running.go(2, None).await.unwrap();
    eventually("it is called", || world.runner.called() == [2]).await;
    running.freeze().await;
    world.runner.like(ALL);
    world.runner.bell.let_go(1);
    eventually("its outcome is recorded", || {
        world.store.look(|events| {
            events.iter().any(|event| &*event.record.body.event_type == "relay.hopped.v1")
        })
    })
    .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((world.runner.computed(), world.runner.called()), (vec![], vec![2]));
    running.unfreeze().await;
    assert_eq!(running.arrives().await, 3);
    assert_eq!((world.runner.computed(), world.runner.called()), (vec![], vec![2, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_call_behind_what_was_computed_fails_like_any_other() {
    let world = world(|left| (left == 3).then_some("{}"));
    let running = world.start().await;
    world.runner.bell.script([Ring::Refused]);
    running.go(3, None).await.unwrap();
    eventually("it is called", || world.runner.called() == [2]).await;
    let letter = running.letter().await;
    assert_eq!(letter.reason, LetterReason::Refused);
    assert_eq!((world.runner.computed(), running.left().await), (vec![3], (2, 2)));
}
