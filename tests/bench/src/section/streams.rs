//! Streams as fast as they go: a hundred tokens without a pause between them.

use std::time::Duration;

use super::turns::{self, Sample};
use crate::back_end::Pair;
use crate::load::streams;
use crate::options::Options;
use crate::report::Found;
use crate::workload::{Dialect, raw};

/// Both dialects, one client and thirty-two.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let back_ends = Pair::canned(options, 100, 0)?;
    let mut all = Vec::new();
    for dialect in Dialect::ALL {
        let request = raw(dialect, "bench:latest", true);
        let contestants = turns::contestants(options, back_ends.addrs, dialect).await?;
        for clients in [1, 32] {
            let title = format!(
                "Streams of 100 tokens, POST {}, {clients} client(s)",
                dialect.path()
            );
            let taken = turns::take(&title, &contestants, options, async |contestant| {
                let time = Duration::from_secs(options.seconds());
                let found = streams::run(contestant.addr, &request, clients, time).await;
                Ok((found.streams, sample(found, found.whole_p50)))
            });
            let taken = taken.await?;
            let mut found = Found::new(
                format!("streams_{}_{clients}", dialect.name()),
                title,
                &[
                    "",
                    "first byte p50 µs",
                    "added µs",
                    "added / HAProxy's",
                    "first byte p99 µs",
                    "whole p50 µs",
                    "streams/s",
                    "streams/s / HAProxy's",
                    "CPU µs/stream",
                    "errors",
                ],
            );
            found.rows = taken.rows(true);
            found.samples = serde_json::to_value(&taken)?;
            all.push(found);
        }
    }
    Ok(all)
}

/// A sample whose latency is the time to the first byte.
pub(super) fn sample(found: streams::Found, other: f64) -> Sample {
    Sample {
        rate: found.streams as f64 / (found.micros as f64 / 1e6),
        p50: found.first_byte_p50,
        p99: found.first_byte_p99,
        other,
        cpu: 0.0,
        errors: found.errors,
    }
}
