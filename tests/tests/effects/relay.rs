//! `relay`: a kind that goes as many hops as it is told, each an effect that follows from the one
//! before; and whoever carries the hops out.

use std::sync::Arc;

use coppice_core::entity::parse_body;
use coppice_core::{
    CommandError, Context, Decision, DecodeError, DomainEvent, Effect, EffectId, EffectMode,
    EffectOutcome, Entity, Pending, Rejection, TimerId, Timestamp,
};
use coppice_runtime::{EffectCall, EffectError, EffectHandler};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use coppice_tests::bell::Bell;

/// The handler of the hops.
pub(crate) const HOPS: &str = "hops";

const HOP: &str = "hop";
const DETOUR: &str = "detour";
const FAR: Timestamp = Timestamp::from_micros(4_000_000_000_000_000);
/// What the runner is asked for a detour. It comes to a hop as well.
const DETOUR_LEFT: u32 = 1_000;

#[derive(Debug)]
pub(crate) struct Relay;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    left: u32,
    once: bool,
    pending: Pending,
}

#[derive(Debug)]
pub(crate) enum Command {
    /// `go {"left", "once"}`: owes so many hops, one after another.
    Go(Go),
    /// What was said to a hop.
    Hop(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Go {
    left: u32,
    /// Whether its hops are called at most once.
    #[serde(default)]
    once: bool,
    /// Whether it owes a detour as well, until the next hop, and sets a timer, until the last one.
    #[serde(default)]
    detour: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Went(Go),
    Hopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum RelayError {
    #[error("told to refuse")]
    Told,
}

impl Rejection for RelayError {
    const CODES: &'static [&'static str] = &["told"];

    fn code(&self) -> &'static str {
        "told"
    }
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Went(_) => "relay.went.v1",
            Self::Hopped => "relay.hopped.v1",
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Went(go) => serde_json::to_string(go),
            Self::Hopped => Ok("{}".to_owned()),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        match event_type {
            "relay.went.v1" => serde_json::from_str(payload)
                .map(Self::Went)
                .map_err(DecodeError::payload(event_type)),
            "relay.hopped.v1" => Ok(Self::Hopped),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }
}

impl State {
    fn owe(&mut self, id: &str, left: u32) {
        let mode = if self.once { EffectMode::AtMostOnce } else { EffectMode::Retry };
        let effect = Effect { handler: HOPS.into(), request: left.to_string().into(), mode };
        self.pending.add_effect(EffectId(id.into()), effect);
    }
}

impl Entity for Relay {
    const KIND: &'static str = "relay";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = u32;
    type Rejection = RelayError;
    type View = u32;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        match name {
            "go" => Ok(Command::Go(parse_body(body)?)),
            other => Err(CommandError::UnknownCommand(other.to_owned())),
        }
    }

    fn decide(
        state: &State,
        command: &Command,
        _: &Context<'_>,
    ) -> Result<Decision<Event, u32>, RelayError> {
        let events = match command {
            Command::Go(go) => vec![Event::Went(go.clone())],
            Command::Hop(said) => match said.as_str() {
                "panic" => panic!("told to"),
                "refuse" => return Err(RelayError::Told),
                "ignore" => Vec::new(),
                _ => vec![Event::Hopped],
            },
        };
        Ok(Decision { events, reply: state.left })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Went(go) => {
                (state.left, state.once) = (go.left, go.once);
                if go.detour {
                    state.owe(DETOUR, DETOUR_LEFT);
                    state.pending.set_timer(TimerId(DETOUR.into()), FAR);
                }
            }
            Event::Hopped => {
                state.left -= 1;
                state.pending.remove_effect(&EffectId(DETOUR.into()));
            }
        }
        state.pending.remove_effect(&EffectId(HOP.into()));
        if state.left > 0 {
            state.owe(HOP, state.left);
        } else {
            state.pending.clear_timer(&TimerId(DETOUR.into()));
        }
        state
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_effect(_: &State, _: &EffectId, outcome: &EffectOutcome) -> Option<Command> {
        match outcome {
            EffectOutcome::Done { response } => Some(Command::Hop(response.to_string())),
            EffectOutcome::Failed { .. } | EffectOutcome::Unknown { .. } => None,
        }
    }

    fn view(state: &State) -> u32 {
        state.left
    }
}

/// What is said to the hop before which so many are left, where that is computed.
pub(crate) type Computes = fn(u32) -> Option<&'static str>;

/// Whoever carries hops out: it computes what it can, and is a bell for the rest. Clones are the
/// same.
#[derive(Clone)]
pub(crate) struct Runner {
    computes: Arc<Mutex<Computes>>,
    asked: Arc<Mutex<Vec<u32>>>,
    computed: Arc<Mutex<Vec<u32>>>,
    pub(crate) bell: Bell,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

impl Runner {
    pub(crate) fn new(computes: Computes) -> Self {
        Self {
            computes: Arc::new(Mutex::new(computes)),
            asked: Arc::default(),
            computed: Arc::default(),
            bell: Bell::default(),
        }
    }

    /// Computes like this from now on.
    pub(crate) fn like(&self, computes: Computes) {
        *self.computes.lock() = computes;
    }

    /// The hops that it was to compute, by how many were left.
    pub(crate) fn asked(&self) -> Vec<u32> {
        self.asked.lock().clone()
    }

    /// Those that it did.
    pub(crate) fn computed(&self) -> Vec<u32> {
        self.computed.lock().clone()
    }

    /// The hops that were called.
    pub(crate) fn called(&self) -> Vec<u32> {
        self.bell.calls().iter().map(left).collect()
    }
}

fn left(call: &EffectCall) -> u32 {
    call.request.parse().expect("the request is a number")
}

impl EffectHandler for Runner {
    fn computes(&self) -> bool {
        true
    }

    fn compute(&self, call: &EffectCall) -> Option<String> {
        let computes = *self.computes.lock();
        self.asked.lock().push(left(call));
        let said = computes(left(call))?;
        self.computed.lock().push(left(call));
        Some(said.to_owned())
    }

    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        self.bell.call(call)
    }
}
