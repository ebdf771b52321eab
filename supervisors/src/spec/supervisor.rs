//! One supervisor: its strategy, its limits, its children in start order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::intensity::Intensity;
use crate::requests::{Port, SupervisorHandle};
use crate::spec::ChildSpec;

/// Who is restarted when a child is.
///
/// | a, b, c, and b falls | stopped, in this order | started, in this order |
/// |---|---|---|
/// | one for one | - | b |
/// | one for all | c, a | a, b, c |
/// | rest for one | c | b, c |
/// | dynamic | - | b |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The child.
    OneForOne,
    /// All children.
    OneForAll,
    /// The child and those started after it.
    RestForOne,
    /// The child, among many that come and go: OTP's `simple_one_for_one`, with ids. There are no
    /// children at the start, no order between them, all are stopped at once, and one that ends
    /// and isn't restarted is forgotten.
    Dynamic,
}

/// Whether a supervisor shuts down when significant children have ended by themselves and aren't
/// restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoShutdown {
    /// Never. The default, as in OTP.
    Never,
    /// When one has.
    AnySignificant,
    /// When the last one has.
    AllSignificant,
}

/// A supervisor's specification.
#[derive(Debug)]
pub struct SupervisorSpec {
    pub(crate) name: Arc<str>,
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) children_max: usize,
    pub(crate) children: Vec<Arc<ChildSpec>>,
    pub(crate) port: watch::Sender<Port>,
}

/// Children of one supervisor, unless its specification says otherwise.
const CHILDREN_MAX: usize = 100_000;

impl SupervisorSpec {
    /// A supervisor without children yet. Defaults are OTP's: one restart in 5 seconds, no
    /// automatic shutdown; and 100,000 children at most.
    pub fn new(name: impl Into<Arc<str>>, strategy: Strategy) -> Self {
        Self {
            name: name.into(),
            strategy,
            intensity: Intensity::default(),
            auto_shutdown: AutoShutdown::Never,
            children_max: CHILDREN_MAX,
            children: Vec::new(),
            port: watch::Sender::default(),
        }
    }

    /// More than `restarts` within `period`, over all its children, and it gives up. Default: one
    /// in 5 seconds.
    #[must_use]
    pub const fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity { restarts, period };
        self
    }

    /// Whether significant children end it. Default: [`AutoShutdown::Never`].
    #[must_use]
    pub const fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// How many children it takes. Default: 100,000.
    #[must_use]
    pub const fn children_max(mut self, children_max: usize) -> Self {
        self.children_max = children_max;
        self
    }

    /// A further child, started after those before it and stopped before them.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(Arc::new(child));
        self
    }

    /// A handle to this supervisor that outlives its incarnations.
    #[must_use]
    pub fn handle(&self) -> SupervisorHandle {
        SupervisorHandle::new(Arc::clone(&self.name), self.port.subscribe())
    }
}
