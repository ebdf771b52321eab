//! A load harness for any Coppice gateway.
//!
//! It is a client over HTTP with no back door: what it knows of a node it was told by the node's API.
//!
//! A [`scenario`] says what is to be done. Its [`plan`] is fixed before the run; the [`drive`] carries
//! it out over the [`wire`] while [`faults`] come in their time. What happened stands in
//! [`measured`] as figures, and try by try in the history that [`recording`] keeps.

pub mod baseline;
pub mod bell;
pub mod chance;
pub mod check;
pub mod command;
pub mod coordinate;
pub mod drive;
pub mod examine;
pub mod faults;
pub mod figures;
pub mod keys;
pub mod measured;
pub mod measuring;
pub mod merge;
pub mod names;
pub mod plan;
pub mod proxy;

pub mod record;
pub mod recording;
pub mod recovery;
pub mod report;
pub mod run;
#[cfg(test)]
mod sample;
pub mod scenario;
pub mod scrape;
pub mod stop;
pub mod threshold;
pub mod view;
pub mod wire;
