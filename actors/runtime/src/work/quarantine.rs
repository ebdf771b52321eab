//! What is out of delivery: single messages, and whole entities.
//!
//! The store has the letters; this is their index in memory, asked before anything is delivered,
//! and the task that writes new ones. **Invariants:** a letter is in force here from the moment it
//! is put, and in the store as soon as the store takes it; nothing is decided under an epoch before
//! the letters were read under it, for the owner in between may have put some.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coppice_core::hash::Hasher;
use coppice_core::{CommandId, Epoch, ShardId, StreamId, StreamKey};
use coppice_persistence::{DeadLetter, LetterKind, LetterReason, Store, StoreError};
use coppice_supervisors::StopSignal;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tracing::{error, warn};
use uuid::Uuid;

use crate::answer::Failure;
use crate::clock::Clock;
use crate::lease::Lease;
use crate::work::office::OfficeError;
use crate::work::retry::{Jitter, RetryPolicy};

/// Letters read at once.
const PAGE: usize = 500;

/// What is out of delivery of one entity.
#[derive(Debug, Default)]
struct Held {
    entity: bool,
    messages: BTreeSet<Uuid>,
}

/// A message that is taken out of delivery.
#[derive(Debug)]
pub struct Undeliverable<'a> {
    /// The entity.
    pub key: &'a StreamKey,
    /// The message within it; nil for the entity itself.
    pub message: Uuid,
    /// What it is.
    pub kind: LetterKind,
    /// The command's name, or the id of the timer or effect.
    pub name: &'a str,
    /// The command's body, where it may be kept.
    pub body: Option<&'a str>,
    /// Why.
    pub reason: LetterReason,
    /// The same for people.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// The index of what is out of delivery. Clones are the same index.
#[derive(Debug, Clone)]
pub struct Quarantine(Arc<Shared>);

/// How often the letters were read, and how often they must have been.
#[derive(Debug, Default)]
struct Reading {
    wanted: u64,
    begun: u64,
    done: u64,
    /// For each shard its epoch, and the reading that is recent enough for it.
    under: BTreeMap<ShardId, (Epoch, u64)>,
}

impl Reading {
    /// The reading that a shard waits for under its epoch: one that begins after it was owned.
    fn needed(&mut self, lease: &dyn Lease, shard: ShardId, epoch: Epoch) -> u64 {
        match self.under.get(&shard) {
            Some((known, needed)) if *known == epoch => return *needed,
            Some(_) | None => {}
        }
        let next = self.begun.saturating_add(1);
        self.wanted = next;
        self.under.insert(shard, (epoch, next));
        // What came along with it needs no reading of its own.
        for other in (0..lease.shard_count()).map(ShardId) {
            let Some(epoch) = lease.epoch(other) else { continue };
            if self.under.get(&other).is_none_or(|(known, _)| *known != epoch) {
                self.under.insert(other, (epoch, next));
            }
        }
        next
    }
}

#[derive(Debug)]
struct Shared {
    held: RwLock<BTreeMap<StreamId, Held>>,
    unwritten: Mutex<Vec<DeadLetter>>,
    /// Letters that were put in force or taken out of it otherwise than by a reading.
    changes: AtomicU64,
    /// Letters that were put, by reason, in the order of [`LetterReason::ALL`].
    put: [AtomicU64; LetterReason::ALL.len()],
    bell: Notify,
    reading: Mutex<Reading>,
    /// Wakes whoever waits for that, in the order in which they came: a `watch` would not, and a
    /// simulation could not repeat.
    loading: Notify,
    clock: Arc<dyn Clock>,
}

/// The id of a letter: the same for the same message of the same entity.
#[must_use]
pub fn letter_id(stream: StreamId, message: Uuid) -> Uuid {
    Hasher::new("coppice.letter.v1")
        .fixed(*stream.0.as_bytes())
        .fixed(*message.as_bytes())
        .finish()
        .to_uuid()
}

impl Quarantine {
    /// Nothing is out of delivery.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            held: RwLock::default(),
            unwritten: Mutex::default(),
            changes: AtomicU64::new(0),
            put: Default::default(),
            bell: Notify::new(),
            reading: Mutex::default(),
            loading: Notify::new(),
            clock,
        }))
    }

    /// Nothing is out of delivery, and there is no store to ask.
    #[must_use]
    pub fn empty(clock: Arc<dyn Clock>) -> Self {
        let quarantine = Self::new(clock);
        *quarantine.0.reading.lock() =
            Reading { wanted: u64::MAX, begun: u64::MAX, done: u64::MAX, ..Reading::default() };
        quarantine
    }

    /// Waits until what the store has was read under this epoch: before that, nothing is decided.
    pub async fn loaded(&self, lease: &dyn Lease, shard: ShardId, epoch: Epoch) {
        let needed = self.0.reading.lock().needed(lease, shard, epoch);
        loop {
            let mut loading = pin!(self.0.loading.notified());
            // In line first, so that the last look doesn't miss it.
            loading.as_mut().enable();
            if self.0.reading.lock().done >= needed {
                return;
            }
            self.0.bell.notify_one();
            loading.await;
        }
    }

    /// The reading that is to be done now, if one is.
    fn reading_due(&self) -> Option<u64> {
        let mut reading = self.0.reading.lock();
        let due = reading.done < reading.wanted;
        due.then(|| {
            reading.begun = reading.wanted;
            reading.begun
        })
    }

    fn has_read(&self, number: u64) {
        self.0.reading.lock().done = number;
        self.0.loading.notify_waiters();
    }

    /// Why a command must not be decided, if it must not.
    #[must_use]
    pub fn failure(&self, key: &StreamKey, id: CommandId) -> Option<Failure> {
        let all = self.0.held.read();
        if all.is_empty() {
            return None;
        }
        let held = all.get(&key.stream())?;
        if held.entity {
            return Some(Failure::EntityQuarantined);
        }
        held.messages.contains(&id.0).then_some(Failure::MessageQuarantined)
    }

    /// Whether the entity is out of service.
    #[must_use]
    pub fn holds_entity(&self, stream: StreamId) -> bool {
        let held = self.0.held.read();
        !held.is_empty() && held.get(&stream).is_some_and(|held| held.entity)
    }

    /// Whether a message is out of delivery.
    #[must_use]
    pub fn holds(&self, stream: StreamId, message: Uuid) -> bool {
        let held = self.0.held.read();
        !held.is_empty() && held.get(&stream).is_some_and(|held| held.messages.contains(&message))
    }

    /// What was taken out of delivery since the start, by reason.
    pub fn put_total(&self) -> impl Iterator<Item = (LetterReason, u64)> {
        let counts = self.0.put.iter().map(|count| count.load(Ordering::Relaxed));
        LetterReason::ALL.into_iter().zip(counts)
    }

    /// Takes a message, or an entity, out of delivery.
    pub fn put(&self, what: &Undeliverable<'_>) {
        let stream = what.key.stream();
        let letter = DeadLetter {
            number: 0,
            id: letter_id(stream, what.message),
            key: what.key.clone(),
            message: what.message,
            kind: what.kind,
            name: what.name.into(),
            body: what.body.map(Into::into),
            reason: what.reason,
            // PostgreSQL's text can't hold it, and a panic's may.
            detail: what.detail.replace('\0', "\u{fffd}").into(),
            attempts: what.attempts,
            at: self.0.clock.now(),
        };
        error!(
            key = %letter.key,
            name = %letter.name,
            letter = %letter.id,
            reason = ?letter.reason,
            detail = %letter.detail,
            "message is out of delivery"
        );
        let reasons = LetterReason::ALL.iter().zip(&self.0.put);
        reasons.filter(|(reason, _)| **reason == what.reason).for_each(|(_, count)| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        // Unwritten first: whoever reads the letters anew adds those.
        self.0.unwritten.lock().push(letter.clone());
        hold(&mut self.0.held.write(), &letter);
        self.0.bell.notify_one();
    }

    /// Puts a letter in force that the store has and this node may not have read: whoever owned the
    /// entity before may have written it late. Whether it was not in force.
    pub(crate) fn hold(&self, letter: &DeadLetter) -> bool {
        let mut all = self.0.held.write();
        let before = all.get(&letter.key.stream());
        let is_new = before.is_none_or(|held| !held.messages.contains(&letter.message));
        // A reading under way may have begun before it was written.
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        hold(&mut all, letter);
        is_new
    }

    /// Takes a letter out of force, here alone.
    pub(crate) fn let_go(&self, letter: &DeadLetter) {
        let mut all = self.0.held.write();
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        let stream = letter.key.stream();
        if let Some(held) = all.get_mut(&stream) {
            match letter.kind {
                LetterKind::Entity => held.entity = false,
                LetterKind::Command | LetterKind::Timer | LetterKind::Effect => {
                    held.messages.remove(&letter.message);
                }
            }
            if !held.entity && held.messages.is_empty() {
                all.remove(&stream);
            }
        }
    }

    /// Takes a letter back: away from the store, and then its message may be delivered again.
    /// Whoever owns the entity's shard under a later epoch has not read it.
    ///
    /// # Errors
    /// [`OfficeError`]; the message stays out of delivery.
    pub(crate) async fn release(
        &self,
        store: &dyn Store,
        letter: &DeadLetter,
        owned: Option<(ShardId, Epoch)>,
    ) -> Result<(), OfficeError> {
        let not_owner = OfficeError::NotTaken(Failure::NotOwner);
        let Some((shard, epoch)) = owned else { return Err(not_owner) };
        let removed = store.remove_dead_letter(letter.id, shard, epoch).await;
        if removed.is_err() {
            // It may be gone all the same.
            self.read_again();
        }
        if !removed? {
            if store.dead_letter(letter.id).await?.is_some() {
                return Err(not_owner);
            }
            self.let_go(letter);
            return Err(OfficeError::NotFound);
        }
        self.let_go(letter);
        Ok(())
    }

    /// Has the letters read again, for the store may have others than are known here.
    pub(crate) fn read_again(&self) {
        let mut reading = self.0.reading.lock();
        reading.wanted = reading.begun.saturating_add(1);
        drop(reading);
        self.0.bell.notify_one();
    }

    async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        while !self.try_load(store).await? {}
        Ok(())
    }

    /// Reads all letters; false where one came or went meanwhile, which this may have missed.
    async fn try_load(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let changes = self.0.changes.load(Ordering::Relaxed);
        let (mut fresh, mut after) = (BTreeMap::new(), 0);
        loop {
            let letters = store.dead_letters(None, after, PAGE).await?;
            letters.iter().for_each(|letter| hold(&mut fresh, letter));
            match letters.last() {
                Some(last) if letters.len() == PAGE => after = last.number,
                Some(_) | None => break,
            }
        }
        let mut held = self.0.held.write();
        if self.0.changes.load(Ordering::Relaxed) != changes {
            return Ok(false);
        }
        self.0.unwritten.lock().iter().for_each(|letter| hold(&mut fresh, letter));
        *held = fresh;
        Ok(true)
    }

    /// Reads what the store has, and again after each change of ownership; writes new letters;
    /// until `stopping` says so.
    pub async fn run(self, store: Arc<dyn Store>, jitter: Arc<Jitter>, stopping: StopSignal) {
        let mut failures = 0;
        loop {
            match self.step(store.as_ref()).await {
                Ok(true) => failures = 0,
                Ok(false) => {
                    tokio::select! {
                        biased;
                        () = self.0.bell.notified() => {}
                        () = stopping.raised() => return,
                    }
                }
                Err(error) => {
                    failures += 1;
                    warn!(%error, failures, "dead letters can't be read or written");
                    let wait = RetryPolicy::DELIVERY.wait(failures, &jitter);
                    tokio::select! {
                        biased;
                        () = stopping.raised() => return,
                        () = tokio::time::sleep(wait.unwrap_or_default()) => {}
                    }
                }
            }
        }
    }

    /// One reading, or one go of writing; false where there was nothing to do.
    async fn step(&self, store: &dyn Store) -> Result<bool, StoreError> {
        if let Some(number) = self.reading_due() {
            self.load(store).await?;
            self.has_read(number);
            return Ok(true);
        }
        let letters = take(&mut *self.0.unwritten.lock());
        if letters.is_empty() {
            return Ok(false);
        }
        let Err((rest, error)) = write(store, letters).await else { return Ok(true) };
        self.0.unwritten.lock().splice(0..0, rest);
        Err(error)
    }
}

fn hold(held: &mut BTreeMap<StreamId, Held>, letter: &DeadLetter) {
    let held = held.entry(letter.key.stream()).or_default();
    match letter.kind {
        LetterKind::Entity => held.entity = true,
        LetterKind::Command | LetterKind::Timer | LetterKind::Effect => {
            held.messages.insert(letter.message);
        }
    }
}

async fn write(
    store: &dyn Store,
    mut letters: Vec<DeadLetter>,
) -> Result<(), (Vec<DeadLetter>, StoreError)> {
    let mut written = 0;
    for letter in &letters {
        match store.put_dead_letter(letter).await {
            Ok(_) => written += 1,
            Err(error) => return Err((letters.split_off(written), error)),
        }
    }
    Ok(())
}
