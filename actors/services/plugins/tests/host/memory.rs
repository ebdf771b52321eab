//! Worlds on the store in memory.

use std::sync::Arc;

use coppice_persistence::Store;
use coppice_testkit::{MemoryStore, VirtualClock};

pub(crate) async fn fresh(clock: &VirtualClock) -> Arc<dyn Store> {
    std::future::ready(Arc::new(MemoryStore::new(Arc::new(clock.clone())))).await
}
