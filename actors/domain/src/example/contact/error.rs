//! Why a contact refuses. The sentences name what is wrong and never the person.

use coppice_core::Rejection;
use thiserror::Error;

/// A contact's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContactError {
    /// A name or an address that is none.
    #[error("the {0} is empty, too long or not one")]
    Invalid(&'static str),
    /// It is somebody else's already.
    #[error("the contact belongs to another subject")]
    OfAnother,
    /// Nobody has been registered.
    #[error("nobody is registered")]
    Unregistered,
}

impl Rejection for ContactError {
    const CODES: &'static [&'static str] =
        &["contact_invalid", "contact_of_another", "contact_unregistered"];

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "contact_invalid",
            Self::OfAnother => "contact_of_another",
            Self::Unregistered => "contact_unregistered",
        }
    }
}
