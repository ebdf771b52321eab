//! What can happen to a contact.

use coppice_core::{DecodeError, DomainEvent, Sensitive, SubjectId};
use serde::{Deserialize, Serialize};

/// `contact.registered.v1`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// The person's name.
    pub name: Sensitive<String>,
    /// The person's e-mail address.
    pub email: Sensitive<String>,
}

/// A contact's events.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is known who it is.
    Registered(Registered),
    /// Somebody called.
    Called,
}

const REGISTERED: &str = "contact.registered.v1";
const CALLED: &str = "contact.called.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Registered(_) => REGISTERED,
            Self::Called => CALLED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Registered(registered) => serde_json::to_string(registered),
            Self::Called => Ok("{}".to_owned()),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        match event_type {
            REGISTERED => serde_json::from_str(payload)
                .map(Self::Registered)
                .map_err(DecodeError::payload(event_type)),
            CALLED => Ok(Self::Called),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }

    fn subject(&self) -> Option<&SubjectId> {
        match self {
            Self::Registered(registered) => Some(registered.name.subject()),
            Self::Called => None,
        }
    }

    fn key_id(&self) -> Option<&str> {
        match self {
            Self::Registered(registered) => registered.name.key_id(),
            Self::Called => None,
        }
    }
}
