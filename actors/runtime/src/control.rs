//! The operator's hand on the switches: freeze, and kill switches for kinds and tenants.
//!
//! Each word is a command to the platform's own entity, decided, committed and answered like any
//! other: its journal is the record of who stopped what, when and why. Whoever finds that the
//! system must stop by itself (a health check, a broken invariant) calls [`Control::freeze`].
//!
//! **Invariant:** once a stop was answered, this node starts nothing of what it stops; the gate is
//! shut with the commit and before the answer.

use bytes::Bytes;
use coppice_core::control::{CONTROL_KIND, control_key};
use coppice_core::{Access, CommandId, CorrelationId, EntityKind, StreamKey, Target};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::answer::{Answer, Failure, Request, View};
use crate::registry::Registry;

/// Somebody's word about a target.
#[derive(Debug, Clone)]
pub struct Word {
    /// What it is about.
    pub target: Target,
    /// Whether it is to stop, or else to go on.
    pub stops: bool,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// Its id; a repeat has the same.
    pub command_id: CommandId,
    /// Whether the caller knows the id.
    pub keyed: bool,
    /// The conversation it belongs to.
    pub correlation: CorrelationId,
    /// After this it is not decided any more.
    pub deadline: Instant,
}

/// What became of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// Where the journal of the switches stands after it.
    pub sequence: u64,
    /// Whether it changed anything: to stop what is stopped doesn't.
    pub changed: bool,
    /// Whether this is the first answer again.
    pub repeated: bool,
}

/// What the command's body is; the entity reads it strictly.
#[derive(Serialize)]
struct Body<'a> {
    target: &'a Target,
    reason: &'a str,
    by: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    changed: bool,
}

/// Turns the switches of a system. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    registry: Registry,
    key: StreamKey,
    patience: Duration,
}

impl Control {
    /// By way of a node's entities.
    pub(crate) fn new(registry: Registry, patience: Duration) -> Self {
        Self { registry, key: control_key(), patience }
    }

    /// Freezes the system by itself: for health checks and whoever finds that it must stop. May be
    /// called again at any time; the first reason stands.
    ///
    /// # Errors
    /// [`Failure`]; with its outcome `unknown` it may be frozen or not, and is to be called again.
    pub async fn freeze(&self, reason: &str, by: &str) -> Result<Spoken, Failure> {
        let id = Uuid::now_v7();
        let word = Word {
            target: Target::Everything,
            stops: true,
            reason: reason.to_owned(),
            by: by.to_owned(),
            command_id: CommandId(id),
            keyed: false,
            correlation: CorrelationId(id),
            deadline: Instant::now() + self.patience,
        };
        self.say(word).await
    }

    /// Stops a target, or lets it go on.
    ///
    /// # Errors
    /// [`Failure`], with its outcome; [`Failure::UnknownKind`] where a kind is to be stopped that
    /// isn't there or is the platform's own.
    pub async fn say(&self, word: Word) -> Result<Spoken, Failure> {
        if let (Target::Kind(kind), true) = (&word.target, word.stops) {
            self.check(kind)?;
        }
        let body = Body { target: &word.target, reason: &word.reason, by: &word.by };
        let body = serde_json::to_vec(&body).map_err(|e| Failure::InvalidBody(e.to_string()))?;
        let request = Request {
            tenant: self.key.tenant().clone(),
            id: self.key.id().clone(),
            command: if word.stops { "stop" } else { "resume" }.to_owned(),
            body: Bytes::from(body),
            command_id: word.command_id,
            keyed: word.keyed,
            correlation: word.correlation,
            trace: None,
            sender: None,
            expected: None,
            begins: false,
            deadline: word.deadline,
        };
        let answer = self.registry.ask_trusted(CONTROL_KIND, request).await?;
        spoken(&answer)
    }

    fn check(&self, kind: &EntityKind) -> Result<(), Failure> {
        let access = self.registry.access(kind.as_str());
        let is_stoppable = matches!(access, Some(Access::Open | Access::Guarded));
        is_stoppable.then_some(()).ok_or_else(|| Failure::UnknownKind(kind.to_string()))
    }

    /// The switches as they are committed; the view's state is a [`Stops`](coppice_core::Stops).
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn look(&self, deadline: Instant) -> Result<View, Failure> {
        let (tenant, id) = (self.key.tenant().clone(), self.key.id().clone());
        self.registry.view(CONTROL_KIND, tenant, id, deadline).await
    }
}

fn spoken(answer: &Answer) -> Result<Spoken, Failure> {
    // The entity's own reply, as this build writes it.
    let Reply { changed } =
        serde_json::from_str(&answer.reply).map_err(|e| Failure::InvalidBody(e.to_string()))?;
    Ok(Spoken { sequence: answer.sequence.0, changed, repeated: answer.repeated })
}
