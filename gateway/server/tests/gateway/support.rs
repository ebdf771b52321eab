//! Stand-ins for the store and the entities, so that the gateway is tested and measured by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use coppice_core::{CommandId, EntityId, Sequence, TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory, StoreError};
use coppice_runtime::{Answer, Failure, KindPort, Registry, Request, SystemClock, View};
use coppice_server::auth::token::Tokens;
use coppice_server::auth::{ApiKey, Auth, SCOPE_ALL};
use coppice_server::config::{self, Config, Secret, Sources};
use coppice_server::observed::Observed;
use coppice_server::rates::Rates;
use coppice_server::state::{App, AppState, RequestLimits};
use coppice_server::streams::Streams;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

/// A key that every test directory knows.
pub const KEY: &str = "sk_test_0123456789abcdef0123456789abcdef";

/// What the tests' tokens are signed with.
pub fn jwt_secret() -> Secret {
    Secret::new("0123456789abcdef0123456789abcdef".to_owned())
}

/// Keys in memory. Look-ups are counted, can be held back, and can fail.
#[derive(Debug)]
pub struct FakeDirectory {
    rows: Mutex<Vec<ApiKeyRow>>,
    pub lookups: AtomicUsize,
    /// A look-up reads first and takes a permit afterwards.
    pub gate: Semaphore,
    pub failing: Mutex<bool>,
}

impl Default for FakeDirectory {
    fn default() -> Self {
        Self {
            rows: Mutex::default(),
            lookups: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            failing: Mutex::new(false),
        }
    }
}

impl FakeDirectory {
    /// With one key that may do everything.
    pub fn with_key() -> Self {
        let directory = Self::default();
        directory.add(row(KEY, SCOPE_ALL));
        directory
    }

    pub fn add(&self, row: ApiKeyRow) {
        self.rows.lock().push(row);
    }

    pub fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

/// A key's row, of the tenant `t`.
pub fn row(text: &str, scopes: &str) -> ApiKeyRow {
    let key = ApiKey::parse(text).unwrap();
    ApiKeyRow::new(
        key.hash().to_uuid(),
        TenantId::new("t").unwrap(),
        key.prefix().to_owned(),
        key.hash(),
        scopes.to_owned(),
        Timestamp::EPOCH,
    )
}

#[async_trait]
impl Directory for FakeDirectory {
    async fn has_tenants(&self) -> Result<bool, StoreError> {
        Ok(!self.rows.lock().is_empty())
    }

    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        Ok(self.rows.lock().iter().any(|row| row.tenant == *tenant))
    }

    async fn add_tenant(
        &self,
        _tenant: &TenantId,
        _name: &str,
        key: &ApiKeyRow,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows.lock();
        if rows.iter().all(|row| row.id != key.id) {
            rows.push(key.clone());
        }
        Ok(())
    }

    async fn api_keys(&self, prefix: &str) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows = self.rows.lock().iter().filter(|row| row.prefix == prefix).cloned().collect();
        self.lookups.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await);
        if *self.failing.lock() {
            return Err(StoreError::Unreadable {
                during: "reading API keys",
                problem: "hunter2".into(),
            });
        }
        Ok(rows)
    }

    async fn api_key(&self, tenant: &TenantId, id: Uuid) -> Result<Option<ApiKeyRow>, StoreError> {
        let rows = self.rows.lock();
        Ok(rows.iter().find(|row| row.id == id && row.tenant == *tenant).cloned())
    }

    async fn api_keys_of(
        &self,
        tenant: &TenantId,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        if *self.failing.lock() {
            let during = "listing API keys";
            return Err(StoreError::Unreadable { during, problem: "hunter2".into() });
        }
        let mut rows = self.rows.lock().clone();
        rows.retain(|row| row.tenant == *tenant && row.id > after);
        rows.sort_by_key(|row| row.id);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn add_api_key(&self, key: &ApiKeyRow, keys_max: u32) -> Result<bool, StoreError> {
        let mut rows = self.rows.lock();
        let theirs = rows.iter().filter(|row| row.tenant == key.tenant).count();
        let new = theirs < keys_max as usize && rows.iter().all(|row| row.id != key.id);
        if new {
            rows.push(key.clone());
        }
        Ok(new)
    }

    async fn rotate_api_key(
        &self,
        old: Uuid,
        successor: &ApiKeyRow,
        until: Timestamp,
        keys_max: u32,
    ) -> Result<bool, StoreError> {
        let free = |row: &ApiKeyRow| {
            row.id == old && row.tenant == successor.tenant && row.replaced_by.is_none()
        };
        if !self.rows.lock().iter().any(free) || !self.add_api_key(successor, keys_max).await? {
            return Ok(false);
        }
        for row in self.rows.lock().iter_mut().filter(|row| row.id == old) {
            row.replaced_by = Some(successor.id);
            row.expires_at = Some(row.expires_at.map_or(until, |expires| expires.min(until)));
        }
        Ok(true)
    }

    async fn note_api_keys(&self, seen: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        let mut rows = self.rows.lock();
        for row in rows.iter_mut() {
            let latest = seen.iter().filter(|(id, _)| *id == row.id).map(|(_, at)| *at).max();
            row.last_used_at = row.last_used_at.max(latest);
        }
        Ok(())
    }

    async fn purge_api_keys(&self, before: Timestamp, _limit: usize) -> Result<u64, StoreError> {
        let mut rows = self.rows.lock();
        let held = rows.len();
        let ended = |row: &ApiKeyRow| [row.revoked_at, row.expires_at].into_iter().flatten().min();
        rows.retain(|row| ended(row).is_none_or(|end| end >= before));
        Ok((held - rows.len()) as u64)
    }

    async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut rows = self.rows.lock();
        let row = rows.iter_mut().find(|row| row.id == id && &row.tenant == tenant);
        Ok(row.map(|row| row.revoked_at = Some(at)).is_some())
    }
}

/// An entity kind that answers at once: the same to every command, or with a failure.
#[derive(Debug)]
pub struct FakeKind {
    pub failure: Mutex<Option<Failure>>,
    /// What it says is under way.
    pub commands_open: AtomicUsize,
    /// What the last command was.
    pub last: Mutex<Option<Request>>,
    /// Has a permit for every command that has arrived.
    pub arrived: Semaphore,
    /// A command that has arrived takes a permit before it is answered.
    pub gate: Semaphore,
    known: Mutex<HashSet<CommandId>>,
}

impl Default for FakeKind {
    fn default() -> Self {
        Self {
            failure: Mutex::default(),
            commands_open: AtomicUsize::new(0),
            last: Mutex::default(),
            arrived: Semaphore::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            known: Mutex::default(),
        }
    }
}

impl KindPort for FakeKind {
    fn kind(&self) -> &'static str {
        "counter"
    }

    fn commands_open(&self) -> usize {
        self.commands_open.load(Ordering::SeqCst)
    }

    fn ask(&self, request: Request) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            self.arrived.add_permits(1);
            drop(self.gate.acquire().await);
            let repeated = request.keyed && !self.known.lock().insert(request.command_id);
            *self.last.lock() = Some(request);
            match self.failure.lock().clone() {
                Some(failure) => Err(failure),
                None => {
                    Ok(Answer { sequence: Sequence(7), reply: r#"{"value":7}"#.into(), repeated })
                }
            }
        })
    }

    fn view(
        &self,
        _tenant: TenantId,
        id: EntityId,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<View, Failure>> {
        Box::pin(async move {
            if let Some(failure) = self.failure.lock().clone() {
                return Err(failure);
            }
            let sequence = Sequence(if id.as_str() == "absent" { 0 } else { 7 });
            Ok(View { sequence, state: r#"{"value":7}"#.into(), deleted: false })
        })
    }
}

/// A gateway in front of the stand-ins.
pub struct Gateway {
    pub state: AppState,
    pub kind: Arc<FakeKind>,
    pub directory: Arc<FakeDirectory>,
}

/// The defaults.
pub fn config() -> Config {
    config::load(&Sources::default()).unwrap().config
}

/// With the defaults.
pub fn gateway() -> Gateway {
    gateway_with(&config())
}

/// With these settings.
pub fn gateway_with(config: &Config) -> Gateway {
    gateway_of(config, Observed::default())
}

/// Observed in this way.
pub fn gateway_observed(observed: Observed) -> Gateway {
    gateway_of(&config(), observed)
}

fn gateway_of(config: &Config, observed: Observed) -> Gateway {
    let kind = Arc::new(FakeKind::default());
    let directory = Arc::new(FakeDirectory::with_key());
    let state = Arc::new(App {
        registry: Registry::new([kind.clone() as Arc<dyn KindPort>]),
        auth: Auth::new(directory.clone(), Arc::new(SystemClock), &config.auth)
            .tokens(Tokens::new(&config.auth, Some(&jwt_secret())).unwrap()),
        limits: RequestLimits::from(&config.server),
        rates: Rates::new(&config.rates),
        journal: None,
        streams: Streams::from(&config.server),
        inspector: None,
        eraser: None,
        treasury: None,
        observed,
        switches: None,
        planner: None,
        plugins: None,
        ingress: None,
        policy: None,
    });
    Gateway { state, kind, directory }
}
