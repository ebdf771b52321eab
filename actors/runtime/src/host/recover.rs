//! How a host comes by a state: what must have been read before anything is decided on it.

use std::sync::{Arc, Weak};

use coppice_core::{Access, Entity, Epoch, ShardId};
use tracing::error;

use super::Host;
use crate::answer::Failure;
use crate::inspect::Activity;
use crate::life::Life;
use crate::recovery;
use crate::slot::SlotBell;
use crate::ticket::Incarnation;

impl<K: Entity> Host<K> {
    /// Reads the entity, unless what waits first says that there is nothing to read.
    ///
    /// # Errors
    /// [`Failure`], why it can't be read.
    pub(super) async fn recover(&mut self, shard: ShardId, epoch: Epoch) -> Result<(), Failure> {
        let services = &self.slot.services;
        self.slot.does(Activity::Recovering);
        services.quarantine.loaded(services.lease.as_ref(), shard, epoch).await;
        services.writer.landed().await;
        if K::ACCESS != Access::Platform {
            // Fails closed: where nobody knows what is stopped, nothing is decided.
            services.gate.read(services.lease.as_ref()).await?;
        }
        self.slot.personal.clear();
        let unread = self.slot.begins();
        let mut recovered = if unread {
            recovery::unbegun::<K>(&self.slot.key)
        } else {
            recovery::recover_in::<K>(
                services.store.as_ref(),
                &self.slot.key,
                &services.scope(&self.slot.key),
                services.options.read_page,
            )
            .await
            .inspect_err(|failure| {
                error!(key = %self.slot.key, error = %failure, "entity can't be recovered");
            })?
        };
        self.slot.personal.add(std::mem::take(&mut recovered.subjects));
        let bell = Arc::new(SlotBell(Weak::clone(&Arc::downgrade(&self.slot))));
        let incarnation = Incarnation::new(self.slot.key.clone(), shard, epoch, bell);
        // Every open answer is in the window, whatever its size: a repeat of one must be known.
        let window = services.options.command_window.max(services.options.tickets_open_max);
        let mut life = Life::new(Arc::new(incarnation), recovered, window);
        life.unread = unread;
        *self.slot.incarnation.lock() = Some(Arc::clone(&life.incarnation));
        life.look_up.extend(self.slot.answered_before.lock().drain(..));
        self.life = Some(Box::new(life));
        Ok(())
    }
}
