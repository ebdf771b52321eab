//! Supervision, as its callers see it. Time is paused but in `threads`: a wait for something that
//! never comes ends at once, and a wait of minutes costs nothing.

mod backoff;
mod determinism;
mod escalation;
mod groups;
mod intensity;
mod order;
mod probe;
mod record;
mod requests;
mod significance;
mod specs;
mod strategies;
mod subtrees;
mod tasks;
mod threads;
mod views;
