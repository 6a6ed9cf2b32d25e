//! Whatever happens, in whatever order, and wherever a caller gives up.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Priority, Requirement};
use plugin_api::{Error, ErrorCode};
use proptest::prelude::*;

use super::{Warm, spec, wants, warm_with};
use crate::config::settings::WarmSettings;
use crate::pool::testing::{idle, pass};
use crate::pool::{Asker, KeptWarm, Lease, Refusal, Tried};

const KINDS: [&str; 3] = ["x", "y", "z"];
const CALLERS: [&str; 3] = ["a", "b", "c"];
const MAX: u32 = 4;

#[derive(Debug, Clone)]
enum Step {
    /// A request begins; it is polled with [`Step::Poll`] only.
    Ask {
        caller: usize,
        kind: usize,
        class: usize,
        uses: Option<u32>,
    },
    /// A request that does not wait.
    Try {
        caller: usize,
        kind: usize,
    },
    Poll(usize),
    /// A request is dropped, wherever it is.
    GiveUp(usize),
    Finish {
        which: usize,
        outcome: usize,
    },
    /// The hub loses one that runs, whoever has it.
    Lose(usize),
    Drain(usize),
    /// Starts of a kind fail, or do not any more.
    Break {
        kind: usize,
        how: usize,
    },
    Mend(usize),
    StopsFail(usize),
    Keep(usize),
    Bounds {
        min_idle: u32,
        max: u32,
    },
    Takes {
        start: u16,
        stop: u16,
        reset: u16,
    },
    Pass(u16),
    PassLong(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0..KINDS.len();
    let uses = prop_oneof![3 => Just(None), 1 => (1..4_u32).prop_map(Some)];
    prop_oneof![
        12 => (one(), one(), 0..4_usize, uses)
            .prop_map(|(caller, kind, class, uses)| Step::Ask { caller, kind, class, uses }),
        4 => (one(), one()).prop_map(|(caller, kind)| Step::Try { caller, kind }),
        20 => (0..30_usize).prop_map(Step::Poll),
        6 => (0..30_usize).prop_map(Step::GiveUp),
        14 => (0..30_usize, 0..OUTCOMES.len()).prop_map(|(which, outcome)| Step::Finish { which, outcome }),
        3 => (0..8_usize).prop_map(Step::Lose),
        1 => (0..8_usize).prop_map(Step::Drain),
        2 => (one(), 0..2_usize).prop_map(|(kind, how)| Step::Break { kind, how }),
        3 => one().prop_map(Step::Mend),
        1 => (0..3_usize).prop_map(Step::StopsFail),
        1 => one().prop_map(Step::Keep),
        1 => (0..3_u32, 0..=MAX).prop_map(|(min_idle, max)| Step::Bounds { min_idle, max }),
        2 => (0..3_000_u16, 0..3_000_u16, 0..3_000_u16)
            .prop_map(|(start, stop, reset)| Step::Takes { start, stop, reset }),
        14 => (1..2_000_u16).prop_map(Step::Pass),
        2 => (1..900_u16).prop_map(Step::PassLong),
    ]
}

const OUTCOMES: [Outcome; 6] = [
    Outcome::Success,
    Outcome::Success,
    Outcome::Success,
    Outcome::ClientError,
    Outcome::Cancelled,
    Outcome::ServerError,
];

type Asking = Pin<Box<dyn Future<Output = Result<Lease, Refusal>>>>;

struct World {
    warm: Warm,
    asking: Vec<(&'static str, Option<u32>, Asking)>,
    held: Vec<Lease>,
    kept: [Option<KeptWarm>; KINDS.len()],
    /// Who has used which resource, ever.
    owners: HashMap<u64, &'static str>,
    uses: HashMap<u64, u32>,
}

impl World {
    async fn new(resets: bool) -> Self {
        let settings = WarmSettings {
            min_idle: 1,
            max: MAX,
            idle_timeout: Duration::from_secs(20),
            max_uses: 5,
            max_lifetime: Duration::from_secs(120),
            start_timeout: Duration::from_secs(2),
        };
        Self {
            warm: warm_with(settings, resets).await,
            asking: Vec::new(),
            held: Vec::new(),
            kept: Default::default(),
            owners: HashMap::new(),
            uses: HashMap::new(),
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let pool = self.warm.fleet.pool.clone();
        let running = |which: usize| {
            let running = self.warm.engine.running();
            (!running.is_empty()).then(|| running[which % running.len()].clone())
        };
        match step {
            Step::Ask {
                caller,
                kind,
                class,
                uses,
            } => {
                let requirement = Requirement {
                    priority: Priority::ALL[class].0,
                    queue_timeout: Some(Duration::from_secs(30)),
                    max_uses: uses,
                    ..wants(KINDS[kind])
                };
                let asker = Asker {
                    principal: CALLERS[caller],
                };
                let asking =
                    Box::pin(async move { pool.acquire(&requirement, &asker, &Tried::NONE, None).await });
                self.asking.push((CALLERS[caller], uses, asking));
            }
            Step::Try { caller, kind } => {
                let asker = Asker {
                    principal: CALLERS[caller],
                };
                if let Ok(lease) = pool.try_acquire(&wants(KINDS[kind]), &asker, &Tried::NONE) {
                    self.got(CALLERS[caller], None, lease)?;
                }
            }
            Step::Poll(which) if which < self.asking.len() => self.poll(which)?,
            Step::GiveUp(which) if which < self.asking.len() => drop(self.asking.swap_remove(which)),
            Step::Finish { which, outcome } if which < self.held.len() => {
                self.held.swap_remove(which).finish(OUTCOMES[outcome]);
            }
            Step::Lose(which) => {
                if let Some(id) = running(which) {
                    pool.lost(&id, "it died");
                }
            }
            Step::Drain(which) => {
                if let Some(id) = running(which) {
                    let _ = pool.drain(&id);
                }
            }
            Step::Break { kind, how } => {
                let error = match how {
                    0 => Error::instance(ErrorCode::CONNECTION_FAILED, "no engine"),
                    _ => Error::not_found("no image"),
                };
                self.warm.engine.fails(&spec(KINDS[kind]), Some(error));
            }
            Step::Mend(kind) => self.warm.engine.fails(&spec(KINDS[kind]), None),
            Step::StopsFail(count) => self.warm.engine.stops_fail(count),
            Step::Keep(kind) => match self.kept[kind].take() {
                Some(_) => {}
                None => self.kept[kind] = Some(self.warm.keep(KINDS[kind])),
            },
            Step::Bounds { min_idle, max } => pool.set_warm_bounds(min_idle, max),
            Step::Takes { start, stop, reset } => self.warm.engine.takes(|takes| {
                takes.start = Duration::from_millis(start.into());
                takes.stop = Duration::from_millis(stop.into());
                takes.reset = Duration::from_millis(reset.into());
            }),
            Step::Pass(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
            Step::PassLong(tenths) => pass(f64::from(tenths) / 10.0).await,
            Step::Poll(_) | Step::GiveUp(_) | Step::Finish { .. } => {}
        }
        Ok(())
    }

    fn poll(&mut self, which: usize) -> Result<(), TestCaseError> {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = self.asking[which].2.as_mut().poll(&mut context) {
            let (who, uses, _) = self.asking.swap_remove(which);
            if let Ok(lease) = answer {
                self.got(who, uses, lease)?;
            }
        }
        Ok(())
    }

    fn got(&mut self, who: &'static str, limit: Option<u32>, lease: Lease) -> Result<(), TestCaseError> {
        let owner = *self.owners.entry(lease.key()).or_insert(who);
        prop_assert_eq!(owner, who, "a resource was given to somebody else");
        let uses = self.uses.entry(lease.key()).or_default();
        *uses += 1;
        prop_assert_eq!(lease.uses(), *uses);
        prop_assert!(*uses <= limit.unwrap_or(5).min(5), "used {} times", uses);
        self.held.push(lease);
        Ok(())
    }

    /// What must be true at every moment.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut held = HashSet::new();
        prop_assert!(
            self.held.iter().all(|lease| held.insert(lease.key())),
            "held twice"
        );
        prop_assert!(
            self.warm.engine.most() <= MAX as usize,
            "{} at once",
            self.warm.engine.most()
        );
        let status = self.warm.fleet.pool.warm_status().unwrap();
        let shelves: usize = status
            .shelves
            .iter()
            .map(|shelf| shelf.idle + shelf.busy + shelf.starting as usize)
            .sum();
        prop_assert_eq!(
            shelves + status.stopping as usize,
            status.total as usize,
            "{:?}",
            status
        );
        prop_assert_eq!(status.waiting, self.warm.fleet.pool.queue_depth());
        for instance in self.warm.fleet.pool.instances() {
            prop_assert!(instance.in_flight <= 1);
        }
        Ok(())
    }

    /// Everybody goes home: everything is as it was, and everything can still be had.
    async fn end(mut self) -> Result<(), TestCaseError> {
        self.asking.clear();
        self.held.clear();
        for kind in KINDS {
            self.warm.engine.fails(&spec(kind), None);
        }
        self.warm.engine.stops_fail(0);
        self.warm.engine.takes(|takes| *takes = Default::default());
        self.warm.fleet.pool.set_warm_bounds(0, MAX);
        prop_assert_eq!(self.warm.fleet.in_flight(), 0);
        prop_assert_eq!(self.warm.fleet.pool.queue_depth(), 0);
        pass(200.0).await;
        for kind in KINDS {
            let leases: Vec<_> = (0..MAX).map(|_| self.warm.asks("a", wants(kind))).collect();
            for lease in leases {
                let lease = lease.await.unwrap();
                prop_assert!(lease.is_ok(), "a seat was lost: {:?}", lease.unwrap_err());
                std::mem::drop(lease);
            }
            idle().await;
        }
        prop_assert!(self.warm.engine.most() <= MAX as usize);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        self.warm.fleet.pool.shutdown(deadline).await;
        prop_assert_eq!((self.warm.engine.present(), self.warm.total()), (0, 0));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Requests are polled one at a time and dropped at any await, while resources die, and the hub fails.
    #[test]
    fn nothing_is_lost_doubled_or_shared(
        resets in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        crate::pool::tests::chaos::simulated().block_on(async move {
            let mut world = World::new(resets).await;
            for step in steps {
                world.take(step).await?;
                world.check()?;
            }
            world.end().await
        })?;
    }

    /// The same, and then the pool ends in the middle of it.
    #[test]
    fn a_pool_that_ends_leaves_nothing_behind(
        resets in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        crate::pool::tests::chaos::simulated().block_on(async move {
            let mut world = World::new(resets).await;
            for step in steps {
                world.take(step).await?;
            }
            world.warm.engine.stops_fail(0);
            let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
            world.warm.fleet.pool.shutdown(deadline).await;
            prop_assert_eq!(world.warm.engine.present(), 0);
            prop_assert_eq!(world.warm.fleet.ids().len(), 0);
            world.asking.clear();
            world.held.clear();
            idle().await;
            prop_assert_eq!(world.warm.total(), 0);
            Ok(())
        })?;
    }
}
