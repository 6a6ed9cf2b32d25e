//! Memory: idle, with many streams open, and after load.

use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use serde_json::json;

use crate::back_end::Pair;
use crate::contestant::{Contestant, Kind};
use crate::load::{streams, wrk};
use crate::options::Options;
use crate::report::{Found, megabytes};
use crate::workload::{Dialect, raw};

/// One contestant after the other; memory does not depend on what else the machine does.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let scratch = tempfile::tempdir()?;
    let open = if options.check { 20 } else { 500 };
    let dialect = Dialect::Openai;
    let quick = Pair::canned(options, 100, 0)?;
    let slow = Pair::canned(options, 1000, 200)?;
    let request = raw(dialect, "bench:latest", true);
    let mut found = Found::new(
        "memory",
        format!("Memory, MB; {open} streams open at once; load is 32 connections"),
        &[
            "",
            "idle",
            "idle, by share",
            "after load",
            "with open streams",
            "KB for each stream",
            "after they ended",
        ],
    );
    let mut samples = serde_json::Map::new();
    for kind in Kind::gateways(options) {
        super::progress(&format!("memory: {}", kind.name()));
        let loaded = Contestant::start(kind, quick.addrs, dialect, "bench:latest", options).await?;
        settle().await;
        let idle = loaded.usage();
        wrk::run(loaded.addr, dialect, 32, options.seconds() * 2, scratch.path()).await?;
        let after_load = loaded.usage();
        drop(loaded);

        let contestant = Contestant::start(kind, slow.addrs, dialect, "bench:latest", options).await?;
        settle().await;
        let before = contestant.usage();
        let held = join_all((0..open).map(|_| streams::open(contestant.addr, &request))).await;
        let held: Vec<_> = held
            .into_iter()
            .collect::<Result<_, _>>()
            .context("a stream did not begin")?;
        settle().await;
        let with = contestant.usage();
        drop(held);
        settle().await;
        let ended = contestant.usage();
        let each = with.rss.saturating_sub(before.rss) / open;

        let each_kb = format!("{:.1}", each as f64 / 1024.0);
        found.rows.push(vec![
            kind.name().to_owned(),
            megabytes(idle.rss),
            megabytes(idle.pss),
            megabytes(after_load.rss),
            megabytes(with.rss),
            each_kb,
            megabytes(ended.rss),
        ]);
        let sample = json!({
            "idle_rss": idle.rss, "idle_pss": idle.pss, "after_load_rss": after_load.rss, "open_streams": open,
            "with_streams_rss": with.rss, "each_stream": each, "after_streams_rss": ended.rss,
        });
        samples.insert(kind.name().to_owned(), sample);
    }
    super::progress("");
    found.samples = samples.into();
    Ok(vec![found])
}

/// Lets what has just begun or ended come to rest.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}
