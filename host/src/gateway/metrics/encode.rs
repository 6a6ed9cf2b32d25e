//! Metrics in Prometheus' words.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Metrics;

/// Everything, under its names.
pub(super) fn all(metrics: &Metrics, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let routes = metrics.routes.read();
    let each = || {
        routes.iter().flat_map(|(provider, routes)| {
            routes
                .iter()
                .map(move |(id, route)| ([("provider", provider.as_str()), ("route", id.as_str())], route))
        })
    };

    let mut family = encoder.encode_descriptor(
        "gleitzeit_requests",
        "Requests by route and status; 499 is a client that did not wait",
        None,
        MetricType::Counter,
    )?;
    for ([provider, id], route) in each() {
        for (status, count) in (100u16..).zip(&route.statuses) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let status = status.to_string();
                ConstCounter::new(count).encode(family.encode_family(&[
                    provider,
                    id,
                    ("status", status.as_str()),
                ])?)?;
            }
        }
    }
    let mut family = encoder.encode_descriptor(
        "gleitzeit_request_seconds",
        "From a request's head to its answer's head",
        None,
        MetricType::Histogram,
    )?;
    for (labels, route) in each() {
        route.until_head.encode(family.encode_family(&labels)?)?;
    }
    let mut family = encoder.encode_descriptor(
        "gleitzeit_overhead_seconds",
        "The part of that which was neither the client's nor an instance's",
        None,
        MetricType::Histogram,
    )?;
    for (labels, route) in each() {
        route.overhead.encode(family.encode_family(&labels)?)?;
    }
    drop(routes);

    counter(
        &mut encoder,
        "gleitzeit_received_bytes",
        "Bytes received from clients",
        metrics.sum(|t| &t.received),
    )?;
    counter(
        &mut encoder,
        "gleitzeit_sent_bytes",
        "Bytes sent to clients",
        metrics.sum(|t| &t.sent),
    )?;
    counter(
        &mut encoder,
        "gleitzeit_connections_accepted",
        "Connections accepted",
        metrics.sum(|t| &t.accepted),
    )?;
    for (name, help, count) in [
        (
            "gleitzeit_connections_refused",
            "Connections refused: too many",
            &metrics.refused,
        ),
        (
            "gleitzeit_connections_unread",
            "Connections closed: the client did not read",
            &metrics.unread,
        ),
        (
            "gleitzeit_connections_slow_head",
            "Connections closed: a head did not come in time",
            &metrics.slow_heads,
        ),
    ] {
        counter(&mut encoder, name, help, count.load(Ordering::Relaxed))?;
    }
    gauge(
        &mut encoder,
        "gleitzeit_connections_open",
        "Connections open",
        metrics.open(),
    )
}

/// Encodes one counter without labels.
fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// Encodes one gauge without labels.
pub(in crate::gateway) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}
