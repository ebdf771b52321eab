//! Kinds that exist to be read, copied and tested with.

pub mod counter;

pub use counter::Counter;
