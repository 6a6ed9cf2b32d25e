//! Sandboxed Python: the same line of code, run by the host at its levels, by the engine by hand, by the bare
//! interpreter, and by the peers that PyPI has.

mod calls;
mod footprint;
mod host;
mod others;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use containers::Image;
use serde_json::{Value, json};

use crate::options::Options;
use crate::report::{Found, median, spread};
use crate::stats::{Spread, quantile};
use calls::{Caller, crowd};
use host::{ANSWER, Sandboxes, at};

/// Rounds and seconds beyond which nothing is learnt here, where a run takes a millisecond and a close ten seconds.
const ROUNDS: usize = 3;
const LASTING: Duration = Duration::from_secs(2);

const EXEC: &str = "`docker exec … python3 -c`";
const RUN: &str = "`docker run … python3 -c`";
const BARE: &str = "`python3 -c`, no sandbox";

/// The peers, and the names they have for `peers/run.py`.
const PEERS: [(&str, &str); 4] = [
    ("llm-sandbox, Docker", "llm-sandbox"),
    ("llm-sandbox, bubblewrap", "llm-sandbox-bubblewrap"),
    ("smolagents, Docker", "smolagents"),
    ("AutoGen, Docker", "autogen"),
];

/// A round of one contestant.
struct Sample {
    /// Of each run, sorted.
    times: Vec<f64>,
    /// Runs per second.
    rate: f64,
}

/// What was measured, in the order of the table, round by round.
#[derive(Default)]
struct Samples {
    order: Vec<String>,
    rounds: BTreeMap<String, Vec<Sample>>,
    failed: BTreeMap<String, String>,
    single: BTreeMap<String, Vec<f64>>,
}

impl Samples {
    fn add(&mut self, name: &str, callers: usize, times: anyhow::Result<Vec<f64>>) {
        if !self.order.iter().any(|known| known == name) {
            self.order.push(name.to_owned());
        }
        match times {
            Ok(mut times) => {
                let rate = callers as f64 * times.len() as f64 / times.iter().sum::<f64>() * 1e3;
                times.sort_by(f64::total_cmp);
                self.rounds
                    .entry(name.to_owned())
                    .or_default()
                    .push(Sample { times, rate });
            }
            Err(error) => {
                self.failed.insert(name.to_owned(), format!("{error:#}"));
            }
        }
    }

    fn single(&mut self, name: &str, value: f64) {
        self.single.entry(name.to_owned()).or_default().push(value);
    }

    fn medians(&self, name: &str) -> Vec<f64> {
        let rounds = self.rounds.get(name).into_iter().flatten();
        rounds.map(|sample| quantile(&sample.times, 0.5)).collect()
    }

    /// How many times as long another takes, within each round.
    fn times_as_long(&self, other: &str, name: &str) -> String {
        let pairs = self.medians(other).into_iter().zip(self.medians(name));
        spread(Spread::of(pairs.map(|(other, this)| other / this)), 1)
    }
}

/// All of it.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Found>> {
    let engine = containers::engine().map_err(|why| anyhow::anyhow!("no container engine: {why}"))?;
    for image in Image::ALL {
        image.ensure(engine)?;
    }
    let lasting = if options.check {
        Duration::from_millis(300)
    } else {
        LASTING
    };
    let peers = others::peers();
    let waiting = others::Waiting::start(engine)?;
    let ours = Sandboxes::start(options, 2, 1_000_000).await?;
    let fresh = Sandboxes::start(options, 4, 1).await?;
    // By itself: where many callers ask for other boxes, the few that a pool may hold are theirs.
    let libraries = Sandboxes::start(options, 1, 1_000_000).await?;
    let science = json!({
        "code": format!("import numpy, matplotlib.pyplot\n{}", host::CODE), "level": "specialized", "profile": "science"
    });
    for (host, params) in [
        (&ours, &at("sandboxed")),
        (&ours, &at("restricted")),
        (&fresh, &at("sandboxed")),
        (&libraries, &science),
    ] {
        host.warm(params)
            .await
            .with_context(|| format!("{}", host.folder().display()))?;
    }
    let mut samples = Samples::default();
    for round in 0..options.rounds().min(ROUNDS) {
        super::progress(&format!(
            "sandboxes: round {} of {}",
            round + 1,
            options.rounds().min(ROUNDS)
        ));
        for (name, level, callers) in [
            ("Gleitzeit, container, 1 caller", "sandboxed", 1),
            ("Gleitzeit, container, 4 callers", "sandboxed", 4),
            ("Gleitzeit, container, 16 callers", "sandboxed", 16),
            ("Gleitzeit, process, 1 caller", "restricted", 1),
            ("Gleitzeit, process, 4 callers", "restricted", 4),
        ] {
            let times = crowd(ours.addr, callers, lasting, "python/execute", &at(level), ANSWER).await;
            samples.add(name, callers, times);
        }
        let times = crowd(libraries.addr, 1, lasting, "python/execute", &science, ANSWER).await;
        samples.add("Gleitzeit, container, with numpy and matplotlib", 1, times);
        samples.add(
            "Gleitzeit, container, in a session",
            1,
            session(&ours, lasting).await,
        );
        samples.add(
            "Gleitzeit, container never used before, from a filled pool",
            1,
            unused(&fresh, lasting).await,
        );
        samples.add(EXEC, 1, others::again(&waiting.exec(), lasting).await);
        samples.add(RUN, 1, others::again(&others::run(), lasting).await);
        samples.add(BARE, 1, others::again(&others::bare(), lasting).await);
        samples.single(
            "Gleitzeit, container: cold start to result",
            cold(&ours, round).await?,
        );
        for (name, peer) in PEERS {
            let done = match &peers {
                Ok(python) => others::peer(python, peer, lasting).await,
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            if let Ok(done) = &done {
                samples.single(&format!("{name}: open"), done.open);
                samples.single(&format!("{name}: close"), done.close);
            }
            samples.add(name, 1, done.map(|done| done.runs));
        }
    }
    super::progress("");
    let memory = footprint::idle(engine, &ours)?;
    Ok(vec![table(&samples), singles(&samples), memory])
}

/// Runs that share their variables.
async fn session(ours: &Sandboxes, lasting: Duration) -> anyhow::Result<Vec<f64>> {
    let mut caller = Caller::connect(ours.addr).await?;
    let opened = caller
        .call("python/open", &json!({ "level": "sandboxed" }))
        .await?;
    let params = json!({ "session": opened["session"], "code": host::CODE });
    let times = crowd(ours.addr, 1, lasting, "python/run", &params, ANSWER).await;
    caller
        .call("python/close", &json!({ "session": opened["session"] }))
        .await?;
    times
}

/// Each run in a container of its own, which the pool had ready. Between two the pool has time to fill.
async fn unused(fresh: &Sandboxes, lasting: Duration) -> anyhow::Result<Vec<f64>> {
    let mut caller = Caller::connect(fresh.addr).await?;
    let params = at("sandboxed");
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < lasting * 2 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let asked = Instant::now();
        let result = caller.call("python/execute", &params).await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(result["stdout"] == ANSWER, "{result}");
    }
    Ok(times)
}

/// A run for which there is no box yet: its limits are like no other's.
async fn cold(ours: &Sandboxes, round: usize) -> anyhow::Result<f64> {
    let mut caller = Caller::connect(ours.addr).await?;
    let mut params = at("sandboxed");
    params["limits"] = json!({ "processes": 40 + round });
    let begun = Instant::now();
    let result = caller.call("python/execute", &params).await?;
    anyhow::ensure!(result["stdout"] == ANSWER, "{result}");
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

fn table(samples: &Samples) -> Found {
    let head = [
        "",
        "p50 ms",
        "p99 ms",
        "runs/s",
        "docker exec takes",
        "docker run takes",
        "python3 -c takes",
    ];
    let mut found = Found::new("sandbox", "One line of Python, run again and again", &head);
    for name in &samples.order {
        let rounds = samples.rounds.get(name);
        let of = |value: fn(&Sample) -> f64| Spread::of(rounds.into_iter().flatten().map(value));
        let row = match samples.failed.get(name) {
            Some(error) => vec![name.clone(), format!("does not run here: {error}")],
            None => vec![
                name.clone(),
                spread(of(|sample| quantile(&sample.times, 0.5)), 2),
                median(of(|sample| quantile(&sample.times, 0.99)), 2),
                spread(of(|sample| sample.rate), 0),
                samples.times_as_long(EXEC, name) + "x",
                samples.times_as_long(RUN, name) + "x",
                samples.times_as_long(BARE, name) + "x",
            ],
        };
        found.rows.push(row);
    }
    let every = samples.rounds.iter().map(|(name, rounds)| {
        let rounds: Vec<_> = rounds
            .iter()
            .map(|sample| json!({ "ms": sample.times, "rate": sample.rate }))
            .collect();
        (name.clone(), Value::from(rounds))
    });
    found.samples = json!({ "runs": serde_json::Map::from_iter(every), "failed": samples.failed });
    found
}

fn singles(samples: &Samples) -> Found {
    let mut found = Found::new("sandbox_once", "What is paid once, ms", &["", "ms"]);
    for (name, values) in &samples.single {
        found
            .rows
            .push(vec![name.clone(), spread(Spread::of(values.iter().copied()), 0)]);
    }
    found.samples = json!(samples.single);
    found
}
