//! The table of event types: what each is about, where in a body that stands, and what it tells.

use super::{account, code, conversation, pipeline, security};
use crate::workflow::flow::Priority;

/// Stands in a type's actions where senders make them up.
pub const ANY_ACTION: &str = "*";

/// One event type of GitHub's documentation.
#[derive(Debug, Clone, Copy)]
pub struct EventType {
    /// Its name, as in `X-GitHub-Event`.
    pub name: &'static str,
    /// Every action that it has; none where its bodies have no action.
    pub actions: &'static [&'static str],
    /// How urgent it is unless a rule says otherwise.
    pub priority: Priority,
    /// What it is about.
    pub(super) subject: &'static str,
    /// Where that stands in the body, a JSON pointer.
    pub(super) at: &'static str,
    /// Where its title stands.
    pub(super) title: Place,
    /// The same of its branch or tag.
    pub(super) reference: Place,
    /// The same of its commit.
    pub(super) sha: Place,
    /// The same of its page.
    pub(super) url: Place,
    /// Where the time of the event stands, if not within the subject.
    pub(super) occurred: Option<&'static [&'static str]>,
    /// What else is told: names, and where their values stand.
    pub(super) data: &'static [&'static [(&'static str, &'static str)]],
}

/// Where a member of the subject stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Within the subject, by one of the usual names.
    Within,
    /// Elsewhere in the body, a JSON pointer.
    At(&'static str),
    /// It isn't told.
    Nowhere,
}

/// The actions of whatever is made, changed and taken away.
pub(super) const EDITED: &[&str] = &["created", "deleted", "edited"];

impl EventType {
    /// About the repository, unless more is said.
    pub(super) const fn new(name: &'static str, actions: &'static [&'static str]) -> Self {
        Self {
            name,
            actions,
            priority: Priority::P2,
            subject: "repository",
            at: "/repository",
            title: Place::Within,
            reference: Place::Within,
            sha: Place::Within,
            url: Place::Within,
            occurred: None,
            data: &[],
        }
    }

    pub(super) const fn about(self, subject: &'static str, at: &'static str) -> Self {
        Self { subject, at, ..self }
    }

    /// The repository's own time is that of its last change, not of this event.
    pub(super) const fn untimed(self) -> Self {
        Self { occurred: Some(&[]), ..self }
    }

    pub(super) const fn timed(self, occurred: &'static [&'static str]) -> Self {
        Self { occurred: Some(occurred), ..self }
    }

    pub(super) const fn titled(self, at: &'static str) -> Self {
        Self { title: Place::At(at), ..self }
    }

    pub(super) const fn untitled(self) -> Self {
        Self { title: Place::Nowhere, ..self }
    }

    pub(super) const fn urgent(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    pub(super) const fn data(
        self,
        data: &'static [&'static [(&'static str, &'static str)]],
    ) -> Self {
        Self { data, ..self }
    }

    /// Whether its events may say that they are about a draft.
    #[must_use]
    pub fn has_draft(&self) -> bool {
        self.data.iter().copied().flatten().any(|(name, _)| *name == "draft")
    }

    /// Whether it has an action of this name.
    #[must_use]
    pub fn has_action(&self, action: &str) -> bool {
        self.actions.iter().any(|known| *known == action || *known == ANY_ACTION)
    }
}

/// Every type of the documentation, those of GitHub Enterprise included.
pub fn event_types() -> impl Iterator<Item = &'static EventType> {
    let families =
        [code::TYPES, pipeline::TYPES, conversation::TYPES, security::TYPES, account::TYPES];
    families.into_iter().flatten()
}

/// The type of a name.
#[must_use]
pub fn event_type(name: &str) -> Option<&'static EventType> {
    event_types().find(|of| of.name == name)
}
