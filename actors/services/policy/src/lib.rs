//! The one place where it is decided what may be done.
//!
//! **Owns:** questions and the records of their answers, the bundle that answers them (Cedar
//! policies over lists that are data), putting a changed bundle in force, trying another bundle on
//! recorded questions, and the check of a value against a JSON Schema.
//!
//! **Invariants:** a decision is a function of question and bundle alone; what can't be evaluated
//! is [`PolicyUnavailable`] and never an allow; a record holds the whole question; equal content
//! has an equal hash everywhere; a bundle that doesn't load changes nothing.
//!
//! **Deliberately absent:** enforcement, which is everybody else's, clocks and tasks. Whoever keeps
//! a [`Reloading`] policy calls its `refresh` now and then.

#![warn(missing_docs)]

mod amount;
mod authority;
mod bundle;
mod cedar;
mod data;
mod entities;
mod facts;
mod json_schema;
mod memory;
mod question;
mod record;
mod reloading;
mod replay;
mod scopes;
mod source;

pub use authority::{NoPolicy, Policy, PolicyUnavailable};
pub use bundle::{BundleError, Fault, Faults};
pub use cedar::CedarPolicy;
pub use data::{ActionRule, Ceiling, Risk};
pub use json_schema::{SchemaError, Schemas, Violation};
pub use question::{Action, Fact, Question, Subject, SubjectKind, fact};
pub use record::{BundleRef, PolicyRecord};
pub use reloading::{Known, Reloading, Standing, Status};
pub use replay::{Difference, Verdict, replay};
pub use source::Source;
