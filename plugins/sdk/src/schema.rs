//! JSON Schemas of what travels, for plugins in whatever language: the files under `schemas`.
//!
//! **Invariant:** a document that a schema allows can be read as its type and passes the type's own
//! check, and one that it refuses can't or doesn't; the tests of this crate hold the two together.
//! Only whether a dependency's versions are versions is left to the type.

/// Of an [`InputEnvelope`](crate::InputEnvelope).
pub const INPUT_ENVELOPE: &str = include_str!("../schemas/input-envelope.json");

/// Of an [`OutputEnvelope`](crate::OutputEnvelope). That it names the call's own task is beyond it.
pub const OUTPUT_ENVELOPE: &str = include_str!("../schemas/output-envelope.json");

/// Of a [`Manifest`](crate::Manifest). Whether its two schemas are schemas is beyond it.
pub const MANIFEST: &str = include_str!("../schemas/manifest.json");

/// Of a [`HealthReport`](crate::HealthReport).
pub const HEALTH_REPORT: &str = include_str!("../schemas/health-report.json");
