//! Answers that don't end by themselves: how many there may be, of all tenants and of one, and how
//! they end: with the gateway, or once their caller would not be let in any more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::TenantId;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::config::ServerConfig;
use crate::problem::Fault;

/// The places of all streams. Clones are the same.
#[derive(Debug, Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    places_max: u32,
    per_tenant_max: u32,
    tenants: Arc<Mutex<HashMap<TenantId, u32>>>,
    heartbeat: Duration,
    recheck: Duration,
    closing: Arc<watch::Sender<bool>>,
}

impl From<&ServerConfig> for Streams {
    fn from(config: &ServerConfig) -> Self {
        let places_max = config.streams_max;
        let places = usize::try_from(places_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            places_max,
            per_tenant_max: config.streams_per_tenant_max,
            tenants: Arc::default(),
            heartbeat: Duration::from_millis(config.stream_heartbeat_ms),
            recheck: Duration::from_millis(config.stream_recheck_ms),
            closing: Arc::new(watch::Sender::new(false)),
        }
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The node has as many streams as it may.
    Node,
    /// The tenant has as many as one tenant may.
    Tenant,
}

impl Streams {
    /// A place for a tenant; it is free again once it is dropped. `lapse` resolves once the caller
    /// would not be let in any more, which ends the stream.
    ///
    /// # Errors
    /// [`Full`].
    pub fn place(
        &self,
        tenant: &TenantId,
        lapse: BoxFuture<'static, Fault>,
    ) -> Result<Place, Full> {
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(Full::Node);
        };
        Ok(Place {
            share: self.share(tenant).ok_or(Full::Tenant)?,
            _permit: permit,
            closing: self.closing.subscribe(),
            lapse,
            heartbeat: self.heartbeat,
        })
    }

    fn share(&self, tenant: &TenantId) -> Option<Share> {
        let mut tenants = self.tenants.lock();
        let open = tenants.entry(tenant.clone()).or_insert(0);
        if *open >= self.per_tenant_max {
            if *open == 0 {
                tenants.remove(tenant);
            }
            return None;
        }
        *open += 1;
        drop(tenants);
        Some(Share { tenants: Arc::clone(&self.tenants), tenant: tenant.clone() })
    }

    /// How often it is looked whether a caller would still be let in.
    #[must_use]
    pub const fn recheck(&self) -> Duration {
        self.recheck
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

/// One of a tenant's streams.
#[derive(Debug)]
struct Share {
    tenants: Arc<Mutex<HashMap<TenantId, u32>>>,
    tenant: TenantId,
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut open) = self.tenants.lock().entry(self.tenant.clone()) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

/// One stream's place.
pub struct Place {
    share: Share,
    _permit: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
    lapse: BoxFuture<'static, Fault>,
    heartbeat: Duration,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("tenant", &self.share.tenant).finish_non_exhaustive()
    }
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
    /// Its caller would not be let in any more.
    Lapsed(Fault),
}

impl Place {
    /// Waits for what comes next. After [`Turn::Lapsed`] there is no other turn.
    pub async fn turn<T>(&mut self, next: impl Future<Output = T>) -> Turn<T> {
        tokio::select! {
            biased;
            // An error means that the gateway is gone.
            _ = self.closing.wait_for(|closing| *closing) => Turn::Close,
            fault = &mut self.lapse => Turn::Lapsed(fault),
            next = next => Turn::Next(next),
            () = tokio::time::sleep(self.heartbeat) => Turn::Heartbeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use coppice_api::codes;

    use super::*;

    fn streams(places_max: u32, per_tenant_max: u32) -> Streams {
        Streams {
            places: Arc::new(Semaphore::new(places_max as usize)),
            places_max,
            per_tenant_max,
            tenants: Arc::default(),
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(1),
            closing: Arc::new(watch::Sender::new(false)),
        }
    }

    fn place(streams: &Streams, tenant: &str) -> Result<Place, Full> {
        let tenant = TenantId::new(tenant).unwrap();
        streams.place(&tenant, Box::pin(std::future::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_as_many_places_as_there_may_be() {
        let streams = streams(2, 2);
        let places = ["a", "b"].map(|tenant| place(&streams, tenant).unwrap());
        assert_eq!(place(&streams, "c").unwrap_err(), Full::Node);
        assert_eq!(streams.open(), 2);
        drop(places);
        assert!(place(&streams, "c").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_its_share_and_leaves_the_others_theirs() {
        let streams = streams(4, 2);
        let places = ["a", "a"].map(|tenant| place(&streams, tenant).unwrap());
        assert_eq!(place(&streams, "a").unwrap_err(), Full::Tenant);
        assert_eq!(streams.open(), 2, "a refusal holds no place");
        assert!(place(&streams, "b").is_ok());
        drop(places);
        assert!(place(&streams, "a").is_ok());
        assert!(streams.tenants.lock().is_empty(), "a tenant without streams is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_gateway_and_beats_until_then() {
        let streams = streams(1, 1);
        let mut place = place(&streams, "a").unwrap();
        assert!(matches!(place.turn(std::future::ready(1)).await, Turn::Next(1)));
        assert!(matches!(place.turn(std::future::pending::<()>()).await, Turn::Heartbeat));
        streams.end(Duration::from_millis(1)).await;
        assert!(matches!(place.turn(std::future::ready(1)).await, Turn::Close));
        streams.begin();
        assert!(matches!(place.turn(std::future::ready(1)).await, Turn::Next(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_once_its_caller_would_not_be_let_in() {
        let (revoke, revoked) = tokio::sync::oneshot::channel();
        let lapse = async {
            revoked.await.unwrap();
            Fault::new(codes::AUTH_INVALID, "the API key was revoked")
        };
        let tenant = TenantId::new("a").unwrap();
        let streams = streams(1, 1);
        let mut place = streams.place(&tenant, Box::pin(lapse)).unwrap();
        assert!(matches!(place.turn(std::future::pending::<()>()).await, Turn::Heartbeat));
        revoke.send(()).unwrap();
        let Turn::Lapsed(fault) = place.turn(std::future::pending::<()>()).await else {
            panic!("it goes on")
        };
        assert_eq!(fault.code(), codes::AUTH_INVALID);
    }
}
