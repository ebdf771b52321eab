//! Finds runs in directories.
//!
//! A run is a directory with a `report.json`, with an [`ABOUT_FILE`] or with a history. One of the
//! latter two without a report was begun and not judged, and must not disappear for that.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::TablesError;
use crate::report::{Report, VERSION};

/// What whoever ran it knows of a run and its report doesn't: texts with names, as TOML. `scenario`,
/// `store` and `exit` say so of a run that came to no report; the others are part of its fingerprint.
pub const ABOUT_FILE: &str = "about.toml";

const REPORT_FILE: &str = "report.json";
const HISTORY_FILE: &str = "history.bin";

/// A report has a few kilobytes for each second of a run.
const REPORT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Store, scenario, number and some more; a tree that is deeper was meant for something else.
const DEPTH_MAX: usize = 8;

/// A run that was found.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its directory below the one that was named.
    pub name: String,
    /// What its [`ABOUT_FILE`] says.
    pub about: BTreeMap<String, String>,
    /// None where it came to none.
    pub report: Option<Report>,
}

/// The runs in these directories and below them, in order of their names. A report may be named as a
/// file as well.
///
/// # Errors
/// [`TablesError`]; a path without a run is one.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Run>, TablesError> {
    let mut runs = Vec::new();
    for path in paths {
        let before = runs.len();
        let path = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        // The parent of a bare name is no name.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let last = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let last = last.unwrap_or_else(|| ".".to_owned());
        let name = if paths.len() > 1 { last.clone() } else { String::new() };
        walk(&mut runs, path, &name, DEPTH_MAX)?;
        if runs.len() == before {
            return Err(TablesError::Nothing { path: path.to_owned() });
        }
        for run in runs.iter_mut().filter(|run| run.name.is_empty()) {
            run.name.clone_from(&last);
        }
    }
    Ok(runs)
}

fn walk(
    runs: &mut Vec<Run>,
    directory: &Path,
    name: &str,
    depth: usize,
) -> Result<(), TablesError> {
    let failed = |source| TablesError::File { path: directory.to_owned(), source };
    let mut below = Vec::new();
    let mut is_run = false;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let own = entry.file_name().to_string_lossy().into_owned();
        is_run |= [REPORT_FILE, ABOUT_FILE, HISTORY_FILE].contains(&own.as_str());
        if entry.file_type().map_err(failed)?.is_dir() {
            below.push(own);
        }
    }
    if is_run {
        runs.push(run(directory, name)?);
    }
    // Numbers in their order: 2 stands before 10.
    below.sort_by_key(|own| (own.len(), own.clone()));
    for own in below.iter().filter(|_| depth > 0) {
        let name = if name.is_empty() { own.clone() } else { format!("{name}/{own}") };
        walk(runs, &directory.join(own), &name, depth - 1)?;
    }
    Ok(())
}

fn run(directory: &Path, name: &str) -> Result<Run, TablesError> {
    let path = directory.join(ABOUT_FILE);
    let about = match text(&path)? {
        Some(text) => {
            toml::from_str(&text).map_err(|source| TablesError::About { path, source })?
        }
        None => BTreeMap::new(),
    };
    let path = directory.join(REPORT_FILE);
    let report = text(&path)?.map(|text| report(&path, &text)).transpose()?;
    Ok(Run { name: name.to_owned(), about, report })
}

fn text(path: &Path) -> Result<Option<String>, TablesError> {
    let failed = |source| TablesError::File { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(about) if about.len() > REPORT_BYTES_MAX => {
            Err(failed(std::io::Error::other("it is too large")))
        }
        Ok(_) => fs::read_to_string(path).map(Some).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The version first: what another one holds can't be known.
fn report(path: &Path, text: &str) -> Result<Report, TablesError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let wrong = |source| TablesError::Report { path: path.to_owned(), source };
    let Versioned { version: is } = serde_json::from_str(text).map_err(wrong)?;
    if is != VERSION {
        return Err(TablesError::Version { path: path.to_owned(), is });
    }
    serde_json::from_str(text).map_err(wrong)
}
