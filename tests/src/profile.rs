//! `profile`: a kind with personal data, a timer and an effect, so that the tests meet what the
//! counter doesn't have.

use std::cell::Cell;

use coppice_core::entity::parse_body;
use coppice_core::{
    CommandError, Context, Decision, DecodeError, DomainEvent, Effect, EffectId, EffectMode,
    Entity, Pending, Rejection, Sensitive, SubjectId, TimerId, Timestamp,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

thread_local! {
    /// Has `pending` panic, as a fault of a new release would: no event of the old one did.
    pub static PENDING_PANICS: Cell<bool> = const { Cell::new(false) };
    static IS_MENDED: Cell<bool> = const { Cell::new(false) };
}

/// Says whether brittle commands go through on this thread: what a new build changes.
pub fn mend(is_mended: bool) {
    IS_MENDED.set(is_mended);
}

/// The profile kind.
#[derive(Debug)]
pub struct Profile;

/// A person's profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The name, if one was given.
    pub name: Option<Sensitive<String>>,
    /// How often it was named.
    pub named: u32,
    /// The letter that is owed and the reminder that is set.
    pub pending: Pending,
}

/// What a profile can be told.
#[derive(Debug)]
pub enum Command {
    /// `name {"subject", "name"}`: sets the name, owes a letter and sets a reminder.
    Name(NameArguments),
    /// `settle {}`: the letter went out and the reminder is off.
    Settle,
    /// `touch {}`: accepted, and nothing happens.
    Touch,
    /// `brittle {"subject", "name"}`: as `name`, but panics until the thread is told otherwise by
    /// [`mend`].
    Brittle(NameArguments),
    /// `fragile {"subject", "name"}`: panics, and says whose data it holds.
    Fragile(NameArguments),
    /// `crash {}`: panics.
    Crash,
    /// `block {}`: holds its thread for some seconds.
    Block,
    /// `crash_in_evolve {}`: panics once the event is applied.
    CrashInEvolve,
}

/// Arguments of [`Command::Name`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameArguments {
    subject: SubjectId,
    name: String,
}

/// What can happen to a profile.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It got a name.
    Named(Named),
    /// Nothing is owed any more.
    Settled,
    /// An event that can't be applied: a bug, for the tests.
    Poison,
}

/// `profile.named.v1`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named {
    name: Sensitive<String>,
    due: Timestamp,
}

/// A profile's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// Nothing is owed.
    #[error("nothing is owed")]
    NothingOwed,
}

impl Rejection for ProfileError {
    const CODES: &'static [&'static str] = &["nothing_owed"];

    fn code(&self) -> &'static str {
        "nothing_owed"
    }
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Named(_) => "profile.named.v1",
            Self::Settled => "profile.settled.v1",
            Self::Poison => "profile.poisoned.v1",
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Named(named) => serde_json::to_string(named),
            Self::Settled | Self::Poison => Ok("{}".to_owned()),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        match event_type {
            "profile.named.v1" => serde_json::from_str(payload)
                .map(Self::Named)
                .map_err(DecodeError::payload(event_type)),
            "profile.settled.v1" => Ok(Self::Settled),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }

    fn subject(&self) -> Option<&SubjectId> {
        match self {
            Self::Named(named) => Some(named.name.subject()),
            Self::Settled | Self::Poison => None,
        }
    }

    fn key_id(&self) -> Option<&str> {
        match self {
            Self::Named(named) => named.name.key_id(),
            Self::Settled | Self::Poison => None,
        }
    }
}

/// Longer than an entity may take by far, and than the clock that is looked at is coarse.
const BLOCK: std::time::Duration = std::time::Duration::from_secs(5);

const LETTER: &str = "letter";
const REMINDER: &str = "reminder";
const REMIND_AFTER_MICROS: i64 = 60_000_000;

impl Entity for Profile {
    const KIND: &'static str = "profile";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = u32;
    type Rejection = ProfileError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        match name {
            "name" => Ok(Command::Name(parse_body(body)?)),
            "settle" => Ok(Command::Settle),
            "touch" => Ok(Command::Touch),
            "brittle" => Ok(Command::Brittle(parse_body(body)?)),
            "fragile" => Ok(Command::Fragile(parse_body(body)?)),
            "crash" => Ok(Command::Crash),
            "block" => Ok(Command::Block),
            "crash_in_evolve" => Ok(Command::CrashInEvolve),
            other => Err(CommandError::UnknownCommand(other.to_owned())),
        }
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, u32>, ProfileError> {
        let events = match command {
            Command::Brittle(_) if !IS_MENDED.get() => panic!("told to crash"),
            Command::Fragile(_) => panic!("told to crash"),
            Command::Name(arguments) | Command::Brittle(arguments) => vec![Event::Named(Named {
                name: Sensitive::new(arguments.subject.clone(), arguments.name.clone()),
                due: context.now.saturating_add_micros(REMIND_AFTER_MICROS),
            })],
            Command::Settle if state.pending.owes() => vec![Event::Settled],
            Command::Settle => return Err(ProfileError::NothingOwed),
            Command::Touch => Vec::new(),
            Command::Block => {
                std::thread::sleep(BLOCK);
                Vec::new()
            }
            Command::Crash => panic!("told to crash"),
            Command::CrashInEvolve => vec![Event::Poison],
        };
        Ok(Decision { events, reply: state.named })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Named(named) => {
                state.name = Some(named.name.clone());
                state.named += 1;
                let letter = Effect {
                    handler: "post".into(),
                    request: "{}".into(),
                    mode: EffectMode::Retry,
                };
                state.pending.add_effect(EffectId(LETTER.into()), letter);
                state.pending.set_timer(TimerId(REMINDER.into()), named.due);
            }
            Event::Settled => {
                state.pending.remove_effect(&EffectId(LETTER.into()));
                state.pending.clear_timer(&TimerId(REMINDER.into()));
            }
            Event::Poison => panic!("an event that can't be applied"),
        }
        state
    }

    fn pending(state: &State) -> &Pending {
        assert!(!PENDING_PANICS.get(), "a fault in pending");
        &state.pending
    }

    /// Not of a brittle one: its letter is to be replayed, so its body must be kept.
    fn subject(command: &Command) -> Option<&SubjectId> {
        match command {
            Command::Name(arguments) | Command::Fragile(arguments) => Some(&arguments.subject),
            _ => None,
        }
    }

    fn view(state: &State) -> View {
        View { name: state.name.as_ref().map(|name| name.get().cloned()), named: state.named }
    }
}

/// A profile as a reader sees it: no name, a name, or one that was erased.
#[derive(Debug, Serialize)]
pub struct View {
    name: Option<Option<String>>,
    named: u32,
}
