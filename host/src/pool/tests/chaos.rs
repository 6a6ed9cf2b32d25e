//! Whatever happens, in whatever order, and wherever a caller gives up.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Priority, Requirement, Strategy as Balance};
use proptest::prelude::*;

use crate::pool::testing::{Fleet, fleet, idle, needs, only, pass};
use crate::pool::{Asker, Lease, Note, Refusal, Tried};

const IDS: [&str; 3] = ["a", "b", "c"];
const CALLERS: [&str; 3] = ["x", "y", "z"];
const LIMIT: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    /// A request begins; it is polled with [`Step::Poll`] only.
    Ask {
        caller: usize,
        class: usize,
        strategy: usize,
        model: bool,
        avoid: bool,
    },
    /// A request is polled once.
    Poll(usize),
    /// A request is dropped, wherever it is.
    GiveUp(usize),
    /// A lease ends.
    Finish {
        which: usize,
        outcome: usize,
    },
    Drain(usize),
    Resume(usize),
    Vanish(usize),
    Appear(usize),
    Sicken(usize),
    Heal(usize),
    Lose(usize),
    Gain(usize),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0..IDS.len();
    prop_oneof![
        10 => (one(), 0..4_usize, 0..10_usize, any::<bool>(), any::<bool>()).prop_map(
            |(caller, class, strategy, model, avoid)| Step::Ask { caller, class, strategy, model, avoid }
        ),
        20 => (0..40_usize).prop_map(Step::Poll),
        6 => (0..40_usize).prop_map(Step::GiveUp),
        10 => (0..40_usize, 0..OUTCOMES.len()).prop_map(|(which, outcome)| Step::Finish { which, outcome }),
        2 => one().prop_map(Step::Drain),
        3 => one().prop_map(Step::Resume),
        1 => one().prop_map(Step::Vanish),
        2 => one().prop_map(Step::Appear),
        1 => one().prop_map(Step::Sicken),
        2 => one().prop_map(Step::Heal),
        2 => one().prop_map(Step::Lose),
        3 => one().prop_map(Step::Gain),
        4 => (1..20_000_u16).prop_map(Step::Pass),
    ]
}

const OUTCOMES: [Outcome; 9] = [
    Outcome::Success,
    Outcome::Success,
    Outcome::ClientError,
    Outcome::Cancelled,
    Outcome::Busy {
        retry_after: Some(Duration::from_secs(2)),
    },
    Outcome::ConnectFailed,
    Outcome::ServerError,
    Outcome::StreamBroken,
    Outcome::CapabilityMissing,
];

type Asking = Pin<Box<dyn Future<Output = Result<Lease, Refusal>>>>;

struct World {
    fleet: Fleet,
    present: Vec<&'static str>,
    asking: Vec<Asking>,
    held: Vec<Lease>,
    tried: Tried,
}

impl World {
    async fn new() -> Self {
        let fleet = fleet(&[])
            .limit(LIMIT)
            .set(|settings| {
                settings.queue.size = 8;
                settings.queue.timeout = Duration::from_secs(30);
                settings.health.interval = Duration::from_secs(1);
                settings.health.max_interval = Duration::from_secs(2);
                settings.breaker.recovery_timeout = Duration::from_secs(3);
                settings.breaker.max_recovery_timeout = Duration::from_secs(6);
                settings.discovery_interval = Duration::from_secs(1);
            })
            .hub(|hub| {
                hub.discovers(&IDS);
                IDS.iter().for_each(|id| hub.holds(id, &["m"]));
            })
            .start()
            .await;
        Self {
            fleet,
            present: IDS.to_vec(),
            asking: Vec::new(),
            held: Vec::new(),
            tried: Tried::NONE,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Ask {
                caller,
                class,
                strategy,
                model,
                avoid,
            } => {
                let requirement = Requirement {
                    priority: Priority::ALL[class].0,
                    strategy: Some(Balance::ALL[strategy].0),
                    affinity: Some(CALLERS[caller].to_owned()),
                    ..needs(if model { "m" } else { "" })
                };
                let tried = if avoid { self.tried } else { Tried::NONE };
                let pool = self.fleet.pool.clone();
                let asker = Asker {
                    principal: CALLERS[caller],
                };
                self.asking.push(Box::pin(async move {
                    pool.acquire(&requirement, &asker, &tried, None).await
                }));
            }
            Step::Poll(which) if which < self.asking.len() => self.poll(which),
            Step::GiveUp(which) if which < self.asking.len() => drop(self.asking.swap_remove(which)),
            Step::Finish { which, outcome } if which < self.held.len() => {
                let lease = self.held.swap_remove(which);
                self.tried.add(lease.key());
                lease.finish(OUTCOMES[outcome]);
            }
            Step::Drain(which) => drop(self.fleet.pool.drain(IDS[which])),
            Step::Resume(which) => drop(self.fleet.pool.resume(IDS[which])),
            Step::Vanish(which) => self.discover(|present| present.retain(|id| *id != IDS[which])),
            Step::Appear(which) => self.discover(|present| present.push(IDS[which])),
            Step::Sicken(which) => self.fleet.hub.fails(IDS[which]),
            Step::Heal(which) => self.fleet.hub.holds(IDS[which], &["m"]),
            Step::Lose(which) => self.fleet.pool.note_capability(IDS[which], "m", Note::Gone),
            Step::Gain(which) => {
                let capability = crate::pool::testing::capability("m");
                self.fleet
                    .pool
                    .note_capability(IDS[which], "m", Note::Present(capability));
            }
            Step::Pass(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
            Step::Poll(_) | Step::GiveUp(_) | Step::Finish { .. } => {}
        }
    }

    fn discover(&mut self, change: impl FnOnce(&mut Vec<&'static str>)) {
        change(&mut self.present);
        self.fleet.hub.discovers(&self.present);
    }

    fn poll(&mut self, which: usize) {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = self.asking[which].as_mut().poll(&mut context) {
            drop(self.asking.swap_remove(which));
            self.held.extend(answer);
        }
    }

    /// What must be true at every moment.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut held = BTreeMap::<u64, u32>::new();
        for lease in &self.held {
            *held.entry(lease.key()).or_default() += 1;
        }
        for count in held.values() {
            prop_assert!(*count <= LIMIT, "{} leases on one instance", count);
        }
        for status in self.fleet.pool.instances() {
            prop_assert!(status.in_flight <= LIMIT, "{} in flight", status.in_flight);
        }
        prop_assert!(self.fleet.pool.queue_depth() <= 8);
        Ok(())
    }

    /// Whoever still waits after everybody has been polled waits for something: no wake-up was lost.
    fn check_nobody_is_overlooked(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2 {
            (0..self.asking.len()).rev().for_each(|which| self.poll(which));
        }
        if self.fleet.pool.queue_depth() > 0 {
            // The engine serves those who wait before a newcomer; so if it did not serve all of them now, and would
            // serve the same request of a newcomer, it has overlooked somebody.
            let before = self.fleet.pool.queue_depth();
            let _ = self.fleet.try_take(&Requirement::default());
            prop_assert_eq!(
                self.fleet.pool.queue_depth(),
                before,
                "somebody could have been served"
            );
        }
        Ok(())
    }

    /// Everybody goes home: nothing may be left behind.
    async fn end(mut self) -> Result<(), TestCaseError> {
        self.asking.clear();
        self.held.clear();
        prop_assert_eq!(self.fleet.in_flight(), 0);
        prop_assert_eq!(self.fleet.pool.queue_depth(), 0);
        self.discover(|present| *present = IDS.to_vec());
        for id in IDS {
            self.fleet.hub.holds(id, &["m"]);
        }
        pass(60.0).await;
        for id in IDS {
            let _ = self.fleet.pool.resume(id);
            // A breaker that is half-open closes after two successes.
            self.fleet.send(id, &[Outcome::Success; 2]);
            let all: Vec<_> = (0..LIMIT).map(|_| self.fleet.try_take(&only(id))).collect();
            prop_assert!(all.iter().all(Result::is_ok), "a place was lost: {:?}", all);
            prop_assert_eq!(self.fleet.try_take(&only(id)).unwrap_err(), Refusal::AllBusy);
        }
        Ok(())
    }
}

pub(super) fn simulated() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Requests are polled one at a time and dropped at any await, while instances come, go, sicken and drain.
    #[test]
    fn no_lease_is_lost_or_doubled(steps in proptest::collection::vec(step(), 1..150)) {
        simulated().block_on(async move {
            let mut world = World::new().await;
            for step in steps {
                world.take(step).await;
                world.check()?;
            }
            world.check_nobody_is_overlooked()?;
            world.end().await
        })?;
    }

    /// With one place, everybody gets it in the end, each exactly once, whoever gives up in between.
    #[test]
    fn the_place_goes_round_until_everybody_had_it(gives_up in proptest::collection::vec(any::<bool>(), 1..30)) {
        simulated().block_on(async move {
            let fleet = fleet(&["a"]).limit(1).start().await;
            let held = fleet.take();
            let mut waiters = Vec::new();
            for (index, gives_up) in gives_up.iter().enumerate() {
                let asked = fleet.wait(CALLERS[index % CALLERS.len()], Requirement::default());
                let abort = asked.abort_handle();
                let served = tokio::spawn(async move { asked.await.map(|lease| drop(lease.unwrap())) });
                waiters.push((served, abort, *gives_up));
                idle().await;
            }
            drop(held);
            waiters.iter().filter(|(.., gives_up)| *gives_up).for_each(|(_, abort, _)| abort.abort());
            for (served, _, gives_up) in waiters {
                prop_assert!(served.await.unwrap().is_ok() || gives_up);
            }
            prop_assert_eq!((fleet.in_flight(), fleet.pool.queue_depth()), (0, 0));
            Ok(())
        })?;
    }
}
