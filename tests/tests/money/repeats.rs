//! Everything may be asked for again, and is done once.

use std::sync::Arc;

use coppice_domain::treasury::intent::Status;
use coppice_domain::treasury::{Amount, Reason};
use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, SystemClock};
use coppice_testkit::read_whole_journal;
use coppice_treasury::{NewTransfer, TreasuryError};

use crate::world::{Setting, World, call, funding, memory, postgres, sqlite, wants};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_intent_that_many_decide_at_once_is_decided_once() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(1_000).await;
    world.money.create("a", &wants(100)).await;
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let money = world.money.clone();
            spawn(async move { money.try_authorize("a").await.unwrap() })
        })
        .collect();
    let mut first = 0;
    for task in callers {
        let authorized = task.await.unwrap();
        assert_eq!(authorized.reason, Reason::Approved);
        first += usize::from(!authorized.repeated);
    }
    assert_eq!(first, 1, "all others are told what stands");
    assert_eq!(world.money.has().await, (1_000, 100));
    assert_eq!(world.balanced().await.approved, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_again_changes_nothing_on_every_store() {
    for backend in [memory(), sqlite().await, postgres().await] {
        let setting = Setting::default();
        let mut world = World::fresh(&backend, &setting).await;
        let money = world.money.clone();
        money.fund(1_000).await;
        for (id, amount) in [("posted", 100), ("part", 100), ("voided", 100), ("denied", 5_000)] {
            money.wants(id, &wants(amount)).await;
        }
        money.post("posted", None).await;
        money.post("part", Some(30)).await;
        money.void("voided").await;
        let events = read_whole_journal(world.store.as_ref()).await.unwrap().len();
        let has = money.has().await;
        assert_eq!(has, (870, 0));
        // A snapshot of nothing but what every entity says, before and after a restart.
        for _ in 0..2 {
            world = world.restart(Arc::new(SystemClock), &setting).await;
            let money = &world.money;
            for (id, amount, reason) in [
                ("posted", 100, Reason::Approved),
                ("part", 100, Reason::Approved),
                ("voided", 100, Reason::Approved),
                ("denied", 5_000, Reason::InsufficientFunds),
            ] {
                assert_eq!(money.wants(id, &wants(amount)).await, reason);
            }
            let posted = money.post("posted", None).await;
            assert_eq!((posted.status, posted.repeated), (Status::Posted, true));
            assert_eq!(money.post("part", Some(30)).await.posted, Amount::of(30));
            assert_eq!(money.void("posted").await.status, Status::Posted, "it stays so");
            assert_eq!(money.post("voided", None).await.status, Status::Voided);
            assert_eq!(money.void("denied").await.status, Status::Denied);
            let other = money.treasury.post(&call(), "part", Some(Amount::of(31))).await;
            let refused = |error: &TreasuryError| {
                matches!(
                    error,
                    TreasuryError::Failed(Failure::Rejected { code: "transfer_amount", .. })
                )
            };
            assert!(other.as_ref().is_err_and(refused), "{other:?}");
            assert_eq!(money.has().await, has);
            assert_eq!(read_whole_journal(world.store.as_ref()).await.unwrap().len(), events);
        }
        world.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_of_one_id_comes_in_once_and_another_of_it_is_refused() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(1).await;
    let deposit = |amount: u64| {
        let treasury = world.money.treasury.clone();
        spawn(async move { treasury.deposit(&call(), "d", &funding(), Amount::of(amount)).await })
    };
    let mut repeated = 0;
    for task in (0..16).map(|_| deposit(10)).collect::<Vec<_>>() {
        repeated += usize::from(task.await.unwrap().unwrap().repeated);
    }
    assert_eq!(repeated, 15);
    assert_eq!(world.money.has().await, (11, 0));
    assert_eq!(deposit(11).await.unwrap(), Err(TreasuryError::Other("d".to_owned())));
    // An intent doesn't share the id of a transfer.
    world.money.create("d", &wants(1)).await;
    let asked = world.money.try_authorize("d").await;
    assert_eq!(asked, Err(TreasuryError::Other("d".to_owned())));
    assert_eq!(
        world.money.treasury.void(&call(), "d").await,
        Err(TreasuryError::NoIntent("d".to_owned())),
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_intent_of_one_id_is_refused_and_one_that_is_not_there_is_not_found() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.create("a", &wants(1)).await;
    let other = world.money.treasury.create_intent(&call(), "a", &wants(2)).await;
    assert_eq!(other.unwrap_err(), TreasuryError::Other("a".to_owned()));
    let mut late = wants(1);
    late.ttl_s = 604_801;
    let other = world.money.treasury.create_intent(&call(), "b", &late).await;
    assert!(matches!(other, Err(TreasuryError::Invalid(_))), "{other:?}");
    let none = || TreasuryError::NoIntent("none".to_owned());
    assert_eq!(world.money.try_authorize("none").await, Err(none()));
    assert_eq!(world.money.treasury.post(&call(), "none", None).await, Err(none()));
    assert_eq!(world.money.treasury.void(&call(), "none").await, Err(none()));
    assert_eq!(world.money.treasury.intent(&call(), "none").await, Err(none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_leaves_by_an_intent_only() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(100).await;
    for (from, to) in [
        ("funding:USD.2", "payee:acme:USD.2"),
        ("world:USD.2", "payee:acme:USD.2"),
        ("funding:USD.2", "world:USD.2"),
    ] {
        let (from, to, workflow) = (from.into(), to.into(), None);
        let new = NewTransfer { from, to, amount: Amount::of(1), workflow };
        let moved = world.money.treasury.transfer(&call(), "t", &new).await;
        let refused = |error: &TreasuryError| {
            matches!(
                error,
                TreasuryError::Failed(Failure::Rejected { code: "account_intent_only", .. })
            )
        };
        assert!(moved.as_ref().is_err_and(refused), "{moved:?}");
    }
    assert_eq!(world.money.has().await, (100, 0));
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_not_decided_is_taken_back_for_good() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(100).await;
    world.money.create("a", &wants(1)).await;
    assert_eq!(world.money.void("a").await.status, Status::Voided);
    assert_eq!(world.money.authorize("a").await, Reason::Withdrawn);
    assert_eq!(world.money.post("a", None).await.status, Status::Voided);
    assert_eq!(world.money.has().await, (100, 0));
}
