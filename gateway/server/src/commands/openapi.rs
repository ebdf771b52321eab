//! `coppice openapi`: the document of all routes, as it is served and committed.

use std::io::{self, Write};

use crate::openapi::document;
use crate::routes;

/// Prints the document of a node that has all its parts.
///
/// # Errors
/// Where stdout is closed.
pub fn openapi() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &document(&routes::operations()))?;
    writeln!(stdout)
}
