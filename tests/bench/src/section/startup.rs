//! From the start of the process to readiness and to the first forwarded answer.

use std::time::Instant;

use serde_json::json;

use crate::back_end::Pair;
use crate::contestant::{Contestant, Kind};
use crate::options::Options;
use crate::report::{Found, spread};
use crate::stats::Spread;
use crate::workload::Dialect;

/// How often each is started.
const TIMES: usize = 7;

/// Every one several times: on a fresh state directory, as after an installation, and again on the same.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let back_ends = Pair::canned(options, 100, 0)?;
    let mut found = Found::new(
        "startup",
        "Start-up, ms, from the start of the process",
        &["", "ready", "first answer", "ready, again", "first answer, again"],
    );
    let mut samples = serde_json::Map::new();
    for kind in Kind::gateways(options) {
        super::progress(&format!("start-up: {}", kind.name()));
        let (mut fresh, mut again) = (Times::default(), Times::default());
        for _ in 0..if options.check { 1 } else { TIMES } {
            let mut contestant = Contestant::prepare(kind, back_ends.addrs, Dialect::Openai, options)?;
            fresh.take(&mut contestant).await?;
            contestant.stop();
            again.take(&mut contestant).await?;
        }
        let [a, b, c, d] = [&fresh.ready, &fresh.answer, &again.ready, &again.answer]
            .map(|values| spread(Spread::of(values.iter().copied()), 1));
        found.rows.push(vec![kind.name().to_owned(), a, b, c, d]);
        let sample = json!({
            "ready": fresh.ready, "first_answer": fresh.answer,
            "ready_again": again.ready, "first_answer_again": again.answer,
        });
        samples.insert(kind.name().to_owned(), sample);
    }
    super::progress("");
    found.samples = samples.into();
    Ok(vec![found])
}

/// Milliseconds of several starts.
#[derive(Default)]
struct Times {
    ready: Vec<f64>,
    answer: Vec<f64>,
}

impl Times {
    async fn take(&mut self, contestant: &mut Contestant) -> anyhow::Result<()> {
        let begun = Instant::now();
        contestant.launch()?;
        contestant.serves(Dialect::Openai).await?;
        self.ready.push(begun.elapsed().as_secs_f64() * 1e3);
        contestant.answers(Dialect::Openai, "bench:latest").await?;
        self.answer.push(begun.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }
}
