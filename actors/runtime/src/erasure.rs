//! Erasing a subject: it is recorded, its key is destroyed, and what entities have of it in memory
//! goes.
//!
//! What was written down stays as it is, sealed under a key that is nowhere any more. In memory an
//! entity has the plain values; each that has some of this subject ends its life, and the next one
//! reads the journal and finds them erased.
//!
//! The record is an entity of the platform's own, of the kind [`RECORDS`], under the subject's id and
//! in its tenant. It says first that the subject is to be erased, and owes the destruction as an
//! effect from then on; so whatever ends the node in between, and whoever had no time to wait, it
//! is finished by whoever owns the record, and recorded as done.
//!
//! **Invariant:** no key is destroyed before it is durable that it is to be. Whoever reads after the answer sees the values as erased. So only the owner of
//! the entities erases, which is looked at before and after, and the key in memory goes before
//! anybody looks for lives that used it.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use coppice_core::{CommandId, CorrelationId, EntityId, SubjectId, TenantId, Timestamp};
use coppice_persistence::Destroyed;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};
use tracing::info;
use uuid::Uuid;

use crate::answer::{Failure, Outcome, Request};
use crate::registry::{Registry, WeakRegistry};
use crate::services::Services;
use crate::task;
use crate::work::effects::{EffectCall, EffectError, EffectHandler};

/// The kind of the records.
pub const RECORDS: &str = "erasure";

/// The handler of the effect that they owe.
pub(crate) const DESTROY: &str = "erasure";

/// What became of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// When the subject was erased: the first time, where it was more often.
    pub erased_at: Timestamp,
    /// Entities of this node that were asked to let go of what they had in memory.
    pub entities: usize,
}

/// Erases subjects. Cheap to clone.
#[derive(Clone)]
pub struct Eraser {
    pub(crate) services: Arc<Services>,
    pub(crate) registry: Registry,
}

impl fmt::Debug for Eraser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Eraser")
    }
}

impl Eraser {
    /// Erases a subject of a tenant, at somebody's word. It may be asked again at any time, and goes
    /// on to its end when whoever asked has gone away.
    ///
    /// # Errors
    /// [`Failure`]. With the outcome `unknown` it isn't known how far it came: it may be recorded,
    /// and is then carried out to its end whether it is asked for again or not.
    pub async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        by: &str,
        deadline: Instant,
    ) -> Result<Erasure, Failure> {
        let (eraser, by) = (self.clone(), by.into());
        let erased =
            task::spawn(async move { eraser.carry_out(&tenant, &subject, by, deadline).await });
        // It panics only by a mistake of the house; how far it came isn't known.
        erased.await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn carry_out(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        by: Box<str>,
        deadline: Instant,
    ) -> Result<Erasure, Failure> {
        let place = self.services.place(tenant);
        if place.epoch.is_none() {
            return Err(Failure::NotOwner);
        }
        self.record(tenant, subject, &by, deadline).await?;
        // From here on it will be done, whatever stands in its way now.
        let destroyed = self.destroy(tenant, subject, by, deadline).await;
        destroyed.map_err(|_| Failure::TimedOut)
    }

    /// Sees to it that the record says that the subject is to be erased.
    async fn record(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        by: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let fault = |problem: String| Failure::InvalidBody(problem);
        let body =
            serde_json::to_vec(&Asked { by: by.into() }).map_err(|e| fault(e.to_string()))?;
        let id = Uuid::now_v7();
        let request = Request {
            tenant: tenant.clone(),
            // Whatever is a subject's id is an entity's as well.
            id: EntityId::new(subject.as_str()).map_err(|e| fault(e.to_string()))?,
            command: "request".to_owned(),
            body: Bytes::from(body),
            // The record itself knows a repeat.
            command_id: CommandId(id),
            keyed: false,
            correlation: CorrelationId(id),
            trace: None,
            sender: None,
            expected: None,
            begins: false,
            deadline,
        };
        self.registry.ask_trusted(RECORDS, request).await.map(drop)
    }

    /// Destroys the key and has it forgotten. It may be done again at any time.
    async fn destroy(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        by: Box<str>,
        deadline: Instant,
    ) -> Result<Erasure, Failure> {
        let place = self.services.place(tenant);
        if place.epoch.is_none() {
            return Err(Failure::NotOwner);
        }
        let end = Destroyed { at: self.services.clock.now(), by };
        let destroyed = self.services.keys.erase(&place, subject, &end).await?;
        let mut entities = 0;
        for port in self.registry.ports() {
            let asked = port.forget(tenant, subject, deadline).await;
            // The key is destroyed: it would not be true that nothing happened.
            entities += asked.map_err(|_| Failure::TimedOut)?;
        }
        if self.services.place(tenant).epoch != place.epoch {
            return Err(Failure::TimedOut);
        }
        info!(%tenant, %subject, entities, "subject erased");
        Ok(Erasure { erased_at: destroyed.at, entities })
    }
}

/// The body of the record's command, and the request of its effect.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    by: Box<str>,
}

/// Carries out what the records owe.
#[derive(Default)]
pub(crate) struct Destroyer {
    /// The services hold the pools, which hold this.
    node: OnceLock<(Weak<Services>, WeakRegistry)>,
    patience: Duration,
}

impl fmt::Debug for Destroyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destroyer").finish_non_exhaustive()
    }
}

impl Destroyer {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { node: OnceLock::new(), patience }
    }

    /// Tells whose keys to destroy, once there is a node.
    pub(crate) fn connect(&self, services: &Arc<Services>, registry: &Registry) {
        // Connected once, by the node that made it.
        let _first = self.node.set((Arc::downgrade(services), registry.downgrade()));
    }

    fn eraser(&self) -> Option<Eraser> {
        let (services, registry) = self.node.get()?;
        Some(Eraser { services: services.upgrade()?, registry: registry.upgrade()? })
    }

    async fn carry_out(&self, call: EffectCall) -> Result<String, EffectError> {
        let refused = |detail: String| EffectError::Refused { code: "invalid".into(), detail };
        let subject = SubjectId::new(call.entity.id().as_str());
        let subject = subject.map_err(|error| refused(error.to_string()))?;
        let asked: Asked =
            serde_json::from_str(&call.request).map_err(|error| refused(error.to_string()))?;
        let Some(eraser) = self.eraser() else {
            return Err(EffectError::NotSent { detail: "the node starts or has ended".into() });
        };
        let (tenant, deadline) = (call.entity.tenant(), Instant::now() + self.patience);
        let erased = eraser.destroy(tenant, &subject, asked.by, deadline).await;
        let erasure = erased.map_err(|failure| {
            let detail = failure.to_string();
            match failure.outcome() {
                Outcome::NotApplied => EffectError::NotSent { detail },
                Outcome::Unknown => EffectError::Unknown { detail },
            }
        })?;
        Ok(format!("{{\"destroyed_at\":{}}}", erasure.erased_at.as_micros()))
    }
}

impl EffectHandler for Destroyer {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(self.carry_out(call))
    }
}
