//! A stub of the outside: it notes every call and answers as it is told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use coppice_runtime::{EffectCall, EffectError, EffectHandler};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// With a response.
    Heard,
    /// That nothing was sent.
    NotSent,
    /// With a refusal.
    Refused,
    /// That nobody knows.
    Unknown,
    /// Not until [`Bell::let_go`].
    Hang,
    /// That nothing was sent, and not until [`Bell::let_go`].
    NotSentLate,
    /// By a panic.
    Panic,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<EffectCall>,
    script: VecDeque<Ring>,
    at_once: usize,
    at_once_max: usize,
}

/// A bell. Clones are the same bell.
#[derive(Debug, Clone)]
pub struct Bell {
    state: Arc<Mutex<State>>,
    gate: Arc<Semaphore>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { state: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl Bell {
    /// Answers the next calls so; the ones after are heard.
    pub fn script(&self, rings: impl IntoIterator<Item = Ring>) {
        self.state.lock().script.extend(rings);
    }

    /// Answers so many calls that hang.
    pub fn let_go(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    /// Every call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<EffectCall> {
        self.state.lock().calls.clone()
    }

    /// How many calls there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state.lock().calls.len()
    }

    /// The distinct keys of all calls.
    ///
    /// # Panics
    /// Where two calls with one key differ.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<Uuid> {
        let calls = self.calls();
        for call in &calls {
            let same = calls.iter().filter(|other| other.idempotency_key == call.idempotency_key);
            assert!(same.clone().all(|other| other.request == call.request), "{calls:?}");
        }
        calls.iter().map(|call| call.idempotency_key).collect()
    }

    /// The most calls that were under way at once.
    #[must_use]
    pub fn at_once_max(&self) -> usize {
        self.state.lock().at_once_max
    }

    async fn ring(&self, call: EffectCall) -> Result<String, EffectError> {
        let ring = {
            let mut state = self.state.lock();
            state.calls.push(call);
            state.at_once += 1;
            state.at_once_max = state.at_once_max.max(state.at_once);
            state.script.pop_front().unwrap_or(Ring::Heard)
        };
        if matches!(ring, Ring::Hang | Ring::NotSentLate) {
            self.gate.acquire().await.expect("the gate is never closed").forget();
        }
        self.state.lock().at_once -= 1;
        let detail = "scripted".to_owned();
        match ring {
            Ring::Heard | Ring::Hang => Ok("{}".to_owned()),
            Ring::NotSent | Ring::NotSentLate => Err(EffectError::NotSent { detail }),
            Ring::Refused => Err(EffectError::Refused { code: "deaf".to_owned(), detail }),
            Ring::Unknown => Err(EffectError::Unknown { detail }),
            Ring::Panic => panic!("told to"),
        }
    }
}

impl EffectHandler for Bell {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(self.ring(call))
    }
}
