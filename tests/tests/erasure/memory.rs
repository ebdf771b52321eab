//! What the runtime does, on a store in memory.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::TenantId;
use coppice_persistence::{Snapshots, SubjectKeys};
use coppice_runtime::{Failure, Request, RuntimeOptions, task};
use coppice_testkit::{Action, MemoryStore, Point, Times};
use coppice_tests::node::{claim, tenant};
use coppice_tests::running::{command, eventually, stream_key};

use crate::world::{ADA, EVE, World, only, registration, subject};

async fn world() -> (Arc<MemoryStore>, World) {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    (store, world)
}

#[tokio::test(start_paused = true)]
async fn a_read_after_an_erasure_shows_the_value_as_erased_at_every_temperature() {
    let store = Arc::new(MemoryStore::default());
    let options = RuntimeOptions {
        hibernate_after: Duration::from_secs(2),
        passivate_after: Duration::from_secs(60),
        ..RuntimeOptions::default()
    };
    let world = World::start_with(store, only(1), options).await;
    let asleep = |count| {
        let caller = world.caller.clone();
        move || caller.0.census().iter().map(|kind| kind.hibernated_total).sum::<u64>() >= count
    };
    world.register("asleep", "sub_ada", ADA, None).await.unwrap();
    world.register("neighbour", "sub_eve", EVE, None).await.unwrap();
    eventually("they hibernate", asleep(2)).await;
    world.register("awake", "sub_ada", ADA, None).await.unwrap();

    let erasure = world.erase("sub_ada").await.unwrap();
    assert_eq!(erasure.entities, 2, "those that had her in memory, and no other");
    for contact in ["asleep", "awake"] {
        let view = world.view(contact).await.unwrap();
        assert_eq!((&view["name"], &view["email"]), (&().into(), &().into()), "{contact}");
        assert_eq!((&view["erased"], &view["subject"]), (&true.into(), &"sub_ada".into()));
    }
    assert_eq!(world.name("neighbour").await.as_deref(), Some(EVE[0]));
    // What isn't personal goes on.
    world.call("awake").await.unwrap();
    assert_eq!(world.view("awake").await.unwrap()["calls"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_erased_subject_had_in_memory_is_let_go_of_though_nobody_asks_again() {
    let (_store, world) = world().await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    world.erase("sub_ada").await.unwrap();
    // Time stands still and one thread does everything: by then the entity has had its turn.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.erase("sub_ada").await.unwrap().entities, 0);
}

#[tokio::test(start_paused = true)]
async fn an_erased_subject_stays_erased_and_a_repeat_still_gets_its_first_answer() {
    let (store, world) = world().await;
    let first = world.register("a", "sub_ada", ADA, Some("k")).await.unwrap();
    let at = world.erase("sub_ada").await.unwrap().erased_at;
    for key in [None, Some("other")] {
        let refused = world.register("b", "sub_ada", ADA, key).await;
        assert_eq!(refused, Err(Failure::SubjectErased));
    }
    let again = world.register("a", "sub_ada", ADA, Some("k")).await.unwrap();
    assert_eq!((again.sequence, again.reply, again.repeated), (first.sequence, first.reply, true));
    // Erased again it is as it was, and the record says who it was and when.
    assert_eq!(world.erase("sub_ada").await.unwrap().erased_at, at);
    let rows = store.subject_keys(&tenant(), &[subject("sub_ada")]).await.unwrap();
    let end = rows[0].destroyed.clone().unwrap();
    assert_eq!((end.at, &*end.by, &rows[0].wrapped), (at, "a test", &None));
    // One that was never heard of never gets a key.
    world.erase("sub_new").await.unwrap();
    let refused = world.register("c", "sub_new", EVE, None).await;
    assert_eq!(refused, Err(Failure::SubjectErased));
}

#[tokio::test(start_paused = true)]
async fn a_subject_of_the_same_name_at_another_tenant_is_another() {
    let (_store, world) = world().await;
    let other = TenantId::new("other").unwrap();
    world.register("a", "sub", ADA, None).await.unwrap();
    let theirs = command("a", "register", &registration("sub", EVE), None);
    world.ask(Request { tenant: other.clone(), ..theirs }).await.unwrap();
    world.erase("sub").await.unwrap();
    assert_eq!(world.name("a").await, None);
    assert_eq!(world.view_of(other, "a").await.unwrap()["name"], EVE[0]);
}

#[tokio::test(start_paused = true)]
async fn keys_are_loaded_for_what_only_a_snapshot_holds() {
    let store = Arc::new(MemoryStore::default());
    let options = RuntimeOptions { snapshot_every: 2, ..RuntimeOptions::default() };
    for erased in [false, true] {
        let world = World::start_with(store.clone(), only(1), options.clone()).await;
        if erased {
            world.erase("sub_ada").await.unwrap();
        } else {
            world.register("a", "sub_ada", ADA, None).await.unwrap();
            for _ in 0..2 {
                world.call("a").await.unwrap();
            }
            let key = stream_key("contact", "a");
            while store.snapshot(&key).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        }
        world.node.abort();
        let world = World::start_with(store.clone(), only(1), options.clone()).await;
        let expected = (!erased).then(|| ADA[0].to_owned());
        assert_eq!(world.name("a").await, expected);
        assert_eq!(world.view("a").await.unwrap()["calls"], 2);
        world.node.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_after_an_erasure_sees_nothing_of_commands_that_raced_with_it() {
    let (_store, world) = world().await;
    let world = Arc::new(world);
    for round in 0..60 {
        let name = format!("sub_{round}");
        let racing: Vec<_> = (0..6)
            .map(|number| {
                let (world, name) = (Arc::clone(&world), name.clone());
                task::spawn(async move {
                    let contact = format!("c{round}-{number}");
                    let mut accepted = 0;
                    for _ in 0..8 {
                        match world.register(&contact, &name, ADA, None).await {
                            Ok(_) => accepted += 1,
                            Err(failure) => {
                                assert_eq!(failure, Failure::SubjectErased);
                                break;
                            }
                        }
                    }
                    (contact, accepted)
                })
            })
            .collect();
        if round % 3 > 0 {
            tokio::task::yield_now().await;
        }
        world.erase(&name).await.unwrap();
        for number in 0..6 {
            let view = world.view(&format!("c{round}-{number}")).await.unwrap();
            assert_eq!(view["name"], serde_json::Value::Null, "round {round}");
        }
        for raced in racing {
            let (contact, accepted) = raced.await.unwrap();
            let view = world.view(&contact).await.unwrap();
            assert_eq!(view["name"], serde_json::Value::Null, "round {round}");
            assert_eq!(view["erased"], accepted > 0, "what was accepted is there, erased");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_erases_and_a_new_owner_knows_what_the_last_one_erased() {
    let (store, first) = world().await;
    first.register("a", "sub_ada", ADA, None).await.unwrap();
    first.register("b", "sub_eve", EVE, None).await.unwrap();
    // Another node takes over, erases, and goes; the first one owns everything again.
    first.lease.revoke_all();
    assert_eq!(first.erase("sub_ada").await, Err(Failure::NotOwner));
    let second = World::start(store.clone(), only(1)).await;
    assert_eq!(second.name("a").await.as_deref(), Some(ADA[0]), "nothing has happened");
    second.erase("sub_ada").await.unwrap();
    second.node.abort();
    let again = claim(store.as_ref(), "node").await;
    let epochs = (0..coppice_tests::node::SHARDS).map(coppice_core::ShardId);
    let lease = &again as &dyn coppice_runtime::Lease;
    let epochs = epochs.map(|shard| (shard, lease.epoch(shard).unwrap())).collect();
    first.lease.grant(epochs);
    assert_eq!(first.name("a").await, None, "neither its state nor its key is believed");
    assert_eq!(first.name("b").await.as_deref(), Some(EVE[0]));
    let refused = first.register("c", "sub_ada", ADA, None).await;
    assert_eq!(refused, Err(Failure::SubjectErased));
}

#[tokio::test(start_paused = true)]
async fn an_erasure_that_the_store_does_not_answer_is_unknown_and_may_be_asked_again() {
    let (store, world) = world().await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    store.faults().arm(Point::SubjectKeys, Action::Unavailable, Times::Next(1));
    let failure = world.erase("sub_ada").await.unwrap_err();
    assert_eq!(failure, Failure::TimedOut);
    world.erase("sub_ada").await.unwrap();
    assert_eq!(world.name("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_key_can_not_be_read_is_not_applied() {
    let (store, world) = world().await;
    store.faults().arm(Point::SubjectKeys, Action::Unavailable, Times::Next(2));
    for _ in 0..2 {
        let failure = world.register("a", "sub_ada", ADA, None).await.unwrap_err();
        assert_eq!(failure, Failure::StoreUnavailable);
    }
    assert_eq!(world.register("a", "sub_ada", ADA, None).await.unwrap().sequence.0, 1);
}
