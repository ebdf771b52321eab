//! Answers that don't end by themselves: how many there may be, and how they end with the gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// The places of all streams. Clones are the same.
#[derive(Debug, Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    places_max: u32,
    heartbeat: Duration,
    closing: Arc<watch::Sender<bool>>,
}

impl Streams {
    /// So many streams at the same time, each of which says something at least this often.
    #[must_use]
    pub fn new(places_max: u32, heartbeat: Duration) -> Self {
        let places = Semaphore::new(usize::try_from(places_max).unwrap_or(Semaphore::MAX_PERMITS));
        let closing = Arc::new(watch::Sender::new(false));
        Self { places: Arc::new(places), places_max, heartbeat, closing }
    }

    /// A place, if one is free; it is free again once it is dropped.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            closing: self.closing.subscribe(),
            heartbeat: self.heartbeat,
        })
    }

    /// How many streams are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.places_max as usize - self.places.available_permits()
    }

    /// Streams may begin: the gateway has started.
    pub fn begin(&self) {
        self.closing.send_replace(false);
    }

    /// Ends all streams, and waits for them for a while.
    pub async fn end(&self, patience: Duration) {
        self.closing.send_replace(true);
        let all = self.places.acquire_many(self.places_max);
        drop(timeout(patience, all).await);
    }
}

/// One stream's place.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
    heartbeat: Duration,
}

/// What a stream goes on with.
#[derive(Debug)]
pub enum Turn<T> {
    /// What it waited for.
    Next(T),
    /// Nothing came for a while: it says that it is alive.
    Heartbeat,
    /// The gateway closes.
    Close,
}

impl Place {
    /// Waits for what comes next.
    pub async fn turn<T>(&mut self, next: impl Future<Output = T>) -> Turn<T> {
        tokio::select! {
            biased;
            // An error means that the gateway is gone.
            _ = self.closing.wait_for(|closing| *closing) => Turn::Close,
            next = next => Turn::Next(next),
            () = tokio::time::sleep(self.heartbeat) => Turn::Heartbeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn there_are_as_many_places_as_there_may_be() {
        let streams = Streams::new(2, HEARTBEAT);
        let places = [streams.place().unwrap(), streams.place().unwrap()];
        assert!(streams.place().is_none());
        assert_eq!(streams.open(), 2);
        drop(places);
        assert!(streams.place().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_gateway_and_beats_until_then() {
        let streams = Streams::new(1, HEARTBEAT);
        let mut place = streams.place().unwrap();
        assert!(matches!(place.turn(std::future::ready(1)).await, Turn::Next(1)));
        assert!(matches!(place.turn(std::future::pending::<()>()).await, Turn::Heartbeat));
        streams.end(Duration::from_millis(1)).await;
        assert!(matches!(place.turn(std::future::ready(1)).await, Turn::Close));
        streams.begin();
        assert!(matches!(place.turn(std::future::ready(1)).await, Turn::Next(1)));
    }
}
