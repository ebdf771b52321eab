//! Workflows that pay through crashes of the node and faults of the store: nothing is made, lost or
//! doubled, no bound is crossed, and everything that was set aside ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_domain::treasury::intent::{self, Status};
use coppice_domain::treasury::names::Name;
use coppice_domain::treasury::{Amount, Reason};
use coppice_runtime::RuntimeOptions;
use coppice_testkit::{Action, Faults, MemoryStore, Point, Random, Times, VirtualClock};
use coppice_treasury::{NewIntent, TreasuryError, TreasuryOptions};
use tokio::task::{LocalSet, spawn_local};

use crate::world::{Money, Setting, World, call, name, wants};

const SEEDS: u64 = 12;
const CLIENTS: u64 = 8;
const STEPS: u64 = 8;
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Longer than any intent lives.
const LONG: Duration = Duration::from_secs(4_000);

/// The way to whichever node is alive.
#[derive(Clone)]
struct Way(Arc<Mutex<Money>>);

impl Way {
    fn money(&self) -> Money {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn leads_to(&self, money: Money) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = money;
    }
}

/// What a client was told of an intent.
#[derive(Debug)]
struct Told {
    id: String,
    reason: Reason,
    end: Option<(Status, Amount)>,
}

/// Asks until there is an answer. A refusal of an entity is one.
async fn until_answered<T>(
    random: &mut Random,
    ask: impl AsyncFn() -> Result<T, TreasuryError>,
) -> T {
    for _ in 0..400 {
        match ask().await {
            Ok(answer) => return answer,
            Err(TreasuryError::Failed(failure)) => {
                let refused = matches!(failure, coppice_runtime::Failure::Rejected { .. });
                assert!(!refused, "{failure:?}");
            }
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20 + random.below(200))).await;
    }
    panic!("never answered")
}

async fn client(way: Way, number: u64, seed: u64) -> Vec<Told> {
    let mut random = Random::seeded(seed ^ (number << 32));
    let mut told = Vec::new();
    for step in 0..STEPS {
        let id = format!("w-{}:{number}:{step}", number % 2);
        let amount = 1 + random.below(120);
        let wanted = NewIntent {
            merchant: name(["acme", "other"][usize::try_from(random.below(2)).unwrap()]),
            ttl_s: 1_000 + u32::try_from(random.below(2_000)).unwrap(),
            workflow: Some(Name::new(&format!("w-{}", number % 2)).unwrap()),
            ..wants(amount)
        };
        let created = async || way.money().treasury.create_intent(&call(), &id, &wanted).await;
        until_answered(&mut random, created).await;
        let authorize = async || way.money().treasury.authorize(&call(), &id, false).await;
        let reason = until_answered(&mut random, authorize).await.reason;
        let part = Amount::of(1 + random.below(amount));
        let choice = random.below(5);
        let end = async || match choice {
            0 | 1 => way.money().treasury.post(&call(), &id, None).await.map(Some),
            2 => way.money().treasury.post(&call(), &id, Some(part)).await.map(Some),
            3 => way.money().treasury.void(&call(), &id).await.map(Some),
            _ => Ok(None),
        };
        let end = until_answered(&mut random, end).await;
        let end = end.map(|settled| (settled.status, settled.posted));
        if let (Reason::Approved, Some((status, posted))) = (reason, end) {
            let expected = match choice {
                0 | 1 => (Status::Posted, Amount::of(amount)),
                2 => (Status::Posted, part),
                _ => (Status::Voided, Amount::ZERO),
            };
            assert_eq!((status, posted), expected, "{id}");
        }
        told.push(Told { id, reason, end });
    }
    told
}

fn arm(faults: &Faults) {
    faults.arm(Point::BeforeAppend, Action::Jitter(Duration::from_millis(8)), Times::Always);
    faults.arm(Point::BeforeAppend, Action::Unavailable, Times::PerMille(60));
    faults.arm(Point::BeforeAppend, Action::Full, Times::PerMille(30));
    faults.arm(Point::AfterAppendBeforeAnswer, Action::Unavailable, Times::PerMille(60));
    faults.arm(Point::Entity, Action::Unavailable, Times::PerMille(30));
}

async fn run(seed: u64) {
    println!("SIM_SEED={seed}");
    let mut random = Random::seeded(seed);
    let clock = VirtualClock::following_tokio(START);
    let store = MemoryStore::new(Arc::new(clock.clone())).connect(Faults::seeded(seed));
    let setting = Setting {
        runtime: RuntimeOptions {
            snapshot_every: 3,
            drain_batch: 1 + usize::try_from(random.below(8)).unwrap(),
            store_retry_max: Duration::from_millis(50),
            ..RuntimeOptions::default()
        },
        treasury: TreasuryOptions {
            velocity_max: Amount::of(900),
            daily_cap: Amount::of(2_000),
            ..TreasuryOptions::default()
        },
        ..Setting::default()
    };
    let clocked = || Arc::new(clock.clone());
    let mut world = World::start(Arc::new(store.clone()), clocked(), &setting).await;
    world.money.fund(2_500).await;
    for workflow in ["w-0", "w-1"] {
        world.money.budget(workflow, 1_200).await;
    }
    let way = Way(Arc::new(Mutex::new(world.money.clone())));
    arm(store.faults());
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| spawn_local(client(way.clone(), number, seed))).collect();
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(20 + random.below(1_500))).await;
        world = world.restart(clocked(), &setting).await;
        way.leads_to(world.money.clone());
    }
    let mut told = Vec::new();
    for client in clients {
        told.extend(client.await.unwrap());
    }
    store.faults().clear();
    let before = world.balanced().await;
    assert!(before.approved > 0 && before.denied > 0, "{before}");
    // Whatever nobody ended, ends by itself.
    tokio::time::sleep(LONG).await;
    let balanced = world.at_rest().await;
    println!("{balanced}");
    assert_eq!(world.money.has().await.1, 0);
    for Told { id, reason, end } in told {
        let intent::View { decided, status, posted, .. } = world.money.intent(&id).await;
        assert_eq!(decided.map(|decided| decided.reason), Some(reason), "{id}");
        match end {
            Some(told) => assert_eq!((status, posted), told, "{id}"),
            None if reason == Reason::Approved => assert_eq!(status, Status::Expired, "{id}"),
            None => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn crashes_and_faults_neither_make_nor_lose_nor_double_money() {
    // The clients stay on this thread, as everything in a seeded run does.
    let local = LocalSet::new();
    for seed in 0..SEEDS {
        local.run_until(run(seed)).await;
    }
}
