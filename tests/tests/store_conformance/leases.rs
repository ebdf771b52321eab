//! Claims, renewals and releases of shards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Epoch, ShardId};
use coppice_persistence::{ClaimOutcome, ShardClaim, Store, StoreError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::fixture::SHARDS;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// How long a case waits for a short lease to end.
const PATIENCE: Duration = Duration::from_secs(30);

fn wish(owner: &str, duration: Option<Duration>) -> ShardClaim {
    ShardClaim { owner: owner.to_owned(), count: SHARDS, duration, succeed_own: false }
}

fn all(epoch: u64) -> BTreeMap<ShardId, Epoch> {
    (0..SHARDS).map(|shard| (ShardId(shard), Epoch(epoch))).collect()
}

async fn granted(store: &dyn Store, claim: &ShardClaim) -> BTreeMap<ShardId, Epoch> {
    match store.claim(claim).await.unwrap() {
        ClaimOutcome::Granted(epochs) => epochs,
        held @ ClaimOutcome::Held { .. } => panic!("got {held:?}"),
    }
}

/// How long a claim is told to wait, and for whom.
async fn held(store: &dyn Store, claim: &ShardClaim) -> (String, Option<Duration>) {
    match store.claim(claim).await.unwrap() {
        ClaimOutcome::Held { owner, remaining } => (owner, remaining),
        granted @ ClaimOutcome::Granted(_) => panic!("got {granted:?}"),
    }
}

/// A first claim gets every shard, and each later one higher epochs.
pub(crate) async fn a_claim_takes_every_shard_under_new_epochs(store: Arc<dyn Store>) {
    assert_eq!(granted(&*store, &wish("a", Some(MINUTE))).await, all(1));
    store.release("a").await.unwrap();
    assert_eq!(granted(&*store, &wish("b", None)).await, all(2));
    store.release("b").await.unwrap();
    assert_eq!(granted(&*store, &wish("a", None)).await, all(3));
}

/// A running lease is in the way of others, for as long as it says.
pub(crate) async fn a_running_lease_holds_others_off(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", Some(HOUR))).await;
    let (owner, remaining) = held(&*store, &wish("b", Some(HOUR))).await;
    assert_eq!(owner, "a");
    let remaining = remaining.expect("the lease ends");
    assert!(remaining <= HOUR && remaining > HOUR - MINUTE, "remains {remaining:?}");
    // A refused claim has taken nothing and moved no epoch.
    assert!(store.renew("a", &all(1), HOUR).await.unwrap());
}

/// A lease without a duration never ends by itself.
pub(crate) async fn a_lease_without_end_says_so(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", None)).await;
    assert_eq!(held(&*store, &wish("b", None)).await, ("a".to_owned(), None));
}

/// The same owner may succeed itself before the end only where it says so, and nobody else by
/// saying so.
pub(crate) async fn only_the_same_owner_succeeds_itself_and_only_when_asked(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", None)).await;
    assert_eq!(held(&*store, &wish("a", None)).await.0, "a");
    let succeeding = |owner: &str| ShardClaim { succeed_own: true, ..wish(owner, None) };
    assert_eq!(held(&*store, &succeeding("b")).await.0, "a");
    assert_eq!(granted(&*store, &succeeding("a")).await, all(2));
}

/// A lease that has ended is in nobody's way.
pub(crate) async fn an_ended_lease_is_succeeded_by_anyone(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", Some(Duration::from_millis(100)))).await;
    let deadline = Instant::now() + PATIENCE;
    let epochs = loop {
        match store.claim(&wish("b", Some(HOUR))).await.unwrap() {
            ClaimOutcome::Granted(epochs) => break epochs,
            ClaimOutcome::Held { remaining, .. } => {
                assert!(remaining <= Some(Duration::from_millis(100)), "remains {remaining:?}");
                assert!(Instant::now() < deadline, "the lease never ended");
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    assert_eq!(epochs, all(2));
    assert!(!store.renew("a", &all(1), HOUR).await.unwrap());
}

/// Released, it is another's at once; releasing what one doesn't hold takes nothing away.
pub(crate) async fn a_released_lease_is_free_at_once(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", None)).await;
    store.release("b").await.unwrap();
    assert_eq!(held(&*store, &wish("b", None)).await.0, "a");
    store.release("a").await.unwrap();
    assert_eq!(granted(&*store, &wish("b", None)).await, all(2));
    store.release("a").await.unwrap();
    assert_eq!(held(&*store, &wish("a", None)).await.0, "b");
}

/// A renewal makes the lease last from now on.
pub(crate) async fn a_renewal_extends_the_lease(store: Arc<dyn Store>) {
    let epochs = granted(&*store, &wish("a", Some(MINUTE))).await;
    assert!(store.renew("a", &epochs, HOUR).await.unwrap());
    let (_, remaining) = held(&*store, &wish("b", None)).await;
    assert!(remaining > Some(MINUTE), "remains {remaining:?}");
}

/// Another's name, another epoch, a shard that isn't there: the lease is lost, and none of its
/// shards is extended.
pub(crate) async fn a_renewal_of_what_is_lost_extends_nothing(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", Some(MINUTE))).await;
    let succeeding = ShardClaim { succeed_own: true, ..wish("a", Some(MINUTE)) };
    let epochs = granted(&*store, &succeeding).await;
    let with = |shard, epoch| {
        let mut epochs = epochs.clone();
        epochs.insert(ShardId(shard), Epoch(epoch));
        epochs
    };
    let lost = [
        ("another's name", "b", epochs.clone()),
        ("older epochs", "a", all(1)),
        ("newer epochs", "a", all(3)),
        ("one older epoch", "a", with(0, 1)),
        ("one newer epoch", "a", with(SHARDS - 1, 3)),
        ("a shard that is not there", "a", with(SHARDS, 2)),
    ];
    for (what, owner, epochs) in lost {
        assert!(!store.renew(owner, &epochs, HOUR).await.unwrap(), "renewed by {what}");
        let (_, remaining) = held(&*store, &wish("b", None)).await;
        assert!(remaining <= Some(MINUTE), "extended by {what} to {remaining:?}");
    }
    assert!(store.renew("a", &epochs, HOUR).await.unwrap());
}

/// After a succession the former owner's renewal is false, and the successor's lease stays as it
/// is.
pub(crate) async fn a_former_owner_renews_nothing(store: Arc<dyn Store>) {
    let former = granted(&*store, &wish("a", Some(MINUTE))).await;
    store.release("a").await.unwrap();
    let present = granted(&*store, &wish("b", Some(MINUTE))).await;
    assert!(!store.renew("a", &former, HOUR).await.unwrap());
    assert!(!store.renew("a", &present, HOUR).await.unwrap());
    assert!(!store.renew("b", &former, HOUR).await.unwrap());
    let (owner, remaining) = held(&*store, &wish("c", None)).await;
    assert_eq!(owner, "b");
    assert!(remaining <= Some(MINUTE), "remains {remaining:?}");
}

/// Of claims that meet, one is granted and the others are told who holds the shards.
pub(crate) async fn of_competing_claims_exactly_one_is_granted(store: Arc<dyn Store>) {
    let mut claims = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        claims.spawn(async move {
            let owner = format!("n{number}");
            (owner.clone(), store.claim(&wish(&owner, None)).await.unwrap())
        });
    }
    let outcomes = claims.join_all().await;
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == ClaimOutcome::Granted(all(1)))
        .map(|(owner, _)| owner.clone())
        .collect();
    let [winner] = &winners[..] else { panic!("granted to {winners:?}: {outcomes:?}") };
    let held = ClaimOutcome::Held { owner: winner.clone(), remaining: None };
    assert_eq!(outcomes.iter().filter(|(_, outcome)| *outcome == held).count(), 7);
}

/// A claim of nothing is a fault of the caller.
pub(crate) async fn a_claim_of_no_shards_is_invalid(store: Arc<dyn Store>) {
    let outcome = store.claim(&ShardClaim { count: 0, ..wish("a", None) }).await;
    assert!(matches!(outcome, Err(StoreError::Invalid(_))), "got {outcome:?}");
}

/// The number of shards says where every entity belongs: it can't change under the journal.
pub(crate) async fn a_claim_of_another_number_of_shards_is_invalid(store: Arc<dyn Store>) {
    granted(&*store, &wish("a", None)).await;
    for count in [1, SHARDS - 1, SHARDS + 1] {
        let outcome =
            store.claim(&ShardClaim { count, succeed_own: true, ..wish("a", None) }).await;
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{count} gave {outcome:?}");
    }
    store.release("a").await.unwrap();
    assert_eq!(granted(&*store, &wish("b", None)).await, all(2));
}
