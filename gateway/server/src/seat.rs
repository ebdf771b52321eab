//! A connection's place among all of them, held by what the connection becomes.
//!
//! **Invariant:** a seat is free only once the connection has ended and so has whoever took it along:
//! a WebSocket, which lives on after its connection was served.

use std::sync::Arc;

use axum::http::{Request, header};
use axum::response::Response;
use hyper::service::Service;
use tokio::sync::OwnedSemaphorePermit;

use crate::crowd::{Counter, Watched};

/// A connection's place. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    _slot: Arc<Option<OwnedSemaphorePermit>>,
}

impl Seat {
    pub(crate) fn new(slot: Option<OwnedSemaphorePermit>) -> Self {
        Self { _slot: Arc::new(slot) }
    }
}

/// A service of one connection that counts its requests, and hands its seat to those that may
/// outlive it.
#[derive(Debug)]
pub(crate) struct Seated<S> {
    inner: S,
    seat: Seat,
    counter: Counter,
}

impl<S> Seated<S> {
    pub(crate) const fn new(inner: S, seat: Seat, counter: Counter) -> Self {
        Self { inner, seat, counter }
    }
}

impl<S, B> Service<Request<B>> for Seated<S>
where
    S: Service<Request<B>, Response = Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Watched<S::Future>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        // Other requests pay nothing for it.
        if request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(self.seat.clone());
        }
        self.counter.watch(self.inner.call(request))
    }
}
