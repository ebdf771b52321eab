//! Asking the circuit breakers, and telling them.
//!
//! **Invariant:** a breaker that is closed and has nothing against its version costs a call nothing:
//! what its entity said last is kept here, and the entity is asked only where the answer could be
//! another, and told only what it would record. All that changes a breaker goes through here, on the
//! one node that owns it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{CommandId, CorrelationId, Entity, Sequence, Timestamp};
use coppice_domain::plugin::Breaker;
use coppice_domain::plugin::breaker::PhaseName;
use coppice_runtime::{Clock, Door, Failure};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use crate::entities::{Entities, Told, operators};
use crate::options::PluginOptions;

/// That a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Whether it is the probe of a breaker that is half-open.
    pub probe: bool,
    /// When it was admitted, by the breaker's own time.
    pub at: Timestamp,
}

/// Why a call may not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unadmitted {
    /// The breaker holds it back.
    #[error("{0}")]
    Open(String),
    /// The breaker could not be asked.
    #[error("the circuit breaker can not be asked: {0}")]
    Away(Failure),
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// Whether calls are made.
    pub phase: PhaseName,
    /// Since when.
    pub changed_at: Timestamp,
    /// Until when they are refused, where they are.
    pub until: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// Unhealthy reports in a row.
    pub unhealthy: u32,
    /// How often it opened.
    pub opened: u64,
}

impl Standing {
    fn is_closed(&self) -> bool {
        self.phase == PhaseName::Closed
    }
}

/// The circuit breakers of all versions.
pub trait Breakers: fmt::Debug + Send + Sync + 'static {
    /// Asks whether a call may be made that takes so long at most. The same call that asks again is
    /// the same probe.
    fn admit<'a>(
        &'a self,
        plugin: &'a str,
        call: Uuid,
        takes: Duration,
    ) -> BoxFuture<'a, Result<Admission, Unadmitted>>;

    /// Tells how an admitted call went.
    fn report<'a>(
        &'a self,
        plugin: &'a str,
        call: Uuid,
        admission: Admission,
        ok: bool,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Tells whether a version says that it is of no use.
    fn note_health<'a>(
        &'a self,
        plugin: &'a str,
        unhealthy: bool,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// How a breaker stands, as far as it was asked.
    fn standing(&self, plugin: &str) -> Option<Standing>;

    /// Reads how a breaker stands, where it wasn't asked yet.
    fn look<'a>(&'a self, plugin: &'a str) -> BoxFuture<'a, Result<Option<Standing>, Failure>>;

    /// Keeps nothing of a version any more.
    fn forget(&self, plugin: &str);
}

/// Longer than a call may take, so that a probe that is on its way doesn't give way to another.
const PROBE_MARGIN: Duration = Duration::from_secs(10);

/// The breakers that are entities of this node.
#[derive(Debug)]
pub struct RegistryBreakers {
    entities: Entities,
    clock: Arc<dyn Clock>,
    options: PluginOptions,
    /// With the sequence that each was read at, since answers may overtake each other. As many as
    /// there are versions in the catalog.
    known: Mutex<HashMap<String, (Sequence, Standing)>>,
}

#[derive(Serialize)]
struct Admit {
    probe_ttl_ms: u32,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    probe: bool,
    at: Timestamp,
    failures_max: u32,
    cooldown_ms: u32,
}

#[derive(Serialize)]
struct NoteHealth {
    unhealthy: bool,
    unhealthy_max: u32,
    cooldown_ms: u32,
}

#[derive(Deserialize)]
struct Reply {
    probe: bool,
    at: Timestamp,
    breaker: Standing,
}

impl RegistryBreakers {
    /// Behind a node's door.
    #[must_use]
    pub fn new(door: Door, clock: Arc<dyn Clock>, options: PluginOptions) -> Self {
        Self { entities: Entities(door), clock, options, known: Mutex::default() }
    }

    async fn tell(&self, told: Told<'_>, body: &impl Serialize) -> Result<Reply, Failure> {
        let answer = self.entities.tell(told, body).await?;
        // The entity's own reply, as this build writes it.
        let reply: Reply = serde_json::from_str(&answer.reply)
            .map_err(|error| Failure::InvalidBody(error.to_string()))?;
        if !answer.repeated {
            self.learn(told.id, answer.sequence, reply.breaker);
        }
        Ok(reply)
    }

    fn learn(&self, plugin: &str, sequence: Sequence, standing: Standing) {
        let mut known = self.known.lock();
        let entry = known.entry(plugin.to_owned()).or_insert((sequence, standing));
        if entry.0 <= sequence {
            *entry = (sequence, standing);
        }
    }

    fn told<'a>(
        &self,
        plugin: &'a str,
        command: &'static str,
        id: CommandId,
        call: Uuid,
    ) -> Told<'a> {
        Told {
            kind: Breaker::KIND,
            id: plugin,
            command,
            command_id: id,
            keyed: false,
            correlation: CorrelationId(call),
            deadline: Instant::now() + self.options.patience,
        }
    }

    async fn admitted(
        &self,
        plugin: &str,
        call: Uuid,
        takes: Duration,
    ) -> Result<Admission, Unadmitted> {
        if let Some(standing) = self.standing(plugin).filter(Standing::is_closed) {
            let at = self.clock.now().max(standing.changed_at);
            return Ok(Admission { probe: false, at });
        }
        let id = CommandId::from_idempotency_key(&operators(), "breaker/admit", &call.to_string());
        let body = Admit { probe_ttl_ms: millis(takes + PROBE_MARGIN) };
        match self.tell(self.told(plugin, "admit", id, call), &body).await {
            Ok(reply) => Ok(Admission { probe: reply.probe, at: reply.at }),
            Err(Failure::Rejected { detail, .. }) => {
                // For whoever is shown how it stands; the refusal holds whatever comes of it.
                drop(self.looked(plugin).await);
                Err(Unadmitted::Open(detail))
            }
            Err(failure) => Err(Unadmitted::Away(failure)),
        }
    }

    async fn reported(
        &self,
        plugin: &str,
        call: Uuid,
        admission: Admission,
        ok: bool,
    ) -> Result<(), Failure> {
        let standing = self.standing(plugin).filter(Standing::is_closed);
        if ok && !admission.probe && standing.is_some_and(|standing| standing.failures == 0) {
            return Ok(());
        }
        let body = Report {
            ok,
            probe: admission.probe,
            at: admission.at,
            failures_max: self.options.failures_max.get(),
            cooldown_ms: millis(self.options.cooldown),
        };
        // Named by the call and the time of its admission: a report that is sent again is the same,
        // and that of the same call made again after a crash is another.
        let key = format!("{call}/{}/{ok}", admission.at.as_micros());
        let id = CommandId::from_idempotency_key(&operators(), "breaker/report", &key);
        let told = Told { keyed: !ok, ..self.told(plugin, "report", id, call) };
        self.tell(told, &body).await.map(drop)
    }

    async fn health_noted(&self, plugin: &str, unhealthy: bool) -> Result<(), Failure> {
        let standing = self.standing(plugin);
        if !unhealthy && standing.is_some_and(|standing| standing.unhealthy == 0) {
            return Ok(());
        }
        let body = NoteHealth {
            unhealthy,
            unhealthy_max: self.options.unhealthy_max.get(),
            cooldown_ms: millis(self.options.cooldown),
        };
        let told = Told::once(Breaker::KIND, plugin, "note_health", self.options.patience);
        self.tell(told, &body).await.map(drop)
    }

    async fn looked(&self, plugin: &str) -> Result<Option<Standing>, Failure> {
        if let Some(standing) = self.standing(plugin) {
            return Ok(Some(standing));
        }
        let deadline = Instant::now() + self.options.patience;
        let view = self.entities.view(Breaker::KIND, plugin, deadline).await?;
        let standing: Standing = serde_json::from_str(&view.state)
            .map_err(|error| Failure::InvalidBody(error.to_string()))?;
        self.learn(plugin, view.sequence, standing);
        Ok(Some(standing))
    }
}

impl Breakers for RegistryBreakers {
    fn admit<'a>(
        &'a self,
        plugin: &'a str,
        call: Uuid,
        takes: Duration,
    ) -> BoxFuture<'a, Result<Admission, Unadmitted>> {
        Box::pin(self.admitted(plugin, call, takes))
    }

    fn report<'a>(
        &'a self,
        plugin: &'a str,
        call: Uuid,
        admission: Admission,
        ok: bool,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.reported(plugin, call, admission, ok))
    }

    fn note_health<'a>(
        &'a self,
        plugin: &'a str,
        unhealthy: bool,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.health_noted(plugin, unhealthy))
    }

    fn standing(&self, plugin: &str) -> Option<Standing> {
        self.known.lock().get(plugin).map(|(_, standing)| *standing)
    }

    fn look<'a>(&'a self, plugin: &'a str) -> BoxFuture<'a, Result<Option<Standing>, Failure>> {
        Box::pin(self.looked(plugin))
    }

    fn forget(&self, plugin: &str) {
        self.known.lock().remove(plugin);
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)
}
