//! The pools' metrics for Prometheus. Counted once, in the engine; here they only get names.

mod warm;

use std::time::Duration;

use plugin_api::contract::metrics::LatencySnapshot;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::Manager;
use crate::pool::{InstanceReport, PoolMetrics};

type Labels<'a> = [(&'a str, &'a str)];
/// Nothing here has exemplars; the encoder wants to know of which kind none are.
type NoExemplar<'a> = Option<&'a Exemplar<Vec<(String, String)>, f64>>;

/// Bounds of exported latency buckets in milliseconds: from a proxied answer to a long generation.
const BOUNDS: [u64; 16] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
];

impl Manager {
    /// Adds every pool's metrics to a scrape.
    ///
    /// # Errors
    /// The encoder's own.
    pub fn encode_metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let pools: Vec<PoolMetrics> = self.hubs().iter().map(|hub| hub.pool.metrics()).collect();
        instances(encoder, &pools)?;
        hubs(encoder, &pools)?;
        warm::encode(encoder, &pools)
    }
}

fn instances(encoder: &mut DescriptorEncoder<'_>, pools: &[PoolMetrics]) -> std::fmt::Result {
    let all = || {
        pools.iter().flat_map(|pool| {
            // Those of a warm pool come and go by the thousand: each would be a time series of its own for ever.
            pool.instances
                .iter()
                .filter(|instance| !instance.warm)
                .map(|instance| (pool.hub.name.as_str(), instance))
        })
    };
    let counter = |encoder: &mut DescriptorEncoder<'_>, name, help, value: fn(&InstanceReport) -> u64| {
        family(encoder, name, help, MetricType::Counter, |metric| {
            all().try_for_each(|(hub, instance)| {
                count(
                    metric,
                    &[("hub", hub), ("instance", &instance.id)],
                    value(instance),
                )
            })
        })
    };
    family(
        encoder,
        "gleitzeit_instance_requests",
        "Leases by how they ended",
        MetricType::Counter,
        |metric| {
            for (hub, instance) in all() {
                for (outcome, number) in instance.counted.outcomes.iter() {
                    count(
                        metric,
                        &[("hub", hub), ("instance", &instance.id), ("outcome", outcome)],
                        number,
                    )?;
                }
            }
            Ok(())
        },
    )?;
    counter(encoder, "gleitzeit_instance_probes", "Probes", |instance| {
        instance.counted.probes
    })?;
    counter(
        encoder,
        "gleitzeit_instance_failed_probes",
        "Probes that failed",
        |instance| instance.counted.failed_probes,
    )?;
    family(
        encoder,
        "gleitzeit_breaker_transitions",
        "Transitions of breakers",
        MetricType::Counter,
        |metric| {
            for (hub, instance) in all() {
                let counted = &instance.counted;
                let to = [
                    ("open", counted.circuit_opened),
                    ("half_open", counted.circuit_half_opened),
                    ("closed", counted.circuit_closed),
                ];
                for (state, number) in to {
                    count(
                        metric,
                        &[("hub", hub), ("instance", &instance.id), ("to", state)],
                        number,
                    )?;
                }
            }
            Ok(())
        },
    )?;
    let gauge =
        |encoder: &mut DescriptorEncoder<'_>, name, help, value: fn(&InstanceReport) -> Option<f64>| {
            family(encoder, name, help, MetricType::Gauge, |metric| {
                all().try_for_each(|(hub, instance)| match value(instance) {
                    Some(value) => measure(metric, &[("hub", hub), ("instance", &instance.id)], value),
                    None => Ok(()),
                })
            })
        };
    gauge(
        encoder,
        "gleitzeit_instance_in_flight",
        "Requests in flight",
        |i| Some(f64::from(i.in_flight)),
    )?;
    gauge(
        encoder,
        "gleitzeit_instance_routable",
        "Whether a request would be routed there now",
        |i| Some(f64::from(u8::from(i.routable))),
    )?;
    gauge(
        encoder,
        "gleitzeit_instance_max_concurrent",
        "Requests it takes at once",
        |i| i.max_concurrent.map(f64::from),
    )?;
    gauge(
        encoder,
        "gleitzeit_instance_cpu_percent",
        "Processor use in percent of a core",
        |i| i.load.cpu_percent,
    )?;
    gauge(encoder, "gleitzeit_instance_memory_bytes", "Memory in use", |i| {
        i.load.memory_bytes.map(|n| n as f64)
    })?;
    family(
        encoder,
        "gleitzeit_instance_gauge",
        "Gauges of the hub's own",
        MetricType::Gauge,
        |metric| {
            for (hub, instance) in all() {
                for (name, value) in &instance.gauges {
                    measure(
                        metric,
                        &[("hub", hub), ("instance", &instance.id), ("name", name)],
                        *value,
                    )?;
                }
            }
            Ok(())
        },
    )?;
    let histogram =
        |encoder: &mut DescriptorEncoder<'_>, name, help, value: fn(&InstanceReport) -> &LatencySnapshot| {
            family(encoder, name, help, MetricType::Histogram, |metric| {
                all().try_for_each(|(hub, instance)| {
                    distribution(
                        metric,
                        &[("hub", hub), ("instance", &instance.id)],
                        value(instance),
                    )
                })
            })
        };
    histogram(
        encoder,
        "gleitzeit_instance_latency_seconds",
        "From lease to release",
        |i| &i.counted.latency,
    )?;
    histogram(
        encoder,
        "gleitzeit_instance_first_byte_seconds",
        "From lease to the first meaningful byte",
        |i| &i.counted.first_byte,
    )
}

fn hubs(encoder: &mut DescriptorEncoder<'_>, pools: &[PoolMetrics]) -> std::fmt::Result {
    let counter = |encoder: &mut DescriptorEncoder<'_>, name, help, value: fn(&PoolMetrics) -> u64| {
        family(encoder, name, help, MetricType::Counter, |metric| {
            pools
                .iter()
                .try_for_each(|pool| count(metric, &[("hub", &pool.hub.name)], value(pool)))
        })
    };
    counter(
        encoder,
        "gleitzeit_retries",
        "Requests sent again to another instance",
        |p| p.hub.counted.retries,
    )?;
    counter(
        encoder,
        "gleitzeit_retries_denied",
        "Retries that the budget denied",
        |p| p.hub.counted.retries_denied,
    )?;
    counter(
        encoder,
        "gleitzeit_preparations",
        "Capabilities brought in for requests",
        |p| p.hub.counted.preparations,
    )?;
    family(
        encoder,
        "gleitzeit_refusals",
        "Requests that got no instance",
        MetricType::Counter,
        |metric| {
            for pool in pools {
                let counted = &pool.hub.counted;
                let reasons = [
                    ("unknown", counted.refused_unknown),
                    ("none_routable", counted.refused_none_routable),
                    ("queue_full", counted.refused_queue_full),
                    ("queue_timeout", counted.refused_queue_timeout),
                    ("closed", counted.refused_closed),
                ];
                for (reason, number) in reasons {
                    count(metric, &[("hub", &pool.hub.name), ("reason", reason)], number)?;
                }
            }
            Ok(())
        },
    )?;
    family(
        encoder,
        "gleitzeit_queue_depth",
        "Requests that wait for an instance",
        MetricType::Gauge,
        |metric| {
            pools
                .iter()
                .try_for_each(|pool| measure(metric, &[("hub", &pool.hub.name)], pool.hub.queue_depth as f64))
        },
    )?;
    family(
        encoder,
        "gleitzeit_hub_instances",
        "Instances by state",
        MetricType::Gauge,
        |metric| {
            for pool in pools {
                for (state, number) in &pool.hub.states {
                    measure(
                        metric,
                        &[("hub", &pool.hub.name), ("state", state)],
                        *number as f64,
                    )?;
                }
            }
            Ok(())
        },
    )?;
    family(
        encoder,
        "gleitzeit_queue_wait_seconds",
        "Time in the queue",
        MetricType::Histogram,
        |metric| {
            pools.iter().try_for_each(|pool| {
                distribution(metric, &[("hub", &pool.hub.name)], &pool.hub.counted.queue_wait)
            })
        },
    )
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    fill: impl FnOnce(&mut MetricEncoder<'_>) -> std::fmt::Result,
) -> std::fmt::Result {
    fill(&mut encoder.encode_descriptor(name, help, None, kind)?)
}

fn count(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, number: u64) -> std::fmt::Result {
    let none: NoExemplar<'_> = None;
    metric.encode_family(&labels)?.encode_counter(&number, none)
}

fn measure(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: f64) -> std::fmt::Result {
    metric.encode_family(&labels)?.encode_gauge(&value)
}

fn distribution(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    latency: &LatencySnapshot,
) -> std::fmt::Result {
    let mut below = 0;
    let mut buckets: Vec<(f64, u64)> = BOUNDS
        .iter()
        .map(|&bound| {
            let within = latency.count_within(Duration::from_millis(bound));
            let own = within.saturating_sub(below);
            below = within;
            (bound as f64 / 1000.0, own)
        })
        .collect();
    let count = latency.count();
    buckets.push((f64::MAX, count.saturating_sub(below)));
    metric
        .encode_family(&labels)?
        .encode_histogram::<Vec<(String, String)>>(latency.sum().as_secs_f64(), count, &buckets, None)
}
