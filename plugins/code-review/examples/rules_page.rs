//! Prints the page of all rules: `cargo run -p coppice-code-review --example rules_page`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(coppice_code_review::document::page().as_bytes())
}
