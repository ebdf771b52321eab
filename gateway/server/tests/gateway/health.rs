//! Health against dependencies that do as they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use coppice_api::Probe;
use coppice_api::health::{Criticality, DependencyStatus, Health as Body, Status};
use coppice_core::Timestamp;
use coppice_runtime::SystemClock;
use coppice_runtime::supervisors::{Strategy, SupervisorSpec, Tree, TreeOptions};
use coppice_server::health::{
    Dependency, Finding, Health, HealthOptions, STORE_READ, STORE_WRITE, keeper,
};
use coppice_server::observed::Observed;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::support::{Gateway, gateway_observed};

const OPTIONS: HealthOptions = HealthOptions {
    interval: Duration::from_secs(10),
    timeout: Duration::from_secs(5),
    failures_max: 3,
};

/// A dependency that finds what it is told to, once it has a permit.
struct Told {
    finding: Mutex<Finding>,
    gate: Semaphore,
    begun: AtomicUsize,
}

impl Told {
    fn dependency(self: &Arc<Self>, name: &'static str) -> Dependency {
        let told = Arc::clone(self);
        let check = move || {
            let told = Arc::clone(&told);
            let look = async move {
                told.begun.fetch_add(1, Ordering::SeqCst);
                drop(told.gate.acquire().await);
                told.finding.lock().clone()
            };
            Box::pin(look) as futures_util::future::BoxFuture<'static, Finding>
        };
        Dependency { name, criticality: Criticality::Critical, check: Box::new(check) }
    }

    fn finds(&self, finding: Finding) {
        *self.finding.lock() = finding;
    }
}

struct World {
    told: Arc<Told>,
    health: Health,
    gateway: Gateway,
    _tree: Tree,
}

async fn world(permits: usize) -> World {
    let told = Arc::new(Told {
        finding: Mutex::new(Finding::Up),
        gate: Semaphore::new(permits),
        begun: AtomicUsize::new(0),
    });
    let well = Arc::new(Told {
        finding: Mutex::new(Finding::Up),
        gate: Semaphore::new(Semaphore::MAX_PERMITS),
        begun: AtomicUsize::new(0),
    });
    let dependencies = vec![told.dependency(STORE_READ), well.dependency(STORE_WRITE)];
    let health = Health::new(OPTIONS, dependencies, Timestamp::EPOCH);
    let child = keeper(health.clone(), Arc::new(SystemClock)).await;
    let root = SupervisorSpec::new("node", Strategy::OneForOne).child(child);
    let tree = Tree::start(root, TreeOptions::new(7)).await.unwrap();
    let gateway = gateway_observed(Observed::new(health.clone(), false));
    World { told, health, gateway, _tree: tree }
}

impl World {
    async fn probe(&self, path: &str) -> (StatusCode, Probe) {
        let reply = self.gateway.get(path).await;
        (reply.status, reply.json())
    }

    /// The whole at its next change; tokio's time is paused and goes on by itself.
    async fn next(&self) -> Status {
        let mut watch = self.health.watch();
        watch.changed().await.unwrap();
        watch.borrow().status
    }
}

#[tokio::test(start_paused = true)]
async fn a_critical_dependency_that_fails_again_and_again_makes_the_node_down() {
    let world = world(Semaphore::MAX_PERMITS).await;
    assert_eq!(world.health.whole().status, Status::Ok);
    assert_eq!(world.probe("/health/ready").await.0, StatusCode::OK);

    let started = tokio::time::Instant::now();
    world.told.finds(Finding::Failed("no answer".into()));
    assert_eq!(world.next().await, Status::Degraded);
    assert_eq!(world.probe("/health/ready").await.0, StatusCode::OK, "it may be chance");
    assert_eq!(world.gateway.get("/health").await.status, StatusCode::OK);
    assert_eq!(world.next().await, Status::Down);
    assert_eq!(started.elapsed().as_secs(), 30, "three rounds");

    let reply = world.gateway.get("/health").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.headers["cache-control"], "no-store");
    let body: Body = reply.json();
    assert_eq!(body.status, Status::Down);
    let store = &body.dependencies[0];
    assert_eq!((store.name.as_ref(), store.status), (STORE_READ, DependencyStatus::Down));
    assert_eq!((store.failures, store.detail.as_deref()), (3, Some("no answer")));
    assert!(store.checked_at.is_some() && store.latency_us.is_some());
    assert_eq!(body.dependencies[1].status, DependencyStatus::Up);
    let (status, ready) = world.probe("/health/ready").await;
    assert_eq!((status, ready.ok), (StatusCode::SERVICE_UNAVAILABLE, false));
    assert_eq!(ready.reasons, ["the store can't be read"]);
    assert_eq!(world.probe("/health/live").await.0, StatusCode::OK, "a restart would not help");

    world.told.finds(Finding::Up);
    assert_eq!(world.next().await, Status::Ok);
    assert_eq!(world.probe("/health/ready").await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_left_alone_and_holds_nobody_up() {
    let world = world(0).await;
    assert_eq!(world.health.whole().status, Status::Down, "it was never up");
    let body: Body = world.gateway.get("/health").await.json();
    assert_eq!(body.dependencies[0].detail.as_deref(), Some("no answer within 5000 ms"));
    assert_eq!(body.dependencies[1].status, DependencyStatus::Up, "the other was looked at");
    for _ in 0..5 {
        tokio::time::advance(OPTIONS.interval).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(world.told.begun.load(Ordering::SeqCst), 1, "one check at a time");
    world.told.gate.add_permits(1_000);
    assert_eq!(world.next().await, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_is_alive_and_not_ready() {
    let world = world(Semaphore::MAX_PERMITS).await;
    world.health.drains(true);
    let (status, ready) = world.probe("/health/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.reasons, ["the node is on its way to stop"]);
    assert_eq!(
        world.probe("/health/live").await,
        (StatusCode::OK, Probe { ok: true, reasons: vec![] })
    );
    world.health.drains(false);
    assert_eq!(world.probe("/health/ready").await.0, StatusCode::OK);
}
