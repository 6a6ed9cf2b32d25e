//! Is the process alive, can it answer, and how is it doing: for probes and for Prometheus.

use std::fmt;
use std::sync::Arc;

use http::{Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;

use super::answer::{self, Content};
use super::backend::{Admin, Backend};
use super::metrics::{Metrics, gauge};
use super::site::Site;

/// `GET /healthz`: whoever gets this has reached a process that answers. Says nothing of what is behind it, so
/// that nobody restarts the host because a model server is down.
pub(super) fn alive<B>() -> Response<Content<B>> {
    answer::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// `GET /readyz`: whether to send requests here. Ready means able to answer: every configured plugin serves, and
/// the host is not stopping. Instances that are down do not make it unready, because a refusal with a reason is
/// an answer, and taking the gateway out of rotation would mend none of them.
pub(super) fn ready<B: Backend>(site: &Site<B>) -> Response<Content<B::Body>> {
    let mut reasons = site.admin.unready();
    if site.closing.is_cancelled() {
        reasons.insert(0, "the host is stopping".to_owned());
    }
    if reasons.is_empty() {
        return answer::json(StatusCode::OK, &json!({ "status": "ready" }));
    }
    let body = json!({ "status": "not ready", "reasons": reasons });
    answer::json(StatusCode::SERVICE_UNAVAILABLE, &body)
}

/// `GET /metrics`, in the OpenMetrics text format that Prometheus reads.
pub(super) fn metrics<B: Backend>(site: &Site<B>) -> Response<Content<B::Body>> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(site.metrics.clone() as Arc<Metrics>));
    registry.register_collector(Box::new(Rest {
        admin: site.admin.clone(),
        in_flight: site.slots.taken() as u64,
        buffered: site.budget.used(),
        answers: site.answers.used(),
    }));
    let mut text = String::new();
    // Writing to memory fails only where a collector says so: then what was written before it still helps.
    if let Err(error) = encode(&mut text, &registry) {
        tracing::warn!(%error, "metrics are incomplete");
    }
    answer::typed(
        StatusCode::OK,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        text,
    )
}

/// What is looked up at the time of the scrape.
struct Rest {
    admin: Arc<dyn Admin>,
    in_flight: u64,
    buffered: u64,
    answers: u64,
}

impl fmt::Debug for Rest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rest")
    }
}

impl Collector for Rest {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        gauge(
            &mut encoder,
            "gleitzeit_in_flight",
            "Requests in flight",
            self.in_flight,
        )?;
        gauge(
            &mut encoder,
            "gleitzeit_buffered_bytes",
            "Bytes of request bodies held",
            self.buffered,
        )?;
        gauge(
            &mut encoder,
            "gleitzeit_buffered_answer_bytes",
            "Bytes of whole answers held until their clients have read them",
            self.answers,
        )?;
        self.admin.metrics(&mut encoder)
    }
}
