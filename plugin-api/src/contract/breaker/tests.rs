use std::time::Duration;

use proptest::prelude::*;

use super::*;

const FAILURES: [Outcome; 4] = [
    Outcome::ConnectFailed,
    Outcome::TimedOut,
    Outcome::ServerError,
    Outcome::StreamBroken,
];

const NEUTRAL: [Outcome; 5] = [
    Outcome::ClientError,
    Outcome::Cancelled,
    Outcome::Busy { retry_after: None },
    Outcome::Misconfigured,
    Outcome::CapabilityMissing,
];

fn at(seconds: f64) -> Tick {
    Tick::at(Duration::from_secs_f64(seconds))
}

fn breaker() -> Breaker {
    Breaker::new(BreakerPolicy::default())
}

/// Sends one request through a breaker that lets it pass.
fn send(breaker: &Breaker, outcome: Outcome, now: Tick) -> Option<Transition> {
    let admission = breaker.admit(now).expect("lets a request pass");
    breaker.settle(admission.permit, outcome, now, 0.0)
}

/// A breaker that opened at second 0 and is due at second 60.
fn opened() -> Breaker {
    let breaker = breaker();
    for _ in 0..5 {
        send(&breaker, Outcome::ServerError, Tick::START);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn five_failures_in_a_row_open_it_for_a_minute() {
    let breaker = breaker();
    for failure in 1..5 {
        assert_eq!(send(&breaker, FAILURES[failure % 4], at(0.0)), None);
    }
    let Some(Transition::Opened { until }) = send(&breaker, Outcome::TimedOut, at(0.0)) else {
        panic!("the fifth failure opens it");
    };
    assert!(until >= at(60.0) && until < at(60.01), "{until:?}");
    assert!(!breaker.permits(at(59.99)));
    assert!(breaker.admit(at(59.99)).is_none());
    assert!(breaker.permits(until));
}

#[test]
fn a_success_in_between_starts_the_count_anew() {
    let breaker = Breaker::new(BreakerPolicy {
        error_rate: 2.0,
        ..BreakerPolicy::default()
    });
    for _ in 0..20 {
        for _ in 0..4 {
            send(&breaker, Outcome::ServerError, at(1.0));
        }
        send(&breaker, Outcome::Success, at(1.0));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn failing_every_other_request_opens_it_by_rate() {
    let breaker = breaker();
    let mut sent = 0;
    while breaker.state() == BreakerState::Closed {
        let outcome = match sent % 2 {
            0 => Outcome::Success,
            _ => Outcome::ServerError,
        };
        send(&breaker, outcome, at(f64::from(sent)));
        sent += 1;
    }
    assert_eq!(sent, 10, "as soon as the window holds enough requests");
}

#[test]
fn failures_that_have_left_the_window_do_not_count() {
    let breaker = breaker();
    for minute in 0..50 {
        let now = at(f64::from(minute) * 61.0);
        for outcome in [Outcome::ServerError, Outcome::ServerError, Outcome::Success] {
            send(&breaker, outcome, now);
        }
        assert_eq!(breaker.status(now).window_requests, 3);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_bucket_of_the_window_never_overflows() {
    let window = Window::new(Duration::from_secs(60));
    for request in 0..200_000 {
        window.record(at(3.0), request % 4 == 0);
    }
    let (requests, failures) = window.totals(at(3.0));
    let share = f64::from(failures) / f64::from(requests);
    assert!((share - 0.25).abs() < 0.01, "{failures} of {requests}");
}

#[test]
fn two_successful_trials_close_it_and_one_does_not() {
    let breaker = opened();
    let now = at(61.0);
    let first = breaker.admit(now).expect("time is up");
    assert_eq!(first.transition, Some(Transition::HalfOpened));
    assert!(first.permit.is_trial());
    assert_eq!(breaker.settle(first.permit, Outcome::Success, now, 0.0), None);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert_eq!(send(&breaker, Outcome::Success, now), Some(Transition::Closed));
    assert_eq!(breaker.status(now).window_failures, 0, "and it starts innocent");
}

#[test]
fn one_failed_trial_opens_it_again_for_twice_as_long() {
    let breaker = opened();
    let Some(Transition::Opened { until }) = send(&breaker, Outcome::ConnectFailed, at(100.0)) else {
        panic!("a failed trial opens it");
    };
    assert!(until >= at(220.0) && until < at(220.01), "{until:?}");
}

#[test]
fn the_time_it_stays_open_grows_to_a_cap_with_a_tenth_of_jitter() {
    let policy = BreakerPolicy::default();
    let seconds = |earlier, jitter| policy.open_for(earlier, jitter).as_secs_f64();
    let growing: Vec<_> = (0..6).map(|earlier| seconds(earlier, 0.0)).collect();
    assert_eq!(growing, [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]);
    assert_eq!(seconds(255, 0.0), 600.0);
    assert!((seconds(0, 1.0) - 66.0).abs() < 1e-6);
    assert_eq!(seconds(0, f64::NAN), 60.0);
    assert_eq!(seconds(0, -7.0), 60.0);
}

#[test]
fn closing_forgets_how_often_it_opened() {
    let breaker = opened();
    send(&breaker, Outcome::ServerError, at(61.0));
    assert_eq!(breaker.status(at(61.0)).openings, 2);
    send(&breaker, Outcome::Success, at(1000.0));
    send(&breaker, Outcome::Success, at(1000.0));
    assert_eq!(breaker.status(at(1000.0)).openings, 0);
}

#[test]
fn three_cancelled_trials_do_not_leave_it_half_open_for_ever() {
    let breaker = opened();
    let now = at(61.0);
    for round in 0..100 {
        let trials: Vec<_> = (0..3)
            .map(|_| breaker.admit(now).expect("a slot is free").permit)
            .collect();
        assert!(breaker.admit(now).is_none(), "round {round}: only three at once");
        for trial in trials {
            breaker.settle(trial, NEUTRAL[round % NEUTRAL.len()], now, 0.0);
        }
    }
    send(&breaker, Outcome::Success, now);
    assert_eq!(send(&breaker, Outcome::Success, now), Some(Transition::Closed));
}

#[test]
fn a_bad_prompt_does_not_count_against_the_instance() {
    let breaker = breaker();
    for request in 0..10_000 {
        let outcome = NEUTRAL[request % NEUTRAL.len()];
        assert_eq!(send(&breaker, outcome, at(0.0)), None);
    }
    let status = breaker.status(at(0.0));
    assert_eq!((status.consecutive_failures, status.window_requests), (0, 0));
}

#[test]
fn a_clients_mistake_neither_hides_nor_forgives_failures() {
    let breaker = breaker();
    for _ in 0..4 {
        send(&breaker, Outcome::ServerError, at(0.0));
        send(&breaker, Outcome::ClientError, at(0.0));
    }
    assert!(matches!(
        send(&breaker, Outcome::ServerError, at(0.0)),
        Some(Transition::Opened { .. })
    ));
}

#[test]
fn requests_from_before_it_opened_change_nothing_when_they_end_late() {
    let breaker = breaker();
    let late: Vec<_> = (0..8)
        .map(|_| breaker.admit(at(0.0)).expect("closed").permit)
        .collect();
    for _ in 0..5 {
        send(&breaker, Outcome::ServerError, at(0.0));
    }
    let trial = breaker.admit(at(61.0)).expect("time is up").permit;
    for (place, permit) in late.into_iter().enumerate() {
        let outcome = [Outcome::Success, Outcome::ServerError, Outcome::Cancelled][place % 3];
        assert_eq!(breaker.settle(permit, outcome, at(61.0), 0.0), None);
    }
    let status = breaker.status(at(61.0));
    assert_eq!((status.trials, status.successes), (1, 0));
    breaker.settle(trial, Outcome::Success, at(61.0), 0.0);
    assert_eq!(breaker.status(at(61.0)).successes, 1);
}

#[test]
fn elapsed_time_does_not_wrap_after_days_months_or_decades() {
    for days in [0.9999, 1.0, 1.0001, 49.8, 400.0, 3650.0, 9000.0] {
        let breaker = breaker();
        let start = at(days * 86_400.0);
        for _ in 0..5 {
            send(&breaker, Outcome::ServerError, start);
        }
        assert!(!breaker.permits(start.after(Duration::from_secs(59))), "{days}");
        assert!(breaker.permits(start.after(Duration::from_secs(61))), "{days}");
        assert!(
            breaker.permits(start.after(Duration::from_secs(86_400))),
            "{days}"
        );
    }
}

#[test]
fn a_clock_that_reads_a_little_early_does_not_harm_it() {
    let breaker = opened();
    assert!(!breaker.permits(Tick::START));
    assert_eq!(breaker.status(Tick::START).window_requests, 0);
    assert!(breaker.admit(Tick::from_nanos(u64::MAX)).is_some());
}

#[test]
fn an_operator_can_close_it_at_once() {
    let breaker = opened();
    assert_eq!(breaker.reset(), Some(Transition::Closed));
    assert!(breaker.permits(Tick::START));
    assert_eq!(breaker.reset(), None);
}

#[test]
fn settings_that_would_wedge_it_do_not() {
    let breaker = Breaker::new(BreakerPolicy {
        failure_threshold: 0,
        minimum_requests: 0,
        error_rate: f64::NAN,
        window: Duration::ZERO,
        recovery_timeout: Duration::ZERO,
        max_recovery_timeout: Duration::ZERO,
        half_open_requests: 0,
        success_threshold: 0,
    });
    assert!(matches!(
        send(&breaker, Outcome::ServerError, at(0.0)),
        Some(Transition::Opened { .. })
    ));
    assert_eq!(
        send(&breaker, Outcome::Success, at(0.1)),
        Some(Transition::Closed)
    );
}

#[test]
fn many_threads_never_hold_more_than_three_trials() {
    use std::sync::atomic::AtomicU32;
    let breaker = opened();
    let (out, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    if let Some(admission) = breaker.admit(at(61.0)) {
                        most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        out.fetch_sub(1, Ordering::SeqCst);
                        breaker.settle(admission.permit, Outcome::Cancelled, at(61.0), 0.0);
                    }
                }
            });
        }
    });
    assert!((1..=3).contains(&most.into_inner()));
    assert_eq!(breaker.status(at(61.0)).trials, 0, "every slot came back");
}

#[derive(Debug, Clone)]
enum Step {
    Admit,
    Settle(prop::sample::Index, Outcome),
    Wait(u64),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Success),
        3 => prop::sample::select(&FAILURES[..]),
        2 => prop::sample::select(&NEUTRAL[..]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Admit),
        4 => (any::<prop::sample::Index>(), outcome()).prop_map(|(which, how)| Step::Settle(which, how)),
        1 => (0u64..100_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn a_packed_machine_unpacks_to_itself(word in any::<u64>()) {
        let machine = Machine::unpack(word);
        prop_assert_eq!(Machine::unpack(machine.pack()), machine);
    }

    /// Whatever happens in whatever order: the trials on their way are those the breaker counts and never more
    /// than three; it opens on a failure only, closes on exactly the second successful trial, and no state
    /// is left by another door.
    #[test]
    fn any_history_keeps_the_rules(steps in prop::collection::vec(step(), 1..300)) {
        let breaker = breaker();
        let mut now = Tick::START;
        let mut out: Vec<(Permit, u32)> = Vec::new();
        let (mut era, mut successes) = (0u32, 0u32);
        for step in steps {
            let before = breaker.state();
            let transition = match step {
                Step::Wait(millis) => {
                    now = now.after(Duration::from_millis(millis));
                    None
                }
                Step::Admit => {
                    let permitted = breaker.permits(now);
                    let admission = breaker.admit(now);
                    prop_assert_eq!(permitted, admission.is_some());
                    let transition = admission.as_ref().and_then(|admission| admission.transition);
                    if transition.is_some() {
                        prop_assert_eq!(transition, Some(Transition::HalfOpened));
                        prop_assert_eq!(before, BreakerState::Open);
                        era += 1;
                        successes = 0;
                    }
                    if let Some(Admission { permit, .. }) = admission {
                        prop_assert_eq!(permit.is_trial(), breaker.state() == BreakerState::HalfOpen);
                        out.push((permit, era));
                    }
                    transition
                }
                Step::Settle(_, _) if out.is_empty() => None,
                Step::Settle(which, outcome) => {
                    let (permit, from) = out.swap_remove(which.index(out.len()));
                    let (current, trial) = (from == era, permit.is_trial());
                    let transition = breaker.settle(permit, outcome, now, 0.5);
                    if current && trial && outcome == Outcome::Success {
                        successes += 1;
                    }
                    match transition {
                        None => prop_assert!(!(current && trial && successes == 2)),
                        Some(Transition::Closed) => {
                            prop_assert!(current && trial && successes == 2);
                            era += 1;
                        }
                        Some(Transition::Opened { until }) => {
                            prop_assert!(current && outcome.is_instance_failure());
                            prop_assert!(until >= now.after(Duration::from_secs(60)));
                            prop_assert!(until <= now.after(Duration::from_secs(661)));
                            era += 1;
                        }
                        Some(Transition::HalfOpened) => prop_assert!(false, "settling never begins trials"),
                    }
                    transition
                }
            };
            prop_assert_eq!(transition.is_some(), before != breaker.state());
            let trials = out
                .iter()
                .filter(|(permit, from)| permit.is_trial() && *from == era)
                .count();
            if breaker.state() == BreakerState::HalfOpen {
                prop_assert!(trials <= 3);
                prop_assert_eq!(breaker.status(now).trials as usize, trials);
            }
        }
    }
}
