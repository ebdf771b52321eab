//! Work as durable graphs of steps: plans, how they are made of tasks and templates, and the
//! workflow that carries one out.

pub mod condition;
pub mod flow;
pub mod plan;
pub mod planner;
pub mod reference;

pub use condition::Condition;
pub use flow::Workflow;
pub use plan::{Plan, PlanFault, Step};
pub use planner::{Analysis, Template};
