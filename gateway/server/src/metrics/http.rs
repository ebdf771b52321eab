//! Counts of requests, by route template, method and class of the status.
//!
//! **Invariants:** a route is known by its template, so what a client makes up adds no series; an
//! answered request costs one look into a map that is only read, and four additions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use coppice_api::{CODES, Code};
use coppice_runtime::Histogram;
use coppice_runtime::histogram::{Counted, MICROSECONDS};
use parking_lot::RwLock;

use crate::auth::Scope;

/// The template of a request that no route takes.
const NO_ROUTE: &str = "none";
/// The code of every refusal by an entity's own rules.
const REFUSED_BY_KIND: &str = "refused_by_kind";
/// Stands in place of a scope for webhooks, which need none.
const NO_SCOPE: &str = "ingress";

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Why a caller did not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthRefusal {
    /// No key, or none that counts.
    Key,
    /// The key lacks the scope.
    Scope,
    /// The key could not be looked up.
    Unchecked,
}

impl AuthRefusal {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Key, "key"), (Self::Scope, "scope"), (Self::Unchecked, "unchecked")];
}

/// One method of a route.
#[derive(Debug)]
struct Served {
    by_class: [AtomicU64; CLASSES.len()],
    time: Histogram,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    by_method: [Served; METHODS.len()],
    abandoned: AtomicU64,
}

impl Route {
    fn new() -> Self {
        let served = || Served { by_class: Default::default(), time: Histogram::new(MICROSECONDS) };
        Self { by_method: std::array::from_fn(|_| served()), abandoned: AtomicU64::new(0) }
    }
}

/// Counts of one method of one route, for the exposition.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) route: String,
    pub(super) method: &'static str,
    pub(super) by_class: Vec<(&'static str, u64)>,
    pub(super) time: Counted,
}

/// Every count of requests.
#[derive(Debug)]
pub struct HttpMetrics {
    routes: RwLock<BTreeMap<String, Arc<Route>>>,
    open: AtomicI64,
    problems: Vec<AtomicU64>,
    refused_by_kind: AtomicU64,
    auth: [AtomicU64; AuthRefusal::ALL.len()],
    rates: [AtomicU64; Scope::ALL.len()],
    ingress_rate: AtomicU64,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            routes: RwLock::default(),
            open: AtomicI64::new(0),
            problems: CODES.iter().map(|_| AtomicU64::new(0)).collect(),
            refused_by_kind: AtomicU64::new(0),
            auth: Default::default(),
            rates: std::array::from_fn(|_| AtomicU64::new(0)),
            ingress_rate: AtomicU64::new(0),
        }
    }
}

/// A request that is being answered; one that is dropped before it is answered was abandoned.
#[derive(Debug)]
pub struct Open {
    metrics: Arc<HttpMetrics>,
    route: Arc<Route>,
    method: usize,
    answered: bool,
}

impl HttpMetrics {
    /// A request has come in, on the route of this template.
    #[must_use]
    pub fn begin(self: &Arc<Self>, template: Option<&str>, method: &Method) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        let other = METHODS.len() - 1;
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(other);
        let route = self.route(template.unwrap_or(NO_ROUTE));
        Open { metrics: Arc::clone(self), route, method, answered: false }
    }

    /// There are as many as the router has.
    fn route(&self, template: &str) -> Arc<Route> {
        if let Some(route) = self.routes.read().get(template) {
            return Arc::clone(route);
        }
        let mut routes = self.routes.write();
        Arc::clone(routes.entry(template.to_owned()).or_insert_with(|| Arc::new(Route::new())))
    }

    /// An answer was a problem.
    pub fn problem(&self, code: Code) {
        let known = CODES.iter().position(|known| known.code == code.code);
        known
            .map_or(&self.refused_by_kind, |at| &self.problems[at])
            .fetch_add(1, Ordering::Relaxed);
    }

    /// A caller did not come in.
    pub fn auth_refused(&self, reason: AuthRefusal) {
        for ((known, _), count) in AuthRefusal::ALL.iter().zip(&self.auth) {
            if *known == reason {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A tenant asked too often.
    pub fn rate_refused(&self, scope: Scope) {
        for (known, count) in Scope::ALL.iter().zip(&self.rates) {
            if *known == scope {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A tenant was sent webhooks too often.
    pub fn ingress_rate_refused(&self) {
        self.ingress_rate.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that are being answered.
    pub(super) fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = CODES.iter().map(|code| code.code).zip(&self.problems);
        let all = codes.chain([(REFUSED_BY_KIND, &self.refused_by_kind)]);
        all.map(|(code, count)| (code, count.load(Ordering::Relaxed)))
    }

    pub(super) fn auth_refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = AuthRefusal::ALL.iter().zip(&self.auth);
        all.map(|((_, reason), count)| (*reason, count.load(Ordering::Relaxed)))
    }

    pub(super) fn rate_refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let scopes = Scope::ALL.iter().map(|scope| scope.name()).zip(&self.rates);
        let all = scopes.chain([(NO_SCOPE, &self.ingress_rate)]);
        all.map(|(scope, count)| (scope, count.load(Ordering::Relaxed)))
    }

    pub(super) fn abandoned(&self) -> Vec<(String, u64)> {
        let routes = self.routes.read();
        let count = |route: &Route| route.abandoned.load(Ordering::Relaxed);
        routes.iter().map(|(template, route)| (template.clone(), count(route))).collect()
    }

    /// What was ever asked for.
    pub(super) fn served(&self) -> Vec<Shown> {
        let routes = self.routes.read();
        let mut shown = Vec::new();
        for (template, route) in routes.iter() {
            for (method, served) in METHODS.iter().zip(&route.by_method) {
                let time = served.time.counted();
                if time.count() == 0 {
                    continue;
                }
                let counts = CLASSES.iter().zip(&served.by_class);
                let by_class = counts
                    .map(|(class, count)| (*class, count.load(Ordering::Relaxed)))
                    .filter(|(_, count)| *count > 0)
                    .collect();
                shown.push(Shown { route: template.clone(), method, by_class, time });
            }
        }
        shown
    }
}

impl Open {
    /// It was answered.
    pub fn answered(mut self, status: StatusCode, took: Duration) {
        self.answered = true;
        let served = &self.route.by_method[self.method];
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(CLASSES.len() - 1);
        served.by_class[class].fetch_add(1, Ordering::Relaxed);
        served.time.time(took);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.open.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.route.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use coppice_api::codes;

    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_class() {
        let metrics = Arc::new(HttpMetrics::default());
        for status in [200, 201, 404] {
            let open = metrics.begin(Some("/x/{id}"), &Method::GET);
            assert_eq!(metrics.open(), 1);
            open.answered(StatusCode::from_u16(status).unwrap(), Duration::from_micros(80));
        }
        drop(metrics.begin(Some("/x/{id}"), &Method::GET));
        metrics.begin(None, &Method::TRACE).answered(StatusCode::NOT_FOUND, Duration::ZERO);
        let served = metrics.served();
        let of = |at: usize| (served[at].route.as_str(), served[at].method, &served[at].by_class);
        assert_eq!(of(0), ("/x/{id}", "GET", &vec![("2xx", 2), ("4xx", 1)]));
        assert_eq!(of(1), ("none", "other", &vec![("4xx", 1)]));
        assert_eq!(served[0].time.buckets[0], (100, 3));
        assert_eq!(metrics.abandoned(), [("/x/{id}".to_owned(), 1), ("none".to_owned(), 0)]);
        assert_eq!(metrics.open(), 0);
    }

    #[test]
    fn problems_of_all_kinds_share_a_series() {
        let metrics = HttpMetrics::default();
        metrics.problem(codes::RATE_LIMITED);
        metrics.problem(Code::refusal("anything"));
        metrics.problem(Code::refusal("else"));
        let counts: BTreeMap<_, _> = metrics.problems().collect();
        assert_eq!((counts["rate_limited"], counts["refused_by_kind"]), (1, 2));
        assert_eq!(counts.values().sum::<u64>(), 3);
    }
}
