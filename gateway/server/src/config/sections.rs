//! The settings as types, one struct per section of `config/default.toml`, which says why each
//! default is what it is.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use coppice_core::TenantId;
use serde::Deserialize;

use super::ingress::IngressConfig;
use super::treasury::TreasuryConfig;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The listener and its limits.
    pub server: ServerConfig,
    /// Where the journal is kept.
    pub store: StoreConfig,
    /// The shell around entities.
    pub runtime: RuntimeConfig,
    /// Calls to the outside.
    pub effects: EffectsConfig,
    /// What tasks are planned from.
    pub plans: PlansConfig,
    /// Plugins.
    pub plugins: PluginsConfig,
    /// Limits of money.
    pub treasury: TreasuryConfig,
    /// Verification of API keys.
    pub auth: AuthConfig,
    /// How fast tenants may ask.
    pub rates: RatesConfig,
    /// Webhooks.
    pub ingress: IngressConfig,
    /// What is allowed.
    pub policy: PolicyConfig,
    /// How often and how long the node looks at what it depends on.
    pub health: HealthConfig,
    /// What is recorded of traces, and where it goes.
    pub trace: TraceConfig,
    /// What is written to stderr, and how.
    pub log: LogConfig,
}

/// What tasks are planned from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlansConfig {
    /// A directory of templates that stand above the shipped ones; none where empty.
    pub directory: PathBuf,
}

/// What the node is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// On someone's own machine, or in a test.
    Development,
    /// As production, with nothing at stake.
    Staging,
    /// The real thing: conveniences that weaken it are refused.
    Production,
}

/// The listener and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the node is used for.
    pub environment: Environment,
    /// The largest body that is accepted.
    pub body_bytes_max: usize,
    /// The largest task or workflow that is accepted.
    pub workflow_bytes_max: usize,
    /// The largest request line with headers that is accepted.
    pub header_bytes_max: usize,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Commands under way at which no more are taken in from outside.
    pub commands_open_max: usize,
    /// How long a request is kept that is refused for this.
    pub refusal_pause_ms: u64,
    /// How long a client waits for an answer at most.
    pub request_timeout_ms: u64,
    /// A connection is closed after nothing was written to it for this long.
    pub idle_timeout_ms: u64,
    /// Streams of events at the same time.
    pub streams_max: u32,
    /// Streams of one tenant at the same time.
    pub streams_per_tenant_max: u32,
    /// How often it is looked whether a stream's caller would still be let in.
    pub stream_recheck_ms: u64,
    /// How often a stream without events says that it is alive.
    pub stream_heartbeat_ms: u64,
    /// Whether metrics are shown without a key.
    pub metrics_public: bool,
    /// How long the node goes on answering, as not ready, once it is told to stop.
    pub drain_notice_ms: u64,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown_grace_ms: u64,
    /// TLS.
    pub tls: TlsConfig,
    /// Pages of other origins.
    pub cors: CorsConfig,
}

/// TLS on the listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain; empty for no TLS.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients.
    pub client_ca: PathBuf,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// How long a handshake may take.
    pub handshake_timeout_ms: u64,
    /// Whom the certificates of clients stand for.
    pub callers: BTreeMap<String, TlsCaller>,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// They aren't asked.
    Off,
    /// One that is shown is checked.
    Optional,
    /// Nobody is served without.
    Required,
}

/// Whom a client's certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCaller {
    /// A DNS name or URI in the certificate.
    pub san: Option<String>,
    /// The certificate's fingerprint.
    pub sha256: Option<String>,
    /// The tenant.
    pub tenant: TenantId,
    /// What it is allowed.
    pub scopes: Vec<String>,
}

/// Pages of other origins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsConfig {
    /// Those that are allowed.
    pub origins: Vec<String>,
    /// How long a browser may remember it.
    pub max_age_s: u64,
}

/// How fast tenants may ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatesConfig {
    /// Reads a second.
    pub read_per_s: u32,
    /// Commands a second.
    pub write_per_s: u32,
    /// Requests to the operator's routes a second.
    pub operate_per_s: u32,
    /// Webhooks a second.
    pub ingress_per_s: u32,
    /// How many seconds' worth a tenant may ask at once.
    pub burst_s: u32,
    /// Tenants that have limits of their own.
    pub tenants: BTreeMap<TenantId, TenantRates>,
}

/// One tenant's own limits; what is unset is as for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantRates {
    /// Reads a second.
    pub read_per_s: Option<u32>,
    /// Commands a second.
    pub write_per_s: Option<u32>,
    /// Requests to the operator's routes a second.
    pub operate_per_s: Option<u32>,
    /// Webhooks a second.
    pub ingress_per_s: Option<u32>,
}

/// Where the journal is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The embedded store's directory.
    pub data: PathBuf,
    /// A PostgreSQL URL; empty for the embedded store.
    pub database: Secret,
    /// Connections to the database.
    pub connections_max: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout_ms: u64,
    /// How long PostgreSQL lets a statement run.
    pub statement_timeout_ms: u64,
    /// Pages that each of the embedded store's connections keeps in memory, KiB.
    pub cache_kib: u32,
    /// How large the embedded journal may get; 0 for no limit of its own.
    pub journal_bytes_max: u64,
    /// The room on the disk below which the embedded store takes no writes; 0 for none.
    pub disk_free_min_bytes: u64,
}

/// The shell around entities; the composition root hands these to the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Commands that may wait for one entity.
    pub mailbox_capacity: usize,
    /// Commands that an entity decides in one turn.
    pub drain_batch: usize,
    /// Tickets of one entity between decision and commit.
    pub tickets_open_max: usize,
    /// Tickets in one transaction.
    pub batch_tickets_max: usize,
    /// Bytes of payload in one transaction.
    pub batch_bytes_max: usize,
    /// Events between two snapshots of an entity.
    pub snapshot_every: u64,
    /// How long answers to idempotency keys are kept.
    pub command_retention_s: u64,
    /// Latest answers that a resident entity keeps in memory.
    pub command_window: usize,
    /// Entities in memory.
    pub residents_max: usize,
    /// Memory of one kind's entities, estimated.
    pub resident_bytes_max: usize,
    /// How long an entity is idle before it hibernates.
    pub hibernate_after_s: u64,
    /// How long it hibernates before it leaves the memory.
    pub passivate_after_s: u64,
    /// Events behind the last snapshot that need no new one then.
    pub passivation_tail_max: u64,
    /// How long the entity's own code may take for one decision.
    pub decide_limit_ms: u64,
    /// Crashes on one message before it is taken out of delivery.
    pub message_crashes_max: u32,
    /// Crashes of one entity within the window before it is taken out of service.
    pub entity_crashes_max: u32,
    /// The window of `entity_crashes_max`.
    pub crash_window_s: u64,
    /// How long the node waits for an entity to take a message of its own.
    pub delivery_patience_ms: u64,
    /// How long a read model waits for more commits once it was woken by one.
    pub projection_linger_ms: u64,
    /// Followers of the journal that catch up from it at the same time.
    pub catch_ups_max: usize,
    /// Bytes of events that a follower takes at once.
    pub catch_up_bytes_max: usize,
    /// Slices of all entities that can have an owner each.
    pub shards: u16,
    /// Keys of personal data in memory.
    pub subject_keys_max: usize,
    /// How long shards are owned without a word to the database.
    pub lease_ms: u64,
}

/// Calls to the outside, which entities owe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectsConfig {
    /// Effects that may wait in one pool.
    pub queue_max: usize,
    /// Effects of one pool under way.
    pub open_max: usize,
    /// Lives of the node in which an effect may be started without a recorded outcome.
    pub starts_max: u32,
    /// Effects that are computed behind one command before the rest is called.
    pub computed_max: usize,
    /// How long that may go on.
    pub computing_ms: u64,
    /// Calls of one pool at the same time.
    pub concurrency: usize,
    /// How long one call may take.
    pub timeout_ms: u64,
    /// Where the alarms' bell is: an `http` address, empty for none.
    pub bell_url: String,
}

/// Plugins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginsConfig {
    /// Calls of plugins at the same time.
    pub concurrency: usize,
    /// How long one call may take.
    pub timeout_ms: u64,
    /// The largest answer.
    pub answer_bytes_max: usize,
    /// Failures in a row that open a circuit breaker.
    pub failures_max: NonZeroU32,
    /// Unhealthy reports in a row that open it.
    pub unhealthy_max: NonZeroU32,
    /// How long it stays open.
    pub cooldown_s: u64,
    /// How often a version is asked how it is.
    pub health_every_s: u64,
    /// How long it may think about it.
    pub health_timeout_ms: u64,
    /// Versions that are asked at the same time.
    pub health_at_once: usize,
    /// Hosts, each with its port, that the plugin `fetch` may ask.
    pub fetch_hosts: Vec<String>,
    /// The largest text that it takes.
    pub fetch_bytes_max: usize,
    /// What plugins may need to be allowed.
    pub scopes: Vec<String>,
}

/// Verification of API keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// How long a verified key is believed.
    pub cache_ttl_s: u64,
    /// Verified keys in memory.
    pub cache_entries_max: usize,
    /// How long a refused key stays refused.
    pub refused_ttl_ms: u64,
    /// Keys looked up at the same time.
    pub lookups_max: usize,
    /// How long a key that was rotated stays valid.
    pub rotation_grace_s: u64,
    /// How long an ended key is kept.
    pub purge_after_s: u64,
    /// How often the last uses of keys are written down.
    pub last_used_every_s: u64,
    /// Keys of one tenant.
    pub keys_per_tenant_max: u32,
    /// JSON Web Tokens.
    pub jwt: JwtConfig,
}

/// JSON Web Tokens as credentials. The secret for HS256 comes from the environment only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// Who must have issued a token; empty for anybody.
    pub issuer: String,
    /// What a token must be meant for; empty for nothing.
    pub audience: String,
    /// How far clocks may be apart.
    pub leeway_s: u64,
    /// The longest life of a token.
    pub lifetime_max_s: u64,
    /// The largest token.
    pub token_bytes_max: usize,
    /// Public keys by their `kid`.
    pub keys: BTreeMap<String, JwtKey>,
}

/// A public key that tokens may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtKey {
    /// An Ed25519 public key in PEM.
    pub file: PathBuf,
    /// The only tenant that its tokens may name.
    pub tenant: Option<TenantId>,
}

/// What is allowed: where the bundle that says so comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// The bundle's directory; empty for the one that is compiled in.
    pub directory: PathBuf,
    /// How often the directory is looked at.
    pub refresh_s: u64,
}

/// How often and how long the node looks at what it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthConfig {
    /// Between two rounds of checks.
    pub interval_ms: u64,
    /// How long one check may take.
    pub timeout_ms: u64,
    /// Checks that fail in a row before a dependency is down.
    pub failures_max: u32,
    /// Time down after which the node freezes the system; 0 for never.
    pub freeze_after_s: u64,
}

/// What is written to stderr, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least important lines that are still written.
    pub level: LogLevel,
    /// From when on a request is logged as slow.
    pub slow_request_ms: u64,
}

/// What is recorded of traces, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceConfig {
    /// Where spans are sent: the `http` address of an OTLP receiver, empty for nowhere.
    pub otlp_url: String,
    /// Traces that are recorded of those that begin here, in a million.
    pub sampled_per_million: u32,
    /// Spans that may wait to be sent.
    pub queue_max: usize,
    /// Spans in one request.
    pub batch_max: usize,
    /// How long a span waits for others to be sent along with it.
    pub delay_ms: u64,
    /// How long one request, and the last one of all at a stop, may take.
    pub timeout_ms: u64,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people where stderr is a terminal, else for machines.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important lines that are still written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything that helps to find a bug.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What an operator should look at.
    #[serde(alias = "warn")]
    Warning,
    /// What is broken.
    Error,
}

/// Text that may hold a password or a key; it is never printed.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being printed.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever has to hand it on.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What the webhooks of a source are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// The present one.
    pub current: Secret,
    /// The one before it, from a rotation until every webhook has been given the new one.
    pub previous: Option<Secret>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(empty)" } else { "(secret)" })
    }
}
