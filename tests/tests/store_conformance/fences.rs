//! What is refused, why, and in which order of precedence.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Epoch, Hash, Sequence, StreamHead};
use coppice_persistence::{Refusal, Store};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fixture::*;

/// How long the writers may take before the case fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An append behind the head or ahead of it.
pub(crate) async fn a_head_at_another_sequence_is_refused(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).events(1);
    let second = pen.at(&key("c"), first.head()).events(1);
    let third = pen.at(&key("c"), second.head()).events(1);
    let head = [(0, Refusal::Head)];
    // Ahead of a stream that has no events at all, and of one that has.
    refuse(&*store, second.clone().unit(), &head).await;
    commit(&*store, &[first.clone().unit()]).await;
    refuse(&*store, third.clone().unit(), &head).await;
    commit(&*store, &[second.unit()]).await;
    // Behind, with other events than those that are there.
    refuse(&*store, pen.at(&key("c"), first.head()).event("other").unit(), &head).await;
    refuse(&*store, pen.begin(&key("c")).event("other").unit(), &head).await;
    commit(&*store, &[third.unit()]).await;
    assert_eq!(stream(&*store, &key("c")).await.len(), 3);
}

/// The sequence is right and the hash isn't: another owner's events stand there.
pub(crate) async fn a_head_with_another_hash_is_refused(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 2).await;
    let elsewhere = StreamHead { hash: Hash([7; 32]), ..head };
    let refused = [(0, Refusal::Head)];
    refuse(&*store, pen.at(&key("c"), elsewhere).events(1).unit(), &refused).await;
    refuse(&*store, pen.at(&key("c"), elsewhere).command(1).unit(), &refused).await;
    assert_eq!(stream(&*store, &key("c")).await.len(), 2);
}

/// A stream without events has a head as well, its genesis, and an append must know it.
pub(crate) async fn a_new_stream_begins_at_its_own_genesis(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let refused = [(0, Refusal::Head)];
    for hash in [Hash::ZERO, StreamHead::genesis(&key("other")).hash] {
        let elsewhere = StreamHead { sequence: Sequence(0), hash };
        refuse(&*store, pen.at(&key("c"), elsewhere).events(1).unit(), &refused).await;
        refuse(&*store, pen.at(&key("c"), elsewhere).command(1).unit(), &refused).await;
    }
    assert_eq!(store.entity(&key("c")).await.unwrap(), None);
    write(&*store, &pen, &key("c"), 1).await;
}

/// An epoch before the shard's, after it, and one of another shard.
pub(crate) async fn another_epoch_is_refused(store: Arc<dyn Store>) {
    claim(&*store, "a").await;
    let pen = claim(&*store, "b").await;
    let draft = pen.begin(&key("c")).events(1);
    let epoch = draft.append.epoch;
    for other in [Epoch(0), Epoch(epoch.0 - 1), epoch.next()] {
        refuse(&*store, draft.clone().epoch(other).unit(), &[(0, Refusal::Epoch)]).await;
    }
    commit(&*store, &[draft.unit()]).await;
}

/// Nobody owns the shard: nobody's append is accepted.
pub(crate) async fn an_unclaimed_shard_accepts_nothing(store: Arc<dyn Store>) {
    let pen = Pen { epochs: (0..SHARDS).map(|id| (coppice_core::ShardId(id), Epoch(0))).collect() };
    let draft = pen.begin(&key("c")).events(1);
    for epoch in [Epoch(0), Epoch(1)] {
        refuse(&*store, draft.clone().epoch(epoch).unit(), &[(0, Refusal::Epoch)]).await;
    }
    let pen = claim(&*store, "a").await;
    let mut beyond = pen.begin(&key("c")).events(1);
    beyond.append.shard = coppice_core::ShardId(u16::MAX);
    refuse(&*store, beyond.unit(), &[(0, Refusal::Epoch)]).await;
}

/// The former owner's appends are refused though head and commands are right.
pub(crate) async fn a_former_owner_is_refused(store: Arc<dyn Store>) {
    let former = claim(&*store, "a").await;
    let head = write(&*store, &former, &key("c"), 1).await;
    let present = claim(&*store, "b").await;
    let late = former.at(&key("c"), head).event("late");
    refuse(&*store, late.clone().unit(), &[(0, Refusal::Epoch)]).await;
    let own = present.at(&key("c"), head).event("own");
    commit(&*store, &[own.unit()]).await;
    refuse(&*store, late.unit(), &[(0, Refusal::Epoch)]).await;
    assert_eq!(payloads(&stream(&*store, &key("c")).await)[1..], ["own"]);
}

/// A has tickets 11 and 12 in flight, B commits its own 11: A's 11 and 12 both fall, whether they
/// come one after the other or chained into one append, and A's other streams are refused by epoch
/// only.
pub(crate) async fn pipelined_appends_fall_with_the_first(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let ten = write(&*store, &pen, &key("c"), 10).await;
    let eleven = pen.at(&key("c"), ten).event("a11");
    let twelve = pen.at(&key("c"), eleven.head()).event("a12");
    // B under the same epoch: the head alone must tell.
    let other = pen.at(&key("c"), ten).event("b11");
    commit(&*store, &[other.clone().unit()]).await;

    let neighbour = pen.begin(&key("d")).events(1);
    let head = Refused(vec![(0, Refusal::Head)]);
    let outcomes = store.append(&[eleven.clone().unit(), neighbour.unit()]).await.unwrap();
    assert_eq!(outcomes, [head.clone(), Committed]);
    refuse(&*store, twelve.clone().unit(), &[(0, Refusal::Head)]).await;
    // Sequence 12 follows 11, but not this 11: sequence alone would let it in.
    assert_eq!(twelve.append.expected.sequence, other.head().sequence);
    let chained = eleven.event("a12");
    refuse(&*store, chained.unit(), &[(0, Refusal::Head)]).await;
    assert_eq!(payloads(&stream(&*store, &key("c")).await)[10..], ["b11"]);
}

/// The ids that were answered before are named, and only those.
pub(crate) async fn answered_commands_are_named(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).event("1").command(1).command(2);
    commit(&*store, &[first.clone().unit()]).await;
    let again = pen.at(&key("c"), first.head()).event("2");
    let one = again.clone().command(3).command(2);
    refuse(&*store, one.unit(), &[(0, Refusal::Duplicate(vec![command_id(2)]))]).await;
    let both = again.clone().command(2).command(1).command(4);
    let outcomes = store.append(&[both.unit()]).await.unwrap();
    let Refused(reasons) = &outcomes[0] else { panic!("got {outcomes:?}") };
    let [(0, Refusal::Duplicate(ids))] = &reasons[..] else { panic!("got {reasons:?}") };
    let mut ids = ids.clone();
    ids.sort();
    assert_eq!(ids, [command_id(1), command_id(2)]);
    // What was refused with them was not recorded.
    commit(&*store, &[again.command(3).command(4).unit()]).await;
}

/// An id means a command of one stream; elsewhere it is another command.
pub(crate) async fn an_answered_command_is_of_its_stream(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let units = ["c", "d"].map(|id| pen.begin(&key(id)).event("1").command(1).unit());
    commit(&*store, &units).await;
}

/// Once a record is dropped its id may be used anew.
pub(crate) async fn a_dropped_command_is_forgotten(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).event("1").command(1);
    commit(&*store, &[first.clone().unit()]).await;
    assert_eq!(store.drop_commands(at(NOW.as_micros() + 1), 10).await.unwrap(), 1);
    commit(&*store, &[pen.at(&key("c"), first.head()).event("2").command(1).unit()]).await;
}

/// Already committed, then epoch, then head, then duplicate: the first that holds is the answer.
pub(crate) async fn the_first_reason_in_order_is_the_answer(store: Arc<dyn Store>) {
    let former = claim(&*store, "a").await;
    let first = former.begin(&key("c")).event("1").command(1);
    commit(&*store, &[first.clone().unit()]).await;
    let pen = claim(&*store, "b").await;
    // In the journal already, under an epoch, a head and a command that are all past.
    commit(&*store, &[first.clone().unit()]).await;
    // Epoch, head and duplicate.
    let other = former.begin(&key("c")).event("other").command(1);
    refuse(&*store, other.unit(), &[(0, Refusal::Epoch)]).await;
    // Head and duplicate.
    let other = pen.begin(&key("c")).event("other").command(1);
    refuse(&*store, other.unit(), &[(0, Refusal::Head)]).await;
    // Duplicate.
    let other = pen.at(&key("c"), first.head()).event("other").command(1);
    refuse(&*store, other.unit(), &[(0, Refusal::Duplicate(vec![command_id(1)]))]).await;
}

/// Nothing of a refused append is kept.
pub(crate) async fn a_refusal_leaves_no_trace(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let draft = pen.begin(&key("c")).event("1").command(1).wakes(Some(at(1))).owes(true);
    refuse(&*store, draft.epoch(Epoch(99)).unit(), &[(0, Refusal::Epoch)]).await;
    assert_eq!(store.entity(&key("c")).await.unwrap(), None);
    assert_eq!(store.command(&key("c"), command_id(1)).await.unwrap(), None);
    assert_eq!(journal(&*store).await, []);
    assert_eq!(batches(&*store).await, []);
    assert_eq!(store.owing(None, 9).await.unwrap(), []);
    assert_eq!(store.due(at(9), None, 9).await.unwrap(), []);
    assert_eq!(store.entities(None, 9).await.unwrap(), []);
}

/// A unit whose first events are in the journal and whose last aren't was never committed.
pub(crate) async fn a_unit_that_is_there_in_part_is_refused(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let one = pen.begin(&key("c")).event("1");
    let two = one.clone().event("2");
    commit(&*store, &[one.unit()]).await;
    refuse(&*store, two.unit(), &[(0, Refusal::Head)]).await;
    assert_eq!(payloads(&stream(&*store, &key("c")).await), ["1"]);
}

/// While a succession goes on under load, nothing of the former owner's is written after the first
/// event of the new one, and what it was told is committed is there.
pub(crate) async fn a_succession_under_load_cuts_the_former_owner_off(store: Arc<dyn Store>) {
    let former = claim(&*store, "a").await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (store, former) = (Arc::clone(&store), former.clone());
        writers.spawn(async move {
            let key = key(&format!("a{writer}"));
            let mut head = StreamHead::genesis(&key);
            loop {
                let draft = former.at(&key, head).events(2);
                match &store.append(&[draft.clone().unit()]).await.unwrap()[..] {
                    [Committed] => head = draft.head(),
                    refused => {
                        assert_eq!(*refused, [Refused(vec![(0, Refusal::Epoch)])]);
                        return head.sequence.0;
                    }
                }
            }
        });
    }
    let loaded = async {
        while journal(&*store).await.len() < 100 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, loaded).await.expect("the writers write");
    let present = claim(&*store, "b").await;
    let marker = present.begin(&key("marker")).event("marker");
    commit(&*store, &[marker.unit()]).await;
    let told = timeout(PATIENCE, writers.join_all()).await.expect("the writers are refused");
    let events = journal(&*store).await;
    assert_eq!(events.last().map(|event| &event.key), Some(&key("marker")));
    assert_eq!(events.len() as u64, told.into_iter().sum::<u64>() + 1);
}
