//! The one list of entity kinds. Adding a kind to the platform means adding a line here.

use coppice_domain::example::{Alarm, Contact, Counter};
use coppice_runtime::NodeBuilder;

use crate::verification::Kinds;

/// Serves every kind.
#[must_use]
pub fn serve_all(builder: NodeBuilder) -> NodeBuilder {
    builder.kind::<Counter>().kind::<Alarm>().kind::<Contact>()
}

/// Every kind, for whoever replays journals without serving them.
#[must_use]
pub fn replay_all() -> Kinds {
    Kinds::default().kind::<Counter>().kind::<Alarm>().kind::<Contact>()
}
