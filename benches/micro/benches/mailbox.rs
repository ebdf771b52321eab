//! The mailbox alone: tell and ask at 64 concurrent callers, beside plain ractor, kameo and a bare
//! tokio task with its channel in the same run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]

#[path = "mailbox/doorbell.rs"]
mod doorbell;
#[path = "mailbox/peers.rs"]
mod peers;

use coppice_bench::{Row, Size, print_ratio};

use crate::doorbell::{asks_doorbell, tells_doorbell};

#[tokio::main]
async fn main() {
    let size = Size::from_arguments();
    let row = |what: &str| Row::new(what, "ns");
    let mut tell = row("tell, doorbell mailbox");
    let mut tell_peers =
        ["plain ractor", "kameo", "tokio task"].map(|peer| row(&format!("tell, {peer}")));
    let mut ask = row("ask at 64 concurrent, doorbell mailbox");
    let mut ask_peers = ["plain ractor", "kameo", "tokio task"]
        .map(|peer| row(&format!("ask at 64 concurrent, {peer}")));
    let (tells, asks) = (size.operations(2_000_000), size.operations(1_000_000));
    for _ in 0..size.runs() {
        tells_doorbell(&mut tell, tells).await;
        peers::tells_ractor(&mut tell_peers[0], tells).await;
        peers::tells_kameo(&mut tell_peers[1], tells).await;
        peers::tells_tokio(&mut tell_peers[2], tells).await;
        asks_doorbell(&mut ask, asks).await;
        peers::asks_ractor(&mut ask_peers[0], asks).await;
        peers::asks_kameo(&mut ask_peers[1], asks).await;
        peers::asks_tokio(&mut ask_peers[2], asks).await;
    }
    for (ours, peers) in [(&tell, &tell_peers), (&ask, &ask_peers)] {
        ours.print();
        for peer in peers {
            peer.print();
            print_ratio("  of it", ours, peer);
        }
    }
}
