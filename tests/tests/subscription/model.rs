//! A read model that counts, and refuses or panics on the numbers that a test gives it.

use std::sync::Arc;

use coppice_core::{Position, StoredEvent};
use coppice_persistence::{ReadModels, Store};
use coppice_runtime::projection::{
    AnyProjection, Before, DocumentRef, ParkPolicy, Projection, Touched, Undigestible,
};
use coppice_runtime::subscription::{Stepped, Subscription};
use coppice_runtime::{RuntimeOptions, SystemClock};
use coppice_tests::node::tenant;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// On this number it refuses in `fold`, and on the next in `read`.
pub(crate) const REFUSED: i64 = 666;
pub(crate) const REFUSED_IN_READ: i64 = 667;
/// On this number it panics in `fold`, and on the next in `read`.
pub(crate) const PANICS: i64 = 668;
pub(crate) const PANICS_IN_READ: i64 = 669;
/// On this number it has no business, and on the next it removes the document.
pub(crate) const IGNORED: i64 = 670;
pub(crate) const REMOVES: i64 = 671;

/// `{"count", "sum"}` of the events of each counter.
pub(crate) struct Tally(pub(crate) ParkPolicy);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    count: i64,
    sum: i64,
}

/// What an event says: a number, or that the counter is gone.
type Said = Option<i64>;

fn number(event: &StoredEvent) -> i64 {
    let payload: serde_json::Value = serde_json::from_str(&event.record.body.payload).unwrap();
    payload["n"].as_i64().unwrap()
}

fn of(event: &StoredEvent) -> DocumentRef {
    DocumentRef { tenant: event.key.tenant().clone(), id: event.key.id().as_str().into() }
}

impl Projection for Tally {
    type Document = Sums;
    type Said = Said;

    fn name(&self) -> &'static str {
        "tally"
    }

    fn model(&self) -> &'static str {
        "tallies"
    }

    fn park_policy(&self) -> ParkPolicy {
        self.0
    }

    fn read(&self, event: &StoredEvent) -> Touched<Said> {
        match number(event) {
            REFUSED_IN_READ => Err(Undigestible("nothing to read in it".to_owned())),
            PANICS_IN_READ => panic!("told to panic"),
            IGNORED => Ok(None),
            number => Ok(Some((of(event), Some(number)))),
        }
    }

    fn read_deletion(&self, deletion: &StoredEvent) -> Touched<Said> {
        Ok(Some((of(deletion), None)))
    }

    fn fold(&self, sums: Before<Sums>, said: Said) -> Result<Option<Sums>, Undigestible> {
        // A counter that is gone has no tally.
        let Some(number) = said else { return Ok(None) };
        match number {
            REFUSED => return Err(Undigestible("the number of the beast".to_owned())),
            PANICS => panic!("told to panic"),
            REMOVES => return Ok(None),
            _ => {}
        }
        let Sums { count, sum } = sums.read()?.unwrap_or_default();
        Ok(Some(Sums { count: count + 1, sum: sum + number }))
    }
}

fn read(body: &str) -> (i64, i64) {
    let Sums { count, sum } = serde_json::from_str(body).unwrap();
    (count, sum)
}

/// Count and sum of a counter's document.
pub(crate) async fn tally(store: &dyn ReadModels, counter: &str) -> Option<(i64, i64)> {
    let document = store.document("tallies", &tenant(), counter).await.unwrap();
    document.as_deref().map(read)
}

/// A subscription that nobody wakes.
pub(crate) fn subscription(store: Arc<dyn Store>, policy: ParkPolicy, page: usize) -> Subscription {
    let (_, commits) = watch::channel(0);
    let options = RuntimeOptions { read_page: page, ..RuntimeOptions::default() };
    Subscription::new(
        store,
        Arc::new(SystemClock),
        commits,
        AnyProjection::new(Tally(policy)),
        &options,
    )
}

/// Steps until there is nothing new. An unavailable store is a crash: the next try begins anew.
pub(crate) async fn catch_up(store: &Arc<dyn Store>, policy: ParkPolicy, page: usize) {
    for _ in 0..10_000 {
        match subscription(Arc::clone(store), policy, page).step().await {
            Ok(Stepped::Nowhere) => return,
            Ok(_) | Err(coppice_persistence::StoreError::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the subscription never reaches the end");
}

/// What is parked: position and reason.
pub(crate) async fn parked(store: &dyn ReadModels) -> Vec<(u64, String)> {
    let parked = store.parked("tally", Position(0), 100).await.unwrap();
    parked.into_iter().map(|event| (event.position.0, event.reason.into())).collect()
}
