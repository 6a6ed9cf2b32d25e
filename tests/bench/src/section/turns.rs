//! Contestants that take turns, so that whatever else the machine does meets them all.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::contestant::{Contestant, Kind};
use crate::options::Options;
use crate::report::{median, spread};
use crate::stats::Spread;
use crate::workload::Dialect;

/// What one contestant did in one round. Times in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// Answers per second.
    pub(crate) rate: f64,
    /// The latency that counts, half were faster.
    pub(crate) p50: f64,
    /// Ninety-nine in a hundred were faster.
    pub(crate) p99: f64,
    /// What else this part is about.
    pub(crate) other: f64,
    /// Time on the processor that the contestant itself took for each answer.
    pub(crate) cpu: f64,
    /// What went wrong.
    pub(crate) errors: u64,
}

/// The samples of all, in the order of the rounds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Turns(pub(crate) BTreeMap<Kind, Vec<Sample>>);

/// All of them, in front of the same two back ends.
pub(crate) async fn contestants(
    options: &Options,
    back_ends: [std::net::SocketAddr; 2],
    dialect: Dialect,
) -> anyhow::Result<Vec<Contestant>> {
    let mut all = Vec::new();
    for kind in [Kind::Direct].into_iter().chain(Kind::gateways(options)) {
        all.push(Contestant::start(kind, back_ends, dialect, "bench:latest", options).await?);
    }
    Ok(all)
}

/// Measures each in every round; each round begins with another one, because whoever follows a heavy one has it
/// harder. The measure returns answers, and a sample without the processor's time, which is added here.
pub(crate) async fn take(
    what: &str,
    contestants: &[Contestant],
    options: &Options,
    measure: impl AsyncFn(&Contestant) -> anyhow::Result<(u64, Sample)>,
) -> anyhow::Result<Turns> {
    let mut turns = Turns::default();
    for round in 0..options.rounds() {
        for place in 0..contestants.len() {
            let contestant = &contestants[(round + place) % contestants.len()];
            super::progress(&format!(
                "{what}: round {} of {}: {}",
                round + 1,
                options.rounds(),
                contestant.kind.name()
            ));
            let before = contestant.usage().cpu_micros;
            let (answers, sample) = measure(contestant).await?;
            let cpu = (contestant.usage().cpu_micros - before) as f64 / answers.max(1) as f64;
            turns
                .0
                .entry(contestant.kind)
                .or_default()
                .push(Sample { cpu, ..sample });
        }
    }
    super::progress("");
    Ok(turns)
}

impl Turns {
    /// One value of one contestant over the rounds.
    pub(crate) fn spread(&self, kind: Kind, value: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.0.get(&kind)?.iter().map(value))
    }

    /// The ratio of two contestants' values, round by round, and never of medians of different rounds.
    fn ratio(&self, of: Kind, to: Kind, value: impl Fn(usize, &Sample) -> f64) -> Option<Spread> {
        let (of, to) = (self.0.get(&of)?, self.0.get(&to)?);
        Spread::of(
            of.iter()
                .zip(to)
                .enumerate()
                .map(|(round, (of, to))| value(round, of) / value(round, to)),
        )
    }

    /// The rows that all parts have in common: median, added to direct, the same as a ratio to HAProxy's, 99th
    /// percentile, rate, the same as a ratio, processor, errors. `other` is a column between.
    pub(crate) fn rows(&self, other: bool) -> Vec<Vec<String>> {
        let direct: Vec<f64> = self
            .0
            .get(&Kind::Direct)
            .into_iter()
            .flatten()
            .map(|sample| sample.p50)
            .collect();
        let added =
            |round: usize, sample: &Sample| sample.p50 - direct.get(round).copied().unwrap_or(f64::NAN);
        let row = |(kind, samples): (&Kind, &Vec<Sample>)| {
            let between = *kind != Kind::Direct;
            let when_between = |text: String| if between { text } else { "-".to_owned() };
            let added_here = Spread::of(
                samples
                    .iter()
                    .enumerate()
                    .map(|(round, sample)| added(round, sample)),
            );
            let mut row = vec![
                kind.name().to_owned(),
                median(self.spread(*kind, |sample| sample.p50), 0),
                when_between(spread(added_here, 0)),
                when_between(spread(self.ratio(*kind, Kind::Haproxy, added), 2)),
                median(self.spread(*kind, |sample| sample.p99), 0),
            ];
            if other {
                row.push(median(self.spread(*kind, |sample| sample.other), 0));
            }
            row.push(spread(self.spread(*kind, |sample| sample.rate), 0));
            row.push(spread(
                self.ratio(*kind, Kind::Haproxy, |_, sample| sample.rate),
                2,
            ));
            row.push(when_between(median(self.spread(*kind, |sample| sample.cpu), 1)));
            row.push(
                samples
                    .iter()
                    .map(|sample| sample.errors)
                    .sum::<u64>()
                    .to_string(),
            );
            row
        };
        self.0.iter().map(row).collect()
    }
}
