//! The way to the node's entities, for what is made before there is a node.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use coppice_core::{CommandId, CorrelationId, EntityId, TenantId};
use coppice_runtime::{Answer, Door, Failure, Registry, Request, View};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

/// A way to the entities of the operators' tenant, through a node's door. Clones are the same way.
#[derive(Debug, Clone)]
pub(crate) struct Entities(pub(crate) Door);

/// A command of the platform's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) kind: &'static str,
    pub(crate) id: &'a str,
    pub(crate) command: &'static str,
    pub(crate) command_id: CommandId,
    /// Whether the answer is kept for a repeat.
    pub(crate) keyed: bool,
    pub(crate) correlation: CorrelationId,
    pub(crate) deadline: Instant,
}

impl<'a> Told<'a> {
    /// One that nobody repeats.
    pub(crate) fn once(
        kind: &'static str,
        id: &'a str,
        command: &'static str,
        patience: Duration,
    ) -> Self {
        let fresh = Uuid::now_v7();
        Self {
            kind,
            id,
            command,
            command_id: CommandId(fresh),
            keyed: false,
            correlation: CorrelationId(fresh),
            deadline: Instant::now() + patience,
        }
    }
}

impl Entities {
    fn registry(&self) -> Result<Registry, Failure> {
        self.0.registry().ok_or(Failure::ShuttingDown)
    }

    pub(crate) async fn tell(
        &self,
        told: Told<'_>,
        body: &impl Serialize,
    ) -> Result<Answer, Failure> {
        let invalid = |error: &dyn fmt::Display| Failure::InvalidBody(error.to_string());
        let body = serde_json::to_vec(body).map_err(|error| invalid(&error))?;
        let request = Request {
            tenant: operators(),
            id: EntityId::new(told.id).map_err(|error| invalid(&error))?,
            command: told.command.to_owned(),
            body: Bytes::from(body),
            command_id: told.command_id,
            keyed: told.keyed,
            correlation: told.correlation,
            trace: None,
            sender: None,
            expected: None,
            begins: false,
            deadline: told.deadline,
        };
        self.registry()?.ask_trusted(told.kind, request).await
    }

    pub(crate) async fn view(
        &self,
        kind: &'static str,
        id: &str,
        deadline: Instant,
    ) -> Result<View, Failure> {
        let id = EntityId::new(id).map_err(|error| Failure::InvalidBody(error.to_string()))?;
        self.registry()?.view(kind, operators(), id, deadline).await
    }
}

/// Whose the entities of plugins are.
///
/// # Panics
/// Never: the name is a constant that fits.
pub(crate) fn operators() -> TenantId {
    TenantId::new(TenantId::OPERATORS).expect("the operators' tenant has a name")
}
