//! Streams at a model's pace: 32 clients, a token every ten milliseconds. Nothing is saturated here, so this is what a
//! user notices of what stands in between.

use std::time::Duration;

use super::{streams::sample, turns};
use crate::back_end::Pair;
use crate::load::streams;
use crate::options::Options;
use crate::report::Found;
use crate::workload::{Dialect, raw};

/// The OpenAI dialect; what happens to gaps does not depend on what is in the chunks.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let back_ends = Pair::canned(options, 50, 10)?;
    let dialect = Dialect::Openai;
    let request = raw(dialect, "bench:latest", true);
    let contestants = turns::contestants(options, back_ends.addrs, dialect).await?;
    let title = "Streams of 50 tokens, one every 10 ms, 32 clients";
    let taken = turns::take(title, &contestants, options, async |contestant| {
        let found = streams::run(
            contestant.addr,
            &request,
            32,
            Duration::from_secs(options.seconds()),
        )
        .await;
        Ok((found.streams, sample(found, found.gap_p99)))
    });
    let taken = taken.await?;
    let mut found = Found::new(
        "pace",
        title,
        &[
            "",
            "first byte p50 µs",
            "added µs",
            "added / HAProxy's",
            "first byte p99 µs",
            "gap p99 µs",
            "streams/s",
            "streams/s / HAProxy's",
            "CPU µs/stream",
            "errors",
        ],
    );
    found.rows = taken.rows(true);
    found.samples = serde_json::to_value(&taken)?;
    Ok(vec![found])
}
