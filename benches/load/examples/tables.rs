//! Writes the tables of `docs/performance.md` from the directories of runs:
//! `cargo run -p coppice-load --example tables -- DIRECTORY...`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use coppice_load::report::tables::{TablesError, markdown, read};

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        eprintln!("usage: tables DIRECTORY...");
        return ExitCode::from(2);
    }
    match tables(&paths) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("tables: {error}");
            let mut source = error.source();
            while let Some(one) = source {
                eprint!(": {one}");
                source = one.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn tables(paths: &[PathBuf]) -> Result<String, TablesError> {
    markdown(&read(paths)?)
}
