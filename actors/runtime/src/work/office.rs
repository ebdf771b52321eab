//! The dead letter office: what an operator may see and decide.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use coppice_core::{CommandId, CorrelationId, EffectId, EffectOutcome, Epoch, TenantId};
use coppice_persistence::{DeadLetter, LetterKind, MessageRef, Store, StoreError, Tried};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{Failure, Request};
use crate::gate::Gate;
use crate::work::courier::Courier;
use crate::work::message::{SystemMessage, effect_key, outcome_key};
use crate::work::pool::Pools;

/// Why a letter stays where it is.
#[derive(Debug, Error)]
pub enum OfficeError {
    /// The tenant has no such letter.
    #[error("there is no such dead letter")]
    NotFound,
    /// Its command's body wasn't kept, since it holds personal data.
    #[error("the command's body was not kept, it can only be discarded")]
    BodyNotKept,
    /// A timer can't be taken off its entity from outside.
    #[error("a timer can only be replayed, or taken off by a command of its entity")]
    TimerStays,
    /// An entity out of service has no message to replay.
    #[error("an entity is put back into service by discarding its letter")]
    NothingToReplay,
    /// Whoever owned the entity before wrote the letter late, and its effect is on its way again.
    #[error("the effect is being sent at present")]
    UnderWay,
    /// The store can't be read or written.
    #[error("the dead letters can not be reached")]
    Store(#[from] StoreError),
    /// It was put back into delivery, and the entity didn't take it.
    #[error("the entity did not take it: {0}")]
    NotTaken(Failure),
}

/// The dead letters of a node's store.
#[derive(Clone)]
pub struct DeadLetterOffice {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) courier: Courier,
    pub(crate) gate: Arc<Gate>,
    pub(crate) pools: Pools,
}

impl fmt::Debug for DeadLetterOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterOffice").finish_non_exhaustive()
    }
}

impl DeadLetterOffice {
    /// Up to `limit` letters of a tenant after a number, in order of arrival.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        tenant: &TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.store.dead_letters(Some(tenant), after, limit).await
    }

    /// Delivers a message once more, as if it had never failed: a command under its own id, an
    /// effect even where it may have been sent before. Where it fails again it comes back here.
    ///
    /// # Errors
    /// [`OfficeError`]; the letter stays, but for [`OfficeError::NotTaken`] for another reason than
    /// that the entity is stopped.
    pub async fn replay(&self, tenant: &TenantId, id: Uuid) -> Result<(), OfficeError> {
        let letter = self.find(tenant, id).await?;
        match (letter.kind, &letter.body) {
            (LetterKind::Entity, _) => return Err(OfficeError::NothingToReplay),
            (LetterKind::Command, None) => return Err(OfficeError::BodyNotKept),
            _ => {}
        }
        // It would be refused, and the letter is all that is left of it.
        if let (LetterKind::Command, Some(target)) = (letter.kind, self.gate.holding(&letter.key)) {
            return Err(OfficeError::NotTaken(Failure::Frozen(target)));
        }
        self.release(&letter).await?;
        match (letter.kind, letter.body) {
            (LetterKind::Command, Some(body)) => {
                let request = Request {
                    tenant: tenant.clone(),
                    id: letter.key.id().clone(),
                    command: letter.name.into(),
                    body: Bytes::from(body.into_string()),
                    command_id: CommandId(letter.message),
                    keyed: true,
                    correlation: CorrelationId(letter.message),
                    trace: None,
                    sender: None,
                    expected: None,
                    begins: false,
                    deadline: Instant::now() + self.courier.patience,
                };
                let asked =
                    self.courier.registry.ask_trusted(letter.key.kind().as_str(), request).await;
                asked.map(drop).map_err(OfficeError::NotTaken)
            }
            _ => {
                self.courier.wake(&letter.key).await;
                Ok(())
            }
        }
    }

    /// Gives a message up: a command is forgotten, an effect ends as failed with the code
    /// `discarded`, an entity is back in service.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub async fn discard(&self, tenant: &TenantId, id: Uuid) -> Result<(), OfficeError> {
        let letter = self.find(tenant, id).await?;
        match letter.kind {
            LetterKind::Timer => return Err(OfficeError::TimerStays),
            LetterKind::Command => self.release(&letter).await?,
            LetterKind::Entity => {
                self.release(&letter).await?;
                self.courier.wake(&letter.key).await;
            }
            LetterKind::Effect => self.discard_effect(&letter).await?,
        }
        Ok(())
    }

    async fn discard_effect(&self, letter: &DeadLetter) -> Result<(), OfficeError> {
        // What is said to have failed must not be sent afterwards, nor while that is said: nothing
        // goes into a pool from here on, and what is in one is looked for behind that.
        let quarantine = &self.courier.quarantine;
        let is_new = quarantine.hold(letter);
        if self.pools.have(letter.message) {
            if is_new {
                quarantine.let_go(letter);
            }
            return Err(OfficeError::UnderWay);
        }
        let given_up = self.give_up(letter).await;
        if given_up.is_err() {
            // The letter may be gone, and with it what holds the effect.
            quarantine.read_again();
            self.courier.left.note(&letter.key);
        }
        given_up
    }

    async fn give_up(&self, letter: &DeadLetter) -> Result<(), OfficeError> {
        let deadline = Instant::now() + self.courier.patience;
        let registry = &self.courier.registry;
        let (id, stream) = (EffectId(letter.name.clone()), letter.key.stream());
        let outcome = |ordinal| SystemMessage::Outcome {
            id: id.clone(),
            ordinal,
            outcome: EffectOutcome::Failed {
                code: "discarded".into(),
                detail: "an operator gave it up".into(),
            },
        };
        let ordinal = registry.effect_ordinal(&letter.key, &id, deadline).await;
        // Under another ordinal it is another effect, and this one has ended.
        let ordinal = ordinal.map_err(OfficeError::NotTaken)?;
        let ordinal = ordinal.filter(|at| effect_key(stream, &id, *at) == letter.message);
        if let Some(ordinal) = ordinal {
            // The letter stays until the outcome is durable: without it, the effect would be sent.
            let settled = registry.settle(&letter.key, outcome(ordinal), deadline).await;
            settled.map_err(OfficeError::NotTaken)?;
        }
        self.release(letter).await
    }

    async fn find(&self, tenant: &TenantId, id: Uuid) -> Result<DeadLetter, OfficeError> {
        let found = self.store.dead_letter(id).await?;
        found.filter(|letter| letter.key.tenant() == tenant).ok_or(OfficeError::NotFound)
    }

    /// Takes the letter away, with the count of its tries.
    async fn release(&self, letter: &DeadLetter) -> Result<(), OfficeError> {
        let stream = letter.key.stream();
        let messages = [letter.message, outcome_key(letter.message)];
        // Whoever tried it: an operator decides for all.
        let epoch = Epoch(i64::MAX.cast_unsigned());
        let counted =
            messages.map(|message| Tried { message: MessageRef { stream, message }, epoch });
        self.store.drop_attempts(&counted).await?;
        let (store, quarantine) = (self.store.as_ref(), &self.courier.quarantine);
        quarantine.release(store, letter, self.courier.left.owned(&letter.key)).await
    }
}
