//! How fast a tenant may ask: a generic cell rate (GCRA) per tenant and class of routes.
//!
//! A tenant has so many requests in hand and gets them back evenly; there is no window at whose edge
//! twice as many would pass. What is left stands in the headers of every answer: `RateLimit` and
//! `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and the older `X-RateLimit-*`.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use coppice_api::codes;
use coppice_core::TenantId;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::auth::Scope;
use crate::config::{RatesConfig, TenantRates};
use crate::problem::Fault;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tenants that are remembered before those who have everything in hand again are forgotten.
const TENANTS_MAX: usize = 10_000;

/// Requests between two looks at how many tenants are remembered.
const SWEEP_EVERY: u64 = 1_024;

/// Routes that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Reads.
    Read,
    /// Commands and deletions.
    Write,
    /// What operators do.
    Operate,
    /// Webhooks, so that a storm of them takes nothing from the tenant's own commands.
    Ingress,
}

impl Class {
    /// The routes with a scope; webhooks have none.
    #[must_use]
    pub const fn of(scope: Scope) -> Self {
        match scope {
            Scope::EntitiesRead
            | Scope::WorkflowsRead
            | Scope::PluginsRead
            | Scope::MoneyRead
            | Scope::PolicyRead => Self::Read,
            Scope::EntitiesWrite
            | Scope::EntitiesDelete
            | Scope::WorkflowsWrite
            | Scope::WorkflowsApprove
            | Scope::MoneyWrite
            | Scope::PolicyWrite => Self::Write,
            Scope::InspectRead
            | Scope::InspectWrite
            | Scope::KeysRead
            | Scope::KeysWrite
            | Scope::SubjectsWrite
            | Scope::MetricsRead
            | Scope::ControlRead
            | Scope::ControlWrite
            | Scope::PluginsRegister
            | Scope::PolicyPublish => Self::Operate,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Operate => "operate",
            Self::Ingress => "ingress",
        }
    }
}

type Limiter =
    RateLimiter<TenantId, DashMapStateStore<TenantId>, DefaultClock, StateInformationMiddleware>;

/// One class's limit, and those of tenants that have their own.
struct Limit {
    default: Limiter,
    /// Bounded by the settings that name them.
    own: BTreeMap<TenantId, Limiter>,
    /// Requests so far.
    taken: AtomicU64,
    /// More tenants than this are too many.
    sweep_at: AtomicUsize,
}

impl Limit {
    fn take(&self, class: Class, tenant: &TenantId) -> Taken {
        self.sweep();
        let limiter = self.own.get(tenant).unwrap_or(&self.default);
        match limiter.check_key(tenant) {
            Ok(left) => {
                let quota = left.quota();
                let burst = quota.burst_size().get();
                let taken = burst - left.remaining_burst_capacity().min(burst);
                (Allowance::new(class, quota, taken), Ok(()))
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let quota = until.quota();
                let detail = format!(
                    "the tenant may ask {} times a second in the class {}, {} at once",
                    per_second(quota),
                    class.name(),
                    quota.burst_size()
                );
                let allowance = Allowance::new(class, quota, quota.burst_size().get());
                let fault = Fault::new(codes::RATE_LIMITED, detail).retry_in(seconds(wait));
                (allowance, Err(fault))
            }
        }
    }

    /// Forgets, once in a while, tenants who have everything in hand again. To count them is dear
    /// and to walk them dearer: that is done once in [`SWEEP_EVERY`] requests, and only where they
    /// have doubled since the last time.
    fn sweep(&self) {
        if !self.taken.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            return;
        }
        if self.default.len() > self.sweep_at.load(Ordering::Relaxed) {
            self.default.retain_recent();
            self.sweep_at.store(TENANTS_MAX.max(self.default.len() * 2), Ordering::Relaxed);
        }
    }
}

/// What a tenant has left, and whether the request may go on.
pub type Taken = (Allowance, Result<(), Fault>);

/// Every class's limit.
pub struct Rates {
    read: Limit,
    write: Limit,
    operate: Limit,
    ingress: Limit,
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

impl Rates {
    /// As configured.
    #[must_use]
    pub fn new(config: &RatesConfig) -> Self {
        let limit = |of: fn(&RatesConfig) -> u32, own: fn(&TenantRates) -> Option<u32>| {
            let tenants = config.tenants.iter().filter_map(|(tenant, rates)| {
                Some((tenant.clone(), limiter(own(rates)?, config.burst_s)))
            });
            Limit {
                default: limiter(of(config), config.burst_s),
                own: tenants.collect(),
                taken: AtomicU64::new(0),
                sweep_at: AtomicUsize::new(TENANTS_MAX),
            }
        };
        Self {
            read: limit(|rates| rates.read_per_s, |rates| rates.read_per_s),
            write: limit(|rates| rates.write_per_s, |rates| rates.write_per_s),
            operate: limit(|rates| rates.operate_per_s, |rates| rates.operate_per_s),
            ingress: limit(|rates| rates.ingress_per_s, |rates| rates.ingress_per_s),
        }
    }

    /// Takes one request out of a tenant's hand. Where there is none, the fault is `rate_limited`,
    /// with the time until the next one.
    pub fn take(&self, tenant: &TenantId, class: Class) -> Taken {
        let limit = match class {
            Class::Read => &self.read,
            Class::Write => &self.write,
            Class::Operate => &self.operate,
            Class::Ingress => &self.ingress,
        };
        limit.take(class, tenant)
    }
}

fn limiter(per_second: u32, burst_s: u32) -> Limiter {
    // Ranges are checked where the settings are read.
    let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    let burst = rate.saturating_mul(NonZeroU32::new(burst_s).unwrap_or(NonZeroU32::MIN));
    RateLimiter::dashmap(Quota::per_second(rate).allow_burst(burst))
        .with_middleware::<StateInformationMiddleware>()
}

fn per_second(quota: Quota) -> u128 {
    1_000_000_000 / quota.replenish_interval().as_nanos().max(1)
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// What a tenant has left once a request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    class: &'static str,
    burst: u32,
    per_second: u128,
    remaining: u32,
    /// Until everything is in hand again.
    reset: Duration,
}

impl Allowance {
    fn new(class: Class, quota: Quota, taken: u32) -> Self {
        let burst = quota.burst_size().get();
        Self {
            class: class.name(),
            burst,
            per_second: per_second(quota),
            remaining: burst - taken,
            reset: quota.replenish_interval() * taken,
        }
    }

    /// Says so in the headers of the answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        let (class, burst, remaining) = (self.class, self.burst, self.remaining);
        let reset = seconds(self.reset);
        let window = u128::from(burst).div_ceil(self.per_second.max(1));
        headers.insert(LIMIT, HeaderValue::from(burst));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(reset));
        let policy = format!("\"{class}\";q={burst};w={window}");
        let left = format!("\"{class}\";r={remaining};t={reset}");
        for (name, text) in [(POLICY, policy), (RATE_LIMIT, left)] {
            // Digits and the class's name are always a valid value.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn rates(write_per_s: u32, burst_s: u32, own: Option<u32>) -> Rates {
        let rates = TenantRates {
            read_per_s: None,
            write_per_s: own,
            operate_per_s: None,
            ingress_per_s: None,
        };
        Rates::new(&RatesConfig {
            read_per_s: 1_000,
            write_per_s,
            operate_per_s: 1_000,
            ingress_per_s: 1,
            burst_s,
            tenants: BTreeMap::from([(tenant("small"), rates)]),
        })
    }

    fn is_let(rates: &Rates, name: &str, class: Class) -> bool {
        rates.take(&tenant(name), class).1.is_ok()
    }

    #[test]
    fn a_tenant_has_a_burst_in_hand_and_another_tenant_its_own() {
        let rates = rates(1, 3, None);
        for remaining in [2, 1, 0] {
            let (left, outcome) = rates.take(&tenant("a"), Class::Write);
            assert_eq!(outcome, Ok(()));
            assert_eq!((left.burst, left.remaining, left.per_second), (3, remaining, 1));
            assert_eq!(left.reset, Duration::from_secs(u64::from(3 - remaining)));
        }
        let (left, refused) = rates.take(&tenant("a"), Class::Write);
        assert_eq!(refused.unwrap_err().code(), codes::RATE_LIMITED);
        assert_eq!((left.burst, left.remaining), (3, 0), "a refusal tells the limit, too");
        assert!(is_let(&rates, "b", Class::Write));
        assert!(is_let(&rates, "a", Class::Read), "another class");
        assert!(is_let(&rates, "a", Class::Ingress), "and another");
    }

    #[test]
    fn a_tenant_may_have_a_limit_of_its_own() {
        let rates = rates(100, 1, Some(1));
        assert!(is_let(&rates, "small", Class::Write));
        assert!(!is_let(&rates, "small", Class::Write));
        assert!((0..50).all(|_| is_let(&rates, "other", Class::Write)));
    }

    #[test]
    fn an_allowance_is_told_in_both_forms() {
        let rates = rates(10, 2, None);
        let mut headers = HeaderMap::new();
        rates.take(&tenant("a"), Class::Write).0.write(&mut headers);
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("ratelimit-policy"), "\"write\";q=20;w=2");
        assert_eq!(header("ratelimit"), "\"write\";r=19;t=1");
        assert_eq!(header("x-ratelimit-limit"), "20");
        assert_eq!(header("x-ratelimit-remaining"), "19");
        assert_eq!(header("x-ratelimit-reset"), "1");
    }

    #[test]
    fn tenants_who_have_everything_in_hand_again_are_forgotten() {
        // They have what they took back within a microsecond.
        let rates = rates(1_000_000, 1, None);
        let tenants = TENANTS_MAX + 2 * usize::try_from(SWEEP_EVERY).unwrap();
        for number in 0..tenants {
            assert!(is_let(&rates, &format!("t{number}"), Class::Write));
        }
        let remembered = rates.write.default.len();
        assert!(remembered < TENANTS_MAX, "{remembered} are remembered");
    }
}
