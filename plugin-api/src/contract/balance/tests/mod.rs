//! Tests of the balancer: a fleet that can be shaped by hand, and what each strategy makes of it.

mod affinity;
mod change;
mod distribution;
mod hashing;
mod properties;
mod rules;

use super::*;

/// One instance of a fleet.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) view: View,
    pub(super) member: Member,
    pub(super) eligible: bool,
    pub(super) taken: u32,
}

/// A fleet that chooses, counts and is shaped by hand.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) instances: Vec<Instance>,
    roster: Roster,
    turn: u64,
}

impl Fleet {
    /// Equal, idle, healthy instances that take any number of requests.
    pub(super) fn of(size: usize) -> Self {
        Self::with(size, |_, _| {})
    }

    pub(super) fn with(size: usize, mut shape: impl FnMut(usize, &mut Instance)) -> Self {
        let instances = (0..size)
            .map(|place| {
                let mut instance = Instance {
                    view: View::default(),
                    member: Member {
                        id_hash: key_hash(format!("gpu{place}:11434")),
                        ..Member::default()
                    },
                    eligible: true,
                    taken: 0,
                };
                shape(place, &mut instance);
                instance.member.reach = instance.view.reach;
                instance
            })
            .collect();
        Self::from(instances)
    }

    pub(super) fn from(instances: Vec<Instance>) -> Self {
        Self {
            roster: Roster::new(instances.iter().map(|instance| instance.member)),
            instances,
            turn: 1,
        }
    }

    pub(super) fn ask(&mut self, strategy: Strategy, affinity: Option<u64>, waiting: u32) -> Choice {
        self.turn += 1;
        let instances = &self.instances;
        let candidates = |place: usize| instances[place].eligible.then(|| instances[place].view);
        let ask = Ask {
            affinity,
            waiting,
            turn: self.turn,
        };
        choose(strategy, &self.roster, &candidates, &ask)
    }

    pub(super) fn choose(&mut self, strategy: Strategy) -> Choice {
        self.ask(strategy, None, 0)
    }

    /// Chooses and counts the request in; it stays in flight until [`release`](Self::release).
    pub(super) fn lease(&mut self, strategy: Strategy, affinity: Option<u64>) -> usize {
        let Choice::Take(place) = self.ask(strategy, affinity, 0) else {
            panic!("{strategy:?} took nobody");
        };
        let instance = &mut self.instances[place];
        instance.view.in_flight += 1;
        instance.view.last_turn = self.turn;
        instance.taken += 1;
        place
    }

    pub(super) fn release(&mut self, place: usize) {
        self.instances[place].view.in_flight -= 1;
    }

    /// A request that is answered before the next one comes.
    pub(super) fn request(&mut self, strategy: Strategy) -> usize {
        let place = self.lease(strategy, None);
        self.release(place);
        place
    }

    /// How often each was taken.
    pub(super) fn taken(&self) -> Vec<u32> {
        self.instances.iter().map(|instance| instance.taken).collect()
    }

    pub(super) fn forget(&mut self) {
        self.instances.iter_mut().for_each(|instance| instance.taken = 0);
    }
}

/// The distance of counts from what was expected, relative to what chance allows: the chi-square statistic,
/// less its mean, in standard deviations. Four is once in tens of thousands; the turns are fixed, so it is
/// never by bad luck.
pub(super) fn surprise(counts: &[u32], expected: impl Fn(usize) -> f64) -> f64 {
    let square: f64 = counts
        .iter()
        .enumerate()
        .map(|(place, &count)| (f64::from(count) - expected(place)).powi(2) / expected(place))
        .sum();
    let freedom = counts.len() as f64 - 1.0;
    (square - freedom) / (2.0 * freedom).sqrt()
}
