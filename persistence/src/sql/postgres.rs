//! The store on a PostgreSQL server, 15 or newer, which nodes share.
//!
//! **Invariants:** every limit that keeps one node from holding up the others is the server's, set
//! when the connection is made, so that it also holds for a node that is frozen or gone; the append
//! is one call that commits by itself, so no node is waited for while the append's lock is held.
//!
//! **Deliberately absent:** TLS (the driver is built without it) and a fallback for servers that
//! don't wait for the disk: they are refused at [`connect`].

mod append;
mod columns;
mod fault;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgPool};

pub(crate) use self::append::append;
pub(crate) use self::fault::classify;
use crate::error::StoreError;

/// The key of the advisory lock that orders appends and changes of owner: "coppice" and a 1, as in
/// the migration that makes `coppice_append`.
pub(crate) const APPEND_LOCK: i64 = i64::from_be_bytes(*b"coppice\x01");

/// How long a connection may have been idle and still be taken without asking the server first.
/// Shorter than a restart of the server, so that one doesn't show as an error per connection; long
/// enough that a busy node saves the round trip.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// Limits of a node's use of a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections that this node opens at most. Default 10: one appends, the others read; ten
    /// nodes still fit in a server's own default of 100.
    pub connections_max: u32,
    /// How long an operation waits for a free connection, or for the server to take a new one.
    /// Default 5 s: what a caller waits until it hears that the store is away.
    pub acquire_timeout: Duration,
    /// The longest a statement runs on the server. Default 10 s, a hundred times what a large batch
    /// takes.
    pub statement_timeout: Duration,
    /// The longest a statement waits for a lock. Default 5 s: less than `statement_timeout`, so
    /// that the error names the lock.
    pub lock_timeout: Duration,
    /// How long a transaction may stand open with nothing asked of it before the server ends it.
    /// Default 5 s: a node that freezes in a claim holds the append's lock for so long.
    pub idle_in_transaction_timeout: Duration,
    /// How long the server waits for a node's machine that doesn't answer before it gives the
    /// connection up. Default 15 s.
    pub peer_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections_max: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(5),
            peer_timeout: Duration::from_secs(15),
        }
    }
}

impl PostgresOptions {
    /// What the server is told when a connection is made. In milliseconds, but for keepalives.
    fn settings(&self) -> Vec<(&'static str, String)> {
        // Zero would be no limit at all.
        let millis = |limit: Duration| limit.as_millis().max(1).to_string();
        // A first probe after a third, then two more.
        let probe_seconds = (self.peer_timeout.as_secs() / 3).max(1).to_string();
        vec![
            ("statement_timeout", millis(self.statement_timeout)),
            ("lock_timeout", millis(self.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(self.idle_in_transaction_timeout)),
            ("tcp_user_timeout", millis(self.peer_timeout)),
            ("tcp_keepalives_idle", probe_seconds.clone()),
            ("tcp_keepalives_interval", probe_seconds),
            ("tcp_keepalives_count", "2".to_owned()),
            // The append relies on seeing what was committed before it got the lock.
            ("default_transaction_isolation", "read committed".to_owned()),
            // Compiling a statement costs a hundred times what ours take.
            ("jit", "off".to_owned()),
            // A rollback where nothing was begun warns, and every connection is given back by one.
            ("client_min_messages", "error".to_owned()),
        ]
    }
}

/// Opens a pool and checks that the server keeps what it says it has committed.
///
/// # Errors
/// [`StoreError::Invalid`] for a URL that doesn't parse and a server that can't be used;
/// [`StoreError::Unavailable`].
pub(crate) async fn connect(url: &str, options: &PostgresOptions) -> Result<PgPool, StoreError> {
    // The error isn't passed on: it may quote the URL, which holds the password.
    let target = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Invalid("a PostgreSQL URL that does not parse"))?
        .application_name("coppice")
        .options(options.settings())
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(options.connections_max)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > IDLE_TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // The driver (0.9.0) gives back a connection whose `BEGIN` was cut off by a caller
                // that went away, and doesn't know that the server is in a transaction: what the
                // next caller writes would be acknowledged and lost.
                connection.execute("ROLLBACK").await?;
                Ok(true)
            })
        })
        .connect_with(target)
        .await
        .map_err(|error| classify("connecting", error))?;
    check_server(&pool).await?;
    Ok(pool)
}

async fn check_server(pool: &PgPool) -> Result<(), StoreError> {
    let (version, encoding, synchronous_commit, fsync): (i64, String, String, String) =
        sqlx::query_as(
            "SELECT CAST(current_setting('server_version_num') AS BIGINT), \
             current_setting('server_encoding'), current_setting('synchronous_commit'), \
             current_setting('fsync')",
        )
        .fetch_one(pool)
        .await
        .map_err(|error| classify("reading the server's settings", error))?;
    let problem = if version < 150_000 {
        "a PostgreSQL server older than 15"
    } else if encoding != "UTF8" {
        "a PostgreSQL database whose encoding is not UTF8"
    } else if synchronous_commit == "off" || fsync == "off" {
        "a PostgreSQL server that commits without waiting for the disk"
    } else {
        return Ok(());
    };
    Err(StoreError::Invalid(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_procedure_takes_the_lock_that_claims_take() {
        let text = include_str!("../../../migrations/postgres/20261121005_append.sql");
        assert!(text.contains(&format!("pg_advisory_xact_lock({APPEND_LOCK})")));
    }

    #[test]
    fn no_limit_is_turned_off_by_rounding_to_zero() {
        let tiny = Duration::from_micros(1);
        let options = PostgresOptions {
            connections_max: 1,
            acquire_timeout: tiny,
            statement_timeout: tiny,
            lock_timeout: tiny,
            idle_in_transaction_timeout: tiny,
            peer_timeout: tiny,
        };
        for (name, value) in options.settings() {
            assert_ne!(value, "0", "{name} is a limit");
        }
    }
}
