//! What to measure, and with what.

use std::path::PathBuf;

/// Measures direct, nginx, HAProxy and the host in one run. With the defaults it takes about ten minutes once built.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
    /// How often every contestant has its turn.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Only these parts.
    #[arg(long, value_enum)]
    pub(crate) only: Vec<Part>,
    /// Write every sample here.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// See whether it all runs: one second, one round, few streams. The numbers mean nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// Leave the host out; what remains shows what this machine can do.
    #[arg(long)]
    pub(crate) without_host: bool,
    /// The built host.
    #[arg(long, hide = true)]
    pub(crate) gleitzeit: Option<PathBuf>,
    /// The built fakes.
    #[arg(long, hide = true)]
    pub(crate) fake_server: PathBuf,
    /// A built plugin; repeated.
    #[arg(long, hide = true)]
    pub(crate) plugin: Vec<PathBuf>,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Short answers: latency and requests per second.
    Short,
    /// Streams: how many, and the time to their first byte.
    Streams,
    /// Streams at a model's pace: what becomes of the gaps between tokens.
    Pace,
    /// Memory: idle, after load, for each open stream.
    Memory,
    /// From the start of the process to the first answer.
    Startup,
    /// One of two back ends answers 503 at once.
    Sick,
    /// One of two back ends is killed.
    Dead,
    /// One of two back ends takes requests and never answers.
    Hanging,
    /// Sandboxed Python, against the engine by hand and the peers from PyPI.
    Sandbox,
    /// The criterion micro-benchmarks.
    Micro,
}

impl Options {
    /// Whether a part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether nginx and HAProxy are measured too.
    pub(crate) fn wants_gateways(&self) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|part| !matches!(part, Part::Sandbox | Part::Micro))
    }

    /// Seconds of each measurement, after `--check`.
    pub(crate) fn seconds(&self) -> u64 {
        if self.check { 1 } else { self.seconds }
    }

    /// Rounds, after `--check`.
    pub(crate) fn rounds(&self) -> usize {
        if self.check { 1 } else { self.rounds.max(1) }
    }
}
