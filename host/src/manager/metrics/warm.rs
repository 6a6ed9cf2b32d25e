//! Warm pools: what is ready, what is in use, and how often somebody had to wait.

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::{count, distribution, family, measure};
use crate::pool::{PoolMetrics, ShelfStatus, WarmStatus};

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, pools: &[PoolMetrics]) -> std::fmt::Result {
    let warm = || {
        pools
            .iter()
            .filter_map(|pool| Some((pool.hub.name.as_str(), pool.warm.as_ref()?)))
    };
    let gauge = |encoder: &mut DescriptorEncoder<'_>, name, help, value: fn(&WarmStatus) -> u32| {
        family(encoder, name, help, MetricType::Gauge, |metric| {
            warm().try_for_each(|(hub, warm)| measure(metric, &[("hub", hub)], f64::from(value(warm))))
        })
    };
    gauge(
        encoder,
        "gleitzeit_warm_resources",
        "Warm resources, those starting or stopping included",
        |warm| warm.total,
    )?;
    gauge(
        encoder,
        "gleitzeit_warm_max",
        "The most warm resources there may be",
        |warm| warm.max,
    )?;
    family(
        encoder,
        "gleitzeit_warm_leases",
        "Requests for a warm resource, by whether one was ready",
        MetricType::Counter,
        |metric| {
            for (hub, warm) in warm() {
                count(metric, &[("hub", hub), ("result", "hit")], warm.hits)?;
                count(metric, &[("hub", hub), ("result", "miss")], warm.misses)?;
            }
            Ok(())
        },
    )?;
    family(
        encoder,
        "gleitzeit_warm_start_failures",
        "Starts of warm resources that failed",
        MetricType::Counter,
        |metric| warm().try_for_each(|(hub, warm)| count(metric, &[("hub", hub)], warm.start_failures)),
    )?;
    family(
        encoder,
        "gleitzeit_warm_discarded",
        "Warm resources thrown away, by reason",
        MetricType::Counter,
        |metric| {
            for (hub, warm) in warm() {
                for (reason, number) in &warm.discarded {
                    count(metric, &[("hub", hub), ("reason", reason)], *number)?;
                }
            }
            Ok(())
        },
    )?;
    family(
        encoder,
        "gleitzeit_warm_start_seconds",
        "How long starts of warm resources took",
        MetricType::Histogram,
        |metric| warm().try_for_each(|(hub, warm)| distribution(metric, &[("hub", hub)], &warm.starts)),
    )?;
    family(
        encoder,
        "gleitzeit_warm_shelf",
        "Warm resources of each kind by state, and how many unused ones should be idle",
        MetricType::Gauge,
        |metric| {
            for (hub, warm) in warm() {
                for shelf in &warm.shelves {
                    for (state, number) in states(shelf) {
                        let labels = [
                            ("hub", hub),
                            ("specification", shelf.specification.as_str()),
                            ("label", shelf.label.as_deref().unwrap_or_default()),
                            ("state", state),
                        ];
                        measure(metric, &labels, number as f64)?;
                    }
                }
            }
            Ok(())
        },
    )
}

fn states(shelf: &ShelfStatus) -> [(&'static str, usize); 5] {
    [
        ("idle", shelf.idle),
        ("busy", shelf.busy),
        ("starting", shelf.starting as usize),
        ("waiting", shelf.waiting),
        ("target", shelf.target as usize),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_api::contract::requirement::Requirement;
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::registry::Registry;
    use serde_json::json;

    use crate::pool::testing::{Engine, fleet, idle};

    /// Everything of one pool.
    #[derive(Debug)]
    struct Scrape(crate::pool::Pool);

    impl Collector for Scrape {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
            let pools = [self.0.metrics()];
            super::super::instances(&mut encoder, &pools)?;
            super::encode(&mut encoder, &pools)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scrape_tells_kinds_and_not_each_resource() {
        let fleet = fleet(&["a"])
            .hub(|hub| {
                hub.manifest.start = Some(json!({}));
                hub.engine = Some(Engine::default());
            })
            .start()
            .await;
        let requirement = Requirement {
            specification: Some(json!({ "image": "i" })),
            ..Requirement::default()
        };
        let _kept = fleet.pool.warm(&requirement).unwrap();
        idle().await;
        let _held = fleet.try_take(&requirement).unwrap();
        idle().await;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(fleet.pool.clone())));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "gleitzeit_warm_resources{hub=\"hub\"} 2.0",
            "gleitzeit_warm_max{hub=\"hub\"} 8.0",
            "gleitzeit_warm_leases_total{hub=\"hub\",result=\"hit\"} 1",
            "gleitzeit_warm_leases_total{hub=\"hub\",result=\"miss\"} 0",
            "gleitzeit_warm_start_seconds_count{hub=\"hub\"} 2",
            "label=\"i\",state=\"busy\"} 1.0",
            "label=\"i\",state=\"idle\"} 1.0",
            "gleitzeit_instance_routable{hub=\"hub\",instance=\"a\"} 1.0",
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
        assert!(!text.contains("instance=\"w1\""), "{text}");
    }
}
