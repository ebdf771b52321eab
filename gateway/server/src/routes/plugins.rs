//! `/v1/plugins`: which plugins there are and how they are. `/internal/registry`: how one makes
//! itself known.
//!
//! **Invariants:** only keys of the operators' tenant register anything (see [`Scope`]); no tenant is
//! shown where a plugin is called.

mod register;
mod views;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::plugin::{
    PluginHealthReport, PluginHealthView, PluginList, PluginRegistered, PluginRegistration,
    PluginView, VersionHealthView,
};
use coppice_plugins::{Plugins, VersionReport};

use self::views::{detail, health_view, summary};
use super::{Params, answer, param, unreadable_path};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Routes, Verb, faults, parameters, shape};
use crate::problem::Fault;
use crate::state::AppState;

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) app: AppState,
    pub(super) plugins: Plugins,
}

const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/v1/plugins",
    name: "list_plugins",
    family: "plugins",
    summary: "Every version of a plugin in service.",
    notes: "",
    scope: Some(Scope::PluginsRead),
    parameters: &[],
    body: None,
    answers: &[Answer::json("The versions.", shape::<PluginList>)],
    faults: &[],
};

const SHOW: Operation = Operation {
    path: "/v1/plugins/{name}",
    name: "view_plugin",
    summary: "A plugin's versions with their manifests.",
    parameters: &[parameters::PLUGIN],
    answers: &[Answer::json("The plugin.", shape::<PluginView>)],
    faults: &[&[codes::PLUGIN_NOT_FOUND]],
    ..LIST
};

const HEALTH: Operation = Operation {
    path: "/v1/plugins/{name}/health",
    name: "view_plugin_health",
    summary: "How a plugin's versions are, and whether they are called.",
    answers: &[Answer::json("How they are.", shape::<PluginHealthView>)],
    faults: &[faults::ASKING, &[codes::PLUGIN_NOT_FOUND]],
    ..SHOW
};

const REGISTER: Operation = Operation {
    method: Verb::Post,
    path: "/internal/registry/register",
    name: "register_plugin",
    summary: "Makes a version known. It is offered once it was found healthy.",
    notes: "For the operators' keys only. May be repeated at every start of the plugin: the same \
            manifest again changes nothing, another address is where it is called from then on.",
    scope: Some(Scope::PluginsRegister),
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<PluginRegistration>),
    answers: &[Answer::with(201, "It is registered.", shape::<PluginRegistered>)],
    faults: &[
        faults::ASKING,
        faults::CHANGING,
        faults::BODY,
        &[codes::PLUGIN_REFUSED, codes::PLUGINS_FULL, codes::PLUGIN_IN_PROCESS],
    ],
    ..LIST
};

const DEREGISTER: Operation = Operation {
    method: Verb::Delete,
    path: "/internal/registry/{name}/{version}",
    name: "deregister_plugin",
    summary: "Takes a version out of service, and waits for its calls that are under way.",
    notes: "For the operators' keys only. No call is given to the version from the beginning of \
            this on; it waits for as long as a call may take, or the caller does.",
    parameters: &[parameters::PLUGIN, parameters::PLUGIN_VERSION, parameters::IDEMPOTENCY_KEY],
    body: None,
    answers: &[Answer::empty(204, "It is out of service.")],
    faults: &[
        faults::ASKING,
        faults::CHANGING,
        &[codes::PLUGIN_NOT_FOUND, codes::PLUGIN_IN_PROCESS],
    ],
    ..REGISTER
};

const REPORT: Operation = Operation {
    method: Verb::Post,
    path: "/internal/registry/{name}/{version}/health",
    name: "report_plugin_health",
    summary: "Hears a version say how it is, without being asked.",
    notes: "For the operators' keys only.",
    parameters: &[parameters::PLUGIN, parameters::PLUGIN_VERSION],
    body: Some(shape::<PluginHealthReport>),
    answers: &[Answer::json("It is noted.", shape::<VersionHealthView>)],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, &[codes::PLUGIN_NOT_FOUND]],
    ..REGISTER
};

/// The routes, on a node that has plugins.
pub(super) fn routes() -> Routes<Serving> {
    Routes::new()
        .on(&LIST, list)
        .on(&SHOW, show)
        .on(&HEALTH, health)
        .on(&REGISTER, register::register)
        .on(&DEREGISTER, register::deregister)
        .on(&REPORT, register::report)
}

/// `GET /v1/plugins`
async fn list(State(state): State<Serving>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let listed = state.app.admit(&parts, &exchange, Scope::PluginsRead).await.map(|_| {
        let known = state.plugins.catalog().all();
        PluginList { plugins: known.iter().filter_map(summary).collect() }
    });
    answer(&exchange, listed)
}

/// `GET /v1/plugins/{name}`
async fn show(State(state): State<Serving>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let shown = found(&state, &exchange, &parts, params).await.map(|(name, known)| PluginView {
        offered: offered(&state, &name),
        versions: known.iter().filter_map(detail).collect(),
        name,
    });
    answer(&exchange, shown)
}

/// `GET /v1/plugins/{name}/health`
async fn health(State(state): State<Serving>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, healths(&state, &exchange, &parts, params).await)
}

async fn healths(
    state: &Serving,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<PluginHealthView, Fault> {
    let (name, known) = found(state, exchange, parts, params).await?;
    let mut versions = Vec::new();
    for one in &known {
        let plugin_id = one.offer.manifest().plugin_id();
        let standing = state.plugins.breakers().look(&plugin_id).await.map_err(Fault::of_read)?;
        versions.extend(health_view(one, standing));
    }
    Ok(PluginHealthView { offered: offered(state, &name), name, versions })
}

async fn found(
    state: &Serving,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<(String, Vec<VersionReport>), Fault> {
    state.app.admit(parts, exchange, Scope::PluginsRead).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let name = param(&params, "name").to_owned();
    let known = state.plugins.catalog().versions(&name);
    if known.is_empty() { Err(missing()) } else { Ok((name, known)) }
}

fn offered(state: &Serving, name: &str) -> Option<String> {
    let offer = state.plugins.catalog().resolve(name, None).ok()?;
    Some(offer.manifest().version.clone())
}

fn missing() -> Fault {
    Fault::new(codes::PLUGIN_NOT_FOUND, "there is no such plugin")
}
