//! Asks every version how it is, again and again.
//!
//! A version in service is asked every `health_every`. One that isn't yet is asked at once, and then
//! after a second, two, four, until it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coppice_core::Entity;
use coppice_domain::plugin::PluginVersion;
use coppice_domain::plugin::version::Lifecycle;
use coppice_plugin_sdk::{Health, HealthReport};
use coppice_runtime::Failure;
use coppice_runtime::supervisors::{ChildSpec, Shutdown, StopSignal, TaskContext};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::calls::Waited;
use crate::catalog::{Offer, Seat};
use crate::entities::Told;
use crate::service::{NODE, Plugins};

/// How long a version that isn't in service yet is left alone at first.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How long a stop waits for a round that is under way.
const ROUND_ENDS_WITHIN: Duration = Duration::from_secs(2);

impl Plugins {
    /// Rounds of questions as a child of the node's tree.
    #[must_use]
    pub fn keeper(&self) -> ChildSpec {
        let plugins = self.clone();
        let task = ChildSpec::task("plugins", move |context: TaskContext| {
            let plugins = plugins.clone();
            async move {
                plugins.keep(&context.stop).await;
                Ok::<_, Infallible>(())
            }
        });
        task.shutdown(Shutdown::Timeout(ROUND_ENDS_WITHIN))
    }

    async fn keep(&self, stopping: &StopSignal) {
        loop {
            let rung = self.0.bell.notified();
            let next = self.next_due();
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = rung => {}
                () = sleep_until(next) => {}
            }
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = self.round(false) => {}
            }
        }
    }

    fn next_due(&self) -> Instant {
        let known = self.0.catalog.all();
        let first = known.iter().map(|known| known.offer.check.lock().due).min();
        let at_latest = Instant::now() + self.0.options.health_every;
        first.unwrap_or(at_latest).min(at_latest)
    }

    /// Has a version asked at once.
    pub(crate) fn ask_at_once(&self, id: &str) {
        if let Some(known) = self.0.catalog.all().into_iter().find(|known| known.offer.id == id) {
            let mut check = known.offer.check.lock();
            (check.due, check.in_vain) = (Instant::now(), 0);
        }
        self.0.bell.notify_one();
    }

    /// Asks every version that is due, or the node's own only.
    pub(crate) async fn round(&self, own: bool) {
        let now = Instant::now();
        let due = self.0.catalog.all().into_iter().map(|known| known.offer);
        let due = due.filter(|offer| !own || offer.is_in_process());
        let due: Vec<_> = due.filter_map(|offer| UnderWay::begin(offer, now)).collect();
        let looks = due.into_iter().map(|under_way| self.look(under_way));
        stream::iter(looks).buffer_unordered(self.0.options.health_at_once).collect::<()>().await;
    }

    async fn look(&self, under_way: UnderWay) {
        let offer = &under_way.0;
        let before = offer.health();
        let report = self.report_of(offer).await;
        let noted = self.note(offer, report).await;
        if let Err(failure) = &noted {
            debug!(plugin = offer.id, %failure, "how a plugin is was not recorded");
        }
        let after = offer.health();
        tell(offer, before.report.map(|report| report.status), after.report.as_ref());
        let mut check = offer.check.lock();
        if after.lifecycle == Lifecycle::Active && noted.is_ok() {
            check.in_vain = 0;
            check.due = Instant::now() + self.0.options.health_every;
        } else {
            let wait = FIRST_WAIT.saturating_mul(1 << check.in_vain.min(16));
            check.in_vain += 1;
            check.due = Instant::now() + wait.min(self.0.options.health_every);
        }
    }

    /// Sees to it that the entity of one of the node's own knows it, before it is called.
    pub(crate) async fn record(&self, offer: &Offer) -> Result<(), Failure> {
        if offer.is_recorded() {
            return Ok(());
        }
        let manifest = serde_json::to_value(offer.manifest())
            .map_err(|error| Failure::InvalidBody(error.to_string()))?;
        let body = json!({ "manifest": manifest, "place": "in_process", "by": NODE });
        let patience = self.0.options.patience;
        let told = Told::once(PluginVersion::KIND, &offer.id, "register", patience);
        let registered = self.0.entities.tell(told, &body).await;
        if let Err(failure @ Failure::Rejected { .. }) = &registered {
            warn!(plugin = offer.id, %failure, "a plugin of this build is refused");
        }
        registered?;
        offer.recorded.store(true, Ordering::Relaxed);
        match offer.health().report {
            Some(report) => self.note(offer, report).await,
            None => Ok(()),
        }
    }

    /// What a version says of itself, or what its silence says.
    async fn report_of(&self, offer: &Offer) -> HealthReport {
        let patience = self.0.options.health_timeout;
        let asked = match &offer.seat {
            Seat::Inside(plugin) => {
                let (plugin, ready) = (Arc::clone(plugin), offer.check.lock().initialized);
                let asked = async move {
                    if !ready && let Err(error) = plugin.initialize().await {
                        return Err(format!("it is not ready: {error}"));
                    }
                    Ok(plugin.health().await)
                };
                let said = self.0.calls.make(asked, patience).await;
                offer.check.lock().initialized |= matches!(said, Waited::Answered(Ok(_)));
                said
            }
            Seat::Outside(endpoint) => {
                let (http, endpoint) = (self.0.http.clone(), endpoint.clone());
                let signature = self.signature(offer, b"");
                let asked = async move {
                    let report = http.health(&endpoint, signature).await;
                    report.map_err(|fault| fault.to_string())
                };
                self.0.calls.make(asked, patience).await
            }
        };
        match asked {
            Waited::Answered(Ok(report)) => report,
            Waited::Answered(Err(problem)) => HealthReport::unhealthy(problem),
            Waited::TimedOut => {
                HealthReport::unhealthy(format!("no answer within {} ms", patience.as_millis()))
            }
            Waited::Panicked => HealthReport::unhealthy("it panicked"),
        }
    }
}

/// A version that is being asked: by one at a time, and again after a question that was dropped.
struct UnderWay(Arc<Offer>);

impl UnderWay {
    /// Begins to ask a version that is due.
    fn begin(offer: Arc<Offer>, now: Instant) -> Option<Self> {
        let mut check = offer.check.lock();
        let is_due = check.due <= now && !check.under_way;
        check.under_way |= is_due;
        drop(check);
        is_due.then(|| Self(offer))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.check.lock().under_way = false;
    }
}

/// A change is a line of the log, however often it is asked.
fn tell(offer: &Offer, before: Option<Health>, after: Option<&HealthReport>) {
    let Some(report) = after.filter(|report| before != Some(report.status)) else { return };
    let (plugin, message) = (offer.id.as_str(), report.message.as_deref());
    match report.status {
        Health::Healthy => info!(plugin, "plugin is healthy"),
        Health::Degraded => warn!(plugin, message, "plugin is degraded"),
        Health::Unhealthy => warn!(plugin, message, "plugin is unhealthy"),
    }
}
