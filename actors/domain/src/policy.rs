//! What the rules of the platform are made of, beside the bundle that decides: the schemas of tasks.

pub mod task_schema;

pub use task_schema::TaskSchema;
