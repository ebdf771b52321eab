//! The database of a stopped node, opened to damage it, and `coppice verify` on what is left.

use std::path::Path;
use std::process::{Command, Stdio};

use coppice_testkit::binary;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

/// How long a verification may take; one that never ends must not hang the tests.
const VERIFY_SECONDS_MAX: &str = "60";

/// Runs statements on the stopped store. Each must change something, or the test would show
/// nothing.
pub(crate) async fn damage(data: &Path, database: Option<&str>, statements: &[&'static str]) {
    match database {
        None => {
            let mut connection = open(data).await;
            for text in statements {
                let done = sqlx::query(*text).execute(&mut connection).await;
                let rows = done.unwrap_or_else(|error| panic!("{text}: {error}")).rows_affected();
                assert!(rows > 0, "it changed nothing: {text}");
            }
            connection.close().await.unwrap();
        }
        Some(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            for text in statements {
                let done = sqlx::query(*text).execute(&mut connection).await;
                let rows = done.unwrap_or_else(|error| panic!("{text}: {error}")).rows_affected();
                assert!(rows > 0, "it changed nothing: {text}");
            }
            connection.close().await.unwrap();
        }
    }
}

/// Both files of the embedded store on one connection, so that a statement names only its table.
pub(crate) async fn open(data: &Path) -> SqliteConnection {
    let journal = SqliteConnectOptions::new().filename(data.join("journal.db"));
    let mut connection = SqliteConnection::connect_with(&journal).await.unwrap();
    let read_side = data.join("read.db");
    sqlx::query("ATTACH DATABASE ? AS read_side")
        .bind(read_side.to_str().expect("temporary directories have plain names"))
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}

/// What `coppice verify` said.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Its exit code; 137 where it had to be killed.
    pub(crate) code: Option<i32>,
    /// What it counted.
    pub(crate) stdout: String,
    /// What it found.
    pub(crate) stderr: String,
}

/// Runs `coppice verify`.
pub(crate) fn verify(data: &Path, database: Option<&str>) -> Verdict {
    let mut command = Command::new("timeout");
    command.arg("--signal=KILL").arg(VERIFY_SECONDS_MAX).arg(binary());
    command.arg("verify").arg("--data").arg(data);
    if let Some(url) = database {
        command.arg("--database").arg(url);
    }
    let done = command.stdin(Stdio::null()).output().unwrap();
    Verdict {
        code: done.status.code(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

impl Verdict {
    /// It found a fault and named all of these.
    #[track_caller]
    pub(crate) fn finds(&self, names: &[&str]) {
        assert_eq!(self.code, Some(3), "{self:?}");
        for name in names {
            assert!(self.stderr.contains(name), "it does not name {name:?}: {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "what is damaged is not counted");
    }
}
