//! Erasing a subject: its key is destroyed, and what entities have of it in memory goes.
//!
//! What was written down stays as it is, sealed under a key that is nowhere any more. In memory an
//! entity has the plain values; each that has some of this subject ends its life, and the next one
//! reads the journal and finds them erased.
//!
//! **Invariant:** whoever reads after the answer sees the values as erased. So only the owner of
//! the entities erases, which is looked at before and after, and the key in memory goes before
//! anybody looks for lives that used it.

use std::fmt;
use std::sync::Arc;

use coppice_core::{SubjectId, TenantId, Timestamp};
use coppice_persistence::Destroyed;
use tokio::time::Instant;
use tracing::info;

use crate::answer::Failure;
use crate::registry::Registry;
use crate::slot::Services;
use crate::task;

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
    /// [`Failure::NotOwner`], and [`Failure::TimedOut`] where it isn't known how far it came; ask
    /// again. The others changed nothing.
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
