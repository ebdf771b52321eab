//! Random histories, told to a store and to the store in memory: they must agree on every outcome
//! and on everything that can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use coppice_core::hash::sha256;
use coppice_core::{Sequence, StreamHead, StreamId, StreamKey};
use coppice_persistence::{
    Attempts, CommandRecord, Journal, MessageRef, Store, StreamAppend, Unit,
};
use coppice_testkit::{MemoryStore, Random};

use crate::attempts::tried;
use crate::fixture::*;

/// Seeds that every run takes, beside one that is new each time.
const SEEDS: [u64; 3] = [1, 2, 3];
/// How many batches one history has.
const BATCHES: u64 = 150;
/// How many streams, few enough that writers meet.
const STREAMS: u64 = 7;

/// What the histories of all seeds leave behind is the same as in the model.
pub(crate) async fn random_histories_agree_with_the_model(store: Arc<dyn Store>) {
    let fresh = uuid::Uuid::new_v4().as_u64_pair().0;
    let model = MemoryStore::default();
    for seed in SEEDS.into_iter().chain([fresh]) {
        let mut history = History::begin(&*store, &model, seed).await;
        for batch in 0..BATCHES {
            history.batch(&*store, &model, &format!("SIM_SEED={seed} batch {batch}")).await;
        }
        compare(&*store, &model, &format!("SIM_SEED={seed}")).await;
    }
}

struct History {
    random: Random,
    keys: Vec<StreamKey>,
    pen: Pen,
    former: Pen,
    /// Heads that the streams had, the latest last.
    heads: BTreeMap<StreamId, Vec<StreamHead>>,
    /// Units handed in before, whatever became of them.
    past: Vec<Unit>,
    command_next: u128,
}

async fn claim_both(store: &dyn Store, model: &MemoryStore, owner: &str) -> Pen {
    let pen = claim(store, owner).await;
    let in_model = claim(model, owner).await;
    assert_eq!(pen.epochs, in_model.epochs);
    pen
}

impl History {
    async fn begin(store: &dyn Store, model: &MemoryStore, seed: u64) -> Self {
        let former = claim_both(store, model, "a").await;
        let pen = claim_both(store, model, "b").await;
        Self {
            random: Random::seeded(seed),
            keys: (0..STREAMS).map(|number| key(&format!("s{seed}-{number}"))).collect(),
            pen,
            former,
            heads: BTreeMap::new(),
            past: Vec::new(),
            command_next: 1,
        }
    }

    async fn batch(&mut self, store: &dyn Store, model: &MemoryStore, what: &str) {
        if self.random.chance(30) {
            self.former = std::mem::replace(&mut self.pen, claim_both(store, model, "a").await);
        }
        if self.random.chance(60) {
            let before = at(self.random.below(2_000).cast_signed());
            let limit = usize::try_from(self.random.below(5)).unwrap();
            let dropped = store.drop_commands(before, limit).await.unwrap();
            assert_eq!(dropped, model.drop_commands(before, limit).await.unwrap(), "{what}");
        }
        if self.random.chance(200) {
            self.attempts(store, model, what).await;
        }
        let units = self.units();
        let outcomes = store.append(&units).await.unwrap();
        assert_eq!(outcomes, model.append(&units).await.unwrap(), "{what}: {units:#?}");
        for (unit, outcome) in units.iter().zip(&outcomes) {
            if *outcome == Committed {
                for append in &unit.appends {
                    let heads = self.heads.entry(append.key.stream()).or_default();
                    // A repeat of an old unit is committed as well, and moves nothing.
                    let last = heads.last().map_or(Sequence(0), |head| head.sequence);
                    if append.resulting_head().sequence > last {
                        heads.push(append.resulting_head());
                    }
                }
            }
        }
        self.past.extend(units);
    }

    /// Tries of messages: counted, forgotten, swept.
    async fn attempts(&mut self, store: &dyn Store, model: &MemoryStore, what: &str) {
        let messages: Vec<_> = (0..self.random.below(6)).map(|_| self.message()).collect();
        let time = at(self.random.below(100).cast_signed());
        if self.random.chance(700) {
            let counts = store.count_attempts(&tried(&messages), time).await.unwrap();
            assert_eq!(
                counts,
                model.count_attempts(&tried(&messages), time).await.unwrap(),
                "{what}"
            );
        } else if self.random.chance(500) {
            store.drop_attempts(&tried(&messages)).await.unwrap();
            model.drop_attempts(&tried(&messages)).await.unwrap();
        } else {
            // All or nothing: which ones go of those that are stale isn't promised.
            let limit = if self.random.chance(900) { usize::MAX } else { 0 };
            let dropped = store.drop_stale_attempts(time, limit).await.unwrap();
            let in_model = model.drop_stale_attempts(time, limit).await.unwrap();
            assert_eq!(dropped, in_model, "{what}");
        }
    }

    fn message(&mut self) -> MessageRef {
        let number = self.random.below(3);
        crate::attempts::message(&self.stream(), number.into())
    }

    fn stream(&mut self) -> StreamKey {
        let index = self.random.below(self.keys.len() as u64);
        self.keys[usize::try_from(index).unwrap()].clone()
    }

    /// Units over distinct streams: some repeated, some linked, some wrong.
    fn units(&mut self) -> Vec<Unit> {
        let mut free = self.keys.clone();
        let mut units: Vec<Unit> = Vec::new();
        for _ in 0..=self.random.below(4) {
            if self.random.chance(200) && !self.past.is_empty() {
                let at = self.random.below(self.past.len() as u64);
                let again = self.past[usize::try_from(at).unwrap()].clone();
                let fits = again.appends.iter().all(|append| free.contains(&append.key));
                if fits {
                    free.retain(|key| again.appends.iter().all(|append| append.key != *key));
                    units.push(again);
                }
                continue;
            }
            let linked = if self.random.chance(300) { 1 + self.random.below(3) } else { 1 };
            let mut appends = Vec::new();
            for _ in 0..linked {
                if free.is_empty() {
                    break;
                }
                let at = usize::try_from(self.random.below(free.len() as u64)).unwrap();
                let key = free.swap_remove(at);
                appends.push(self.append(&key));
            }
            if !appends.is_empty() {
                units.push(Unit { appends });
            }
        }
        units
    }

    fn append(&mut self, key: &StreamKey) -> StreamAppend {
        let heads = self.heads.get(&key.stream()).cloned().unwrap_or_default();
        let genesis = StreamHead::genesis(key);
        let mut head = heads.last().copied().unwrap_or(genesis);
        if self.random.chance(60) {
            let behind = usize::try_from(self.random.below(3)).unwrap();
            head = heads.iter().rev().nth(behind).copied().unwrap_or(genesis);
        }
        if self.random.chance(40) {
            head.hash = sha256(&self.random.bits().to_be_bytes());
        }
        let pen = if self.random.chance(60) { &self.former } else { &self.pen };
        let wake_at = at(self.random.below(100).cast_signed());
        let mut draft = pen.at(key, head);
        let mut events = self.random.below(4);
        let commands = self.random.below(3);
        if events + commands == 0 {
            events = 1;
        }
        for _ in 0..events {
            draft = draft.event(&format!(r#"{{"n":{}}}"#, self.random.bits()));
        }
        draft = draft.owes(self.random.chance(500));
        draft = draft.wakes(self.random.chance(500).then_some(wake_at));
        for _ in 0..commands {
            let record = self.record(draft.head().sequence);
            if draft.append.commands.iter().all(|other| other.command_id != record.command_id) {
                draft = draft.record(record);
            }
        }
        if draft.append.events.is_empty() && draft.append.commands.is_empty() {
            draft = draft.event("{}");
        }
        draft.append
    }

    fn record(&mut self, sequence: Sequence) -> CommandRecord {
        let mut number = self.command_next;
        if self.random.chance(150) {
            number = u128::from(self.random.below(u64::try_from(number).unwrap()));
        } else {
            self.command_next += 1;
        }
        // Times grow with the numbers, as the order of dropping relies on.
        let recorded_at = at(i64::try_from(self.command_next).unwrap());
        let sender = self.random.chance(400).then(|| self.stream().stream());
        CommandRecord { recorded_at, sender, ..record(number, sequence) }
    }
}

/// Everything that can be read of both.
async fn compare(store: &dyn Store, model: &MemoryStore, what: &str) {
    assert_eq!(journal(store).await, journal(model).await, "{what}");
    assert_eq!(batches(store).await, batches(model).await, "{what}");
    let rows = store.entities(None, 1_000).await.unwrap();
    assert_eq!(rows, model.entities(None, 1_000).await.unwrap(), "{what}");
    let owing = store.owing(None, 1_000).await.unwrap();
    assert_eq!(owing, model.owing(None, 1_000).await.unwrap(), "{what}");
    for now in [0, 50, 100] {
        let found = store.due(at(now), None, 1_000).await.unwrap();
        assert_eq!(found, model.due(at(now), None, 1_000).await.unwrap(), "{what}");
        for row in &found {
            let after = row.wake_at.map(|wake_at| (wake_at, row.key.stream()));
            let behind = store.due(at(now), after, 2).await.unwrap();
            assert_eq!(behind, model.due(at(now), after, 2).await.unwrap(), "{what}");
        }
    }
    for row in rows {
        let recent = store.recent_commands(&row.key, 1_000).await.unwrap();
        assert_eq!(recent, model.recent_commands(&row.key, 1_000).await.unwrap(), "{what}");
        let whole = stream(store, &row.key).await;
        assert_eq!(whole, stream(model, &row.key).await, "{what}");
        assert_eq!(whole.last().map(|event| event.record.head()), Some(row.head), "{what}");
    }
}
