use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::contract::outcome::Outcome;
use crate::contract::time::Tick;

fn at(seconds: f64) -> Tick {
    Tick::at(Duration::from_secs_f64(seconds))
}

fn millis(value: f64) -> Duration {
    Duration::from_secs_f64(value / 1e3)
}

fn recorded(values: &[u64]) -> LatencySnapshot {
    let histogram = LatencyHistogram::new();
    for &micros in values {
        histogram.record(Duration::from_micros(micros));
    }
    histogram.snapshot()
}

#[test]
fn a_percentile_of_two_instances_is_not_the_mean_of_their_percentiles() {
    let quick = recorded(&vec![10_000; 990]);
    let slow = recorded(&[1_000_000; 10]);
    let mut both = quick.clone();
    both.merge(&slow);
    let summary = both.summary();
    assert_eq!(summary.count, 1000);
    assert!((summary.p50_ms - 10.0).abs() < 0.2, "{summary:?}");
    assert!(
        (summary.p95_ms - 10.0).abs() < 0.2,
        "the mean of both would be 505: {summary:?}"
    );
    assert!((summary.max_ms - 1000.0).abs() < 16.0, "{summary:?}");
    assert!((summary.mean_ms - 19.9).abs() < 1e-6, "{summary:?}");
}

#[test]
fn percentiles_are_of_all_requests_and_not_of_the_last_hundred() {
    let mut values = vec![5_000_000u64; 50];
    values.extend(vec![1_000; 900]);
    let p99 = recorded(&values).quantile(0.99).expect("recorded");
    assert!(p99 > Duration::from_secs(4), "{p99:?}");
}

#[test]
fn nothing_recorded_is_nothing_and_not_an_error() {
    let empty = LatencySnapshot::default();
    assert_eq!(empty.summary(), LatencySummary::default());
    assert_eq!(empty.quantile(0.5), None);
    assert_eq!(empty.count_within(Duration::MAX), 0);
    let mut merged = empty.clone();
    merged.merge(&empty);
    assert_eq!(merged, empty);
}

#[test]
fn a_duration_beyond_the_scale_counts_as_the_longest() {
    let histogram = LatencyHistogram::new();
    histogram.record(Duration::MAX);
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.count(), 1);
    assert!(snapshot.quantile(1.0).expect("recorded") > Duration::from_secs(4000));
}

#[test]
fn what_happened_since_is_the_recent_distribution() {
    let histogram = LatencyHistogram::new();
    (0..1000).for_each(|_| histogram.record(millis(1.0)));
    let earlier = histogram.snapshot();
    (0..10).for_each(|_| histogram.record(millis(500.0)));
    let recent = histogram.snapshot().since(&earlier);
    assert_eq!(recent.count(), 10);
    assert!((recent.summary().p50_ms - 500.0).abs() < 8.0);
    assert_eq!(recent.sum(), millis(5000.0));
    assert_eq!(
        earlier.since(&histogram.snapshot()),
        earlier,
        "not a difference of these"
    );
}

#[test]
fn one_failed_request_counts_one_error_and_no_rate_is_above_one() {
    let metrics = InstanceMetrics::new();
    for outcome in [Outcome::ServerError, Outcome::ConnectFailed, Outcome::Success] {
        metrics.finish(outcome, millis(3.0), false, at(0.0));
    }
    let outcomes = metrics.snapshot().outcomes;
    assert_eq!((outcomes.total(), outcomes.failures()), (3, 2));
    assert!((outcomes.error_rate() - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_clients_mistake_is_counted_but_is_no_error_of_the_instance() {
    let metrics = InstanceMetrics::new();
    for outcome in [
        Outcome::ClientError,
        Outcome::Cancelled,
        Outcome::Busy {
            retry_after: Some(millis(1.0)),
        },
        Outcome::Misconfigured,
        Outcome::CapabilityMissing,
    ] {
        metrics.finish(outcome, millis(3.0), false, at(0.0));
        assert_eq!(metrics.snapshot().outcomes.of(outcome), 1, "{outcome:?}");
    }
    let snapshot = metrics.snapshot();
    assert_eq!((snapshot.outcomes.total(), snapshot.outcomes.failures()), (5, 0));
    assert_eq!(metrics.error_rate.get(at(0.0)), 0.0);
    assert_eq!(metrics.recent_latency.get(at(0.0)), None);
    assert_eq!(snapshot.latency.count(), 0);
}

#[test]
fn failing_fast_does_not_make_an_instance_look_quick() {
    let metrics = InstanceMetrics::new();
    metrics.finish(Outcome::Success, millis(800.0), false, at(0.0));
    for _ in 0..50 {
        metrics.finish(Outcome::ServerError, millis(1.0), false, at(0.0));
    }
    assert!(metrics.recent_latency.get(at(0.0)).expect("a sample") >= 0.79);
    assert!(metrics.snapshot().latency.summary().p50_ms > 780.0);
    assert!(metrics.error_rate.get(at(0.0)) > 0.99);
}

#[test]
fn time_to_the_first_byte_is_the_recent_latency_where_it_is_known() {
    let metrics = InstanceMetrics::new();
    metrics.first_byte(millis(100.0), at(0.0));
    metrics.finish(Outcome::Success, millis(9000.0), true, at(9.0));
    assert!((metrics.recent_latency.get(at(0.0)).expect("a sample") - 0.1).abs() < 1e-6);
    assert_eq!(metrics.snapshot().first_byte.count(), 1);
    assert_eq!(metrics.snapshot().latency.count(), 1);
}

#[test]
fn the_error_rate_rises_with_failures_falls_with_successes_and_fades() {
    let rate = ErrorRate::new();
    for _ in 0..3 {
        rate.record(true, at(0.0));
    }
    let failing = rate.get(at(0.0));
    assert!((0.55..0.60).contains(&failing), "{failing}");
    rate.record(false, at(0.0));
    assert!(rate.get(at(0.0)) < failing);
    let now = rate.get(at(0.0));
    let later = rate.get(at(8.6));
    assert!((later / now - 0.5).abs() < 0.01, "{later} of {now}");
    assert!(rate.get(at(300.0)) < 1e-6);
}

#[test]
fn a_slower_answer_counts_at_once_and_a_quicker_one_gradually() {
    let latency = PeakEwma::new();
    latency.record(millis(100.0), at(0.0));
    latency.record(millis(900.0), at(0.0));
    assert_eq!(latency.get(at(0.0)), Some(0.9));
    latency.record(millis(100.0), at(0.0));
    assert!((latency.get(at(0.0)).expect("a sample") - 0.8).abs() < 1e-6);
}

#[test]
fn silence_makes_latency_fade_to_a_floor_and_then_unknown() {
    let latency = PeakEwma::new();
    latency.record(millis(8000.0), at(0.0));
    assert!((latency.get(at(34.4)).expect("a sample") - 4.0).abs() < 0.05);
    assert_eq!(latency.get(at(400.0)), Some(1.0), "an eighth at least");
    assert_eq!(latency.get(at(560.0)), None);
    latency.record(millis(50.0), at(560.0));
    assert_eq!(latency.get(at(560.0)), Some(0.05), "starts anew after that");
}

#[test]
fn counters_of_a_hub_do_not_fall_when_an_instance_goes() {
    let (hub, instance) = (HubMetrics::new(), InstanceMetrics::new());
    instance.finish(Outcome::Success, millis(5.0), false, at(0.0));
    let before = hub.snapshot([&instance.snapshot()]);
    hub.retire(&instance.snapshot());
    let after = hub.snapshot([]);
    assert_eq!(before, after);
    assert_eq!(after.total.outcomes.total(), 1);
}

#[test]
fn snapshots_serialise_as_status_shows_them() {
    let instance = InstanceMetrics::new();
    instance.finish(Outcome::Success, millis(10.0), false, at(0.0));
    instance.finish(Outcome::Busy { retry_after: None }, millis(1.0), false, at(0.0));
    let hub = HubMetrics::new();
    hub.refused(Refused::QueueFull);
    hub.waited(millis(20.0));
    let json = serde_json::to_value(hub.snapshot([&instance.snapshot()])).expect("serialises");
    assert_eq!(json["outcomes"], serde_json::json!({"success": 1, "busy": 1}));
    assert_eq!(json["latency"]["count"], 1);
    assert_eq!(json["queue_wait"]["count"], 1);
    assert_eq!(json["refused_queue_full"], 1);
}

#[test]
fn many_threads_lose_no_recording() {
    let metrics = InstanceMetrics::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for request in 0..5000u64 {
                    metrics.finish(Outcome::Success, Duration::from_micros(request), false, at(0.0));
                }
            });
        }
    });
    let snapshot = metrics.snapshot();
    assert_eq!(snapshot.outcomes.total(), 20_000);
    assert_eq!(snapshot.latency.count(), 20_000);
    assert_eq!(snapshot.latency.sum(), Duration::from_micros(4 * 4999 * 2500));
}

proptest! {
    #[test]
    fn merging_equals_recording_everything_in_one_place(
        parts in prop::collection::vec(prop::collection::vec(0u64..5_000_000_000, 0..50), 0..6),
    ) {
        let mut merged = LatencySnapshot::default();
        for part in &parts {
            merged.merge(&recorded(part));
        }
        let whole = recorded(&parts.concat());
        prop_assert_eq!(merged.count(), whole.count());
        prop_assert_eq!(merged.sum(), whole.sum());
        prop_assert_eq!(merged.summary(), whole.summary());
    }

    #[test]
    fn a_percentile_is_off_by_less_than_two_percent(
        values in prop::collection::vec(1u64..4_000_000_000, 1..200), share in 0.0f64..=1.0,
    ) {
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let rank = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
        let exact = sorted[rank - 1] as f64;
        let told = recorded(&values).quantile(share).expect("recorded").as_secs_f64() * 1e6;
        prop_assert!((told - exact).abs() <= exact * 0.0157 + 0.5, "{} for {}", told, exact);
    }

    #[test]
    fn a_cumulative_count_never_falls(
        values in prop::collection::vec(0u64..10_000_000, 0..100), bounds in prop::collection::vec(0u64..20_000_000, 2..20),
    ) {
        let snapshot = recorded(&values);
        let mut bounds = bounds;
        bounds.sort_unstable();
        let counts: Vec<_> = bounds.iter().map(|&bound| snapshot.count_within(Duration::from_micros(bound))).collect();
        prop_assert!(counts.is_sorted());
        prop_assert!(counts.iter().all(|&count| count <= snapshot.count()));
        prop_assert_eq!(snapshot.count_within(Duration::MAX), snapshot.count());
    }

    #[test]
    fn recent_signals_stay_in_their_range_whatever_comes(
        events in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u64>()), 1..60),
    ) {
        let (rate, latency) = (ErrorRate::new(), PeakEwma::new());
        for (failed, nanos, when) in events {
            let now = Tick::from_nanos(when);
            rate.record(failed, now);
            latency.record(Duration::from_nanos(nanos), now);
            prop_assert!((0.0..=1.0).contains(&rate.get(now)));
            prop_assert!(latency.get(now).is_some_and(|seconds| seconds > 0.0 && seconds.is_finite()));
        }
    }
}
