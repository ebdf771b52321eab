//! The analysers of the code review: unified diffs in, ranked findings out, with no model.
//!
//! **Owns:** reading diffs ([`diff`]), sorting files ([`mod@split`]), the four nodes that find
//! ([`security`], [`style`], [`logic`], [`performance`]), and what becomes of their findings
//! ([`mod@merge`], [`mod@rank`], [`summary`]). [`steps`] has them by name with JSON in and out.
//!
//! **Invariants:** every function is pure and total: the same input gives the same output, and
//! nothing in a diff can make one fail. A finding names a line that the new side has. No evidence
//! shows a secret. The time grows with the diff's length, not with its square.
//!
//! **Deliberately absent:** fetching diffs, clocks, I/O, and any file beyond what a diff shows.

#![warn(missing_docs)]

pub mod config;
pub mod diff;
pub mod document;
pub mod finding;
pub mod language;
mod lexer;
pub mod merge;
mod nodes;
pub mod plugin;
pub mod rank;
pub mod rule;
mod source;
pub mod split;
pub mod steps;
pub mod summary;

pub use config::Config;
pub use diff::Diff;
pub use finding::{Confidence, Finding, Node, NodeInput, NodeOutput, Severity};
pub use language::Language;
pub use merge::{MergeInput, MergeOutput, merge};
pub use nodes::{logic, performance, security, style};
pub use rank::{RankOutput, rank};
pub use split::{Batch, DiffInput, LeftOut, ReviewFile, SplitOutput, split};
pub use summary::{Comment, Summary, SummaryInput, summarise};
