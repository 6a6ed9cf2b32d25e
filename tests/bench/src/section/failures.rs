//! One of two back ends is sick or dead: how many requests are lost.

use std::time::Duration;

use serde_json::json;

use crate::back_end::Pair;
use crate::contestant::{Contestant, Kind};
use crate::load::crowd::Crowd;
use crate::options::{Options, Part};
use crate::report::Found;
use crate::workload::Dialect;

/// What a client waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sixty streamed chats from eight clients, right after the failure and once more. Everything is started afresh for
/// each contestant, so that none profits from what another one's requests have done to the back ends.
pub(crate) async fn run(part: Part, options: &Options) -> anyhow::Result<Vec<Found>> {
    let (key, what) = match part {
        Part::Sick => ("sick", "One of two back ends answers 503 at once"),
        _ => ("dead", "One of two back ends is killed"),
    };
    let head = ["", "of 60 succeed", "in ms", "then of 60", "in ms"];
    let mut all = Vec::new();
    for dialect in Dialect::ALL {
        let mut found = Found::new(
            format!("{key}_{}", dialect.name()),
            format!("{what}: POST {}", dialect.path()),
            &head,
        );
        let mut samples = serde_json::Map::new();
        for kind in Kind::gateways(options) {
            super::progress(&format!("{key}: {}", kind.name()));
            let mut back_ends = Pair::faithful(options, dialect)?;
            let contestant =
                Contestant::start(kind, back_ends.addrs, dialect, "bench:latest", options).await?;
            let crowd = |clients, each| {
                let crowd = Crowd {
                    clients,
                    each,
                    patience: PATIENCE,
                };
                crowd.ask(contestant.addr, dialect, "bench:latest")
            };
            crowd(4, 5).await?;
            match part {
                Part::Sick => back_ends.fail_first(json!("busy")).await?,
                _ => back_ends.kill_first(),
            }
            // 60 requests from 8 clients do not divide: 4 x 8 and 4 x 7.
            let mut row = vec![kind.name().to_owned()];
            let mut sample = Vec::new();
            for _ in 0..2 {
                let (a, b) = tokio::try_join!(crowd(4, 8), crowd(4, 7))?;
                row.push((a.ok + b.ok).to_string());
                row.push(format!("{:.0}", a.micros.max(b.micros) / 1e3));
                sample.push([a, b]);
            }
            found.rows.push(row);
            samples.insert(kind.name().to_owned(), serde_json::to_value(sample)?);
        }
        super::progress("");
        found.samples = samples.into();
        all.push(found);
    }
    Ok(all)
}
