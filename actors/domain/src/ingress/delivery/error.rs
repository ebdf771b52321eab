//! Why a delivery refuses.

use coppice_core::Rejection;
use thiserror::Error;

/// A delivery's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// A message of the same id came before and said something else.
    #[error("a delivery of this id came before with another body")]
    BodyDiffers,
    /// The message isn't the one that the entity is named after.
    #[error("the delivery is not the one that the entity is named after")]
    Misaddressed,
}

impl Rejection for DeliveryError {
    const CODES: &'static [&'static str] = &["delivery_body_differs", "delivery_misaddressed"];

    fn code(&self) -> &'static str {
        match self {
            Self::BodyDiffers => "delivery_body_differs",
            Self::Misaddressed => "delivery_misaddressed",
        }
    }
}
