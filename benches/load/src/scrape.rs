//! The target's own figures, once a second: what `/metrics` says, each name summed over its labels.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hyper::Uri;

use crate::measuring::second_of;
use crate::record::Nanos;
use crate::wire::{Call, Clock, Slot, Target};

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a look may take. One that takes longer is left out, and its second has no figures.
const PATIENCE_NS: Nanos = 900_000_000;

/// Figures by second.
pub type Scraped = Vec<(usize, BTreeMap<String, f64>)>;

/// Looks until the run is over. Seconds in which the target said nothing are left out.
///
/// # Errors
///
/// Where there is no runtime to be had.
pub fn scrape(target: &Target, clock: Clock, run_is_over: &Receiver<()>) -> io::Result<Scraped> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut slot = Slot::new(0);
    let call = Call::get(Uri::from_static("/metrics"));
    let mut scraped = Vec::new();
    while matches!(run_is_over.recv_timeout(PERIOD), Err(RecvTimeoutError::Timeout)) {
        let now = clock.now();
        let looked = slot.ask(target, &call, clock, now + PATIENCE_NS);
        if let Ok(answer) = runtime.block_on(looked).answer
            && answer.status == 200
            && let Ok(text) = std::str::from_utf8(&answer.body)
        {
            scraped.push((second_of(now), figures(text)));
        }
    }
    Ok(scraped)
}

/// The figures of a text in OpenMetrics, without the pieces of histograms.
#[must_use]
pub fn figures(text: &str) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        if name.is_empty() || name.ends_with("_bucket") || name.ends_with("_info") {
            continue;
        }
        let behind = line.rfind('}').map_or_else(|| &line[name.len()..], |at| &line[at + 1..]);
        let value = behind.split_ascii_whitespace().next().and_then(|value| value.parse().ok());
        // What is no number, such as a share of nothing, can't be written as JSON.
        if let Some(value) = value.filter(|value: &f64| value.is_finite()) {
            *figures.entry(name.to_owned()).or_default() += value;
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_over_labels_whatever_stands_in_them() {
        let text = "# TYPE a counter\na_total{x=\"}\",y=\"1 2\"} 2.0\na_total{x=\"b\"} 3\n\
                    b_bucket{le=\"1\"} 4\nbuild_info{v=\"1\"} 1\nprocess_bytes 1.5e3 123\nodd\n# EOF\n";
        let expected = [("a_total".to_owned(), 5.0), ("process_bytes".to_owned(), 1_500.0)];
        assert_eq!(figures(text), BTreeMap::from(expected));
    }
}
