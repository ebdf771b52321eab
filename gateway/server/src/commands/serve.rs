//! `coppice serve`: a node with its gateway, until it is told to stop.
//!
//! Stdout carries exactly what another program may wait for: `coppice key sk_live_...` and
//! `coppice operator key sk_live_...` at the very first start, then `coppice ready http://ADDR` once
//! requests are answered.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use coppice_plugins::PluginSecrets;
use coppice_runtime::supervisors::{
    ChildSpec, Escalation, Outcome, RequestError, Shutdown, TaskContext,
};
use coppice_runtime::{NoSpans, Spans};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use crate::auth::token::{TokenKeyError, Tokens};
use crate::auth::{ApiKey, Auth};
use crate::bootstrap::{
    BootstrapError, BootstrapKeyError, bootstrap, bootstrap_operators, given_key,
};
use crate::compose::{ComposeError, Node};
use crate::config::{BOOTSTRAP_KEY, Config, OPERATOR_KEY, Secret, ServerConfig, Settings};
use crate::health::{self, Health};
use crate::ingress::{Ingress, RoutingFault};
use crate::observed::Observed;
use crate::otlp::{self, Sending, SpanCounters};
use crate::planning::{TemplateError, Templates};
use crate::problem::Chain;
use crate::rates::Rates;
use crate::serve as connections;
use crate::serve::ConnectionLimits;
use crate::state::{App, AppState, RequestLimits};
use crate::streams::Streams;
use crate::tls::{Tls, TlsError};
use crate::{cors, logging, policy, routes};

/// How long the gateway waits for streams to end before it closes their connections.
const STREAMS_END_WITHIN: Duration = Duration::from_millis(500);

/// Why a node did not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The environment holds a key that is not accepted.
    #[error("the first API key is not accepted")]
    BootstrapKey(#[source] BootstrapKeyError),
    /// What tokens are signed with can't be used.
    #[error("tokens can not be verified")]
    Tokens(#[source] TokenKeyError),
    /// It can't be said where events go.
    #[error("webhooks can not be routed")]
    Routing(#[source] RoutingFault),
    /// TLS can't be spoken.
    #[error("TLS can not be set up")]
    Tls(#[source] TlsError),
    /// The store or the runtime did not start.
    #[error("the node did not start")]
    Compose(#[source] ComposeError),
    /// Plans can't be made of what the settings name.
    #[error("the plan templates can not be used")]
    Plans(#[source] TemplateError),
    /// There is no first key.
    #[error("the first tenant was not made")]
    Bootstrap(#[source] BootstrapError),
    /// The address is taken or isn't ours.
    #[error("can not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// The setting `trace.otlp_url` is no address that can be sent to.
    #[error("trace.otlp_url can not be sent to: {0}")]
    OtlpUrl(String),
    /// The gateway did not come up.
    #[error("the gateway did not come up")]
    Gateway(#[source] RequestError),
    /// Parts of the node crashed again and again.
    #[error("the node gave up")]
    GaveUp(#[source] Option<Escalation>),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
    /// The operating system delivers no signals.
    #[error("can not wait for signals")]
    Signals(#[source] io::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(settings: &Settings) -> Result<(), ServeError> {
    // Before anything else: a signal during the start must not be lost.
    let termination = termination().map_err(ServeError::Signals)?;
    serve_until(settings, termination).await
}

/// Serves until `shutdown` resolves.
///
/// # Errors
/// [`ServeError`].
pub async fn serve_until(
    settings: &Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let config = &settings.config;
    let given = |name, variable: &Option<Secret>| {
        given_key(config.server.environment, name, variable.as_ref())
            .map_err(ServeError::BootstrapKey)
    };
    let given = GivenKeys {
        first: given(BOOTSTRAP_KEY, &settings.bootstrap_key)?,
        operators: given(OPERATOR_KEY, &settings.operator_key)?,
    };
    let tokens =
        Tokens::new(&config.auth, settings.jwt_secret.as_ref()).map_err(ServeError::Tokens)?;
    let templates = Templates::of(&config.plans).map_err(ServeError::Plans)?;
    let plans = templates.names().map(str::to_owned).collect();
    let ingress = Ingress::new(&config.ingress, settings.github_webhook.as_ref(), &plans)
        .map_err(ServeError::Routing)?;
    let doors = Doors { tokens, ingress: Arc::new(ingress) };
    let tls = Tls::new(&config.server.tls).map_err(ServeError::Tls)?;
    logging::start(config.log);
    let counters = Arc::new(SpanCounters::default());
    let (spans, sending) = spans(config, &counters)?;
    let secrets = settings.plugin_secrets.iter();
    let secrets = secrets.map(|(of, secret)| (of.clone(), secret.expose().to_owned()));
    let secrets = PluginSecrets::new(secrets);
    let mut shutdown = pin!(shutdown);
    // On PostgreSQL a start may wait for another node's lease: it must be possible to stop it.
    let node = tokio::select! {
        biased;
        () = &mut shutdown => return Ok(()),
        node = Node::start(config, settings.platform.as_ref(), secrets, Arc::clone(&spans)) => {
            node.map_err(ServeError::Compose)?
        }
    };
    let traces = (spans, counters);
    let outcome = match open_gateway(&node, config, &given, doors, traces, tls).await {
        Ok(()) => tokio::select! {
            biased;
            () = &mut shutdown => Ok(()),
            outcome = node.outcome() => Err(gave_up(outcome)),
        },
        Err(error) => Err(error),
    };
    node.stop().await;
    if let Some(sending) = sending {
        sending.stop().await;
    }
    info!("the node has stopped");
    outcome
}

/// Who is told of spans, and the task behind it.
fn spans(
    config: &Config,
    counters: &Arc<SpanCounters>,
) -> Result<(Arc<dyn Spans>, Option<Sending>), ServeError> {
    if config.trace.otlp_url.is_empty() {
        return Ok((Arc::new(NoSpans), None));
    }
    let started = otlp::start(&config.trace, Arc::clone(counters));
    let (exporter, sending) = started.map_err(ServeError::OtlpUrl)?;
    Ok((exporter, Some(sending)))
}

fn gave_up(outcome: Outcome) -> ServeError {
    match outcome {
        Outcome::Failed(escalation) => {
            error!(severity = "critical", escalation = %Chain(&escalation), "the node gave up");
            ServeError::GaveUp(Some(escalation))
        }
        Outcome::Shutdown | Outcome::AutoShutdown { .. } | Outcome::Killed => {
            ServeError::GaveUp(None)
        }
    }
}

/// Keys that the environment names.
struct GivenKeys {
    first: Option<ApiKey>,
    operators: Option<ApiKey>,
}

/// What callers show in place of a key.
struct Doors {
    tokens: Tokens,
    ingress: Arc<Ingress>,
}

async fn open_gateway(
    node: &Node,
    config: &Config,
    given: &GivenKeys,
    doors: Doors,
    (spans, counters): (Arc<dyn Spans>, Arc<SpanCounters>),
    tls: Option<Tls>,
) -> Result<(), ServeError> {
    let (store, clock) = (node.store.as_ref(), node.clock.as_ref());
    let first = bootstrap(store, clock, given.first.as_ref()).await;
    if let Some(key) = first.map_err(ServeError::Bootstrap)? {
        say(&format!("coppice key {}", key.expose()))?;
    }
    let operators = bootstrap_operators(store, clock, given.operators.as_ref()).await;
    if let Some(key) = operators.map_err(ServeError::Bootstrap)? {
        say(&format!("coppice operator key {}", key.expose()))?;
    }

    let address = config.server.listen;
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    // Port 0 has become a real one.
    let address = listener.local_addr().map_err(failed)?;
    let listener = listener.into_std().map_err(failed)?;
    let observed = Observed::new(node.health(config), config.server.metrics_public)
        .recording(spans, counters)
        .slow_after(Duration::from_millis(config.log.slow_request_ms));
    // Before the first request: a node that is asked knows how it is.
    let checks = health::keeper(observed.health.clone(), Arc::clone(&node.clock)).await;
    node.open(checks).await.map_err(ServeError::Gateway)?;
    let app = Arc::new(app(node, config, doors, observed));
    let parts = (app.streams.clone(), app.observed.health.clone());
    let router = cors::around(routes::router(Arc::clone(&app)), &config.server.cors);
    let scheme = if tls.is_some() { "https" } else { "http" };
    node.open(gateway(listener, router, parts, &config.server, tls.clone()))
        .await
        .map_err(ServeError::Gateway)?;
    let health = app.observed.health.clone();
    node.open(api_keys(app)).await.map_err(ServeError::Gateway)?;
    node.open(node.plugins().keeper()).await.map_err(ServeError::Gateway)?;
    let (authority, store) = (node.policy().authority, Arc::clone(&node.store));
    let every = Duration::from_secs(config.policy.refresh_s);
    node.open(policy::refresher(authority, store, every)).await.map_err(ServeError::Gateway)?;
    if config.health.freeze_after_s > 0 {
        let after = Duration::from_secs(config.health.freeze_after_s);
        let freezer = health::freezer(health, node.switches().control, after);
        node.open(freezer).await.map_err(ServeError::Gateway)?;
    }
    if let Some(tls) = tls {
        node.open(certificates(tls)).await.map_err(ServeError::Gateway)?;
    }
    say(&format!("coppice ready {scheme}://{address}"))
}

/// Connections as a child of the node's tree. The socket outlives a restart, so that nobody is
/// refused meanwhile; one that is broken is broken after it, and the node gives up.
fn gateway(
    listener: std::net::TcpListener,
    router: Router,
    (streams, health): (Streams, Health),
    config: &ServerConfig,
    tls: Option<Tls>,
) -> ChildSpec {
    let limits = ConnectionLimits::from(config);
    let notice = Duration::from_millis(config.drain_notice_ms);
    // A little longer than its connections may take, which it ends by itself.
    let patience = notice + limits.shutdown_grace + Duration::from_secs(1);
    let task = ChildSpec::task("gateway", move |context: TaskContext| {
        let (listener, router) = (listener.try_clone(), router.clone());
        let (streams, health, tls) = (streams.clone(), health.clone(), tls.clone());
        async move {
            let listener = TcpListener::from_std(listener?)?;
            streams.begin();
            health.drains(false);
            let stopped = async {
                context.stop.raised().await;
                health.drains(true);
                tokio::time::sleep(notice).await;
                // They would not end by themselves, and their connections with them.
                streams.end(STREAMS_END_WITHIN).await;
            };
            connections::serve_with(listener, router, limits, tls, stopped).await
        }
    });
    task.shutdown(Shutdown::Timeout(patience))
}

/// What is done about keys beside requests. Behind the gateway: its fall takes no connection along.
fn api_keys(app: AppState) -> ChildSpec {
    ChildSpec::task("api-keys", move |context: TaskContext| {
        let app = Arc::clone(&app);
        async move {
            app.auth.keep(context.stop.raised()).await;
            Ok::<_, io::Error>(())
        }
    })
}

/// Reads the certificates again on SIGHUP. Those that can't be used leave what there is.
fn certificates(tls: Tls) -> ChildSpec {
    ChildSpec::task("certificates", move |context: TaskContext| {
        let tls = tls.clone();
        async move {
            let mut hangup = signal(SignalKind::hangup())?;
            let mut stopped = pin!(context.stop.raised());
            loop {
                tokio::select! {
                    biased;
                    () = &mut stopped => return Ok::<_, io::Error>(()),
                    _ = hangup.recv() => match tls.reload() {
                        Ok(()) => info!("the certificates were read again"),
                        Err(error) => {
                            error!(error = %Chain(&error), "the certificates were not read again");
                        }
                    },
                }
            }
        }
    })
}

fn app(node: &Node, config: &Config, doors: Doors, observed: Observed) -> App {
    let Doors { tokens, ingress } = doors;
    App {
        registry: node.registry.clone(),
        auth: Auth::new(node.store.clone(), node.clock.clone(), &config.auth).tokens(tokens),
        limits: RequestLimits::from(&config.server),
        rates: Rates::new(&config.rates),
        journal: Some(node.journal()),
        streams: Streams::from(&config.server),
        inspector: Some(node.inspector()),
        switches: Some(node.switches()),
        plugins: Some(node.plugins()),
        policy: Some(node.policy()),
        eraser: Some(node.eraser()),
        planner: Some(node.planner()),
        treasury: Some(node.treasury()),
        ingress: Some(ingress),
        observed,
    }
}

fn say(line: &str) -> Result<(), ServeError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(ServeError::Stdout)
}

/// Resolves at SIGTERM or SIGINT. They are caught from this call on, not from the first poll.
///
/// # Errors
/// Where the operating system delivers no signals.
pub fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!(signal = "SIGTERM", "shutting down"),
            _ = interrupt.recv() => info!(signal = "SIGINT", "shutting down"),
        }
    })
}
