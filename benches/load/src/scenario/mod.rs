//! What a run is to do, as its file says it: TOML, in which an unknown key is an error.
//!
//! Units stand in the names. A file that doesn't fit is refused with its name and the key.

mod check;
mod needs;
mod shipped;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use shipped::{CANONICAL, SHIPPED};

use crate::record::Operation;

/// A scenario that can't be run.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// Neither a name that is known nor a file.
    #[error("there is no scenario and no file {0}; --list shows the scenarios")]
    Unknown(String),
    /// The file can't be read.
    #[error("{} can't be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or has members that it must not have, or lacks some.
    #[error("{file} is no scenario")]
    Parse {
        /// Its name.
        file: String,
        /// What is wrong, and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{file}: {key} {what}")]
    Value {
        /// Its name.
        file: String,
        /// The key, such as `phases[1].for_s`.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is for, in a sentence.
    pub about: String,
    /// What all choices come from.
    pub seed: u64,
    /// How long an answer may take.
    #[serde(default = "defaults::timeout_ms")]
    pub timeout_ms: u64,
    /// Operations that have begun and not ended; what is to begin beyond is dropped, and counted.
    #[serde(default = "defaults::in_flight_max")]
    pub in_flight_max: u32,
    /// Connections of the open loop. An operation that finds none free waits for one, which is in its
    /// latency and not in its service time. Sessions of a closed loop have one each.
    #[serde(default = "defaults::connections_max")]
    pub connections_max: u32,
    /// Behind the plan by more than this at the 99th percentile, the generator was the bottleneck.
    #[serde(default = "defaults::lag_p99_max_ms")]
    pub lag_p99_max_ms: u64,
    /// What the figures must keep, such as `add.p99_ms < 25`.
    #[serde(default)]
    pub thresholds: Vec<String>,
    /// Measures what the target can do before the phases begin, for rates `of_capacity`.
    #[serde(default)]
    pub capacity: Option<Capacity>,
    /// One after the other.
    pub phases: Vec<Phase>,
    /// What is done, by weight.
    pub mix: Vec<Share>,
    /// To whom.
    pub keys: Keys,
    /// How commands are repeated.
    #[serde(default)]
    pub idempotency: Idempotency,
    /// What befalls the target.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// And what befalls it at random.
    #[serde(default)]
    pub random_faults: Option<RandomFaults>,
    /// The node that the harness starts itself.
    #[serde(default)]
    pub server: Server,
}

/// Closed loops with ever more sessions; the best of them is the capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// How many sessions, one stretch for each.
    pub sessions: Vec<u32>,
    /// How long each stretch is; its first quarter doesn't count.
    pub for_s: f64,
}

/// A stretch of time with one rule of arrival.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is called in reports.
    pub name: String,
    /// How long it is.
    pub for_s: f64,
    /// Whether thresholds look at it; a warm-up's figures are kept and don't count.
    #[serde(default = "defaults::yes")]
    pub counts: bool,
    /// When operations begin in it.
    pub arrivals: Arrivals,
}

/// When operations are to begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrivals {
    /// At equal distances.
    Constant {
        /// How many.
        rate: Rate,
    },
    /// At distances that shrink or grow evenly.
    Ramp {
        /// At its beginning.
        from: Rate,
        /// At its end.
        to: Rate,
    },
    /// In equal steps.
    Stairs {
        /// On the first step.
        from: Rate,
        /// On the last.
        to: Rate,
        /// How many steps.
        steps: u32,
    },
    /// Constant, but for a while.
    Spike {
        /// Before and after.
        rate: Rate,
        /// Meanwhile.
        peak: Rate,
        /// When it begins, after the phase.
        peak_at_s: f64,
        /// How long it lasts.
        peak_for_s: f64,
    },
    /// Independent of each other, as many callers come.
    Poisson {
        /// How many, in the mean.
        rate: Rate,
    },
    /// Each session begins its next when its last has ended: no plan, and no correction.
    Closed {
        /// How many.
        sessions: u32,
        /// How long each waits between two.
        #[serde(default)]
        think_ms: u64,
    },
}

/// How many begin in a second: one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So many.
    #[serde(default)]
    pub per_s: Option<f64>,
    /// So often what was measured as the capacity.
    #[serde(default)]
    pub of_capacity: Option<f64>,
}

/// One operation of the mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Which. `intent` stands for the whole of intent, authorize and post or void.
    pub operation: Operation,
    /// How often, against the other weights.
    pub weight: u32,
    /// How much is added or moved: from the first to the last.
    #[serde(default = "defaults::amount")]
    pub amount: [i64; 2],
    /// Of an intent: the share that is given back in place of posted.
    #[serde(default)]
    pub void_share: f64,
    /// Of a workflow: the plan's name.
    #[serde(default)]
    pub template: Option<String>,
    /// Of a workflow: what is asked for, for people.
    #[serde(default)]
    pub objective: Option<String>,
    /// Of a workflow: its input. The text `$payload` in it stands for one of `payload_bytes`.
    #[serde(default)]
    pub input: BTreeMap<String, serde_json::Value>,
    /// Of a workflow: about how long its payload is, a diff.
    #[serde(default)]
    pub payload_bytes: usize,
}

/// Which of the entities an operation goes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "distribution", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Keys {
    /// Each as likely as the next.
    Uniform {
        /// How many.
        count: u64,
    },
    /// The kth is asked for k^theta times less often than the first.
    Zipfian {
        /// How many.
        count: u64,
        /// How uneven; YCSB has 0.99.
        theta: f64,
    },
    /// A few get a share, the others the rest.
    HotK {
        /// How many in all.
        count: u64,
        /// The few.
        hot: u64,
        /// What they get.
        hot_share: f64,
    },
}

/// Whether commands carry keys, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// Whether each has one.
    #[serde(default)]
    pub policy: Policy,
    /// With `repeat`: the share of acknowledged commands that are sent once more.
    #[serde(default)]
    pub repeat_share: f64,
    /// How often a command whose outcome is unknown is sent again under its key.
    #[serde(default)]
    pub retries_max: u16,
}

/// Whether commands carry a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// None does.
    #[default]
    None,
    /// Each has one of its own.
    Fresh,
    /// Likewise, and some are sent twice on purpose.
    Repeat,
}

/// A fault at its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// When, after the first phase began.
    pub at_s: f64,
    /// How long until it is taken back.
    #[serde(default)]
    pub for_s: f64,
    /// Of a delay: how long each piece of data is held up, each way.
    #[serde(default)]
    pub delay_ms: u64,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The server gets SIGKILL, and is started again once it is over.
    Kill,
    /// The server gets SIGSTOP, and SIGCONT once it is over.
    Freeze,
    /// PostgreSQL is stopped, and started once it is over.
    PostgresStop,
    /// Connections are reset, and new ones too, until it is over.
    Cut,
    /// Nothing comes through and nobody is told, until it is over.
    Silence,
    /// All that is sent is held up, until it is over.
    Delay,
    /// An entity loses its actor and all that this had in memory, and reads its journal anew. It is
    /// over at once.
    CrashEntity,
}

impl FaultKind {
    /// As scenarios write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::PostgresStop => "postgres-stop",
            Self::Cut => "cut",
            Self::Silence => "silence",
            Self::Delay => "delay",
            Self::CrashEntity => "crash-entity",
        }
    }

    /// Whether it is the proxy's doing.
    #[must_use]
    pub const fn is_of_the_network(self) -> bool {
        matches!(self, Self::Cut | Self::Silence | Self::Delay)
    }
}

/// Faults at random moments, never two at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFaults {
    /// How many, evenly over the time.
    pub count: u32,
    /// Which; each as likely as the next.
    pub kinds: Vec<FaultKind>,
    /// When the first may come, after the first phase began.
    pub from_s: f64,
    /// When all must be over.
    pub to_s: f64,
    /// Shortest and longest time until one is taken back.
    pub for_s: [f64; 2],
    /// Of a delay.
    #[serde(default)]
    pub delay_ms: u64,
}

/// The node that the harness starts where it is given no target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its settings, as environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

mod defaults {
    /// Longer than a restart, shorter than anybody's patience.
    pub(super) const fn timeout_ms() -> u64 {
        10_000
    }

    /// At 1,000 a second it is a second's worth.
    pub(super) const fn in_flight_max() -> u32 {
        1_000
    }

    /// As many as a busy pool of clients has: at 10 ms each they carry 25,000 a second.
    pub(super) const fn connections_max() -> u32 {
        256
    }

    /// A tenth of a common latency target.
    pub(super) const fn lag_p99_max_ms() -> u64 {
        10
    }

    pub(super) const fn yes() -> bool {
        true
    }

    pub(super) const fn amount() -> [i64; 2] {
        [1, 1]
    }
}

impl Scenario {
    /// A shipped one by its name, or the file of a path.
    ///
    /// # Errors
    ///
    /// Where there is neither, or it doesn't fit.
    pub fn find(named: &str) -> Result<Self, ScenarioError> {
        if let Some((name, text)) = SHIPPED.iter().find(|(name, _)| *name == named) {
            return Self::parse(name, text);
        }
        let file = Path::new(named);
        if !file.exists() {
            return Err(ScenarioError::Unknown(named.to_owned()));
        }
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|source| ScenarioError::Read { file: file.to_owned(), source })?;
        Self::parse(named, &text)
    }

    /// Reads one and looks whether its values make sense.
    ///
    /// # Errors
    ///
    /// Where they don't.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let parsed = Self::from_toml(file, text)?;
        match check::fault(&parsed) {
            Some((key, what)) => Err(ScenarioError::Value { file: file.to_owned(), key, what }),
            None => Ok(parsed),
        }
    }

    /// As TOML, with what was changed since it was read: for those who carry it out together.
    ///
    /// # Errors
    ///
    /// Where a workflow's input has what TOML hasn't, which none does that was read from it.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Reads what [`Self::to_toml`] wrote. Values are not looked at once more: rounding may have moved
    /// them by a trifle since.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|source| ScenarioError::Parse {
            file: file.to_owned(),
            source: Box::new(source),
        })
    }

    /// Makes all times longer or shorter by a factor: phases, the measuring of the capacity, faults.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        if let Some(capacity) = &mut self.capacity {
            capacity.for_s *= factor;
        }
        for phase in &mut self.phases {
            phase.for_s *= factor;
            if let Arrivals::Spike { peak_at_s, peak_for_s, .. } = &mut phase.arrivals {
                *peak_at_s *= factor;
                *peak_for_s *= factor;
            }
        }
        for fault in &mut self.faults {
            fault.at_s *= factor;
            fault.for_s *= factor;
        }
        if let Some(random) = &mut self.random_faults {
            random.from_s *= factor;
            random.to_s *= factor;
            random.for_s = random.for_s.map(|time| time * factor);
        }
        self
    }
}

impl Keys {
    /// How many entities there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match *self {
            Self::Uniform { count } | Self::Zipfian { count, .. } | Self::HotK { count, .. } => {
                count
            }
        }
    }
}

#[cfg(test)]
mod tests;
