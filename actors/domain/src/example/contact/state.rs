//! What a contact is.

use coppice_core::{Sensitive, SubjectId};
use serde::{Deserialize, Serialize};

use super::event::{Event, Registered};

/// A contact's state. Nothing but the two values follows from them: what did would outlive them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Who it is, once that is known.
    pub person: Option<Registered>,
    /// How often somebody called.
    pub calls: u64,
}

impl State {
    /// Whose data it holds.
    #[must_use]
    pub fn subject(&self) -> Option<&SubjectId> {
        self.person.as_ref().map(|person| person.name.subject())
    }
}

/// A contact as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// Whose data it holds.
    pub subject: Option<SubjectId>,
    /// The name, unless it is erased.
    pub name: Option<String>,
    /// The e-mail address, unless it is erased.
    pub email: Option<String>,
    /// Whether somebody was registered whose data is erased.
    pub erased: bool,
    /// How often somebody called.
    pub calls: u64,
}

/// The reply to every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// How often somebody called.
    pub calls: u64,
}

pub(super) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::Registered(person) => State { person: Some(person.clone()), ..state },
        Event::Called => State { calls: state.calls.saturating_add(1), ..state },
    }
}

pub(super) fn view(state: &State) -> View {
    let person = state.person.as_ref();
    let shown = |value: fn(&Registered) -> &Sensitive<String>| {
        person.and_then(|person| value(person).get().cloned())
    };
    let (name, email) = (shown(|person| &person.name), shown(|person| &person.email));
    View {
        subject: state.subject().cloned(),
        erased: person.is_some() && name.is_none(),
        name,
        email,
        calls: state.calls,
    }
}
