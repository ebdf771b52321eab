//! The answer of `/health`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Says that the node accepts and answers requests; it looks at nothing behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `ok`: a node that isn't does not answer.
    pub status: Cow<'static, str>,
    /// The build's version.
    pub version: Cow<'static, str>,
}
