//! Short answers: a request of 100 bytes, an answer of 354.

use anyhow::Context;

use super::turns::{self, Sample};
use crate::back_end::Pair;
use crate::load::wrk;
use crate::options::Options;
use crate::report::Found;
use crate::workload::Dialect;

/// Both dialects, one connection and thirty-two.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let scratch = tempfile::tempdir()?;
    let back_ends = Pair::canned(options, 100, 0)?;
    let mut all = Vec::new();
    for dialect in Dialect::ALL {
        let contestants = turns::contestants(options, back_ends.addrs, dialect).await?;
        for contestant in &contestants {
            super::progress(&format!("warming {}", contestant.kind.name()));
            wrk::run(contestant.addr, dialect, 32, 1, scratch.path()).await?;
        }
        for connections in [1, 32] {
            let title = format!(
                "Short answers, POST {}, {connections} connection(s)",
                dialect.path()
            );
            let taken = turns::take(&title, &contestants, options, async |contestant| {
                let found = wrk::run(
                    contestant.addr,
                    dialect,
                    connections,
                    options.seconds(),
                    scratch.path(),
                )
                .await
                .with_context(|| contestant.kind.name())?;
                let rate = found.requests as f64 / (found.micros as f64 / 1e6);
                let wrk::Found {
                    p50,
                    p99,
                    p90,
                    errors,
                    ..
                } = found;
                Ok((
                    found.requests,
                    Sample {
                        rate,
                        p50,
                        p99,
                        other: p90,
                        cpu: 0.0,
                        errors,
                    },
                ))
            });
            let taken = taken.await?;
            let mut found = Found::new(
                format!("short_{}_{connections}", dialect.name()),
                title,
                &[
                    "",
                    "p50 µs",
                    "added µs",
                    "added / HAProxy's",
                    "p99 µs",
                    "answers/s",
                    "answers/s / HAProxy's",
                    "CPU µs/answer",
                    "errors",
                ],
            );
            found.rows = taken.rows(false);
            found.samples = serde_json::to_value(&taken)?;
            all.push(found);
        }
    }
    Ok(all)
}
