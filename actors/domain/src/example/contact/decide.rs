//! What a contact answers.

use coppice_core::{Decision, Sensitive};

use super::command::{Command, Register};
use super::error::ContactError;
use super::event::{Event, Registered};
use super::state::{Calls, State};

/// The longest name and address: an address has at most 254 bytes, and no name needs more.
const BYTES_MAX: usize = 254;

pub(super) fn decide(
    state: &State,
    command: &Command,
) -> Result<Decision<Event, Calls>, ContactError> {
    match command {
        Command::Register(register) => {
            check(state, register)?;
            let of = |value: &String| Sensitive::new(register.subject.clone(), value.clone());
            let person = Registered { name: of(&register.name), email: of(&register.email) };
            let reply = Calls { calls: state.calls };
            Ok(Decision { events: vec![Event::Registered(person)], reply })
        }
        Command::Call if state.person.is_none() => Err(ContactError::Unregistered),
        Command::Call => {
            let reply = Calls { calls: state.calls.saturating_add(1) };
            Ok(Decision { events: vec![Event::Called], reply })
        }
    }
}

fn check(state: &State, register: &Register) -> Result<(), ContactError> {
    if state.subject().is_some_and(|subject| *subject != register.subject) {
        return Err(ContactError::OfAnother);
    }
    let fits = |text: &str| !text.trim().is_empty() && text.len() <= BYTES_MAX;
    if !fits(&register.name) {
        return Err(ContactError::Invalid("name"));
    }
    if !fits(&register.email) || !register.email.contains('@') {
        return Err(ContactError::Invalid("email"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use coppice_core::{CommandError, Entity, Rejection, SubjectId};

    use super::super::Contact;
    use super::*;

    fn register(subject: &str, name: &str, email: &str) -> Command {
        let subject = SubjectId::new(subject).unwrap();
        Command::Register(Register { subject, name: name.to_owned(), email: email.to_owned() })
    }

    fn after(state: State, command: &Command) -> State {
        let decision = decide(&state, command).unwrap();
        decision.events.iter().fold(state, Contact::evolve)
    }

    #[test]
    fn given_nobody_when_registered_then_the_view_shows_the_person() {
        let state = after(State::default(), &register("sub_1", "Ada", "ada@example.org"));
        let view = Contact::view(&state);
        assert_eq!(view.name.as_deref(), Some("Ada"));
        assert_eq!(view.email.as_deref(), Some("ada@example.org"));
        assert!(!view.erased);
    }

    #[test]
    fn given_a_person_when_registered_anew_then_only_the_same_subject_is_taken() {
        let state = after(State::default(), &register("sub_1", "Ada", "ada@example.org"));
        let moved = after(state.clone(), &register("sub_1", "Ada", "ada@example.net"));
        assert_eq!(Contact::view(&moved).email.as_deref(), Some("ada@example.net"));
        let refused = decide(&state, &register("sub_2", "Eve", "eve@example.org")).unwrap_err();
        assert_eq!(refused.code(), "contact_of_another");
    }

    #[test]
    fn given_a_person_when_called_then_calls_count() {
        let refused = decide(&State::default(), &Command::Call).unwrap_err();
        assert_eq!(refused.code(), "contact_unregistered");
        let state = after(State::default(), &register("sub_1", "Ada", "ada@example.org"));
        let state = after(after(state, &Command::Call), &Command::Call);
        assert_eq!(Contact::view(&state).calls, 2);
    }

    #[test]
    fn given_what_is_no_name_or_address_when_registered_then_it_is_refused_unnamed() {
        let long = "x".repeat(BYTES_MAX + 1);
        let addressed = format!("{long}@example.org");
        for (name, email) in [
            ("", "ada@example.org"),
            (" ", "ada@example.org"),
            (&long, "ada@example.org"),
            ("Ada", ""),
            ("Ada", "adalovelace"),
            ("Ada", &addressed),
        ] {
            let refused = decide(&State::default(), &register("s", name, email)).unwrap_err();
            assert_eq!(refused.code(), "contact_invalid");
            assert!(!refused.to_string().contains("adalovelace"));
        }
    }

    #[test]
    fn a_command_names_its_subject_and_never_shows_the_person() {
        let command = register("sub_1", "Ada", "ada@example.org");
        assert_eq!(Contact::subject(&command).map(SubjectId::as_str), Some("sub_1"));
        assert_eq!(Contact::subject(&Command::Call), None);
        let shown = format!("{command:?} {:?}", after(State::default(), &command));
        assert!(!shown.contains("Ada") && !shown.contains("ada@"), "{shown}");
    }

    #[test]
    fn bodies_are_read_strictly() {
        let good = br#"{"subject":"s","name":"Ada","email":"a@b"}"#;
        assert!(Contact::parse("register", good).is_ok());
        for body in [
            r#"{"subject":"s","name":"Ada"}"#,
            r#"{"subject":"","name":"Ada","email":"a@b"}"#,
            r#"{"subject":"s","name":"Ada","email":"a@b","more":1}"#,
            r#"{"subject":"s","name":1,"email":"a@b"}"#,
            "{}",
        ] {
            let parsed = Contact::parse("register", body.as_bytes());
            assert!(matches!(parsed, Err(CommandError::Body(_))), "{body:?}");
        }
        assert!(Contact::parse("call", b"").is_ok());
        assert!(matches!(Contact::parse("call", br#"{"n":1}"#), Err(CommandError::Body(_))));
        assert!(matches!(Contact::parse("ring", b"{}"), Err(CommandError::UnknownCommand(_))));
    }
}
