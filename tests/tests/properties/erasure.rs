//! Personal data is written sealed, and destroying its key erases it without breaking anything.

use std::sync::Arc;

use coppice_core::canonical::state_digest;
use coppice_core::invariants::{check_head, check_link};
use coppice_core::sensitive::{Vault, with_vault};
use coppice_core::{Hash, Sequence, StreamHead, TenantId};
use coppice_persistence::{Journal, Snapshots, snapshot};
use coppice_runtime::recovery::{Recovered, recover};
use coppice_runtime::{Failure, Node, Outcome, RuntimeOptions};
use coppice_testkit::{MemoryStore, VirtualClock, read_whole_journal};
use coppice_tests::node::{Caller, PATIENCE, id};
use coppice_tests::profile::{Profile, State};
use coppice_tests::running::{command, run, stream_key};
use coppice_tests::vault::TestVault;
use tokio::time::{Duration, Instant};

const NAME: &str = "Ada Lovelace";

async fn node(
    store: &MemoryStore,
    vault: Option<&Arc<TestVault>>,
    snapshot_every: u64,
) -> (Node, Caller) {
    let options = RuntimeOptions { snapshot_every, ..RuntimeOptions::default() };
    let vault = vault.map(|vault| Arc::clone(vault) as Arc<dyn Vault>);
    run(Arc::new(store.clone()), Arc::new(VirtualClock::default()), options, vault).await
}

async fn name(caller: &Caller, subject: &str, key: Option<&str>) -> Result<u64, Failure> {
    let body = format!(r#"{{"subject":"{subject}","name":"{NAME}"}}"#);
    let answer = caller.0.ask("profile", command("p", "name", &body, key)).await?;
    Ok(answer.sequence.0)
}

async fn view(caller: &Caller) -> String {
    let tenant: TenantId = coppice_tests::node::tenant();
    let deadline = Instant::now() + PATIENCE;
    caller.0.view("profile", tenant, id("p"), deadline).await.unwrap().state.into()
}

async fn recovered(store: &MemoryStore, vault: &Arc<TestVault>) -> Recovered<State> {
    let vault = Arc::clone(vault) as Arc<dyn Vault>;
    recover::<Profile>(store, &stream_key("profile", "p"), Some(&vault), 10).await.unwrap()
}

fn digest(state: &State, vault: &Arc<TestVault>) -> Hash {
    with_vault(Arc::clone(vault) as Arc<dyn Vault>, || state_digest(state).unwrap())
}

async fn assert_chain(store: &MemoryStore) {
    let key = stream_key("profile", "p");
    let mut head = StreamHead::genesis(&key);
    for event in read_whole_journal(store).await.unwrap() {
        head = check_link(head, &event.record).unwrap();
    }
    let row = store.entity(&key).await.unwrap().unwrap();
    check_head(row.head, head).unwrap();
}

async fn wait_for_snapshot(store: &MemoryStore) {
    let key = stream_key("profile", "p");
    let deadline = Instant::now() + PATIENCE;
    while store.snapshot(&key).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "no snapshot was saved");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_erased_name_is_absent_and_changes_no_hash() {
    for snapshot_every in [u64::MAX, 1] {
        let (store, vault) = (MemoryStore::default(), Arc::new(TestVault::default()));
        let (first, caller) = node(&store, Some(&vault), snapshot_every).await;
        name(&caller, "sub_ada", Some("k")).await.unwrap();
        assert!(view(&caller).await.contains(NAME));
        if snapshot_every == 1 {
            wait_for_snapshot(&store).await;
        }
        let before = recovered(&store, &vault).await;
        let from_snapshot = before.snapshot_at > Sequence(0);
        assert_eq!(from_snapshot, snapshot_every == 1);
        vault.destroy("sub_ada");
        first.abort();

        let (_second, caller) = node(&store, Some(&vault), snapshot_every).await;
        assert_eq!(view(&caller).await, r#"{"name":null,"named":1}"#);
        let after = recovered(&store, &vault).await;
        assert_eq!(after.state.name.as_ref().map(|name| name.get()), Some(None));
        assert_eq!(digest(&after.state, &vault), digest(&before.state, &vault));
        assert_chain(&store).await;
        // The entity goes on: with its debts settled, and with another person's name.
        let settle = command("p", "settle", "{}", None);
        assert_eq!(caller.0.ask("profile", settle).await.unwrap().sequence.0, 2);
        assert_eq!(name(&caller, "sub_eve", None).await, Ok(3));
        assert!(view(&caller).await.contains(NAME));
        assert_chain(&store).await;
        // A name for the erased subject can't be sealed any more, and nothing is written.
        let refused = name(&caller, "sub_ada", None).await.unwrap_err();
        assert_eq!((&refused, refused.outcome()), (&Failure::SubjectErased, Outcome::NotApplied));
        assert_eq!(name(&caller, "sub_eve", None).await, Ok(4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_taken_after_the_erasure_carries_the_same_sealed_bytes() {
    let (store, vault) = (MemoryStore::default(), Arc::new(TestVault::default()));
    let (first, caller) = node(&store, Some(&vault), u64::MAX).await;
    name(&caller, "sub_ada", None).await.unwrap();
    first.abort();
    vault.destroy("sub_ada");
    let (second, caller) = node(&store, Some(&vault), 1).await;
    caller.0.ask("profile", command("p", "settle", "{}", None)).await.unwrap();
    wait_for_snapshot(&store).await;
    second.abort();
    let short = recovered(&store, &vault).await;
    assert!(short.snapshot_at > Sequence(0));
    let taken = store.snapshot(&stream_key("profile", "p")).await.unwrap().unwrap();
    assert_eq!(taken.digest, digest(&short.state, &vault));
    store.tamper_with_snapshot(&stream_key("profile", "p"), |taken| taken.layout += 1);
    let full = recovered(&store, &vault).await;
    assert_eq!(digest(&full.state, &vault), digest(&short.state, &vault));
    let bytes = with_vault(vault, || snapshot::encode(&full.state).unwrap());
    assert_eq!(bytes, taken.state);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_stored_holds_the_plain_text() {
    let (store, vault) = (MemoryStore::default(), Arc::new(TestVault::default()));
    let (_node, caller) = node(&store, Some(&vault), 1).await;
    for round in 0..3 {
        name(&caller, "sub_ada", Some(&format!("k{round}"))).await.unwrap();
    }
    wait_for_snapshot(&store).await;
    let key = stream_key("profile", "p");
    let mut stored = String::new();
    for event in read_whole_journal(&store).await.unwrap() {
        assert_eq!(event.record.body.subject.as_ref().map(|at| at.as_str()), Some("sub_ada"));
        assert_eq!(event.record.body.key_id.as_deref(), Some("key_sub_ada"));
        stored += &event.record.body.payload;
    }
    for record in store.recent_commands(&key, 10).await.unwrap() {
        stored += &record.reply;
    }
    let taken = store.snapshot(&key).await.unwrap().unwrap();
    stored += &String::from_utf8_lossy(&taken.state);
    // And all else that the database holds, as it prints itself.
    stored += &format!("{:?} {:?}", store, store.entity(&key).await.unwrap());
    for part in ["Ada", "Lovelace"] {
        assert!(!stored.contains(part), "{part:?} is stored in plain text");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_vault_personal_data_is_refused_and_nothing_is_written() {
    let store = MemoryStore::default();
    let (_node, caller) = node(&store, None, 1).await;
    for key in [None, Some("k")] {
        let failure = name(&caller, "sub_ada", key).await.unwrap_err();
        let expected = Failure::PersonalDataLocked;
        assert_eq!((&failure, failure.outcome()), (&expected, Outcome::NotApplied));
    }
    let key = stream_key("profile", "p");
    assert!(read_whole_journal(&store).await.unwrap().is_empty());
    assert!(store.recent_commands(&key, 10).await.unwrap().is_empty());
    assert_eq!(store.entity(&key).await.unwrap(), None);
    assert_eq!(view(&caller).await, r#"{"name":null,"named":0}"#);
}
