//! The process as the operating system sees it, from `/proc`. What it doesn't say is left out.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

use super::expose::{Samples, Value};
use super::table as t;

pub(super) fn gather(samples: &mut Samples) {
    if let Some(bytes) = resident_bytes() {
        samples.add(t::RESIDENT_MEMORY, &[], Value::Gauge(bytes));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = u32::try_from(open.count()).unwrap_or(u32::MAX);
        samples.add(t::OPEN_FDS, &[], Value::Gauge(open.into()));
    }
    if let Some(seconds) = cpu_seconds() {
        samples.add(t::CPU_SECONDS, &[], Value::Counter(seconds));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a page's size is small")]
fn resident_bytes() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = text.split(' ').nth(1)?.parse().ok()?;
    Some(f64::from(pages) * page_size() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "ticks in a second are few")]
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything; user and system time are the 12th and 13th behind.
    let (_, behind) = text.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / clock_ticks_per_second() as f64)
}
