//! Instructions per operation of the mailbox and its peers, as valgrind's callgrind counts them:
//! the same from run to run, whatever else the machine does, where times aren't. What they leave
//! out is all that makes a processor wait, and a second thread: each row runs on one.
//!
//! Only the mailbox is counted: what is durable waits for disks and databases, and supervision for
//! timers, which no count of instructions has in it.
//!
//! A row is this program once more, under valgrind, with two numbers of operations: the difference
//! is what the operations cost, without start and end. As a test it runs the rows and counts nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]
#![expect(clippy::print_stdout, reason = "a benchmark's purpose")]

#[path = "mailbox/doorbell.rs"]
mod doorbell;
#[path = "mailbox/peers.rs"]
mod peers;

use std::env;
use std::process::Command;

use coppice_bench::{Row, Size};

const TELLS: [&str; 4] =
    ["tell, doorbell mailbox", "tell, plain ractor", "tell, kameo", "tell, tokio task"];
const ASKS: [&str; 4] =
    ["ask, doorbell mailbox", "ask, plain ractor", "ask, kameo", "ask, tokio task"];

/// Each of the numbers is a multiple of the callers.
const FEW: usize = 6_400;
const MANY: usize = 5 * FEW;

/// Carries out `count` operations of a row.
fn carry_out(name: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut row = Row::new(name, "ns");
    runtime.block_on(async {
        match name {
            "tell, doorbell mailbox" => doorbell::tells_doorbell(&mut row, count).await,
            "tell, plain ractor" => peers::tells_ractor(&mut row, count).await,
            "tell, kameo" => peers::tells_kameo(&mut row, count).await,
            "tell, tokio task" => peers::tells_tokio(&mut row, count).await,
            "ask, doorbell mailbox" => doorbell::asks_doorbell(&mut row, count).await,
            "ask, plain ractor" => peers::asks_ractor(&mut row, count).await,
            "ask, kameo" => peers::asks_kameo(&mut row, count).await,
            "ask, tokio task" => peers::asks_tokio(&mut row, count).await,
            _ => panic!("there is no row {name:?}"),
        }
    });
}

/// All instructions of this program while it carries out `count` operations of a row.
fn instructions(name: &str, count: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--row", name, &count.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    collected.expect("callgrind says what it collected").1.trim().parse().unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read, not to reckon with")]
fn per_operation(name: &str) -> f64 {
    let difference = instructions(name, MANY) - instructions(name, FEW);
    difference as f64 / (MANY - FEW) as f64
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--row") {
        return carry_out(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let size = Size::from_arguments();
    if size == Size::Full && Command::new("valgrind").arg("--version").output().is_err() {
        println!("there is no valgrind on this machine, and nothing is counted");
        return;
    }
    for rows in [TELLS, ASKS] {
        let mut ours = None;
        for name in rows {
            if size == Size::Tiny {
                carry_out(name, size.operations(FEW));
                continue;
            }
            let count = per_operation(name);
            let ratio = *ours.get_or_insert(count) / count;
            println!("{name:<44} {count:>12.0} instructions, ours {ratio:.2} x of it");
        }
    }
}
