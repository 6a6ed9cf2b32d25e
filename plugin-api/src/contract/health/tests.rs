use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Tick {
    Tick::at(Duration::from_secs(seconds))
}

fn monitor() -> HealthMonitor {
    HealthMonitor::new(HealthPolicy::default(), Tick::START)
}

fn healthy() -> HealthMonitor {
    let mut monitor = monitor();
    monitor.observe(Observation::Healthy, at(0), 0.5);
    monitor
}

fn failed() -> Observation {
    Observation::Failed("connection refused".into())
}

#[test]
fn it_is_degraded_at_two_failures_and_unhealthy_at_three() {
    let mut monitor = healthy();
    assert_eq!(monitor.observe(failed(), at(30), 0.5), None);
    assert_eq!(monitor.health(), Health::Healthy);
    let change = monitor.observe(failed(), at(60), 0.5).expect("changes");
    assert_eq!((change.old, change.new), (Health::Healthy, Health::Degraded));
    assert_eq!(change.reason, "connection refused");
    let change = monitor.observe(failed(), at(90), 0.5).expect("changes");
    assert_eq!((change.old, change.new), (Health::Degraded, Health::Unhealthy));
    assert!(!monitor.usable());
}

#[test]
fn one_success_restores_it() {
    let mut monitor = healthy();
    for second in 1..20 {
        monitor.observe(failed(), at(second), 0.5);
    }
    let change = monitor
        .observe(Observation::Healthy, at(20), 0.5)
        .expect("changes");
    assert_eq!(change.new, Health::Healthy);
    assert_eq!((monitor.failures(), monitor.reason()), (0, None));
}

#[test]
fn a_probe_that_panics_or_hangs_counts_and_does_not_leave_it_healthy_for_ever() {
    let mut monitor = healthy();
    monitor.observe(Observation::Panicked("index out of bounds".into()), at(1), 0.5);
    monitor.observe(Observation::TimedOut(Duration::from_secs(5)), at(2), 0.5);
    monitor.observe(Observation::Panicked("again".into()), at(3), 0.5);
    assert_eq!(monitor.health(), Health::Unhealthy);
    assert_eq!(monitor.reason(), Some("the probe panicked: again"));
}

#[test]
fn an_instance_that_never_answered_is_not_used_on_its_way_to_unhealthy() {
    let mut monitor = monitor();
    for second in 0..2 {
        monitor.observe(failed(), at(second), 0.5);
        assert_eq!(monitor.health(), Health::Starting);
        assert!(!monitor.usable());
    }
    monitor.observe(failed(), at(2), 0.5);
    assert_eq!(monitor.health(), Health::Unhealthy);
}

#[test]
fn one_that_says_it_is_not_at_its_best_is_used_as_degraded() {
    let mut monitor = monitor();
    let change = monitor
        .observe(Observation::Degraded("memory is nearly full".into()), at(0), 0.5)
        .expect("changes");
    assert_eq!(change.new, Health::Degraded);
    assert!(monitor.usable());
    assert_eq!(monitor.failures(), 0);
    assert_eq!(monitor.reason(), Some("memory is nearly full"));
}

#[test]
fn refused_credentials_keep_it_out_until_a_probe_succeeds() {
    let mut monitor = healthy();
    monitor.misconfigured("401: invalid key");
    assert_eq!(monitor.health(), Health::Healthy);
    assert!(!monitor.usable());
    assert_eq!(monitor.reason(), Some("401: invalid key"));
    monitor.observe(failed(), at(1), 0.5);
    assert!(
        monitor.is_misconfigured(),
        "a failed probe says nothing of the key"
    );
    monitor.observe(Observation::Healthy, at(2), 0.5);
    assert!(monitor.usable());
}

#[test]
fn the_dead_are_probed_ever_more_rarely_up_to_the_limit() {
    let mut monitor = healthy();
    let mut delays = Vec::new();
    for second in 0..6 {
        monitor.observe(failed(), at(second), 0.5);
        delays.push(monitor.next_probe().since(at(second)).as_secs());
    }
    assert_eq!(delays, [30, 30, 60, 120, 120, 120]);
    monitor.observe(Observation::Healthy, at(10), 0.5);
    assert_eq!(monitor.next_probe(), at(40));
}

#[test]
fn a_probe_can_be_asked_for_earlier_but_not_put_off() {
    let mut monitor = healthy();
    monitor.probe_at(at(3));
    assert_eq!(monitor.next_probe(), at(3));
    monitor.probe_at(at(300));
    assert_eq!(monitor.next_probe(), at(3));
}

fn observation() -> impl Strategy<Value = Observation> {
    prop_oneof![
        Just(Observation::Healthy),
        Just(Observation::Degraded("slow".into())),
        Just(failed()),
        Just(Observation::TimedOut(Duration::from_secs(5))),
        Just(Observation::Panicked("no".into())),
        Just(Observation::Misconfigured("401".into())),
    ]
}

proptest! {
    #[test]
    fn any_sequence_of_probes_keeps_the_rules(
        probes in prop::collection::vec((observation(), 0.0f64..=1.0), 1..80),
    ) {
        let mut monitor = monitor();
        let (mut failures, mut answered, mut now) = (0u32, false, Tick::START);
        for (observation, jitter) in probes {
            let before = monitor.health();
            let good = matches!(observation, Observation::Healthy | Observation::Degraded(_));
            answered |= good;
            failures = if good { 0 } else { failures + 1 };
            let change = monitor.observe(observation.clone(), now, jitter);
            prop_assert_eq!(change.is_some(), before != monitor.health());
            prop_assert_eq!(monitor.failures(), failures);
            let expected = match (&observation, failures) {
                (Observation::Degraded(_), _) => Health::Degraded,
                (Observation::Healthy, _) => Health::Healthy,
                (_, 3..) => Health::Unhealthy,
                _ if !answered => Health::Starting,
                (_, 2) => Health::Degraded,
                _ => before,
            };
            prop_assert_eq!(monitor.health(), expected);
            let delay = monitor.next_probe().since(now);
            prop_assert!(delay >= Duration::from_secs(27), "{:?}", delay);
            prop_assert!(delay <= Duration::from_secs(132), "{:?}", delay);
            now = monitor.next_probe();
        }
    }

    #[test]
    fn no_number_makes_the_next_probe_immediate_or_panic(
        interval in any::<u64>(), longest in any::<u64>(), failures in any::<u32>(), jitter in any::<f64>(),
        degraded_after in any::<u32>(), unhealthy_after in any::<u32>(),
    ) {
        let policy = HealthPolicy {
            interval: Duration::from_nanos(interval),
            max_interval: Duration::from_nanos(longest),
            degraded_after,
            unhealthy_after,
        };
        prop_assert!(policy.within_bounds().delay(failures, jitter) >= Duration::from_millis(9));
    }
}
