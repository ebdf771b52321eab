//! Registering a version, taking it out of service, and hearing how it is.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::plugin::{
    PluginHealthReport, PluginRegistered, PluginRegistration, PluginStatus, VersionHealthView,
};
use coppice_core::CommandId;
use coppice_core::entity::parse_body;
use coppice_plugin_sdk::{Health, HealthReport};
use coppice_plugins::{DeregisterError, HealthError, RegisterError, Registration, Word};
use serde::de::DeserializeOwned;

use super::views::health_view;
use super::{Serving, missing};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::body;
use crate::exchange::{Exchange, idempotency_key};
use crate::problem::Fault;
use crate::routes::{Params, answer, param, unreadable_path};

/// `POST /internal/registry/register`
pub(super) async fn register(State(state): State<Serving>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let outcome = registered(&state, &exchange, &parts, body).await;
    let made = outcome.is_ok();
    let mut response = answer(&exchange, outcome);
    if made {
        *response.status_mut() = StatusCode::CREATED;
    }
    response
}

async fn registered(
    state: &Serving,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<PluginRegistered, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PluginsRegister).await?;
    let word = word(exchange, parts, &admitted, "POST")?;
    let asked: PluginRegistration = read(state, parts, body, &admitted).await?;
    let PluginRegistration { manifest, url } = asked;
    let registered = state.plugins.register(Registration { manifest, url }, word).await;
    match registered {
        Ok(registered) => Ok(PluginRegistered { plugin_id: registered.plugin_id }),
        Err(RegisterError::Refused(problem)) => Err(Fault::new(codes::PLUGIN_REFUSED, problem)),
        Err(own @ RegisterError::InProcess(_)) => {
            Err(Fault::new(codes::PLUGIN_IN_PROCESS, own.to_string()))
        }
        Err(full @ RegisterError::Full) => Err(Fault::new(codes::PLUGINS_FULL, full.to_string())),
        Err(RegisterError::Entity(failure)) => Err(failure.into()),
    }
}

/// `DELETE /internal/registry/{name}/{version}`
pub(super) async fn deregister(
    State(state): State<Serving>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    match deregistered(&state, &exchange, &parts, params).await {
        Ok(()) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            exchange.finish(response)
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn deregistered(
    state: &Serving,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<(), Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PluginsRegister).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let word = word(exchange, parts, &admitted, "DELETE")?;
    let (name, version) = (param(&params, "name"), param(&params, "version"));
    match state.plugins.deregister(name, version, word).await {
        Ok(()) => Ok(()),
        Err(DeregisterError::Unknown(_)) => Err(missing()),
        Err(own @ DeregisterError::InProcess(_)) => {
            Err(Fault::new(codes::PLUGIN_IN_PROCESS, own.to_string()))
        }
        Err(DeregisterError::Entity(failure)) => Err(failure.into()),
    }
}

/// `POST /internal/registry/{name}/{version}/health`
pub(super) async fn report(
    State(state): State<Serving>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, reported(&state, &exchange, &parts, params, body).await)
}

async fn reported(
    state: &Serving,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
    body: Body,
) -> Result<VersionHealthView, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PluginsRegister).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let said: PluginHealthReport = read(state, parts, body, &admitted).await?;
    let components = said.components.into_iter();
    let report = HealthReport {
        status: status(said.status),
        components: components.map(|(name, of)| (name, status(of))).collect(),
        message: said.message,
    };
    let (name, version) = (param(&params, "name"), param(&params, "version"));
    let noted = state.plugins.report_health(name, version, report).await;
    let noted = noted.map_err(|error| match error {
        HealthError::Unknown(_) => missing(),
        HealthError::Entity(failure) => failure.into(),
    })?;
    let plugin_id = noted.offer.manifest().plugin_id();
    let standing = state.plugins.breakers().look(&plugin_id).await.map_err(Fault::of_read)?;
    // A version that has left in the meantime is not there any more.
    health_view(&noted, standing).ok_or_else(missing)
}

const fn status(of: PluginStatus) -> Health {
    match of {
        PluginStatus::Healthy => Health::Healthy,
        PluginStatus::Degraded => Health::Degraded,
        PluginStatus::Unhealthy => Health::Unhealthy,
    }
}

/// Who asks, under which id.
fn word(
    exchange: &Exchange,
    parts: &Parts,
    Admitted { principal, deadline }: &Admitted,
    method: &str,
) -> Result<Word, Fault> {
    let key = idempotency_key(&parts.headers)?;
    let route = format!("{method} {}", exchange.path());
    let command_id = match key {
        Some(key) => CommandId::from_idempotency_key(&principal.tenant, &route, key),
        None => exchange.fresh_command_id(),
    };
    Ok(Word {
        by: principal.identity.to_string(),
        command_id,
        keyed: key.is_some(),
        correlation: exchange.correlation(),
        deadline: *deadline,
    })
}

async fn read<T: DeserializeOwned>(
    state: &Serving,
    parts: &Parts,
    body: Body,
    admitted: &Admitted,
) -> Result<T, Fault> {
    let bytes_max = state.app.limits.body_bytes_max;
    let body = body::read(body, bytes_max, admitted.deadline).await?;
    body::require_json(&parts.headers, &body)?;
    parse_body(&body).map_err(|error| Fault::new(codes::INVALID_BODY, error.to_string()))
}
