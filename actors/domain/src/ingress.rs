//! What comes in from outside: deliveries, what they say in one form for every source, and where
//! they go.
//!
//! **Deliberately absent:** signatures and HTTP, which are the gateway's, and plans, which are the
//! handler's behind [`delivery::PLANNER`].

pub mod delivery;
pub mod event;
pub mod github;
pub mod routing;
mod text;
mod time;

pub use delivery::Delivery;
pub use event::{Datum, NormalisedEvent, Repository, Sender, Subject};
pub use routing::{Route, Routing, RoutingError, Rule};
