//! Bundles from outside: what they decide, what they refuse to decide, how they load and how they
//! are put in force.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![expect(clippy::print_stdout, reason = "times belong to the test's output")]

mod damage;
mod decisions;
mod loading;
mod memory;
mod properties;
mod reloading;
mod schemas;
mod speed;
mod support;
mod trial;
