//! Many who want the same money at the same time.

use coppice_domain::treasury::intent::Status;
use coppice_domain::treasury::names::AccountName;
use coppice_domain::treasury::{Amount, Day, Reason};
use coppice_runtime::task::spawn;
use coppice_runtime::{Clock, SystemClock};

use crate::world::{Backend, Money, Setting, World, memory, name, postgres, sqlite, usd, wants};

const CALLERS: usize = 400;
const ROOM: usize = 100;

/// How many of the callers come to each reason.
async fn all_at_once(money: &Money, workflow: Option<&str>) -> Vec<(String, Reason)> {
    let mut wanted = wants(100);
    wanted.workflow = workflow.map(name);
    for number in 0..CALLERS {
        money.create(&format!("i-{number}"), &wanted).await;
    }
    let asked: Vec<_> = (0..CALLERS)
        .map(|number| {
            let (money, id) = (money.clone(), format!("i-{number}"));
            spawn(async move {
                let reason = money.authorize(&id).await;
                (id, reason)
            })
        })
        .collect();
    let mut reasons = Vec::new();
    for task in asked {
        reasons.push(task.await.unwrap());
    }
    reasons
}

fn approved(reasons: &[(String, Reason)]) -> Vec<&str> {
    let approved = reasons.iter().filter(|(_, reason)| *reason == Reason::Approved);
    approved.map(|(id, _)| id.as_str()).collect()
}

/// 400 want 100 each of a day that has room for 100 of them.
async fn a_cap_lets_through_as_many_as_it_has_room_for(backend: Backend) {
    let mut setting = Setting::default();
    setting.treasury.daily_cap = Amount::of(10_000);
    let world = World::fresh(&backend, &setting).await;
    let money = &world.money;
    money.fund(1_000_000).await;
    // So that the day doesn't end in the middle.
    let day = Day::of(SystemClock.now());
    let reasons = all_at_once(money, None).await;
    let through = approved(&reasons);
    if Day::of(SystemClock.now()) == day {
        assert_eq!(through.len(), ROOM, "{reasons:?}");
        let denied = reasons.iter().filter(|(_, reason)| *reason == Reason::DailyCapExceeded);
        assert_eq!(denied.count(), CALLERS - ROOM, "{reasons:?}");
    }
    assert_eq!(money.has().await, (1_000_000, i128::try_from(through.len()).unwrap() * 100));

    // Half is posted, a quarter in part, a quarter voided: the rest of the day is free again.
    for (number, id) in through.iter().enumerate() {
        match number % 4 {
            0 | 1 => assert_eq!(money.post(id, None).await.status, Status::Posted),
            2 => assert_eq!(money.post(id, Some(40)).await.posted, Amount::of(40)),
            _ => assert_eq!(money.void(id).await.status, Status::Voided),
        }
    }
    let spent: i128 = 50 * 100 + 25 * 40;
    if through.len() == ROOM {
        assert_eq!(money.has().await, (1_000_000 - spent, 0));
        let cap = money.account(&AccountName::cap(day, usd())).await;
        assert_eq!((cap.posted.units(), cap.held_out.units()), (spent, 0));
    }
    let balanced = world.at_rest().await;
    assert_eq!((balanced.approved, balanced.voided), (through.len(), through.len() / 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_lets_through_exactly_as_many_as_it_has_room_for_in_memory() {
    a_cap_lets_through_as_many_as_it_has_room_for(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_lets_through_exactly_as_many_as_it_has_room_for_on_sqlite() {
    a_cap_lets_through_as_many_as_it_has_room_for(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_lets_through_exactly_as_many_as_it_has_room_for_on_postgresql() {
    a_cap_lets_through_as_many_as_it_has_room_for(postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_bound_lets_through_exactly_as_many_as_it_has_room_for() {
    for (funds, budget, velocity, reason) in [
        (10_000, 1_000_000, 1_000_000, Reason::InsufficientFunds),
        (1_000_000, 10_000, 1_000_000, Reason::BudgetExceeded),
        (1_000_000, 1_000_000, 10_000, Reason::VelocityExceeded),
    ] {
        let mut setting = Setting::default();
        setting.treasury.velocity_max = Amount::of(velocity);
        let world = World::fresh(&memory(), &setting).await;
        world.money.fund(funds).await;
        world.money.budget("w", budget).await;
        let reasons = all_at_once(&world.money, Some("w")).await;
        assert_eq!(approved(&reasons).len(), ROOM, "{reason:?}: {reasons:?}");
        let denied = reasons.iter().filter(|(_, found)| *found == reason);
        assert_eq!(denied.count(), CALLERS - ROOM, "{reason:?}: {reasons:?}");
        world.balanced().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_meanwhile_is_there_for_whoever_waits() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(100).await;
    // One after the other holds all there is and gives it back; nobody is denied for the moment
    // in between unless the account itself says that it has nothing left.
    let callers: Vec<_> = (0..40)
        .map(|number| {
            let (money, id) = (world.money.clone(), format!("i-{number}"));
            spawn(async move {
                let reason = money.wants(&id, &wants(100)).await;
                if reason == Reason::Approved {
                    money.void(&id).await;
                }
                reason
            })
        })
        .collect();
    let mut approved = 0;
    for task in callers {
        match task.await.unwrap() {
            Reason::Approved => approved += 1,
            Reason::InsufficientFunds => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(approved >= 1);
    assert_eq!(world.money.has().await, (100, 0));
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_without_a_budget_spends_nothing() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(1_000).await;
    let mut wanted = wants(1);
    wanted.workflow = Some(name("w"));
    assert_eq!(world.money.wants("a", &wanted).await, Reason::BudgetExceeded);
    world.money.budget("w", 1).await;
    assert_eq!(world.money.authorize("a").await, Reason::BudgetExceeded, "what is decided stays");
    assert_eq!(world.money.wants("b", &wanted).await, Reason::Approved);
    // An asset that nobody gave limits has room for nothing, and one without funds neither.
    wanted.workflow = None;
    wanted.asset = coppice_domain::treasury::Asset::new("ETH/18").unwrap();
    assert_eq!(world.money.wants("c", &wanted).await, Reason::InsufficientFunds);
}
