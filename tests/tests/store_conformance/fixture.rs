//! What the cases are written with: keys, claims, and drafts of appends.

use std::collections::BTreeMap;

use coppice_core::envelope::EventBody;
use coppice_core::hash::sha256;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventRecord, Position, Sequence,
    ShardId, StoredEvent, StreamHead, StreamKey, TenantId, Timestamp,
};
use coppice_persistence::{
    BatchRow, ClaimOutcome, CommandRecord, Refusal, ShardClaim, Store, StreamAppend, Unit,
    UnitOutcome,
};
use uuid::Uuid;

pub(crate) use UnitOutcome::{Committed, Refused};

/// How many shards the cases claim.
pub(crate) const SHARDS: u16 = 4;
/// The time that events and commands are written at, unless a case says otherwise.
pub(crate) const NOW: Timestamp = at(1_000_000);

pub(crate) const fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// The stream of a counter of the tenant `acme`.
pub(crate) fn key(id: &str) -> StreamKey {
    key_of("acme", "counter", id)
}

pub(crate) fn key_of(of_tenant: &str, kind: &str, id: &str) -> StreamKey {
    let (kind, id) = (EntityKind::new(kind).unwrap(), EntityId::new(id).unwrap());
    StreamKey::new(tenant(of_tenant), kind, id)
}

pub(crate) fn command_id(number: u128) -> CommandId {
    CommandId(Uuid::from_u128(number))
}

pub(crate) fn body(payload: &str) -> EventBody {
    EventBody {
        event_type: "counter.added.v1".into(),
        payload: payload.into(),
        recorded_at: NOW,
        causation: command_id(1),
        correlation: CorrelationId(Uuid::from_u128(2)),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    }
}

pub(crate) fn record(number: u128, sequence: Sequence) -> CommandRecord {
    CommandRecord {
        command_id: command_id(number),
        body_hash: sha256(&number.to_be_bytes()),
        sequence,
        reply: format!(r#"{{"value":{number}}}"#).into(),
        recorded_at: NOW,
        sender: None,
    }
}

/// Claims every shard for an owner that whoever holds them makes way for.
pub(crate) async fn claim(store: &dyn Store, owner: &str) -> Pen {
    for holder in ["a", "b"] {
        store.release(holder).await.unwrap();
    }
    let wish =
        ShardClaim { owner: owner.to_owned(), count: SHARDS, duration: None, succeed_own: false };
    match store.claim(&wish).await.unwrap() {
        ClaimOutcome::Granted(epochs) => Pen { epochs },
        ClaimOutcome::Held { owner, remaining } => panic!("held by {owner} for {remaining:?}"),
    }
}

/// The epochs that one owner writes under.
#[derive(Debug, Clone)]
pub(crate) struct Pen {
    pub(crate) epochs: BTreeMap<ShardId, Epoch>,
}

impl Pen {
    /// An append to a stream that ends at a head, with nothing in it yet.
    pub(crate) fn at(&self, key: &StreamKey, head: StreamHead) -> Draft {
        let shard = key.shard(SHARDS);
        let append = StreamAppend {
            key: key.clone(),
            shard,
            epoch: self.epochs[&shard],
            expected: head,
            events: Vec::new(),
            commands: Vec::new(),
            wake_at: None,
            owes: false,
            waits_as_before: false,
        };
        Draft { append }
    }

    /// An append to a stream that has no events.
    pub(crate) fn begin(&self, key: &StreamKey) -> Draft {
        self.at(key, StreamHead::genesis(key))
    }
}

/// An append in the making.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) append: StreamAppend,
}

impl Draft {
    pub(crate) fn head(&self) -> StreamHead {
        self.append.resulting_head()
    }

    pub(crate) fn body(mut self, body: EventBody) -> Self {
        let record = EventRecord::chain(self.head(), body);
        self.append.events.push(record);
        self
    }

    pub(crate) fn event(self, payload: &str) -> Self {
        self.body(body(payload))
    }

    pub(crate) fn events(self, count: usize) -> Self {
        (0..count).fold(self, |draft, number| draft.event(&format!(r#"{{"n":{number}}}"#)))
    }

    pub(crate) fn command(self, number: u128) -> Self {
        let sequence = self.head().sequence;
        self.record(record(number, sequence))
    }

    pub(crate) fn record(mut self, record: CommandRecord) -> Self {
        self.append.commands.push(record);
        self
    }

    pub(crate) fn wakes(mut self, wake_at: Option<Timestamp>) -> Self {
        self.append.wake_at = wake_at;
        self
    }

    pub(crate) fn owes(mut self, owes: bool) -> Self {
        self.append.owes = owes;
        self
    }

    pub(crate) fn waits_as_before(mut self) -> Self {
        self.append.waits_as_before = true;
        self
    }

    pub(crate) fn epoch(mut self, epoch: Epoch) -> Self {
        self.append.epoch = epoch;
        self
    }

    pub(crate) fn unit(self) -> Unit {
        linked([self])
    }
}

/// Drafts that commit together.
pub(crate) fn linked(drafts: impl IntoIterator<Item = Draft>) -> Unit {
    Unit { appends: drafts.into_iter().map(|draft| draft.append).collect() }
}

/// Appends units that must all commit.
pub(crate) async fn commit(store: &dyn Store, units: &[Unit]) {
    let outcomes = store.append(units).await.unwrap();
    assert_eq!(outcomes, vec![Committed; units.len()]);
}

/// Appends one unit that must be refused, for these reasons.
pub(crate) async fn refuse(store: &dyn Store, unit: Unit, reasons: &[(usize, Refusal)]) {
    let outcomes = store.append(&[unit]).await.unwrap();
    assert_eq!(outcomes, [Refused(reasons.to_vec())]);
}

/// Writes a few events to a stream and gives its head.
pub(crate) async fn write(
    store: &dyn Store,
    pen: &Pen,
    key: &StreamKey,
    count: usize,
) -> StreamHead {
    let draft = pen.begin(key).events(count);
    let head = draft.head();
    commit(store, &[draft.unit()]).await;
    head
}

/// The whole of a stream.
pub(crate) async fn stream(store: &dyn Store, key: &StreamKey) -> Vec<StoredEvent> {
    store.read_stream(key, Sequence(0), 10_000).await.unwrap()
}

/// The whole journal.
pub(crate) async fn journal(store: &dyn Store) -> Vec<StoredEvent> {
    store.read_journal(Position(0), 100_000).await.unwrap()
}

/// Every batch.
pub(crate) async fn batches(store: &dyn Store) -> Vec<BatchRow> {
    store.batches(0, 100_000).await.unwrap()
}

/// The payloads of events, for short assertions.
pub(crate) fn payloads(events: &[StoredEvent]) -> Vec<&str> {
    events.iter().map(|event| &*event.record.body.payload).collect()
}
