//! The dependencies of a node, and how each is looked at.
//!
//! | Name | Criticality | Fails where |
//! |---|---|---|
//! | `store_read` | critical | the journal's last event can't be read |
//! | `store_write` | critical | a row can't be written and removed, or the writer gets no answer |
//! | `disk` | critical on the embedded store, else optional | there is less room than the store needs |
//! | `shards` | critical | the node may speak for no shard |
//! | `tree` | critical | the node's tree doesn't answer; limited while a part of it restarts |
//! | `personal_data` | important | keys of personal data are there and can't be opened |
//! | `policy` | important | limited: the configured directory, or what was published, is no bundle that can be put in force |
//! | `bell` | important, where it is configured | the receiver takes no connection |

use std::path::PathBuf;
use std::sync::Arc;

use coppice_api::health::Criticality;
use coppice_core::{Epoch, Position, StreamId};
use coppice_persistence::{MessageRef, Store, StoreError, Tried};
use coppice_policy::Reloading;
use coppice_runtime::supervisors::{ChildSnapshot, ChildState, SupervisorHandle};
use coppice_runtime::{Inspector, KeyRing};
use futures_util::future::{BoxFuture, ready};
use rustix::fs::statvfs;
use tokio::net::TcpStream;
use tracing::debug;
use uuid::Uuid;

use super::{Dependency, Finding};
use crate::problem::Chain;

/// The journal can be read.
pub const STORE_READ: &str = "store_read";
/// The journal's database can be written.
pub const STORE_WRITE: &str = "store_write";
/// The node may speak for shards.
pub const SHARDS: &str = "shards";
/// The node's tree is up.
pub const TREE: &str = "tree";

/// Room is short below so many times what the store needs.
const ROOM_FACTOR: u64 = 2;

/// What a node's dependencies are looked at with.
pub struct Parts {
    /// The node from inside.
    pub inspector: Inspector,
    /// Its database.
    pub store: Arc<dyn Store>,
    /// Keys of personal data.
    pub keys: Arc<KeyRing>,
    /// Where the embedded store is, and the room that it needs; whether it is the one in use.
    pub disk: (PathBuf, u64, bool),
    /// Host and port of the bell, where one is configured.
    pub bell: Option<(String, u16)>,
    /// What decides by policy.
    pub policy: Arc<Reloading>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// Everything that a node depends on.
#[must_use]
pub fn of_node(parts: Parts) -> Vec<Dependency> {
    let Parts { inspector, store, keys, disk, bell, policy } = parts;
    let (directory, free_min, embedded) = disk;
    let tree = inspector.supervisor().clone();
    let reads = Arc::clone(&store);
    let owner = inspector.clone();
    let disk = if embedded { Criticality::Critical } else { Criticality::Optional };
    let mut all = vec![
        dependency(STORE_READ, Criticality::Critical, move || read(Arc::clone(&reads))),
        dependency(STORE_WRITE, Criticality::Critical, move || {
            write(Arc::clone(&store), inspector.clone())
        }),
        dependency("disk", disk, move || room(directory.clone(), free_min)),
        dependency(SHARDS, Criticality::Critical, move || {
            ready(shards(owner.shards_held(), owner.shard_count()))
        }),
        dependency(TREE, Criticality::Critical, move || look_at(tree.clone())),
        dependency("personal_data", Criticality::Important, move || unlocked(Arc::clone(&keys))),
    ];
    let looked = move || ready(current(policy.status().last_problem.is_some()));
    all.push(dependency("policy", Criticality::Important, looked));
    if let Some((host, port)) = bell {
        let connect = move || connects(host.clone(), port);
        all.push(dependency("bell", Criticality::Important, connect));
    }
    all
}

fn dependency<F>(
    name: &'static str,
    criticality: Criticality,
    check: impl Fn() -> F + Send + Sync + 'static,
) -> Dependency
where
    F: Future<Output = Finding> + Send + 'static,
{
    let check = move || Box::pin(check()) as BoxFuture<'static, Finding>;
    Dependency { name, criticality, check: Box::new(check) }
}

/// The store's own words may name hosts and files; they stay in the log.
fn failed(error: &StoreError) -> Finding {
    debug!(error = %Chain(error), "a check of the store failed");
    Finding::Failed(match error {
        StoreError::Full => "the store is full".into(),
        StoreError::Unavailable { .. } => "the store gives no answer".into(),
        StoreError::Damaged { .. }
        | StoreError::Unreadable { .. }
        | StoreError::TooNew { .. }
        | StoreError::Migration(_)
        | StoreError::Invalid(_) => "the store gives an answer that makes no sense".into(),
    })
}

/// Reads the journal's last event. Where the journal ends may be known without a look at it.
async fn read(store: Arc<dyn Store>) -> Finding {
    let read = async {
        let end = store.last_position().await?;
        store.read_journal(Position(end.0.saturating_sub(1)), 1).await
    };
    match read.await {
        Ok(_) => Finding::Up,
        Err(error) => failed(&error),
    }
}

/// Writes a count of tries for a message that nobody sends, and takes it away again: what is left
/// of it where the node ends in between is swept like any other stale count.
async fn write(store: Arc<dyn Store>, inspector: Inspector) -> Finding {
    let message = MessageRef { stream: StreamId(Uuid::nil()), message: Uuid::new_v4() };
    let probe = [Tried { message, epoch: Epoch(0) }];
    let wrote = match store.count_attempts(&probe, inspector.clock().now()).await {
        Ok(_) => store.drop_attempts(&probe).await,
        Err(error) => Err(error),
    };
    match wrote {
        Ok(()) if inspector.writer().is_degraded() => {
            Finding::Failed("the writer gets no answer".into())
        }
        Ok(()) => Finding::Up,
        Err(error) => failed(&error),
    }
}

/// A file system that hangs holds a thread, and no other: the next look waits for this one.
async fn room(directory: PathBuf, free_min: u64) -> Finding {
    match tokio::task::spawn_blocking(move || statvfs(&directory)).await {
        Ok(Ok(disk)) => enough(disk.f_bavail.saturating_mul(disk.f_frsize), free_min),
        Ok(Err(_)) | Err(_) => Finding::Failed("the disk can't be looked at".into()),
    }
}

fn enough(free: u64, free_min: u64) -> Finding {
    let mib = free >> 20;
    if free < free_min {
        Finding::Failed(format!("{mib} MiB are free, less than the store needs").into())
    } else if free < free_min.saturating_mul(ROOM_FACTOR) {
        Finding::Limited(format!("{mib} MiB are free, hardly more than the store needs").into())
    } else {
        Finding::Up
    }
}

fn shards(held: u16, all: u16) -> Finding {
    if held == all {
        Finding::Up
    } else if held > 0 {
        Finding::Limited(format!("{held} of {all} shards are held").into())
    } else {
        Finding::Failed("no shard is held".into())
    }
}

async fn look_at(tree: SupervisorHandle) -> Finding {
    match tree.snapshot().await {
        Ok(snapshot) => match snapshot.children.iter().find_map(down) {
            None => Finding::Up,
            Some(part) => Finding::Limited(format!("{part} is not up").into()),
        },
        Err(_) => Finding::Failed("the tree does not answer".into()),
    }
}

/// The first part of the tree that isn't up, and not because it was taken out.
fn down(child: &ChildSnapshot) -> Option<String> {
    match child.info.state {
        ChildState::Up | ChildState::Stopped => {
            child.supervisor.as_ref()?.children.iter().find_map(down)
        }
        ChildState::Waiting | ChildState::Starting | ChildState::Backoff | ChildState::Stopping => {
            Some(child.info.id.as_str().to_owned())
        }
    }
}

/// What is in force stays in force. The problem itself names policies and lists, so it stays in the
/// log and with the operators.
fn current(problem: bool) -> Finding {
    if problem {
        Finding::Limited("the directory holds no bundle that can be put in force".into())
    } else {
        Finding::Up
    }
}

/// Without a platform key nothing personal is written; that is a fault only where there is some.
async fn unlocked(keys: Arc<KeyRing>) -> Finding {
    if !keys.is_locked() {
        return Finding::Up;
    }
    match keys.is_needed().await {
        Ok(false) => Finding::Up,
        Ok(true) => Finding::Failed("the platform key that opens the keys is not given".into()),
        Err(error) => failed(&error),
    }
}

/// Host and port of an `http` address; none where it is none.
#[must_use]
pub fn receiver(url: &str) -> Option<(String, u16)> {
    let url = reqwest::Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

async fn connects(host: String, port: u16) -> Finding {
    match TcpStream::connect((host.as_str(), port)).await {
        Ok(_) => Finding::Up,
        Err(_) => Finding::Failed("the receiver takes no connection".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_some_or_none() {
        assert_eq!(shards(8, 8), Finding::Up);
        assert!(matches!(shards(1, 8), Finding::Limited(_)));
        assert!(matches!(shards(0, 8), Finding::Failed(_)));
    }

    #[test]
    fn room_is_judged_by_what_the_store_needs() {
        assert_eq!(enough(10 << 20, 5 << 20), Finding::Up);
        assert!(matches!(enough(9 << 20, 5 << 20), Finding::Limited(_)));
        assert!(matches!(enough(4 << 20, 5 << 20), Finding::Failed(_)));
        assert_eq!(enough(0, 0), Finding::Up);
    }
}
