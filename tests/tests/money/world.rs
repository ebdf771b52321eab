//! Nodes with a treasury, on any store, and short ways to ask for money.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::CorrelationId;
use coppice_domain::treasury::names::{AccountName, Name};
use coppice_domain::treasury::transfer::TREASURY;
use coppice_domain::treasury::{Account, Amount, Asset, Intent, Reason, Transfer, account, intent};
use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_runtime::{Clock, Door, EffectPool, Node, NodeBuilder, RetryPolicy, RuntimeOptions};
use coppice_testkit::MemoryStore;
use coppice_testkit::conservation::{self, Balanced};
use coppice_tests::node::{PATIENCE, claim, tenant};
use coppice_treasury::ledger::LedgerModel;
use coppice_treasury::{
    Asker, Authorized, Call, NewIntent, NoPolicy, Permission, Settled, Treasury, TreasuryError,
    TreasuryHandler, TreasuryOptions,
};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

/// A store, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn Store>,
    _home: Option<TempDir>,
}

pub(crate) fn memory() -> Backend {
    Backend { store: Arc::new(MemoryStore::default()), _home: None }
}

pub(crate) async fn sqlite() -> Backend {
    let home = tempfile::tempdir().unwrap();
    let store = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    Backend { store: Arc::new(store), _home: Some(home) }
}

pub(crate) async fn postgres() -> Backend {
    let url = coppice_testkit::postgres::shared_database().unwrap();
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    Backend { store: Arc::new(store), _home: None }
}

/// What a world is started with.
pub(crate) struct Setting {
    pub(crate) runtime: RuntimeOptions,
    pub(crate) treasury: TreasuryOptions,
    pub(crate) permission: Arc<dyn Permission>,
}

impl Default for Setting {
    /// Bounds that aren't met, and time enough for a slow machine.
    fn default() -> Self {
        let treasury = TreasuryOptions {
            authorize_timeout: Duration::from_secs(15),
            daily_cap: Amount::of(1_000_000),
            velocity_max: Amount::of(1_000_000),
            ..TreasuryOptions::default()
        };
        let runtime = RuntimeOptions::default();
        Self { runtime, treasury, permission: Arc::new(NoPolicy) }
    }
}

/// A node with a treasury.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) node: Node,
    pub(crate) money: Money,
}

impl World {
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        setting: &Setting,
    ) -> Self {
        let lease = Arc::new(claim(store.as_ref(), "node").await);
        let door = Door::new();
        let (options, permission) = (setting.treasury.clone(), Arc::clone(&setting.permission));
        let treasury = Treasury::new(door.clone(), options, permission, Arc::clone(&clock));
        let handler = TreasuryHandler::new(treasury.clone(), PATIENCE);
        let pool = EffectPool {
            retry: RetryPolicy::DELIVERY,
            ..EffectPool::new(TREASURY, Arc::new(handler.clone()))
        };
        let runtime = setting.runtime.clone();
        let node = NodeBuilder::new(Arc::clone(&store), lease, clock, runtime)
            .kind::<Account>()
            .kind::<Transfer>()
            .kind::<Intent>()
            .projection(LedgerModel)
            .effects(pool)
            .door(&door)
            .start()
            .await
            .unwrap();
        Self { store, node, money: Money { treasury, handler } }
    }

    pub(crate) async fn fresh(backend: &Backend, setting: &Setting) -> Self {
        let clock = Arc::new(coppice_runtime::SystemClock);
        Self::start(Arc::clone(&backend.store), clock, setting).await
    }

    /// Ends the node as a crash would and starts the next on the same store.
    pub(crate) async fn restart(self, clock: Arc<dyn Clock>, setting: &Setting) -> Self {
        self.node.abort();
        tokio::task::yield_now().await;
        Self::start(self.store, clock, setting).await
    }

    /// Money in the whole journal, at every commit.
    pub(crate) async fn balanced(&self) -> Balanced {
        match conservation::check_store(self.store.as_ref()).await.unwrap() {
            Ok(balanced) => balanced,
            Err(unbalanced) => panic!("{unbalanced}"),
        }
    }

    /// The same, with nothing left pending and nothing held anywhere.
    pub(crate) async fn at_rest(&self) -> Balanced {
        let balanced = self.balanced().await;
        assert_eq!(balanced.pending, 0, "{balanced}");
        balanced
    }
}

/// Short ways to ask for money.
#[derive(Clone)]
pub(crate) struct Money {
    pub(crate) treasury: Treasury,
    pub(crate) handler: TreasuryHandler,
}

pub(crate) fn usd() -> Asset {
    Asset::new("USD/2").unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn funding() -> AccountName {
    AccountName::funding(usd())
}

pub(crate) fn call() -> Call {
    let asker = Asker { kind: "api_key", id: "test".to_owned(), role: String::new() };
    Call {
        tenant: tenant(),
        asker,
        correlation: CorrelationId(Uuid::now_v7()),
        trace: None,
        deadline: Instant::now() + PATIENCE,
    }
}

/// So much, for an hour, at a merchant and in a category that most tests don't mind.
pub(crate) fn wants(amount: u64) -> NewIntent {
    NewIntent {
        amount: Amount::of(amount),
        asset: usd(),
        merchant: name("acme"),
        category: name("compute"),
        ttl_s: 3_600,
        workflow: None,
        from: None,
    }
}

impl Money {
    /// Opens the funding account with so much in it.
    pub(crate) async fn fund(&self, amount: u64) {
        self.treasury.open_account(&call(), &funding(), None).await.unwrap();
        let id = Uuid::now_v7().to_string();
        self.treasury.deposit(&call(), &id, &funding(), Amount::of(amount)).await.unwrap();
    }

    pub(crate) async fn budget(&self, workflow: &str, ceiling: u64) {
        let budget = AccountName::budget(name(workflow), usd());
        let ceiling = Some(Amount::of(ceiling));
        self.treasury.open_account(&call(), &budget, ceiling).await.unwrap();
    }

    pub(crate) async fn create(&self, id: &str, wants: &NewIntent) {
        self.treasury.create_intent(&call(), id, wants).await.unwrap();
    }

    pub(crate) async fn try_authorize(&self, id: &str) -> Result<Authorized, TreasuryError> {
        self.treasury.authorize(&call(), id, false).await
    }

    pub(crate) async fn authorize(&self, id: &str) -> Reason {
        self.try_authorize(id).await.unwrap().reason
    }

    /// Creates an intent and decides it.
    pub(crate) async fn wants(&self, id: &str, wants: &NewIntent) -> Reason {
        self.create(id, wants).await;
        self.authorize(id).await
    }

    pub(crate) async fn post(&self, id: &str, amount: Option<u64>) -> Settled {
        self.treasury.post(&call(), id, amount.map(Amount::of)).await.unwrap()
    }

    pub(crate) async fn void(&self, id: &str) -> Settled {
        self.treasury.void(&call(), id).await.unwrap()
    }

    pub(crate) async fn intent(&self, id: &str) -> intent::View {
        self.treasury.intent(&call(), id).await.unwrap().view
    }

    pub(crate) async fn account(&self, account: &AccountName) -> account::View {
        self.treasury.account(&call(), &account.id()).await.unwrap().view
    }

    /// What the funding account has, and what it has promised.
    pub(crate) async fn has(&self) -> (i128, i128) {
        let view = self.account(&funding()).await;
        (view.posted.units(), view.held_out.units())
    }
}
