//! Short answers, asked by `wrk`: a load generator that is neither ours nor slow.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::workload::Dialect;

/// What `wrk` found; latencies in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Requests answered.
    pub(crate) requests: u64,
    /// Over so many microseconds.
    pub(crate) micros: u64,
    /// Half were faster.
    pub(crate) p50: f64,
    /// Nine in ten were faster.
    pub(crate) p90: f64,
    /// Ninety-nine in a hundred were faster.
    pub(crate) p99: f64,
    /// Answers that were not 2xx or 3xx, and connections that failed.
    pub(crate) errors: u64,
}

/// Asks for `seconds` over so many connections that stay open.
pub(crate) async fn run(
    to: SocketAddr,
    dialect: Dialect,
    connections: u32,
    seconds: u64,
    scratch: &Path,
) -> anyhow::Result<Found> {
    let script = scratch.join(format!("{}.lua", dialect.name()));
    std::fs::write(&script, lua(dialect))?;
    let output = tokio::process::Command::new("wrk")
        .args([
            "--threads",
            "1",
            "--connections",
            &connections.to_string(),
            "--duration",
            &format!("{seconds}s"),
        ])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{to}{}", dialect.path()))
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk failed: {}{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = text
        .lines()
        .rfind(|line| line.starts_with('{'))
        .with_context(|| format!("wrk said: {text}"))?;
    serde_json::from_str(line).with_context(|| format!("wrk said: {line}"))
}

/// The request, and a summary as one line of JSON.
fn lua(dialect: Dialect) -> String {
    let body = dialect.chat("bench:latest", false);
    format!(
        r#"wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format('{{"requests":%d,"micros":%d,"p50":%d,"p90":%d,"p99":%d,"errors":%d}}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
"#
    )
}
