//! A node with money, the desk as its plugin, and a plan for pull requests of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_testkit::conservation::{self, Balanced};
use coppice_testkit::sandbox::OPERATOR_KEY;
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desk::{self, Desk};

/// What GitHub signs with.
pub(crate) const SECRET: &str = "a secret of the tests and of nobody else";

/// The plugins that ship, as the shipped policy lists them.
const SHIPPED: &str = r#"plugins = ["builtin", "code-review", "fetch"]"#;

/// How a node is started.
#[derive(Debug, Default)]
pub(crate) struct Setting {
    pub(crate) database: Option<String>,
    /// Further settings, as variables.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// A plan that stands above the shipped one of its name.
    pub(crate) plan: Option<&'static str>,
}

/// A running node. What it was made with is removed with it.
pub(crate) struct Node {
    pub(crate) sandbox: Sandbox,
    pub(crate) database: Option<String>,
    _home: TempDir,
}

impl Node {
    pub(crate) async fn start(setting: &Setting) -> Self {
        let home = tempfile::tempdir().unwrap();
        let plans = home.path().join("plans");
        fs::create_dir(&plans).unwrap();
        if let Some(plan) = setting.plan {
            fs::write(plans.join("plan.toml"), plan).unwrap();
        }
        let mut builder = Sandbox::builder(binary())
            .data(home.path().join("data"))
            .env("COPPICE_GITHUB_WEBHOOK_SECRET", SECRET)
            .env("COPPICE_PLANS__DIRECTORY", &plans)
            .env("COPPICE_POLICY__DIRECTORY", policy(home.path()));
        for (name, value) in &setting.variables {
            builder = builder.env(name, value);
        }
        if let Some(database) = &setting.database {
            builder = builder.database(database);
        }
        let (sandbox, database) = (builder.start().await.unwrap(), setting.database.clone());
        Self { sandbox, database, _home: home }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.sandbox.url(), self.sandbox.key())
    }

    /// So much money comes in, and the desk comes into service.
    pub(crate) async fn settle(&self, desk: &Desk, funds: i64) {
        let made = async |client: &Client, path: &str, body: Value| {
            let reply = client.post(path, &body, None).await.unwrap();
            assert!(reply.status.is_success(), "{path}: {}", reply.body);
        };
        let client = self.client();
        made(&client, "/v1/money/accounts", json!({ "asset": "USD" })).await;
        let deposit = json!({ "to": "funding:USD.2", "amount": funds });
        made(&client, "/v1/money/transfers", deposit).await;
        let operator = Client::new(self.sandbox.url(), OPERATOR_KEY);
        let registration = json!({ "manifest": desk::manifest(), "url": desk.url });
        made(&operator, "/internal/registry/register", registration).await;
        let health = format!("/internal/registry/{}/{}/health", desk::NAME, desk::VERSION);
        made(&operator, &health, json!({ "status": "healthy" })).await;
    }

    /// Stops the node and looks at what it leaves: money at every commit, and every chain.
    pub(crate) async fn leave(&mut self) -> (Box<dyn Store>, Balanced) {
        let status = self.sandbox.terminate().await.unwrap();
        assert!(status.success(), "{status}\n{}", self.sandbox.log_tail());
        let verified = self.sandbox.run("verify", [] as [&str; 0]).unwrap();
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(verified.status.success(), "{said}");
        let store: Box<dyn Store> = match &self.database {
            None => {
                let options = SqliteOptions::default();
                Box::new(SqlStore::open_sqlite(self.sandbox.data(), options).await.unwrap())
            }
            Some(url) => {
                let options = PostgresOptions::default();
                Box::new(SqlStore::open_postgres(url, options).await.unwrap())
            }
        };
        match conservation::check_store(store.as_ref()).await.unwrap() {
            Ok(balanced) => (store, balanced),
            Err(unbalanced) => panic!("{unbalanced}"),
        }
    }
}

/// The shipped policy, which also lets the desk be called.
fn policy(home: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/policy");
    let own = home.join("policy");
    fs::create_dir(&own).unwrap();
    for entry in fs::read_dir(shipped).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = if entry.file_name() == "data.toml" {
            assert!(text.contains(SHIPPED), "the list of plugins stands as it is known here");
            let with_desk = SHIPPED.replace(']', &format!(r#", "{}"]"#, desk::NAME));
            text.replace(SHIPPED, &with_desk)
        } else {
            text
        };
        fs::write(own.join(entry.file_name()), text).unwrap();
    }
    own
}
