//! Kinds that exist to be read, copied and tested with.

pub mod alarm;
pub mod counter;

pub use alarm::Alarm;
pub use counter::Counter;
