//! A crowd that counts who was served: what a user sees when a back end is ill.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::Value;

use crate::stats::quantile;
use crate::workload::Dialect;

/// Who was served. Times in microseconds, of those who were.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Served {
    /// Whole streams.
    pub(crate) ok: usize,
    /// Refused, or cut off.
    pub(crate) failed: usize,
    /// Nobody answered in the time a client waits.
    pub(crate) given_up: usize,
    /// From the first request to the last answer.
    pub(crate) micros: f64,
    /// Half were served faster.
    pub(crate) p50: f64,
    /// Ninety-nine in a hundred were served faster.
    pub(crate) p99: f64,
}

/// How a crowd behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    /// So many at once.
    pub(crate) clients: usize,
    /// Each asks so often, one after the other.
    pub(crate) each: usize,
    /// And waits so long.
    pub(crate) patience: Duration,
}

enum End {
    Ok(f64),
    Failed,
    GaveUp,
}

impl Crowd {
    /// Streamed chats with a model.
    pub(crate) async fn ask(self, to: SocketAddr, dialect: Dialect, model: &str) -> anyhow::Result<Served> {
        let url = format!("http://{to}{}", dialect.path());
        let body: Value = serde_json::from_str(&dialect.chat(model, true))?;
        let begun = Instant::now();
        let ends = join_all((0..self.clients).map(|_| async {
            let mut ends = Vec::new();
            for _ in 0..self.each {
                ends.push(self.one(&url, &body, dialect.end()).await);
            }
            ends
        }));
        let ends = ends.await;
        let micros = begun.elapsed().as_secs_f64() * 1e6;
        let (mut times, mut failed, mut given_up) = (Vec::new(), 0, 0);
        for end in ends.into_iter().flatten() {
            match end {
                End::Ok(time) => times.push(time),
                End::Failed => failed += 1,
                End::GaveUp => given_up += 1,
            }
        }
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
        Ok(Served {
            ok: times.len(),
            failed,
            given_up,
            micros,
            p50,
            p99,
        })
    }

    async fn one(self, url: &str, body: &Value, end: &str) -> End {
        let begun = Instant::now();
        match tokio::time::timeout(self.patience, fakes::client::post(url, body)).await {
            Err(_) => End::GaveUp,
            Ok(Ok(answer)) if answer.status == 200 && answer.body.ends_with(end.as_bytes()) => {
                End::Ok(begun.elapsed().as_secs_f64() * 1e6)
            }
            Ok(_) => End::Failed,
        }
    }
}
