//! What the rules of the platform are made of: the bundles that were published to decide, and the
//! schemas of tasks.

pub mod bundle;
pub mod task_schema;

pub use bundle::PublishedBundle;
pub use task_schema::TaskSchema;
