//! Measures the host against its peers, from outside, in one run on loopback.
//!
//! A number of one machine on one day says little; a ratio of two contestants that took turns says what was lost or
//! gained on the way. So nginx, HAProxy, the host and the bare back end get the same requests, one after the other in
//! every round, and the rounds' ratios are quoted with their spread. `cargo xtask bench` builds everything in the fast
//! profile and starts this.

mod back_end;
mod contestant;
mod load;
mod machine;
mod options;
mod port;
mod process;
mod report;
mod section;
mod server;
mod stats;
mod workload;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Options;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    // Whoever interrupts drops the future, and with it every child and every temporary directory.
    tokio::select! {
        done = section::run(&options) => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminated.recv() => anyhow::bail!("terminated"),
    }
}
