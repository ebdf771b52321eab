//! Commands from one entity to another, as effects with the handler `entity`.
//!
//! The effect's idempotency key is the command's id, and the receiver keeps its answer for as long
//! as the sender owes anything: however often it is sent, it takes effect once.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use coppice_core::{CommandId, CorrelationId, EntityId};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::answer::{Failure, Outcome, Request};
use crate::door::Door;
use crate::registry::Registry;
use crate::work::effects::{EffectCall, EffectError, EffectHandler};

/// The name of the handler.
pub const ENTITY: &str = "entity";

/// The request of such an effect. The receiver belongs to the sender's tenant.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityCommand<'a> {
    /// The receiver's kind.
    pub kind: &'a str,
    /// The receiver.
    pub id: &'a str,
    /// The command's name.
    pub command: &'a str,
    /// Its arguments.
    #[serde(borrow)]
    pub body: &'a RawValue,
}

/// Sends commands to the entities of this node.
#[derive(Default)]
pub(crate) struct EntityCommands {
    /// The registry holds the entities, which hold the pools, which hold this.
    door: Door,
    patience: Duration,
}

impl fmt::Debug for EntityCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntityCommands").finish_non_exhaustive()
    }
}

impl EntityCommands {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { door: Door::new(), patience }
    }

    /// Tells where to send, once there is somewhere.
    pub(crate) fn connect(&self, registry: &Registry) {
        self.door.connect(registry);
    }

    async fn send(&self, call: EffectCall) -> Result<String, EffectError> {
        let refused = |detail: String| EffectError::Refused { code: "invalid".into(), detail };
        let Some(registry) = self.door.registry() else {
            return Err(EffectError::NotSent { detail: "the node starts or has ended".into() });
        };
        let command: EntityCommand<'_> =
            serde_json::from_str(&call.request).map_err(|error| refused(error.to_string()))?;
        let id = EntityId::new(command.id).map_err(|error| refused(error.to_string()))?;
        let request = Request {
            tenant: call.entity.tenant().clone(),
            id,
            command: command.command.to_owned(),
            body: Bytes::copy_from_slice(command.body.get().as_bytes()),
            command_id: CommandId(call.idempotency_key),
            keyed: true,
            correlation: CorrelationId(call.idempotency_key),
            trace: Some(call.trace),
            sender: Some(call.entity.stream()),
            expected: None,
            begins: false,
            deadline: Instant::now() + self.patience,
        };
        match registry.ask(command.kind, request).await {
            Ok(answer) => Ok(answer.reply.into()),
            Err(failure) => Err(error_of(&failure)),
        }
    }
}

fn error_of(failure: &Failure) -> EffectError {
    let detail = failure.to_string();
    match failure {
        Failure::Rejected { code, .. } => EffectError::Refused { code: (*code).into(), detail },
        Failure::UnknownKind(_)
        | Failure::UnknownCommand(_)
        | Failure::InvalidBody(_)
        | Failure::Deleted
        | Failure::KeyReused => EffectError::Refused { code: "invalid".into(), detail },
        Failure::MessageQuarantined | Failure::EntityQuarantined | Failure::Damaged { .. } => {
            EffectError::Refused { code: "out_of_service".into(), detail }
        }
        // It stays so: the sender is told, or it would send for ever.
        Failure::SubjectErased => EffectError::Refused { code: "subject_erased".into(), detail },
        _ if failure.outcome() == Outcome::Unknown => EffectError::Unknown { detail },
        _ => EffectError::NotSent { detail },
    }
}

impl EffectHandler for EntityCommands {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(self.send(call))
    }
}
