//! The routes of plugins, over HTTP.

use std::sync::Arc;

use coppice_core::{TenantId, Timestamp};
use coppice_persistence::ApiKeyRow;
use coppice_plugin_sdk::Plugin;
use coppice_plugins::Unasked;
use coppice_plugins::builtin::Builtin;
use coppice_plugins::builtin::wallet::SimulatedWallets;
use coppice_runtime::{SystemClock, task};
use coppice_server::auth::{ApiKey, Auth};
use coppice_server::config::{self, Sources};
use coppice_server::observed::Observed;
use coppice_server::rates::Rates;
use coppice_server::serve::{ConnectionLimits, serve};
use coppice_server::state::{App, RequestLimits};
use coppice_server::streams::Streams;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::impostor::{Act, Impostor};
use crate::world::{Setting, World, asking, manifest};

/// May register plugins.
pub(crate) const OPERATOR: &str = "sk_test_0000000000000000000000000000000a";
/// May see them, and everything else that a tenant may.
const USER: &str = "sk_test_0000000000000000000000000000000b";
/// May see nothing.
const POWERLESS: &str = "sk_test_0000000000000000000000000000000c";

/// A world behind a gateway.
pub(crate) struct Served {
    pub(crate) world: World,
    pub(crate) url: String,
    client: reqwest::Client,
}

impl Served {
    pub(crate) async fn start(setting: Setting) -> Self {
        let world = World::start(setting).await;
        for (tenant, text, scopes) in [
            (TenantId::OPERATORS, OPERATOR, "plugins:register plugins:read"),
            ("acme", USER, "*"),
            ("acme", POWERLESS, "entities:read"),
        ] {
            let (key, tenant) = (ApiKey::parse(text).unwrap(), TenantId::new(tenant).unwrap());
            let (id, prefix) = (key.hash().to_uuid(), key.prefix().to_owned());
            let scopes = scopes.to_owned();
            let row =
                ApiKeyRow::new(id, tenant.clone(), prefix, key.hash(), scopes, Timestamp::EPOCH);
            world.store.add_tenant(&tenant, "a tenant", &row).await.unwrap();
        }
        let config = config::load(&Sources::default()).unwrap().config;
        let store = Arc::clone(&world.store);
        let app = App {
            registry: world.node.registry(),
            auth: Auth::new(store, Arc::new(SystemClock), &config.auth),
            limits: RequestLimits::from(&config.server),
            rates: Rates::new(&config.rates),
            journal: None,
            streams: Streams::from(&config.server),
            inspector: None,
            switches: None,
            plugins: Some(world.plugins.clone()),
            eraser: None,
            planner: None,
            ingress: None,
            policy: None,
            treasury: None,
            observed: Observed::new(coppice_server::health::Health::of_nothing(), true),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let limits = ConnectionLimits::from(&config.server);
        let router = coppice_server::routes::router(Arc::new(app));
        task::spawn(serve(listener, router, limits, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { world, url, client }
    }

    pub(crate) async fn ask(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(key);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, body)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(USER, Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn refused(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> String {
        let (status, body) = self.ask(key, method, path, body).await;
        assert!(status.is_client_error(), "{path}: {status} {body}");
        format!("{} {}", status.as_u16(), body["code"].as_str().unwrap())
    }
}

const REGISTER: &str = "/internal/registry/register";
const VERSION: &str = "/internal/registry/double/1.0.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_registers_reports_and_leaves_over_http() {
    let served = Served::start(Setting::default()).await;
    let impostor = Impostor::start().await;
    let registration = json!({ "manifest": manifest("double", "1.0.0"), "url": impostor.url });
    for _ in 0..2 {
        let body = Some(registration.clone());
        let (status, body) = served.ask(OPERATOR, Method::POST, REGISTER, body).await;
        assert_eq!((status.as_u16(), &body), (201, &json!({ "plugin_id": "double@1.0.0" })));
    }
    let listed = served.get("/v1/plugins").await;
    assert_eq!(listed["plugins"][0]["plugin_id"], "double@1.0.0");
    assert_eq!(listed["plugins"][0]["lifecycle"], "registered");
    assert_eq!(served.get("/v1/plugins/double").await["offered"], json!(null));

    let report = json!({ "status": "healthy", "components": { "disk": "healthy" } });
    let path = format!("{VERSION}/health");
    let (status, body) = served.ask(OPERATOR, Method::POST, &path, Some(report)).await;
    assert_eq!((status.as_u16(), &body["status"]), (200, &json!("healthy")), "{body}");
    let shown = served.get("/v1/plugins/double").await;
    assert_eq!(shown["offered"], "1.0.0");
    assert_eq!(shown["versions"][0]["manifest"]["description"], "Doubles.");
    assert!(!shown.to_string().contains(&impostor.url), "where it is is nobody's business");

    impostor.script(vec![Act::Garbage; 3]);
    for _ in 0..3 {
        served.world.call(&asking("double")).await.unwrap_err();
    }
    served.world.call(&asking("double")).await.unwrap_err();
    let health = served.get("/v1/plugins/double/health").await;
    let version = &health["versions"][0];
    assert_eq!(
        (&version["status"], &version["components"]["disk"]),
        (&json!("healthy"), &json!("healthy"))
    );
    assert_eq!(
        (&version["breaker"]["phase"], &version["breaker"]["opened"]),
        (&json!("open"), &json!(1))
    );
    assert!(version["breaker"]["until"].is_i64() && version["checked_at"].is_i64(), "{health}");
    let request = served.client.get(format!("{}/metrics", served.url));
    let metrics = request.send().await.unwrap().text().await.unwrap();
    let labels = r#"plugin="double",version="1.0.0""#;
    for series in [
        format!("coppice_breaker_state{{{labels}}} 2"),
        format!("coppice_breaker_opened_total{{{labels}}} 1"),
        format!(r#"coppice_plugin_calls_total{{{labels},outcome="failed"}} 3"#),
        format!(r#"coppice_plugin_calls_total{{{labels},outcome="refused"}} 1"#),
        format!("coppice_plugin_health{{{labels}}} 0"),
    ] {
        assert!(metrics.contains(&series), "{series} in:\n{metrics}");
    }

    let (status, _) = served.ask(OPERATOR, Method::DELETE, VERSION, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let gone = served.refused(USER, Method::GET, "/v1/plugins/double", None).await;
    assert_eq!(gone, "404 plugin_not_found");
    assert_eq!(served.get("/v1/plugins").await, json!({ "plugins": [] }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_register_and_only_whoever_may_sees_plugins() {
    let served = Served::start(Setting::default()).await;
    let body = || Some(json!({ "manifest": manifest("double", "1.0.0"), "url": "http://a" }));
    let health = format!("{VERSION}/health");
    let report = || Some(json!({ "status": "healthy" }));
    for (method, path, body) in [
        (Method::POST, REGISTER, body()),
        (Method::DELETE, VERSION, None),
        (Method::POST, health.as_str(), report()),
    ] {
        let refused = served.refused(USER, method, path, body).await;
        assert_eq!(refused, "403 scope_missing", "{path}");
    }
    for path in ["/v1/plugins", "/v1/plugins/double", "/v1/plugins/double/health"] {
        let refused = served.refused(POWERLESS, Method::GET, path, None).await;
        assert_eq!(refused, "403 scope_missing", "{path}");
    }
    assert_eq!(served.world.events().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_their_codes() {
    let wallets = Arc::new(SimulatedWallets::default());
    let builtin = Builtin::new(wallets, Arc::new(Unasked));
    let inside = vec![Arc::new(builtin) as Arc<dyn Plugin>];
    let served = Served::start(Setting { inside, ..Setting::default() }).await;
    let impostor = Impostor::start().await;
    let registration =
        |manifest: Value, url: &str| Some(json!({ "manifest": manifest, "url": url }));
    let good = json!(manifest("double", "1.0.0"));
    let register = |body| served.refused(OPERATOR, Method::POST, REGISTER, body);
    assert_eq!(register(registration(json!({}), &impostor.url)).await, "400 plugin_refused");
    assert_eq!(register(registration(good.clone(), "ftp://a")).await, "400 plugin_refused");
    assert_eq!(register(Some(json!({ "manifest": good }))).await, "422 invalid_body");
    served.world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    let other = json!(manifest("double", "1.0.0").description("Other."));
    assert_eq!(register(registration(other, &impostor.url)).await, "422 plugin_manifest_changed");
    let own = json!(manifest("builtin", "1.0.0"));
    assert_eq!(register(registration(own, &impostor.url)).await, "409 plugin_in_process");
    let next = json!(manifest("builtin", "2.0.0"));
    assert_eq!(register(registration(next, &impostor.url)).await, "409 plugin_in_process");
    let inside = "/internal/registry/builtin/1.0.0";
    let refused = served.refused(OPERATOR, Method::DELETE, inside, None).await;
    assert_eq!(refused, "409 plugin_in_process");
    for path in ["/internal/registry/nobody/1.0.0", "/internal/registry/double/one"] {
        let refused = served.refused(OPERATOR, Method::DELETE, path, None).await;
        assert_eq!(refused, "404 plugin_not_found", "{path}");
        let report = Some(json!({ "status": "healthy" }));
        let health = format!("{path}/health");
        let refused = served.refused(OPERATOR, Method::POST, &health, report).await;
        assert_eq!(refused, "404 plugin_not_found", "{path}");
    }
    let wrong = Some(json!({ "status": "fine" }));
    let refused = served.refused(OPERATOR, Method::POST, &format!("{VERSION}/health"), wrong).await;
    assert_eq!(refused, "422 invalid_body");
    for path in ["/v1/plugins/nobody", "/v1/plugins/nobody/health"] {
        assert_eq!(served.refused(USER, Method::GET, path, None).await, "404 plugin_not_found");
    }
}
