//! What a breaker is asked and told. The limits come with each command, so that a setting counts
//! from the moment that it is made.

use std::num::NonZeroU32;

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, Timestamp};
use serde::Deserialize;

/// Failures in a row that open it, unless a command says otherwise: one is chance, two may be.
pub const FAILURES_MAX: NonZeroU32 = NonZeroU32::new(3).expect("three is not zero");

/// Unhealthy reports in a row that open it, unless a command says otherwise.
pub const UNHEALTHY_MAX: NonZeroU32 = NonZeroU32::new(3).expect("three is not zero");

/// How long it stays open before a probe, unless a command says otherwise: a minute, in which most
/// of what restarts has.
pub const COOLDOWN_MS: NonZeroU32 = NonZeroU32::new(60_000).expect("a minute is not zero");

/// After how long a probe that nobody reports of gives way, unless a command says otherwise: longer
/// than most calls may take.
pub const PROBE_TTL_MS: NonZeroU32 = NonZeroU32::new(120_000).expect("two minutes are not zero");

/// Asks whether a call may be made. The call's own id is the command's: a repeat by the call that
/// is the probe is admitted as that probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// After how long it gives way, where it becomes a probe.
    #[serde(default = "probe_ttl_ms")]
    pub probe_ttl_ms: NonZeroU32,
}

/// Says how a call went that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whether it went well.
    pub ok: bool,
    /// Whether it was admitted as a probe.
    pub probe: bool,
    /// When it was admitted, by the admission's answer.
    pub at: Timestamp,
    /// Failures in a row that open the breaker.
    #[serde(default = "failures_max")]
    pub failures_max: NonZeroU32,
    /// How long it then stays open.
    #[serde(default = "cooldown_ms")]
    pub cooldown_ms: NonZeroU32,
}

/// Says how the plugin says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteHealth {
    /// Whether it is of no use.
    pub unhealthy: bool,
    /// Such reports in a row that open the breaker.
    #[serde(default = "unhealthy_max")]
    pub unhealthy_max: NonZeroU32,
    /// How long it then stays open.
    #[serde(default = "cooldown_ms")]
    pub cooldown_ms: NonZeroU32,
}

const fn probe_ttl_ms() -> NonZeroU32 {
    PROBE_TTL_MS
}

const fn failures_max() -> NonZeroU32 {
    FAILURES_MAX
}

const fn unhealthy_max() -> NonZeroU32 {
    UNHEALTHY_MAX
}

const fn cooldown_ms() -> NonZeroU32 {
    COOLDOWN_MS
}

/// A breaker's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `admit`
    Admit(Admit),
    /// `report`
    Report(Report),
    /// `note_health`
    NoteHealth(NoteHealth),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "admit" => Ok(Command::Admit(parse_body(body)?)),
        "report" => Ok(Command::Report(parse_body(body)?)),
        "note_health" => Ok(Command::NoteHealth(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
