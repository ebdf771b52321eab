//! What a caller may be allowed.

/// What a caller is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading entities.
    EntitiesRead,
    /// Commanding entities.
    EntitiesWrite,
    /// Deleting entities.
    EntitiesDelete,
    /// Looking into the node.
    InspectRead,
    /// Deciding about dead letters.
    InspectWrite,
    /// Listing API keys.
    KeysRead,
    /// Making, rotating and revoking API keys.
    KeysWrite,
    /// Erasing subjects.
    SubjectsWrite,
    /// Reading the node's metrics.
    MetricsRead,
    /// Seeing what is stopped.
    ControlRead,
    /// Stopping the system, a kind or a tenant.
    ControlWrite,
    /// Reading tasks, workflows and their trail.
    WorkflowsRead,
    /// Submitting and cancelling tasks and workflows.
    WorkflowsWrite,
    /// Deciding whether a step may run.
    WorkflowsApprove,
    /// Seeing which plugins there are, and how they are.
    PluginsRead,
    /// Registering plugins.
    PluginsRegister,
    /// Reading accounts, intents and ledgers.
    MoneyRead,
    /// Opening accounts, bringing money in, and spending it.
    MoneyWrite,
    /// Asking policy what is allowed, and seeing schemas.
    PolicyRead,
    /// Registering schemas.
    PolicyWrite,
    /// Publishing policy bundles, which decide for every tenant.
    PolicyPublish,
}

/// The scope that holds all others.
pub const SCOPE_ALL: &str = "*";

impl Scope {
    /// Every scope. One that is missing here can't be granted.
    pub const ALL: [Self; 21] = [
        Self::EntitiesRead,
        Self::EntitiesWrite,
        Self::EntitiesDelete,
        Self::InspectRead,
        Self::InspectWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::SubjectsWrite,
        Self::MetricsRead,
        Self::ControlRead,
        Self::ControlWrite,
        Self::WorkflowsRead,
        Self::WorkflowsWrite,
        Self::WorkflowsApprove,
        Self::PluginsRead,
        Self::PluginsRegister,
        Self::MoneyRead,
        Self::MoneyWrite,
        Self::PolicyRead,
        Self::PolicyWrite,
        Self::PolicyPublish,
    ];

    /// The scope as it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntitiesRead => "entities:read",
            Self::EntitiesWrite => "entities:write",
            Self::EntitiesDelete => "entities:delete",
            Self::InspectRead => "inspect:read",
            Self::InspectWrite => "inspect:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::SubjectsWrite => "subjects:write",
            Self::MetricsRead => "metrics:read",
            Self::ControlRead => "control:read",
            Self::ControlWrite => "control:write",
            Self::WorkflowsRead => "workflows:read",
            Self::WorkflowsWrite => "workflows:write",
            Self::WorkflowsApprove => "workflows:approve",
            Self::PluginsRead => "plugins:read",
            Self::PluginsRegister => "plugins:register",
            Self::MoneyRead => "money:read",
            Self::MoneyWrite => "money:write",
            Self::PolicyRead => "policy:read",
            Self::PolicyWrite => "policy:write",
            Self::PolicyPublish => "policy:publish",
        }
    }

    /// Whether it reaches beyond one tenant. Then it counts only in a key of the operators' own
    /// tenant, whatever else a credential says, so that no tenant can give it to itself.
    #[must_use]
    pub const fn is_of_operators(self) -> bool {
        match self {
            Self::ControlRead
            | Self::ControlWrite
            | Self::PluginsRegister
            | Self::PolicyPublish => true,
            Self::EntitiesRead
            | Self::EntitiesWrite
            | Self::EntitiesDelete
            | Self::InspectRead
            | Self::InspectWrite
            | Self::KeysRead
            | Self::KeysWrite
            | Self::SubjectsWrite
            | Self::MetricsRead
            | Self::WorkflowsRead
            | Self::WorkflowsWrite
            | Self::WorkflowsApprove
            | Self::PluginsRead
            | Self::MoneyRead
            | Self::MoneyWrite
            | Self::PolicyRead
            | Self::PolicyWrite => false,
        }
    }

    /// Whether a text is a scope that can be granted.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text == SCOPE_ALL || Self::ALL.iter().any(|scope| scope.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_scope_is_told_apart() {
        assert!(Scope::ALL.iter().all(|scope| Scope::is_one(scope.name())));
        for text in ["", "entities", "entities:read ", "Entities:read", "**"] {
            assert!(!Scope::is_one(text), "{text:?}");
        }
    }
}
