//! Everything that is on the disk, to be searched.

use std::fs;
use std::path::{Path, PathBuf};

use coppice_testkit::bytes::contains;
use sqlx::{Connection, PgConnection, Row};

/// Every file below a directory with its bytes, or every table with its rows as text.
pub(crate) struct Haystack(Vec<(PathBuf, Vec<u8>)>);

impl Haystack {
    pub(crate) fn of_files(below: &[&Path]) -> Self {
        let mut files = Vec::new();
        below.iter().for_each(|directory| gather(directory, &mut files));
        assert!(!files.is_empty(), "there is nothing to search");
        Self(files)
    }

    /// Every row of every table, as PostgreSQL writes it: bytes are hexadecimal digits.
    pub(crate) async fn of_tables(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let tables = sqlx::query(
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        );
        let mut found = Vec::new();
        for table in tables.fetch_all(&mut connection).await.unwrap() {
            let table: String = table.get(0);
            let text = format!("SELECT t::text FROM \"{table}\" t");
            let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut connection).await;
            let rows: Vec<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
            found.push((PathBuf::from(table), rows.join("\n").into_bytes()));
        }
        connection.close().await.unwrap();
        assert!(found.len() > 5, "the tables are not there: {}", found.len());
        Self(found)
    }

    /// Where something is, as it is or in hexadecimal digits.
    pub(crate) fn finds(&self, needle: impl AsRef<[u8]>) -> Vec<&Path> {
        let needle = needle.as_ref();
        assert!(needle.len() > 3, "so little is anywhere");
        let hex: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
        let holds = |bytes: &[u8]| contains(bytes, needle) || contains(bytes, hex.as_bytes());
        self.0.iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path.as_path()).collect()
    }

    #[track_caller]
    pub(crate) fn lacks(&self, needles: &[impl AsRef<[u8]>]) {
        for needle in needles {
            let found = self.finds(needle);
            let text = String::from_utf8_lossy(needle.as_ref()).into_owned();
            assert!(found.is_empty(), "{text:?} is in {found:?}");
        }
    }
}

fn gather(at: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(at).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            gather(&entry.path(), files);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(entry.path())
        {
            // One that went away meanwhile holds nothing any more.
            files.push((entry.path(), bytes));
        }
    }
}

#[test]
fn what_is_there_is_found_however_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("below")).unwrap();
    fs::write(home.path().join("plain"), b"..needle").unwrap();
    fs::write(home.path().join("below").join("hex"), b"\\x6e6565646c65..").unwrap();
    let haystack = Haystack::of_files(&[home.path()]);
    assert_eq!(haystack.finds("needle").len(), 2);
    assert!(haystack.finds("needles").is_empty());
}
