//! The settings as the parts of the node take them.

use std::time::Duration;

use coppice_persistence::{PostgresOptions, SqliteOptions};
use coppice_plugins::PluginOptions;
use coppice_runtime::RuntimeOptions;
use uuid::Uuid;

use crate::config::{Config, PluginsConfig, StoreConfig};

/// The limits of the embedded database.
pub(super) fn sqlite_options(config: &StoreConfig) -> SqliteOptions {
    SqliteOptions {
        readers: config.connections_max,
        cache_kib: config.cache_kib,
        bytes_max: config.journal_bytes_max,
        free_min_bytes: config.disk_free_min_bytes,
        ..SqliteOptions::default()
    }
}

/// The limits of PostgreSQL.
pub(super) fn postgres_options(config: &StoreConfig) -> PostgresOptions {
    PostgresOptions {
        connections_max: config.connections_max,
        acquire_timeout: Duration::from_millis(config.acquire_timeout_ms),
        statement_timeout: Duration::from_millis(config.statement_timeout_ms),
        // Less than the statement's own, so that the error names the lock.
        lock_timeout: Duration::from_millis(config.statement_timeout_ms / 2),
        ..PostgresOptions::default()
    }
}

/// The limits of the runtime.
pub(super) fn runtime_options(config: &Config) -> RuntimeOptions {
    let runtime = &config.runtime;
    RuntimeOptions {
        mailbox_capacity: runtime.mailbox_capacity,
        drain_batch: runtime.drain_batch,
        tickets_open_max: runtime.tickets_open_max,
        batch_tickets_max: runtime.batch_tickets_max,
        batch_bytes_max: runtime.batch_bytes_max,
        snapshot_every: runtime.snapshot_every,
        command_window: runtime.command_window,
        command_retention: Duration::from_secs(runtime.command_retention_s),
        residents_max: runtime.residents_max,
        resident_bytes_max: runtime.resident_bytes_max,
        hibernate_after: Duration::from_secs(runtime.hibernate_after_s),
        passivate_after: Duration::from_secs(runtime.passivate_after_s),
        passivation_tail_max: runtime.passivation_tail_max,
        decide_limit: Duration::from_millis(runtime.decide_limit_ms),
        message_crashes_max: runtime.message_crashes_max,
        entity_crashes_max: runtime.entity_crashes_max,
        crash_window: Duration::from_secs(runtime.crash_window_s),
        delivery_patience: Duration::from_millis(runtime.delivery_patience_ms),
        projection_linger: Duration::from_millis(runtime.projection_linger_ms),
        catch_ups_max: runtime.catch_ups_max,
        catch_up_bytes_max: runtime.catch_up_bytes_max,
        pool_queue_max: config.effects.queue_max,
        pool_open_max: config.effects.open_max,
        effect_starts_max: config.effects.starts_max,
        computed_max: config.effects.computed_max,
        computing: Duration::from_millis(config.effects.computing_ms),
        // Nodes that fail together must not come back together.
        jitter_seed: Uuid::new_v4().as_u64_pair().0,
        ..RuntimeOptions::default()
    }
}

/// The limits of plugins.
pub(super) fn plugin_options(config: &PluginsConfig, patience_ms: u64) -> PluginOptions {
    PluginOptions {
        call_timeout: Duration::from_millis(config.timeout_ms),
        answer_bytes_max: config.answer_bytes_max,
        failures_max: config.failures_max,
        unhealthy_max: config.unhealthy_max,
        cooldown: Duration::from_secs(config.cooldown_s),
        health_every: Duration::from_secs(config.health_every_s),
        health_timeout: Duration::from_millis(config.health_timeout_ms),
        health_at_once: config.health_at_once,
        patience: Duration::from_millis(patience_ms),
        scopes: config.scopes.clone(),
        ..PluginOptions::default()
    }
}
