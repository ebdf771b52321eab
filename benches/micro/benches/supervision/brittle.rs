//! A kind that is touched and crashes, with nothing to replay.

use coppice_core::{CommandError, Context, Decision, DecodeError, DomainEvent, Entity, Rejection};
use serde::{Deserialize, Serialize};

pub(crate) struct Brittle;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State;

#[derive(Debug)]
pub(crate) enum Command {
    Touch,
    Crash,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Never {}

#[derive(Debug)]
pub(crate) enum Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Refusal {}

impl Rejection for Refusal {
    const CODES: &'static [&'static str] = &[];

    fn code(&self) -> &'static str {
        match *self {}
    }
}

impl DomainEvent for Never {
    fn event_type(&self) -> &'static str {
        match *self {}
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match *self {}
    }

    fn decode(event_type: &str, _: &str) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownType(event_type.to_owned()))
    }
}

impl Entity for Brittle {
    const KIND: &'static str = "brittle";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Never;
    type Reply = ();
    type Rejection = Refusal;
    type View = State;

    fn parse(name: &str, _: &[u8]) -> Result<Command, CommandError> {
        match name {
            "touch" => Ok(Command::Touch),
            "crash" => Ok(Command::Crash),
            other => Err(CommandError::UnknownCommand(other.to_owned())),
        }
    }

    fn decide(
        _: &State,
        command: &Command,
        _: &Context<'_>,
    ) -> Result<Decision<Never, ()>, Refusal> {
        match command {
            Command::Touch => Ok(Decision { events: Vec::new(), reply: () }),
            Command::Crash => panic!("told to crash"),
        }
    }

    fn evolve(_: State, event: &Never) -> State {
        match *event {}
    }

    fn view(state: &State) -> State {
        state.clone()
    }
}
