//! What an intent can be told.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, Json};
use serde::{Deserialize, Serialize};

use crate::treasury::money::Amount;
use crate::treasury::names::Name;
use crate::treasury::reason::Reason;

/// Says what somebody wants to spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// How much.
    pub amount: Amount,
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// Who is paid.
    pub merchant: Name,
    /// For what kind of thing.
    pub category: Name,
    /// For how long it can be approved and posted, in seconds.
    pub ttl_s: u32,
    /// For which workflow.
    #[serde(default)]
    pub workflow: Option<Name>,
}

/// Approves it; only together with what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// What the policy was asked and said, whole.
    #[serde(default)]
    pub policy: Option<Json>,
}

/// Denies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// Why.
    pub reason: Reason,
    /// What the policy was asked and said, whole, where it was asked.
    #[serde(default)]
    pub policy: Option<Json>,
}

/// Records that its amount, or a part of it, moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// How much of it.
    pub amount: Amount,
}

/// Takes it back while it isn't decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {}

/// Takes it back; only together with what was set aside for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Void {}

/// Records that what was set aside for it has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expire {}

/// An intent's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `create`
    Create(Create),
    /// `approve`
    Approve(Approve),
    /// `deny`
    Deny(Deny),
    /// `post`
    Post(Post),
    /// `withdraw`
    Withdraw(Withdraw),
    /// `void`
    Void(Void),
    /// `expire`
    Expire(Expire),
    /// Its time is over and it isn't decided; only the system says so.
    Lapse,
}

impl Command {
    /// The command's name and body, which `parse` reads; none of what only the system says.
    ///
    /// # Errors
    /// None that can come about: texts, numbers and JSON always serialize.
    pub fn encode(&self) -> Result<Option<(&'static str, String)>, serde_json::Error> {
        Ok(Some(match self {
            Self::Create(create) => ("create", serde_json::to_string(create)?),
            Self::Approve(approve) => ("approve", serde_json::to_string(approve)?),
            Self::Deny(deny) => ("deny", serde_json::to_string(deny)?),
            Self::Post(post) => ("post", serde_json::to_string(post)?),
            Self::Withdraw(withdraw) => ("withdraw", serde_json::to_string(withdraw)?),
            Self::Void(void) => ("void", serde_json::to_string(void)?),
            Self::Expire(expire) => ("expire", serde_json::to_string(expire)?),
            Self::Lapse => return Ok(None),
        }))
    }
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "create" => Ok(Command::Create(parse_body(body)?)),
        "approve" => Ok(Command::Approve(parse_body(body)?)),
        "deny" => Ok(Command::Deny(parse_body(body)?)),
        "post" => Ok(Command::Post(parse_body(body)?)),
        "withdraw" => Ok(Command::Withdraw(parse_body(body)?)),
        "void" => Ok(Command::Void(parse_body(body)?)),
        "expire" => Ok(Command::Expire(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
