//! `coppice archive`: the journal's past as files, whose chain the database goes on with.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_persistence::SqlStore;
use coppice_runtime::{Clock, SystemClock};

use crate::archive::{ArchiveError, check, export};
use crate::compose::open_to_look;
use crate::config::Settings;
use crate::{logging, registry};

/// Archives what is older than an age beside the node, if one runs, and prints where it ends.
///
/// # Errors
/// [`ArchiveError`].
pub async fn archive(settings: &Settings, age: Duration, to: &Path) -> Result<(), ArchiveError> {
    logging::start(settings.config.log);
    let failed = |path: &Path, during| {
        let path = path.to_path_buf();
        move |source: io::Error| ArchiveError::File { path, during, source }
    };
    std::fs::create_dir_all(to).map_err(failed(to, "making the directory"))?;
    let store = open_to_look(&settings.config.store).await.map_err(ArchiveError::Store)?;
    let outcome = archived(&store, age, to).await;
    store.close().await;
    let line = outcome?;
    writeln!(io::stdout().lock(), "{line}").map_err(failed(to, "writing to stdout"))
}

async fn archived(store: &SqlStore, age: Duration, to: &Path) -> Result<String, ArchiveError> {
    let kinds = registry::replay_all();
    // What is there must be sound and this database's, or the two would part in one directory.
    let before = check(to, &kinds, Some(store)).await?;
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let cutoff = Timestamp::from_micros(SystemClock.now().as_micros().saturating_sub(age));
    let exported = export(store, to, &before, cutoff).await?;
    // Once more from the files: what was written is what can be read.
    let after = check(to, &kinds, Some(store)).await?;
    let (added, events) = (after.last.number - before.last.number, exported.events);
    Ok(format!(
        "coppice archived {added} batches, {events} events; the archive ends with batch {} with \
         hash {}",
        after.last.number, after.last.hash
    ))
}

/// An age: a whole number and `s`, `m`, `h` or `d`.
///
/// # Errors
/// Any other text, for people.
pub fn age(text: &str) -> Result<Duration, String> {
    let unit = |last| match last {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let parse = || {
        let seconds = unit(text.chars().last()?)?;
        let number: u32 = text.get(..text.len() - 1)?.parse().ok()?;
        Some(Duration::from_secs(u64::from(number) * seconds))
    };
    parse().ok_or_else(|| "an age is a whole number with s, m, h or d, such as 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_its_unit() {
        for (text, seconds) in [("0s", 0), ("90m", 5_400), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "d", "30", "-1d", "1.5h", "30é", "99999999999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
