//! Plugins: which versions there are and how they are, and whether they may be called.
//!
//! Both kinds have one entity per version of a plugin, called `name@version`, of the operators'
//! tenant. Only the platform commands them.

pub mod breaker;
pub mod version;

pub use breaker::Breaker;
pub use version::PluginVersion;
