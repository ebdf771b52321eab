//! The platform's key: missing, wrong, rotated.

use std::sync::Arc;

use coppice_persistence::SubjectKeys;
use coppice_runtime::{Failure, PlatformKeys};
use coppice_testkit::{MemoryStore, read_whole_journal};
use coppice_tests::node::tenant;

use crate::world::{ADA, EVE, World, only, platform, subject};

#[tokio::test(start_paused = true)]
async fn without_the_platform_key_personal_data_is_refused_and_nothing_is_written() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), None).await;
    for key in [None, Some("k")] {
        let refused = world.register("a", "sub_ada", ADA, key).await;
        assert_eq!(refused, Err(Failure::PersonalDataLocked));
    }
    assert!(read_whole_journal(&*store).await.unwrap().is_empty());
    assert!(store.subject_keys(&tenant(), &[subject("sub_ada")]).await.unwrap().is_empty());
    world.caller.add("counter", 1, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn with_a_missing_or_wrong_key_nothing_is_shown_as_erased_and_erasing_works() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    world.register("b", "sub_eve", EVE, None).await.unwrap();
    world.node.abort();
    for wrong in [None, only(2)] {
        let world = World::start(store.clone(), wrong).await;
        assert_eq!(world.view("a").await, Err(Failure::PersonalDataLocked));
        // New keys would be wrapped under what nobody keeps.
        let refused = world.register("c", "sub_new", EVE, None).await;
        assert_eq!(refused, Err(Failure::PersonalDataLocked));
        world.erase("sub_eve").await.unwrap();
        world.node.abort();
    }
    let world = World::start(store.clone(), only(1)).await;
    assert_eq!(world.name("a").await.as_deref(), Some(ADA[0]));
    assert_eq!(world.name("b").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_wraps_every_key_anew_and_the_old_platform_key_is_worth_nothing_after_it() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    for number in 0..5 {
        let name = format!("sub_{number}");
        world.register(&format!("c{number}"), &name, ADA, None).await.unwrap();
    }
    world.erase("sub_0").await.unwrap();
    world.node.abort();

    let both = PlatformKeys { current: platform(2), previous: Some(platform(1)) };
    let world = World::start(store.clone(), Some(both)).await;
    // Before the rewrapping the previous key still opens.
    assert_eq!(world.name("c1").await.as_deref(), Some(ADA[0]));
    assert_eq!(world.ring.rewrap().await.unwrap(), 4);
    assert_eq!(world.ring.rewrap().await.unwrap(), 0);
    assert_eq!(store.outer_keys().await.unwrap(), [platform(2).name()]);
    world.node.abort();

    let world = World::start(store.clone(), only(2)).await;
    assert_eq!(world.name("c4").await.as_deref(), Some(ADA[0]));
    assert_eq!(world.name("c0").await, None);
    world.node.abort();
    let world = World::start(store.clone(), only(1)).await;
    assert_eq!(world.view("c4").await, Err(Failure::PersonalDataLocked));
}

#[tokio::test(start_paused = true)]
async fn a_key_under_a_platform_key_that_is_gone_locks_its_own_subject_only() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    world.register("old", "sub_old", ADA, None).await.unwrap();
    world.node.abort();
    // The rotation was never finished, and the previous key was thrown away.
    let both = PlatformKeys { current: platform(2), previous: Some(platform(1)) };
    let world = World::start(store.clone(), Some(both)).await;
    world.register("new", "sub_new", EVE, None).await.unwrap();
    world.node.abort();
    let world = World::start(store.clone(), only(2)).await;
    assert_eq!(world.name("new").await.as_deref(), Some(EVE[0]));
    assert_eq!(world.view("old").await, Err(Failure::PersonalDataLocked));
    let refused = world.register("other", "sub_old", ADA, None).await;
    assert_eq!(refused, Err(Failure::PersonalDataLocked));
}
