//! `GET /v1/inspect/tree`

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::response::Response;
use coppice_api::codes;
use coppice_api::inspect::{KindView, PoolView, TreeNode, TreeView, WriterView};
use coppice_runtime::supervisors::{
    ChildKind, ChildSnapshot, ChildState, Strategy, SupervisorSnapshot, SupervisorState,
};
use coppice_runtime::{Inspector, WriterHandle};

use super::Inspection;
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::problem::Fault;
use crate::query::Query;
use crate::routes::answer;

pub(super) async fn tree(State(state): State<Inspection>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let looked = async {
        state.app.admit(&parts, &exchange, Scope::InspectRead).await?;
        Query::read(&parts, [])?;
        look(&state).await
    };
    answer(&exchange, looked.await)
}

async fn look(state: &Inspection) -> Result<TreeView, Fault> {
    let inspector = &state.inspector;
    let snapshot = inspector.supervisor().snapshot().await.map_err(|error| {
        Fault::new(codes::SHUTTING_DOWN, format!("the tree can't be looked at: {error}"))
    })?;
    Ok(TreeView {
        sequence: state.looks.fetch_add(1, Ordering::Relaxed) + 1,
        at: inspector.clock().now().as_micros(),
        tree: root(&snapshot),
        kinds: kinds(inspector),
        pools: pools(inspector),
        writer: writer(inspector.writer()),
        timers: inspector.timers().len(),
    })
}

fn root(snapshot: &SupervisorSnapshot) -> TreeNode {
    TreeNode {
        name: snapshot.name.clone(),
        kind: "supervisor".to_owned(),
        strategy: Some(strategy(snapshot.strategy).to_owned()),
        state: supervisor_state(snapshot.state).to_owned(),
        incarnation: 1,
        restarts_total: 0,
        restarts_in_window: snapshot.restarts_in_window,
        last_exit: None,
        children: snapshot.children.iter().map(node).collect(),
    }
}

fn node(child: &ChildSnapshot) -> TreeNode {
    let info = &child.info;
    let below = child.supervisor.as_ref();
    TreeNode {
        name: info.id.as_str().to_owned(),
        kind: match info.kind {
            ChildKind::Supervisor => "supervisor",
            ChildKind::Worker => "worker",
        }
        .to_owned(),
        strategy: below.map(|below| strategy(below.strategy).to_owned()),
        state: child_state(info.state).to_owned(),
        incarnation: info.incarnation,
        restarts_total: info.restarts,
        restarts_in_window: info.restarts_in_window,
        last_exit: info.last_exit.as_ref().map(ToString::to_string),
        children: below.map(|below| below.children.iter().map(node).collect()).unwrap_or_default(),
    }
}

const fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::OneForOne => "one_for_one",
        Strategy::OneForAll => "one_for_all",
        Strategy::RestForOne => "rest_for_one",
        Strategy::Dynamic => "dynamic",
    }
}

const fn supervisor_state(state: SupervisorState) -> &'static str {
    match state {
        SupervisorState::Starting => "starting",
        SupervisorState::Running => "up",
        SupervisorState::RestartingGroup => "restarting_group",
        SupervisorState::Stopping => "stopping",
    }
}

const fn child_state(state: ChildState) -> &'static str {
    match state {
        ChildState::Stopped => "stopped",
        ChildState::Waiting => "waiting",
        ChildState::Starting => "starting",
        ChildState::Up => "up",
        ChildState::Backoff => "backoff",
        ChildState::Stopping => "stopping",
    }
}

fn kinds(inspector: &Inspector) -> Vec<KindView> {
    let view = |census: coppice_runtime::Census| KindView {
        kind: census.kind.to_owned(),
        residents: census.residents,
        resident_bytes: census.resident_bytes,
        hibernated_total: census.hibernated_total,
        passivated_total: census.passivated_total,
        crashes_total: census.crashes_total,
        stuck: census.stuck,
    };
    inspector.registry().census().into_iter().map(view).collect()
}

fn pools(inspector: &Inspector) -> Vec<PoolView> {
    let pools = inspector.pools().iter().map(|pool| {
        let counters = pool.counters();
        PoolView {
            name: pool.spec().name.to_owned(),
            outstanding: pool.len(),
            concurrency: pool.spec().concurrency,
            calls_total: counters.calls.load(Ordering::Relaxed),
            retries_total: counters.retries.load(Ordering::Relaxed),
            settled_total: counters.settled.load(Ordering::Relaxed),
            computed_total: counters.computed.load(Ordering::Relaxed),
        }
    });
    pools.collect()
}

fn writer(writer: &WriterHandle) -> WriterView {
    let counters = writer.counters();
    WriterView {
        degraded: writer.is_degraded(),
        waiting: writer.waiting(),
        batches_total: counters.batches.load(Ordering::Relaxed),
        committed_total: counters.committed.load(Ordering::Relaxed),
        fallen_total: counters.fallen.load(Ordering::Relaxed),
        store_retries_total: counters.store_retries.load(Ordering::Relaxed),
    }
}
