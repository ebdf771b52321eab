//! Prints `docs/metrics.md`, which a test compares with the table that it is made of.

#![expect(clippy::print_stdout, reason = "it is what it is for")]

fn main() {
    print!("{}", coppice_server::metrics::page());
}
