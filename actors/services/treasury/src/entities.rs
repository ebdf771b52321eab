//! The treasury's one way to its entities.

use bytes::Bytes;
use coppice_core::{CommandId, Entity, EntityId};
use coppice_domain::treasury::plan::Part;
use coppice_runtime::{Answer, Door, Failure, Registry, Request, View};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use crate::call::Call;
use crate::error::TreasuryError;

/// A part's name within its step, from which the command's id follows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Open,
    Create,
    Authorize,
    Deny,
    Withdraw,
    Post,
    Void,
    Expire,
    Move,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "treasury/open",
            Self::Create => "treasury/create",
            Self::Authorize => "treasury/authorize",
            Self::Deny => "treasury/deny",
            Self::Withdraw => "treasury/withdraw",
            Self::Post => "treasury/post",
            Self::Void => "treasury/void",
            Self::Expire => "treasury/expire",
            Self::Move => "treasury/move",
        }
    }
}

/// Leads to accounts, transfers and intents once the node has started.
#[derive(Debug, Clone)]
pub(crate) struct Entities(pub(crate) Door);

impl Entities {
    fn registry(&self) -> Result<Registry, Failure> {
        self.0.registry().ok_or(Failure::ShuttingDown)
    }

    /// The command's id is the same for all parts of a step and for every try of it, so that all of
    /// its events have one cause. It isn't kept as a key: that a step is done once is the entities'
    /// own to say, for longer than any record is kept.
    fn request(
        call: &Call,
        step: Option<Step>,
        about: &str,
        part: Part,
        until: Instant,
    ) -> Result<Request, Failure> {
        let id =
            EntityId::new(&part.id).map_err(|error| Failure::InvalidBody(error.to_string()))?;
        let command_id = match step {
            Some(step) => CommandId::from_idempotency_key(&call.tenant, step.name(), about),
            None => CommandId(Uuid::now_v7()),
        };
        Ok(Request {
            tenant: call.tenant.clone(),
            id,
            command: part.command.to_owned(),
            body: Bytes::from(part.body),
            command_id,
            keyed: false,
            correlation: call.correlation,
            trace: call.trace.clone(),
            sender: None,
            expected: None,
            begins: false,
            deadline: until,
        })
    }

    /// Commands one entity.
    pub(crate) async fn ask(
        &self,
        call: &Call,
        step: Option<Step>,
        about: &str,
        part: Part,
    ) -> Result<Answer, Failure> {
        let kind = part.kind;
        let request = Self::request(call, step, about, part, call.deadline)?;
        self.registry()?.ask_trusted(kind, request).await
    }

    /// Commands all of them, or none.
    pub(crate) async fn ask_linked(
        &self,
        call: &Call,
        step: Step,
        about: &str,
        parts: Vec<Part>,
        until: Instant,
    ) -> Vec<Result<Answer, Failure>> {
        let count = parts.len();
        let requests = parts.into_iter().map(|part| {
            let kind = part.kind;
            Self::request(call, Some(step), about, part, until).map(|request| (kind, request))
        });
        let requests: Result<Vec<_>, Failure> = requests.collect();
        match self.registry().and_then(|registry| requests.map(|requests| (registry, requests))) {
            Ok((registry, requests)) => registry.ask_linked_trusted(requests).await,
            Err(failure) => vec![Err(failure); count],
        }
    }

    /// Reads an entity, behind everything that was told it before.
    pub(crate) async fn view<K: Entity>(&self, call: &Call, id: &str) -> Result<View, Failure> {
        // What is no id names nothing.
        let id = EntityId::new(id).map_err(|_| Failure::NotThere)?;
        self.registry()?.view(K::KIND, call.tenant.clone(), id, call.deadline).await
    }
}

/// What an entity wrote, as the type that it is.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, TreasuryError> {
    serde_json::from_str(text).map_err(|error| TreasuryError::internal(&error))
}
