//! `cargo xtask bench`: added latency and throughput, against peers in the same run.

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
}

/// Measures.
pub(crate) fn run(_options: &Options) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
