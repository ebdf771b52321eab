//! What the node counts, for whoever collects it.
//!
//! **Invariant:** only what stands in the [table](METRICS) is exposed, and all of it.

mod expose;
mod gather;
pub mod http;
mod plugins;
mod process;
mod table;

pub use self::expose::{CONTENT_TYPE, Samples};
pub use self::gather::gather;
pub use self::http::{AuthRefusal, HttpMetrics};
pub use self::table::{Kind, METRICS, Metric, page};
