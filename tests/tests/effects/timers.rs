//! Timers fire once, as commands, on time and after downtime.

use std::time::Duration;

use coppice_persistence::Journal;
use coppice_testkit::{Point, Times};
use coppice_tests::node::value;
use coppice_tests::running::{eventually, stream_key};
use tokio::time::Instant;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_timer_rings_on_time_and_once_and_tells_the_counter() {
    let world = World::default();
    let running = world.start().await;
    let started = Instant::now();
    let body = r#"{"timer":"tea","in_ms":1000,"counter":"cups"}"#;
    running.tell("a", "set", body).await.unwrap();
    eventually("the bell rings", || world.bell.count() > 0).await;
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_secs(1), "{elapsed:?} is early");
    assert!(elapsed < Duration::from_millis(1_100), "{elapsed:?} is late");
    running.shows("a", "heard", 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let view = running.view("a").await;
    assert_eq!((&view["rung"], &view["outstanding"]), (&1.into(), &0.into()), "{view}");
    assert_eq!(world.bell.count(), 1);
    assert_eq!(value(&running.caller.read("cups").await.unwrap().state), 1);
    let row = world.store.entity(&stream_key("alarm", "a")).await.unwrap().unwrap();
    assert_eq!((row.wake_at, row.owes), (None, false));
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_timers_is_not_held_up_by_the_order_of_setting_them() {
    let world = World::default();
    let running = world.start().await;
    for (timer, in_ms) in [("late", 60_000), ("early", 1_000), ("middle", 5_000)] {
        let body = format!(r#"{{"timer":"{timer}","in_ms":{in_ms}}}"#);
        running.tell("a", "set", &body).await.unwrap();
    }
    running.tell("a", "clear", r#"{"timer":"middle"}"#).await.unwrap();
    let started = Instant::now();
    running.shows("a", "rung", 1).await;
    assert!(started.elapsed() < Duration::from_secs(2));
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(running.view("a").await["rung"], 1);
    running.shows("a", "rung", 2).await;
    let rung: Vec<String> =
        world.bell.calls().iter().map(|call| call.request.to_string()).collect();
    assert!(rung[0].contains("early") && rung[1].contains("late"), "{rung:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_was_due_while_the_node_was_down_rings_or_is_missed_as_its_grace_says() {
    let world = World::default();
    let running = world.start().await;
    running.tell("a", "set", r#"{"timer":"t","in_ms":1000}"#).await.unwrap();
    running.tell("b", "set", r#"{"timer":"t","in_ms":1000,"grace_ms":5000}"#).await.unwrap();
    running.tell("c", "set", r#"{"timer":"t","in_ms":60000,"grace_ms":5000}"#).await.unwrap();
    running.node.abort();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // Nobody names these alarms: the node finds them by their rows.
    let running = world.start().await;
    eventually("a rings", || world.bell.count() == 1).await;
    running.shows("a", "rung", 1).await;
    running.shows("b", "missed", 1).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    running.shows("c", "rung", 1).await;
    assert_eq!(world.bell.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_not_lost_where_the_node_ends_before_or_after_its_commit() {
    for point in [Point::BeforeAppend, Point::AfterAppendBeforeAnswer] {
        let world = World::default();
        let running = world.start().await;
        running.set("a", 1_000).await;
        let hold = world.store.faults().hold(point, Times::Next(1));
        hold.reached(1).await;
        running.node.abort();
        hold.release();
        let running = world.start().await;
        running.shows("a", "heard", 1).await;
        assert_eq!(running.view("a").await["rung"], 1, "{point:?}");
        assert_eq!(world.bell.keys().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_back_and_forth_breaks_nothing() {
    let world = World::default();
    let running = world.start().await;
    running.set("a", 10_000).await;
    world.clock.jump_back(Duration::from_secs(3_600));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.view("a").await["rung"], 0, "its time has not come");
    // Forwards past the due time: the next look finds it, without a sleep of an hour.
    world.clock.advance(Duration::from_secs(7_200));
    let started = Instant::now();
    running.shows("a", "heard", 1).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // Back again: what is recorded never runs backwards, and new timers count from there.
    world.clock.jump_back(Duration::from_secs(7_200));
    running.set("a", 1_000).await;
    world.clock.advance(Duration::from_secs(7_200));
    running.shows("a", "heard", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_timers_of_one_moment_each_ring_once() {
    let world = World::default();
    let running = world.start().await;
    for alarm in 0..1_000 {
        running.set(&format!("a{alarm}"), 60_000).await;
    }
    tokio::time::sleep(Duration::from_secs(50)).await;
    eventually("all have rung", || world.bell.count() == 1_000).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bell.count(), 1_000);
    assert_eq!(world.bell.keys().len(), 1_000);
}
