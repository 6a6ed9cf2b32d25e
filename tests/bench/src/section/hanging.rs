//! One of two back ends takes requests and never answers: what the others' users notice.

use std::time::Duration;

use serde_json::json;

use crate::back_end::Pair;
use crate::contestant::{Contestant, Kind};
use crate::load::crowd::Crowd;
use crate::options::Options;
use crate::report::Found;
use crate::workload::Dialect;

/// What a client waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Eight clients, before and while one back end hangs; those who wait in vain give up.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let dialect = Dialect::Openai;
    let each = if options.check { 3 } else { 50 };
    let mut found = Found::new(
        "hanging",
        format!(
            "One of two back ends never answers; {} requests, clients give up after {PATIENCE:?}",
            8 * each
        ),
        &[
            "",
            "before: p50 µs",
            "p99 µs",
            "hanging: served",
            "p50 µs",
            "p99 µs",
            "gave up",
            "failed",
        ],
    );
    let mut samples = serde_json::Map::new();
    for kind in Kind::gateways(options) {
        super::progress(&format!("hanging: {}", kind.name()));
        let back_ends = Pair::faithful(options, dialect)?;
        let contestant = Contestant::start(kind, back_ends.addrs, dialect, "bench:latest", options).await?;
        let crowd = Crowd {
            clients: 8,
            each,
            patience: PATIENCE,
        };
        crowd.ask(contestant.addr, dialect, "bench:latest").await?;
        let before = crowd.ask(contestant.addr, dialect, "bench:latest").await?;
        back_ends.fail_first(json!("hang_before_headers")).await?;
        let during = crowd.ask(contestant.addr, dialect, "bench:latest").await?;
        found.rows.push(vec![
            kind.name().to_owned(),
            format!("{:.0}", before.p50),
            format!("{:.0}", before.p99),
            during.ok.to_string(),
            format!("{:.0}", during.p50),
            format!("{:.0}", during.p99),
            during.given_up.to_string(),
            during.failed.to_string(),
        ]);
        samples.insert(
            kind.name().to_owned(),
            json!({"before": before, "during": during}),
        );
    }
    super::progress("");
    found.samples = samples.into();
    Ok(vec![found])
}
