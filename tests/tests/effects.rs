//! What entities owe and are owed: effects, timers, and what is out of delivery.
//!
//! Time is paused and moves by itself, and the clock of the timers moves with it.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "effects/calls.rs"]
mod calls;
#[path = "effects/computed.rs"]
mod computed;
#[path = "effects/crashes.rs"]
mod crashes;
#[path = "effects/freeze.rs"]
mod freeze;
#[path = "effects/freezer.rs"]
mod freezer;
#[path = "effects/lapses.rs"]
mod lapses;
#[path = "effects/letters.rs"]
mod letters;
#[path = "effects/relay.rs"]
mod relay;
#[path = "effects/timers.rs"]
mod timers;
#[path = "effects/traces.rs"]
mod traces;
#[path = "effects/world.rs"]
mod world;
