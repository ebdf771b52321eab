//! How far the read models of a node are, for whoever must not read behind what it has written.
//!
//! **Invariant:** a horizon never says more than what is durable in the read model: it is moved
//! after the step that moved the offset.

use std::collections::BTreeMap;
use std::sync::Arc;

use coppice_core::Position;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// One read model's.
#[derive(Debug)]
pub struct Horizon {
    at: watch::Sender<Position>,
    /// Somebody waits: the read model had better not.
    wanted: Notify,
}

impl Default for Horizon {
    fn default() -> Self {
        Self { at: watch::Sender::new(Position(0)), wanted: Notify::new() }
    }
}

impl Horizon {
    /// Everything up to here is in the read model.
    pub(crate) fn move_to(&self, position: Position) {
        self.at.send_if_modified(|at| std::mem::replace(at, position) != position);
    }

    /// Resolves once somebody waits for it to move.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

/// Of every read model of a node, by its subscription's name. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Horizons(Arc<BTreeMap<&'static str, Arc<Horizon>>>);

impl Horizons {
    pub(crate) fn new(names: impl Iterator<Item = &'static str>) -> Self {
        Self(Arc::new(names.map(|name| (name, Arc::default())).collect()))
    }

    pub(crate) fn of(&self, name: &str) -> Option<Arc<Horizon>> {
        self.0.get(name).cloned()
    }

    /// Every read model, and the position up to which it has the journal.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Position)> {
        self.0.iter().map(|(name, horizon)| (*name, *horizon.at.borrow()))
    }

    /// Waits until a read model has the journal up to a position, and says how far it is.
    ///
    /// # Errors
    /// How far it is at the deadline; the journal's beginning for one that this node doesn't keep.
    pub async fn reached(
        &self,
        name: &str,
        position: Position,
        deadline: Instant,
    ) -> Result<Position, Position> {
        let Some(horizon) = self.0.get(name) else { return Err(Position(0)) };
        let mut at = horizon.at.subscribe();
        let is_there = *at.borrow() >= position;
        if !is_there {
            horizon.wanted.notify_one();
        }
        // The sender is the horizon's own.
        drop(timeout_at(deadline, at.wait_for(|at| *at >= position)).await);
        let at = *at.borrow();
        if at >= position { Ok(at) } else { Err(at) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_goes_on_once_it_is_there_and_is_told_where_it_is_else() {
        let horizons = Horizons::new(["a"].into_iter());
        let horizon = horizons.of("a").unwrap();
        let soon = || Instant::now() + Duration::from_secs(1);
        assert_eq!(horizons.reached("a", Position(0), soon()).await, Ok(Position(0)));
        assert_eq!(horizons.reached("a", Position(3), soon()).await, Err(Position(0)));
        let waiting = horizons.reached("a", Position(3), soon());
        let moving = async {
            horizon.wanted().await;
            horizon.move_to(Position(2));
            tokio::task::yield_now().await;
            horizon.move_to(Position(5));
        };
        assert_eq!(tokio::join!(waiting, moving).0, Ok(Position(5)));
        assert_eq!(horizons.reached("none", Position(0), soon()).await, Err(Position(0)));
        assert_eq!(horizons.all().collect::<Vec<_>>(), [("a", Position(5))]);
    }
}
