//! What types can't say about settings: ranges, and how one bounds another.
//!
//! A limit of zero would hang rather than limit, and one that overflows a later multiplication
//! would not limit at all; both are found here, before anything is started.

use std::ops::RangeInclusive;

use super::{ClientAuth, Config, ConfigError, Environment, ServerConfig, TlsConfig};
use crate::cors;

/// The buffers of a connection can't be smaller; the HTTP library refuses it.
const HEADER_BYTES_MIN: u64 = 8192;
const GIB: u64 = 1 << 30;
const DAY_MS: u64 = 86_400_000;
const YEAR_S: u64 = 31_536_000;

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    for (key, value, range) in all_ranges(config) {
        if !range.contains(&value) {
            return Err(ConfigError::OutOfRange {
                key,
                problem: format!("is {value}, not {} to {}", range.start(), range.end()),
            });
        }
    }
    if config.server.idle_timeout_ms <= config.server.request_timeout_ms {
        return Err(ConfigError::OutOfRange {
            key: "server.idle_timeout_ms",
            problem: "must exceed server.request_timeout_ms".to_owned(),
        });
    }
    if config.server.stream_heartbeat_ms >= config.server.idle_timeout_ms {
        return Err(ConfigError::OutOfRange {
            key: "server.stream_heartbeat_ms",
            problem: "must be less than server.idle_timeout_ms".to_owned(),
        });
    }
    for rates in config.rates.tenants.values() {
        let own = [rates.read_per_s, rates.write_per_s, rates.operate_per_s, rates.ingress_per_s];
        if own.iter().flatten().any(|rate| !(1..=10_000_000).contains(rate)) {
            return Err(ConfigError::OutOfRange {
                key: "rates.tenants",
                problem: "has a rate that is not 1 to 10000000".to_owned(),
            });
        }
    }
    if config.ingress.held_bytes_max < config.ingress.body_bytes_max {
        return Err(ConfigError::OutOfRange {
            key: "ingress.held_bytes_max",
            problem: "must be at least ingress.body_bytes_max".to_owned(),
        });
    }
    check_tls(&config.server.tls)?;
    check_cors(&config.server)?;
    config.treasury.options()?;
    let database = config.store.database.expose();
    let known = ["postgres://", "postgresql://"];
    if !database.is_empty() && !known.iter().any(|scheme| database.starts_with(scheme)) {
        return Err(ConfigError::OutOfRange {
            key: "store.database",
            problem: "must be empty or start with postgres://".to_owned(),
        });
    }
    if config.store.data.as_os_str().is_empty() {
        return Err(ConfigError::OutOfRange {
            key: "store.data",
            problem: "must name a directory".to_owned(),
        });
    }
    Ok(())
}

/// What belongs together is given together, so that nothing that was set is without effect.
fn check_tls(tls: &TlsConfig) -> Result<(), ConfigError> {
    let refuse =
        |key, problem: &str| Err(ConfigError::OutOfRange { key, problem: problem.to_owned() });
    let given = |path: &std::path::Path| !path.as_os_str().is_empty();
    if given(&tls.cert) != given(&tls.key) {
        return refuse("server.tls.key", "and server.tls.cert are given both or neither");
    }
    if tls.client_auth == ClientAuth::Off {
        if given(&tls.client_ca) || !tls.callers.is_empty() {
            return refuse(
                "server.tls.client_auth",
                "is off, so client_ca and callers are not read",
            );
        }
        return Ok(());
    }
    if !given(&tls.cert) {
        return refuse("server.tls.client_auth", "needs server.tls.cert");
    }
    if !given(&tls.client_ca) {
        return refuse("server.tls.client_auth", "needs server.tls.client_ca");
    }
    Ok(())
}

fn check_cors(server: &ServerConfig) -> Result<(), ConfigError> {
    for origin in &server.cors.origins {
        let problem = if origin == cors::ANY {
            match server.environment {
                Environment::Production => "may not be \"*\" in production",
                Environment::Development | Environment::Staging => continue,
            }
        } else if cors::is_origin(origin) {
            continue;
        } else {
            "has one that is no origin, such as \"https://console.example.com\""
        };
        let problem = problem.to_owned();
        return Err(ConfigError::OutOfRange { key: "server.cors.origins", problem });
    }
    Ok(())
}

fn all_ranges(config: &Config) -> impl Iterator<Item = Range> {
    ranges(config)
        .into_iter()
        .chain(of_observing(config))
        .chain(of_plugins(config))
        .chain(of_money(config))
        .chain(of_server(config))
        .chain(of_ingress(config))
}

type Range = (&'static str, u64, RangeInclusive<u64>);

fn of_plugins(config: &Config) -> Vec<Range> {
    let plugins = &config.plugins;
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    vec![
        ("plugins.concurrency", size(plugins.concurrency), 1..=100_000),
        ("plugins.timeout_ms", plugins.timeout_ms, 1..=DAY_MS),
        ("plugins.answer_bytes_max", size(plugins.answer_bytes_max), 1_024..=1 << 26),
        ("plugins.failures_max", plugins.failures_max.get().into(), 1..=1_000),
        ("plugins.unhealthy_max", plugins.unhealthy_max.get().into(), 1..=1_000),
        ("plugins.cooldown_s", plugins.cooldown_s, 1..=86_400),
        ("plugins.health_every_s", plugins.health_every_s, 1..=86_400),
        ("plugins.health_timeout_ms", plugins.health_timeout_ms, 10..=DAY_MS),
        ("plugins.fetch_bytes_max", size(plugins.fetch_bytes_max), 1..=1 << 26),
        ("plugins.health_at_once", size(plugins.health_at_once), 1..=1_000),
    ]
}

fn of_ingress(config: &Config) -> Vec<Range> {
    let (ingress, rates) = (&config.ingress, &config.rates);
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    vec![
        ("ingress.body_bytes_max", size(ingress.body_bytes_max), 1..=GIB),
        // Each byte is a permit of a semaphore, of which 32 bits are asked for at once.
        ("ingress.held_bytes_max", size(ingress.held_bytes_max), 1..=64 * GIB),
        ("rates.ingress_per_s", rates.ingress_per_s.into(), 1..=10_000_000),
    ]
}

fn of_observing(config: &Config) -> Vec<Range> {
    let (health, trace, log) = (&config.health, &config.trace, &config.log);
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    vec![
        ("trace.sampled_per_million", trace.sampled_per_million.into(), 0..=1_000_000),
        ("trace.queue_max", size(trace.queue_max), 1..=10_000_000),
        ("trace.batch_max", size(trace.batch_max), 1..=100_000),
        ("trace.delay_ms", trace.delay_ms, 1..=DAY_MS),
        ("trace.timeout_ms", trace.timeout_ms, 1..=DAY_MS),
        ("log.slow_request_ms", log.slow_request_ms, 1..=DAY_MS),
        ("policy.refresh_s", config.policy.refresh_s, 1..=86_400),
        ("health.interval_ms", health.interval_ms, 100..=DAY_MS),
        ("health.timeout_ms", health.timeout_ms, 10..=DAY_MS),
        ("health.failures_max", health.failures_max.into(), 1..=1_000),
        ("health.freeze_after_s", health.freeze_after_s, 0..=YEAR_S),
    ]
}

fn of_money(config: &Config) -> Vec<Range> {
    let treasury = &config.treasury;
    vec![
        ("treasury.authorize_timeout_ms", treasury.authorize_timeout_ms, 1..=DAY_MS),
        ("treasury.global_daily_cap_cents", treasury.global_daily_cap_cents, 0..=1 << 62),
        ("treasury.velocity_window_s", treasury.velocity_window_s.into(), 1..=YEAR_S),
        ("treasury.velocity_max_cents", treasury.velocity_max_cents, 0..=1 << 62),
        ("treasury.intent_ttl_s_max", treasury.intent_ttl_s_max.into(), 1..=YEAR_S),
    ]
}

fn of_server(config: &Config) -> Vec<Range> {
    let server = &config.server;
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    vec![
        ("server.body_bytes_max", size(server.body_bytes_max), 1..=GIB),
        ("server.workflow_bytes_max", size(server.workflow_bytes_max), 1..=GIB),
        ("server.header_bytes_max", size(server.header_bytes_max), HEADER_BYTES_MIN..=GIB),
        ("server.connections_max", size(server.connections_max), 1..=1_000_000),
        ("server.commands_open_max", size(server.commands_open_max), 1..=10_000_000),
        ("server.refusal_pause_ms", server.refusal_pause_ms, 0..=60_000),
        ("server.request_timeout_ms", server.request_timeout_ms, 1..=DAY_MS),
        ("server.idle_timeout_ms", server.idle_timeout_ms, 1..=DAY_MS),
        ("server.streams_max", u64::from(server.streams_max), 0..=1_000_000),
        ("server.streams_per_tenant_max", server.streams_per_tenant_max.into(), 0..=1_000_000),
        ("server.stream_recheck_ms", server.stream_recheck_ms, 10..=DAY_MS),
        ("server.stream_heartbeat_ms", server.stream_heartbeat_ms, 100..=DAY_MS),
        ("server.drain_notice_ms", server.drain_notice_ms, 0..=DAY_MS),
        ("server.shutdown_grace_ms", server.shutdown_grace_ms, 0..=DAY_MS),
        ("server.tls.handshake_timeout_ms", server.tls.handshake_timeout_ms, 1..=DAY_MS),
        ("server.cors.max_age_s", server.cors.max_age_s, 0..=86_400),
    ]
}

fn ranges(config: &Config) -> Vec<Range> {
    let (store, runtime, auth) = (&config.store, &config.runtime, &config.auth);
    let (effects, rates) = (&config.effects, &config.rates);
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    vec![
        ("runtime.resident_bytes_max", size(runtime.resident_bytes_max), 1 << 20..=1 << 50),
        ("runtime.hibernate_after_s", runtime.hibernate_after_s, 1..=YEAR_S),
        ("runtime.passivate_after_s", runtime.passivate_after_s, 1..=YEAR_S),
        ("runtime.passivation_tail_max", runtime.passivation_tail_max, 1..=1_000_000),
        ("runtime.decide_limit_ms", runtime.decide_limit_ms, 1..=DAY_MS),
        ("runtime.message_crashes_max", runtime.message_crashes_max.into(), 1..=1_000),
        ("runtime.entity_crashes_max", runtime.entity_crashes_max.into(), 1..=1_000),
        ("runtime.crash_window_s", runtime.crash_window_s, 1..=YEAR_S),
        ("runtime.delivery_patience_ms", runtime.delivery_patience_ms, 1..=DAY_MS),
        ("effects.queue_max", size(effects.queue_max), 1..=10_000_000),
        ("effects.open_max", size(effects.open_max), 1..=1_000_000),
        ("effects.starts_max", effects.starts_max.into(), 1..=1_000_000),
        ("effects.computed_max", size(effects.computed_max), 0..=1_000),
        ("effects.computing_ms", effects.computing_ms, 0..=1_000),
        ("effects.concurrency", size(effects.concurrency), 1..=100_000),
        ("effects.timeout_ms", effects.timeout_ms, 1..=DAY_MS),
        ("store.connections_max", u64::from(store.connections_max), 1..=10_000),
        ("store.acquire_timeout_ms", store.acquire_timeout_ms, 1..=DAY_MS),
        ("store.statement_timeout_ms", store.statement_timeout_ms, 1..=DAY_MS),
        ("store.cache_kib", store.cache_kib.into(), 256..=16 * 1_024 * 1_024),
        ("store.disk_free_min_bytes", store.disk_free_min_bytes, 0..=1 << 50),
        ("runtime.mailbox_capacity", size(runtime.mailbox_capacity), 1..=1_000_000),
        ("runtime.drain_batch", size(runtime.drain_batch), 1..=1_000_000),
        ("runtime.tickets_open_max", size(runtime.tickets_open_max), 1..=1_000_000),
        ("runtime.batch_tickets_max", size(runtime.batch_tickets_max), 1..=100_000),
        ("runtime.batch_bytes_max", size(runtime.batch_bytes_max), 1..=GIB),
        ("runtime.snapshot_every", runtime.snapshot_every, 1..=1_000_000),
        ("runtime.command_retention_s", runtime.command_retention_s, 1..=YEAR_S),
        ("runtime.command_window", size(runtime.command_window), 0..=1_000_000),
        ("runtime.residents_max", size(runtime.residents_max), 1..=100_000_000),
        ("runtime.projection_linger_ms", runtime.projection_linger_ms, 0..=60_000),
        ("runtime.catch_ups_max", size(runtime.catch_ups_max), 1..=10_000),
        ("runtime.catch_up_bytes_max", size(runtime.catch_up_bytes_max), 1..=GIB),
        ("runtime.shards", u64::from(runtime.shards), 1..=u64::from(u16::MAX)),
        ("runtime.lease_ms", runtime.lease_ms, 100..=DAY_MS),
        ("runtime.subject_keys_max", size(runtime.subject_keys_max), 100..=10_000_000),
        ("rates.read_per_s", rates.read_per_s.into(), 1..=10_000_000),
        ("rates.write_per_s", rates.write_per_s.into(), 1..=10_000_000),
        ("rates.operate_per_s", rates.operate_per_s.into(), 1..=10_000_000),
        ("rates.burst_s", rates.burst_s.into(), 1..=100),
        ("auth.cache_ttl_s", auth.cache_ttl_s, 0..=86_400),
        ("auth.cache_entries_max", size(auth.cache_entries_max), 1..=10_000_000),
        ("auth.refused_ttl_ms", auth.refused_ttl_ms, 0..=60_000),
        ("auth.lookups_max", size(auth.lookups_max), 1..=10_000),
        ("auth.jwt.leeway_s", auth.jwt.leeway_s, 0..=3_600),
        ("auth.jwt.lifetime_max_s", auth.jwt.lifetime_max_s, 1..=YEAR_S),
        ("auth.jwt.token_bytes_max", size(auth.jwt.token_bytes_max), 64..=65_536),
        ("auth.rotation_grace_s", auth.rotation_grace_s, 0..=YEAR_S),
        ("auth.purge_after_s", auth.purge_after_s, 0..=100 * YEAR_S),
        ("auth.last_used_every_s", auth.last_used_every_s, 1..=86_400),
        ("auth.keys_per_tenant_max", auth.keys_per_tenant_max.into(), 1..=1_000_000),
    ]
}
