//! Kinds that exist to be read, copied and tested with.

pub mod alarm;
pub mod contact;
pub mod counter;

pub use alarm::Alarm;
pub use contact::Contact;
pub use counter::Counter;
