//! The four files of a bundle as texts, and their hash.
//!
//! **Invariant:** the hash is that of the canonical JSON of names and texts, with line ends as Unix
//! has them: a bundle has the same on every system, however it came there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use coppice_core::canonical::to_canonical_json;
use coppice_core::hash::sha256;
use serde::Serialize;

use crate::bundle::BundleError;

/// What the bundle is called.
pub(crate) const TITLE: &str = "bundle.toml";
/// What is allowed.
pub(crate) const POLICIES: &str = "policies.cedar";
/// What policies may speak of.
pub(crate) const SCHEMA: &str = "schema.cedarschema";
/// The lists that they ask about.
pub(crate) const DATA: &str = "data.toml";

/// The largest file of a bundle, in bytes: a hundred times the default one. All of it is read and
/// hashed at each look.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A bundle's texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// `bundle.toml`
    #[serde(rename = "bundle.toml")]
    pub title: String,
    /// `data.toml`
    #[serde(rename = "data.toml")]
    pub data: String,
    /// `policies.cedar`
    #[serde(rename = "policies.cedar")]
    pub policies: String,
    /// `schema.cedarschema`
    #[serde(rename = "schema.cedarschema")]
    pub schema: String,
}

impl Source {
    /// Of a bundle's texts, whatever ends their lines.
    #[must_use]
    pub fn of(title: &str, data: &str, policies: &str, schema: &str) -> Self {
        Self {
            title: unix(title),
            data: unix(data),
            policies: unix(policies),
            schema: unix(schema),
        }
    }

    /// The bundle that is compiled in.
    #[must_use]
    pub fn compiled_in() -> Self {
        Self {
            title: unix(include_str!("../../../../config/policy/bundle.toml")),
            data: unix(include_str!("../../../../config/policy/data.toml")),
            policies: unix(include_str!("../../../../config/policy/policies.cedar")),
            schema: unix(include_str!("../../../../config/policy/schema.cedarschema")),
        }
    }

    /// Reads a directory. Where that is a link, all four files are those that it leads to at this
    /// moment.
    ///
    /// # Errors
    /// [`BundleError`], where a file can't be read, or one was written meanwhile.
    pub fn read(directory: &Path) -> Result<Self, BundleError> {
        let unreadable = |source| BundleError::Directory { source };
        let directory = directory.canonicalize().map_err(unreadable)?;
        let first = Self::read_once(&directory)?;
        // Half of an old bundle and half of a new one might load and be neither.
        let second = Self::read_once(&directory)?;
        if first == second { Ok(first) } else { Err(BundleError::Changing) }
    }

    fn read_once(directory: &Path) -> Result<Self, BundleError> {
        Ok(Self {
            title: read(directory, TITLE)?,
            data: read(directory, DATA)?,
            policies: read(directory, POLICIES)?,
            schema: read(directory, SCHEMA)?,
        })
    }

    /// `sha256:` and the hash of the content.
    #[must_use]
    pub fn hash(&self) -> String {
        // Texts always serialize.
        let canonical = to_canonical_json(self).unwrap_or_default();
        format!("sha256:{}", sha256(canonical.as_bytes()))
    }
}

fn read(directory: &Path, file: &'static str) -> Result<String, BundleError> {
    let unreadable = |source: io::Error| BundleError::File { file, source };
    let opened = File::open(directory.join(file)).map_err(unreadable)?;
    let mut text = String::new();
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(BundleError::TooLarge { file, bytes_max: FILE_BYTES_MAX });
    }
    Ok(unix(&text))
}

fn unix(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(directory: &Path, source: &Source, end: &str) {
        for (file, text) in [
            (TITLE, &source.title),
            (DATA, &source.data),
            (POLICIES, &source.policies),
            (SCHEMA, &source.schema),
        ] {
            fs::write(directory.join(file), text.replace('\n', end)).unwrap();
        }
    }

    #[test]
    fn the_same_content_has_the_same_hash_whatever_ends_its_lines() {
        let compiled = Source::compiled_in();
        for end in ["\n", "\r\n", "\r"] {
            let directory = tempfile::tempdir().unwrap();
            write(directory.path(), &compiled, end);
            let read = Source::read(directory.path()).unwrap();
            assert_eq!(read.hash(), compiled.hash(), "{end:?}");
            let told = |text: &str| text.replace('\n', end);
            let Source { title, data, policies, schema } = &compiled;
            let of = Source::of(&told(title), &told(data), &told(policies), &told(schema));
            assert_eq!(of, compiled, "{end:?}");
        }
    }

    #[test]
    fn a_hash_is_that_of_the_canonical_json_of_the_four_files() {
        let text = |text: &str| text.to_owned();
        let source =
            Source { title: text("t\n"), data: text("d"), policies: text("p"), schema: text("s") };
        let canonical = r#"{"bundle.toml":"t\n","data.toml":"d","policies.cedar":"p","schema.cedarschema":"s"}"#;
        assert_eq!(source.hash(), format!("sha256:{}", sha256(canonical.as_bytes())));
        let golden = "sha256:1b8b11ff2f08c3e3e018eca1b56a4a03bff0122b3940b8949a5da021b02eb21f";
        assert_eq!(source.hash(), golden, "it is the same everywhere and for ever");
    }

    #[test]
    fn any_change_of_any_file_changes_the_hash() {
        let compiled = Source::compiled_in();
        let mut changed = [(); 4].map(|()| compiled.clone());
        changed[0].title.push(' ');
        changed[1].data.push(' ');
        changed[2].policies.push(' ');
        changed[3].schema.push(' ');
        let mut hashes: Vec<_> = changed.iter().map(Source::hash).collect();
        hashes.push(compiled.hash());
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 5);
    }

    #[test]
    fn a_file_that_is_missing_too_large_or_no_text_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let refused = || Source::read(directory.path()).unwrap_err().to_string();
        write(directory.path(), &Source::compiled_in(), "\n");
        fs::remove_file(directory.path().join(DATA)).unwrap();
        assert!(refused().contains(DATA), "{}", refused());
        fs::write(directory.path().join(DATA), [0xff, 0xfe]).unwrap();
        assert!(refused().contains(DATA), "{}", refused());
        fs::write(directory.path().join(DATA), vec![b'#'; 1 + (1 << 20)]).unwrap();
        assert!(refused().contains("larger"), "{}", refused());
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let missing = Source::read(&directory.path().join("none")).unwrap_err();
        assert!(matches!(missing, BundleError::Directory { .. }), "{missing:?}");
    }
}
