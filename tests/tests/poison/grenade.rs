//! A kind whose code ends the whole process where it was told to: no panic that a shell could
//! catch, but an abort.

use coppice_core::entity::parse_body;
use coppice_core::{
    CommandError, Context, Decision, DecodeError, DomainEvent, Effect, EffectId, EffectMode,
    EffectOutcome, Entity, Pending, Rejection, TimerId, Timestamp,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The handler of its effect.
pub(crate) const OUTSIDE: &str = "outside";

#[derive(Debug)]
pub(crate) struct Grenade;

/// Where the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pin {
    /// Where the due timer is to become a command.
    OnTimer,
    /// Where that command is decided.
    Decide,
    /// Where the outcome of the effect is to become a command.
    OnEffect,
    /// Nowhere.
    Dud,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pin: Option<Pin>,
    gone_off: u32,
    pending: Pending,
}

#[derive(Debug)]
pub(crate) enum Command {
    /// `arm {"pin"}`: owes an effect or sets a timer that is due at once.
    Arm(Arguments),
    /// Its timer was due.
    GoOff,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    pin: Pin,
}

/// `grenade.armed.v1` and `grenade.gone_off.v1`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    Armed { pin: Pin, due: Timestamp },
    GoneOff,
}

#[derive(Debug, Error)]
pub(crate) enum Refusal {}

impl Rejection for Refusal {
    const CODES: &'static [&'static str] = &[];

    fn code(&self) -> &'static str {
        match *self {}
    }
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Armed { .. } => "grenade.armed.v1",
            Self::GoneOff => "grenade.gone_off.v1",
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(payload).map_err(DecodeError::payload(event_type))
    }
}

const FUSE: &str = "fuse";

impl Entity for Grenade {
    const KIND: &'static str = "grenade";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = u32;
    type Rejection = Refusal;
    type View = u32;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        match name {
            "arm" => Ok(Command::Arm(parse_body(body)?)),
            other => Err(CommandError::UnknownCommand(other.to_owned())),
        }
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, u32>, Refusal> {
        let event = match command {
            Command::Arm(arguments) => Event::Armed { pin: arguments.pin, due: context.now },
            Command::GoOff if state.pin == Some(Pin::Decide) => std::process::abort(),
            Command::GoOff => Event::GoneOff,
        };
        Ok(Decision { events: vec![event], reply: state.gone_off })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Armed { pin: Pin::OnEffect, .. } => {
                let (handler, request) = (OUTSIDE.into(), "{}".into());
                let effect = Effect { handler, request, mode: EffectMode::Retry };
                state.pin = Some(Pin::OnEffect);
                state.pending.add_effect(EffectId(FUSE.into()), effect);
            }
            Event::Armed { pin, due } => {
                state.pin = Some(*pin);
                state.pending.set_timer(TimerId(FUSE.into()), *due);
            }
            Event::GoneOff => {
                state.gone_off += 1;
                state.pending.clear_timer(&TimerId(FUSE.into()));
            }
        }
        state
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_timer(state: &State, _: &TimerId, _: Timestamp) -> Option<Command> {
        if state.pin == Some(Pin::OnTimer) {
            std::process::abort();
        }
        Some(Command::GoOff)
    }

    fn on_effect(_: &State, _: &EffectId, _: &EffectOutcome) -> Option<Command> {
        std::process::abort()
    }

    fn view(state: &State) -> u32 {
        state.gone_off
    }
}
