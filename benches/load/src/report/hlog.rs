//! Latencies as HdrHistogram logs: one interval a second, for HdrHistogram's own tools
//! (<https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>) and whoever merges runs.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};
use thiserror::Error;

use crate::measured::Measured;

const SECOND: Duration = Duration::from_secs(1);
/// Values are microseconds; the log gives its largest in this unit.
const MICROSECONDS_PER_MILLISECOND: f64 = 1_000.0;

/// A log that can't be written.
#[derive(Debug, Error)]
#[error("the log of histograms can not be written: {0:?}")]
pub struct HlogError(IntervalLogWriterError<hdrhistogram::serialization::V2SerializeError>);

/// Writes a second after the other, tagged `corrected` and `service`. Values are microseconds.
///
/// # Errors
/// [`HlogError`]
///
/// # Panics
/// Never: the tags are constants that may be tags.
pub fn write_hlog(
    measured: &Measured,
    began_at: i64,
    out: &mut impl Write,
) -> Result<(), HlogError> {
    let tags = ["corrected", "service"].map(|tag| Tag::new(tag).expect("it has no comma"));
    let began = UNIX_EPOCH + Duration::from_micros(u64::try_from(began_at).unwrap_or_default());
    let mut serializer = V2Serializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("latencies of the acknowledged in microseconds, second by second")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(MICROSECONDS_PER_MILLISECOND)
        .begin_log_with(out, &mut serializer)
        .map_err(|error| HlogError(IntervalLogWriterError::IoError(error)))?;
    for (at, second) in (0_u32..).zip(&measured.seconds) {
        for (tag, histogram) in tags.iter().zip([&second.corrected, &second.service]) {
            log.write_histogram(histogram, SECOND * at, SECOND, Some(*tag)).map_err(HlogError)?;
        }
    }
    Ok(())
}
