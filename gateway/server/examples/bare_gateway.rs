//! The gateway with nothing behind it: how much of a request's time HTTP itself takes.
//!
//! ```text
//! cargo run --release -p coppice-server --example bare_gateway -- 127.0.0.1:8099
//! ```

#![allow(clippy::unwrap_used, reason = "an example that is watched by whoever runs it")]
#![allow(unreachable_pub, dead_code, reason = "shared with the tests")]

#[path = "../tests/gateway/support.rs"]
mod support;

use coppice_server::config::{self, Flags, Sources};
use coppice_server::serve::{ConnectionLimits, serve};
use coppice_server::{commands, routes};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let flags = Flags { listen: std::env::args().nth(1), ..Flags::default() };
    let config = config::load(&Sources { flags, ..Sources::default() }).unwrap().config;
    let listener = TcpListener::bind(config.server.listen).await.unwrap();
    let router = routes::router(support::gateway_with(&config).state);
    let limits = ConnectionLimits::from(&config.server);
    serve(listener, router, limits, commands::termination().unwrap()).await.unwrap();
}
