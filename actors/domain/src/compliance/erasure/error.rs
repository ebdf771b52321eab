//! Why the record of an erasure refuses: never.

use coppice_core::Rejection;
use thiserror::Error;

/// It has no refusals: whoever may erase is let in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ErasureError {}

impl Rejection for ErasureError {
    const CODES: &'static [&'static str] = &[];

    fn code(&self) -> &'static str {
        match *self {}
    }
}
