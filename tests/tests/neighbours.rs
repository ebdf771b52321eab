//! A thousand poisoned entities of one tenant, and what another tenant notices of them.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![expect(clippy::print_stdout, reason = "the figures belong to the test's output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coppice_core::TenantId;
use coppice_runtime::supervisors::SupervisorSnapshot;
use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, Registry, Request, RuntimeOptions, SystemClock};
use coppice_testkit::{MemoryStore, Rounds};
use coppice_tests::node::{Caller, PATIENCE, add};
use coppice_tests::running::{command, run};

/// Poisoned entities of each round.
const POISONED: usize = 1_000;
/// Callers that have them crash, all at once, each with so much time between two commands: what
/// is measured is what crashes do to others, and not what a machine without a free moment does.
const POISONERS: usize = 16;
const PACE: Duration = Duration::from_millis(2);
/// Rounds at the most, those included that are not counted.
const ROUNDS_MAX: usize = 2 * Rounds::MAX;
/// Adds of a round beside which nothing goes on; the others last as long as what goes on.
const ADDS: usize = 3_000;
/// Fewer say nothing about one in a hundred, so such a round is not counted.
const ADDS_MIN: usize = 1_000;
/// How much of the p99 may be the crashes'. Generous: they take their share of the processors.
const FACTOR: u32 = 3;
/// What a machine that others use adds to any p99.
const NOISE: Duration = Duration::from_millis(5);

fn of(tenant: &str, request: Request) -> Request {
    Request { tenant: TenantId::new(tenant).unwrap(), ..request }
}

/// Sends every entity the same command until each has crashed as often as takes it out of service,
/// or as often where it does not crash; how many are out of service.
async fn send(registry: &Registry, name: &'static str, round: usize, crashes: usize) -> usize {
    let out = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..POISONERS)
        .map(|sender| {
            let (registry, out) = (registry.clone(), Arc::clone(&out));
            spawn(async move {
                let mut pace = tokio::time::interval(PACE);
                for entity in (sender..POISONED).step_by(POISONERS) {
                    let entity = format!("p{round}-{entity}");
                    for _ in 0..crashes {
                        pace.tick().await;
                        let request = of("poisoned", command(&entity, name, "{}", None));
                        if registry.ask("profile", request).await == Err(Failure::EntityQuarantined)
                        {
                            out.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    out.load(Ordering::Relaxed)
}

/// The p99 of so many of a healthy tenant's adds, or of as many as there were until then.
async fn late_add(registry: &Registry, adds: usize, done: &AtomicBool) -> (Duration, usize) {
    let mut took = Vec::new();
    while took.len() < adds && !done.load(Ordering::Relaxed) {
        let request = of("healthy", add(&format!("c{}", took.len() % 100), 1, None));
        let started = Instant::now();
        registry.ask("counter", request).await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    (took[took.len() * 99 / 100], took.len())
}

/// The p99 beside a command that goes to every poisoned entity of a round.
async fn beside(
    registry: &Registry,
    name: Option<&'static str>,
    round: usize,
    crashes: usize,
) -> Option<Duration> {
    let done = Arc::new(AtomicBool::new(false));
    let sending = name.map(|name| {
        let (registry, done) = (registry.clone(), Arc::clone(&done));
        spawn(async move {
            let out = send(&registry, name, round, crashes).await;
            done.store(true, Ordering::Relaxed);
            out
        })
    });
    let adds = if name.is_none() { ADDS } else { usize::MAX };
    let (p99, adds) = late_add(registry, adds, &done).await;
    let out = match sending {
        Some(sending) => sending.await.unwrap(),
        None => 0,
    };
    assert_eq!(out, if name == Some("crash") { POISONED } else { 0 });
    println!("beside {:<8} p99 {p99:?} of {adds} adds", name.unwrap_or("nothing"));
    (adds >= ADDS_MIN).then_some(p99)
}

fn restarts(tree: &SupervisorSnapshot) -> u64 {
    let below = tree
        .children
        .iter()
        .map(|child| child.info.restarts + child.supervisor.as_ref().map_or(0, restarts));
    tree.restarts_in_window as u64 + below.sum::<u64>()
}

/// Panics that the test asked for print nothing: a thousand traces would be what is measured.
fn silence_what_was_asked_for() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some("told to crash") {
            usual(info);
        }
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_poisoned_entities_of_one_tenant_leave_anothers_p99_where_it_was() {
    silence_what_was_asked_for();
    let options = RuntimeOptions::default();
    let crashes = options.entity_crashes_max as usize;
    // In memory: what a disk that others use makes of a p99 is not what is measured.
    let store = Arc::new(MemoryStore::default());
    let (node, Caller(registry)) = run(store, Arc::new(SystemClock), options, None).await;
    // The first adds make the entities.
    late_add(&registry, ADDS, &AtomicBool::new(false)).await;
    let (mut rounds, mut counted) = (0, Rounds::default());
    while !counted.are_decided() && rounds < ROUNDS_MAX {
        let quiet = beside(&registry, None, rounds, 0).await;
        // The same number of messages that crash nobody: what such a load costs by itself.
        let touched = beside(&registry, Some("touch"), rounds, crashes).await;
        let poisoned = beside(&registry, Some("crash"), rounds, crashes).await;
        match (quiet, touched, poisoned) {
            (Some(quiet), Some(_), Some(poisoned)) => {
                counted.count(poisoned <= quiet * FACTOR + NOISE);
            }
            // It was served beside as many messages, and no more beside crashes.
            (Some(_), Some(_), None) => counted.count(false),
            _ => {}
        }
        rounds += 1;
    }
    assert!(counted.are_decided() && counted.kept(), "{counted:?} of {rounds} rounds");

    let tree = node.supervisor().snapshot().await.unwrap();
    assert_eq!(restarts(&tree), 0, "what entities do counts against nobody else: {tree:?}");
    let census = registry.census();
    let crashed: Vec<_> = census.iter().map(|kind| (kind.kind, kind.crashes_total)).collect();
    let expected = (rounds * POISONED * crashes) as u64;
    assert_eq!(crashed, [("counter", 0), ("profile", expected)]);
    node.shutdown(PATIENCE).await;
}
