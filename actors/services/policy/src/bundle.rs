//! From texts to something that can decide, refused with the file, the policy and the line.
//!
//! **Invariants:** policies are validated strictly, warnings count as faults, and every policy has
//! an id and annotations that are known. So a policy can't read what its schema doesn't name, and
//! no misspelt annotation leaves out an approval.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::str::FromStr;

use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, Schema, SchemaFragment, ValidationMode, Validator,
};
use miette::Diagnostic;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::data::{Data, Risk, Title};
use crate::facts::Declared;
use crate::source::{DATA, POLICIES, SCHEMA, Source, TITLE};

/// Faults that are told of at once; the rest shows once these are mended.
const FAULTS_MAX: usize = 20;

/// The longest reason code, in bytes.
const REASON_BYTES_MAX: usize = 64;

/// What is wrong with a file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which file.
    pub file: &'static str,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The policy, where it is one's.
    pub policy: Option<String>,
    /// What is wrong.
    pub problem: String,
}

impl Fault {
    fn new(file: &'static str, problem: impl Into<String>) -> Self {
        Self { file, line: None, policy: None, problem: problem.into() }
    }

    pub(crate) fn title(problem: impl Into<String>) -> Self {
        Self::new(TITLE, problem)
    }

    pub(crate) fn data(problem: impl Into<String>) -> Self {
        Self::new(DATA, problem)
    }

    pub(crate) fn policies(problem: impl Into<String>) -> Self {
        Self::new(POLICIES, problem)
    }

    pub(crate) fn schema(problem: impl Into<String>) -> Self {
        Self::new(SCHEMA, problem)
    }

    /// What Cedar says of a text, at the line that it points to first.
    fn of_cedar(file: &'static str, text: &str, error: &dyn Diagnostic) -> Self {
        let offset = error.labels().and_then(|mut labels| labels.next());
        let line = offset.map(|label| line_at(text, label.offset()));
        let mut problem = error.to_string();
        if let Some(help) = error.help() {
            problem = format!("{problem} ({help})");
        }
        Self { line, ..Self::new(file, problem) }
    }

    fn of_policy(self, policy: &str) -> Self {
        Self { policy: Some(policy.to_owned()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(policy) = &self.policy {
            write!(f, " (policy {policy})")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What is wrong with a bundle; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{fault}")?;
        }
        Ok(())
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// Why a bundle isn't put in force.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The directory isn't there, or can't be looked at.
    #[error("the directory of the bundle can not be read")]
    Directory {
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A file isn't there or is no text.
    #[error("{file} can not be read")]
    File {
        /// Which.
        file: &'static str,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A file is too large.
    #[error("{file} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Which.
        file: &'static str,
        /// How large it may be.
        bytes_max: u64,
    },
    /// The files were being written while they were read.
    #[error("the files are being written")]
    Changing,
    /// What was in force under a version is not what the files say now.
    #[error("version {version} was in force with other content: give what has changed another one")]
    VersionReused {
        /// The version.
        version: String,
    },
    /// The files don't make a bundle.
    #[error("{0}")]
    Invalid(Faults),
}

impl From<Faults> for BundleError {
    fn from(faults: Faults) -> Self {
        Self::Invalid(faults)
    }
}

/// What a policy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// Its place in the file.
    pub(crate) place: usize,
    /// The code of a denial by it.
    pub(crate) reason: Option<String>,
    /// The risk of what it allows.
    pub(crate) risk: Option<Risk>,
    /// Whether what it allows needs approval.
    pub(crate) approval: bool,
}

/// A bundle's parts, each checked and all checked against each other.
pub(crate) struct Parts {
    pub(crate) title: Title,
    pub(crate) data: Data,
    pub(crate) schema: Schema,
    pub(crate) declared: Declared,
    pub(crate) policies: PolicySet,
    pub(crate) notes: BTreeMap<String, Note>,
}

/// Reads a bundle's texts.
pub(crate) fn parse(source: &Source) -> Result<Parts, Faults> {
    let title: Title = toml(TITLE, &source.title)?;
    title.check()?;
    let data: Data = toml(DATA, &source.data)?;
    data.check()?;
    let (schema, declared) = schema(&source.schema)?;
    let (policies, notes) = policies(&source.policies)?;
    let policies = validated(policies, &schema, &source.policies)?;
    Ok(Parts { title, data, schema, declared, policies, notes })
}

fn toml<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, Fault> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_at(text, span.start));
        Fault { line, ..Fault::new(file, error.message()) }
    })
}

fn schema(text: &str) -> Result<(Schema, Declared), Faults> {
    let refused = |error: &dyn Diagnostic| Faults::from(Fault::of_cedar(SCHEMA, text, error));
    let (schema, warnings) = Schema::from_cedarschema_str(text).map_err(|e| refused(&e))?;
    let warned = warnings.map(|warning| Fault::of_cedar(SCHEMA, text, &warning));
    collected(warned)?;
    let (fragment, _) = SchemaFragment::from_cedarschema_str(text).map_err(|e| refused(&e))?;
    let json = fragment.to_json_value().map_err(|e| refused(&e))?;
    Ok((schema, Declared::read(&json)?))
}

/// Every policy under the id that it gives itself.
fn policies(text: &str) -> Result<(PolicySet, BTreeMap<String, Note>), Faults> {
    let parsed = PolicySet::from_str(text).map_err(|errors| {
        let errors = errors.iter().take(FAULTS_MAX);
        Faults(errors.map(|error| Fault::of_cedar(POLICIES, text, error)).collect())
    })?;
    if let Some(template) = parsed.templates().next() {
        let problem = "has a slot, and nothing here fills it";
        return Err(Fault::policies(problem).of_policy(template.id().as_ref()).into());
    }
    let mut named = PolicySet::new();
    let mut notes = BTreeMap::new();
    for (place, policy) in parsed.policies().enumerate() {
        let misnamed = |problem: String| Fault {
            line: Some(line_of(text, policy)),
            ..Fault::policies(problem)
        };
        let id = policy.annotation("id").unwrap_or_default();
        if !is_id(id) {
            let problem = "a policy has an @id of 1 to 64 letters, digits, - and _";
            return Err(misnamed(problem.to_owned()).into());
        }
        let note = note(place, policy).map_err(|problem| misnamed(problem).of_policy(id))?;
        if notes.insert(id.to_owned(), note).is_some() {
            return Err(misnamed("there is another policy of this id".to_owned())
                .of_policy(id)
                .into());
        }
        let policy = policy.new_id(PolicyId::new(id));
        named.add(policy).map_err(|error| Fault::policies(error.to_string()))?;
    }
    Ok((named, notes))
}

fn is_id(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_part)
}

/// Reads a policy's annotations; each where it means something, and no other.
fn note(place: usize, policy: &Policy) -> Result<Note, String> {
    let mut note = Note { place, reason: None, risk: None, approval: false };
    let permits = policy.effect() == Effect::Permit;
    for (name, value) in policy.annotations() {
        match (name, permits) {
            ("id", _) => {}
            ("requires_approval", true) => {
                note.approval = value
                    .parse()
                    .map_err(|_| "@requires_approval is \"true\" or \"false\"".to_owned())?;
            }
            ("risk", true) => {
                let risk = Risk::parse(value).ok_or("@risk is \"low\", \"medium\" or \"high\"")?;
                note.risk = Some(risk);
            }
            ("reason", false) => {
                let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                let fits = (1..=REASON_BYTES_MAX).contains(&value.len());
                if !fits || !value.bytes().all(is_part) {
                    return Err("@reason is a code of lower-case letters and _".to_owned());
                }
                note.reason = Some(value.to_owned());
            }
            (other, permits) => {
                let effect = if permits { "permit" } else { "forbid" };
                return Err(format!("@{other} says nothing on a {effect}"));
            }
        }
    }
    Ok(note)
}

fn validated(policies: PolicySet, schema: &Schema, text: &str) -> Result<PolicySet, Faults> {
    let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
    let errors = result
        .validation_errors()
        .map(|error| Fault::of_cedar(POLICIES, text, error).of_policy(error.policy_id().as_ref()));
    // A policy that can never apply, or that reads differently than it looks.
    let warnings = result.validation_warnings().map(|warning| {
        Fault::of_cedar(POLICIES, text, warning).of_policy(warning.policy_id().as_ref())
    });
    collected(errors.chain(warnings))?;
    Ok(policies)
}

/// Nothing, or the faults in the order of their lines, each once: Cedar finds one anew in each way
/// in which a policy can be asked.
fn collected(faults: impl Iterator<Item = Fault>) -> Result<(), Faults> {
    let mut seen = BTreeSet::new();
    let mut faults: Vec<_> = faults.filter(|fault| seen.insert(fault.to_string())).collect();
    faults.sort_by_key(|fault| fault.line);
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// The line, from 1, that a byte stands in.
fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Where a policy begins: Cedar prints one that it has parsed as it was written.
fn line_of(text: &str, policy: &Policy) -> usize {
    let written = policy.to_string();
    text.find(&written).map_or(1, |offset| line_at(text, offset))
}
