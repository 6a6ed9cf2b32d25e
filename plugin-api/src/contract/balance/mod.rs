//! Balancing: which of the eligible instances gets a request. One pure function, [`choose`], for all ten
//! strategies, so that every hub spreads its load by the same rules.
//!
//! # Who is asked
//!
//! A [`Roster`] lists the candidates of one kind of request (everything a hub has, or everything that has one
//! model) and what does not change about them; the engine builds a new one when the list changes.
//! [`Candidates::get`] tells how a candidate is at this moment, or `None` if it must not be used: breaker
//! open, unhealthy, draining, wrong tags, tried already. Such a candidate enters no sum, no mean and no modulo.
//! A candidate that is merely full is told as it is; the balancer leaves it out itself, and so knows
//! [`Choice::Wait`] (somebody will have room) from [`Choice::Nothing`] (nobody could).
//!
//! # Classes
//!
//! Whatever the strategy, healthy candidates come before degraded ones, and those that have what is asked for
//! before those that would have to fetch it ([`Reach::Absent`]). Nothing is fetched because those that have it
//! are full: then the answer is to wait.
//!
//! # Strategies
//!
//! | strategy | rule |
//! | --- | --- |
//! | `round_robin` | the one not used for longest |
//! | `least_loaded` | the lowest (in flight + 1) / capacity, worsened by recent errors |
//! | `random` | uniform |
//! | `weighted` | at random in proportion to weight |
//! | `latency_based` | the lowest peak-EWMA latency × (in flight + 1), worsened by recent errors; one that has no sample gets one request at a time until it has |
//! | `priority_based` | the highest tier with room; least loaded within it |
//! | `hash_based` | rendezvous hashing of the affinity key, with loads bounded at 1.25 × the mean; no key: least loaded |
//! | `model_affinity` | loaded as wished, loaded otherwise, stored, absent; least loaded among equals; see [`affinity`] |
//! | `adaptive` | 0.4 load + 0.3 latency + 0.3 errors, worsened by recent errors |
//! | `first_available` | the configured order |
//!
//! *Worsened by recent errors* is division by the share of recent requests that succeeded, that is,
//! multiplication with the number of tries a request would need. A candidate that fails at once is never
//! busy; without this it would look idle and get everything.
//!
//! Ties go to the affinity key's favourite where the request has a key, else to the one not used for longest.
//! (Of several large tiers under `priority_based`, to the favourite of those that were drawn.)
//!
//! # Cost
//!
//! Nothing is allocated and nothing is locked. Up to [`EXACT`] candidates are all looked at. Of more, the
//! scored strategies draw some at random and take the best: [`SAMPLE`] where load decides,
//! [`LARGE_SAMPLE`] where latency does, and up to [`EXACT`] while none of them is idle. With d choices the fullest
//! of n is about ln ln n / ln d above the mean (Mitzenmacher 2001), so in a fleet with idle instances four leave
//! little to gain; in a busy one a request lasts seconds, and a few more nanoseconds to spare it a queue
//! are well spent. If the draw finds none, the walk goes on until it has seen every candidate once, so that
//! somebody is chosen if anybody is eligible. A healthy one is looked for among [`EXACT`] candidates before a
//! degraded one is taken.

pub mod affinity;
mod hash;
mod lot;
mod memo;
mod roster;
mod score;
mod survey;
mod view;

pub use hash::key_hash;
pub use roster::{Member, Roster};
pub use survey::{EXACT, LARGE_SAMPLE, SAMPLE};
pub use view::{NOMINAL_CAPACITY, Reach, View};

use super::requirement::Strategy;
use score::Tie;

/// How a candidate is at this moment.
///
/// Implemented by closures `Fn(usize) -> Option<View>`. Called a handful of times for each choice, several times
/// for the same index where a strategy needs two passes, so it should be a few loads.
pub trait Candidates {
    /// The candidate at this place of the roster, or `None` if it is not eligible.
    fn get(&self, index: usize) -> Option<View>;
}

impl<F: Fn(usize) -> Option<View>> Candidates for F {
    #[inline]
    fn get(&self, index: usize) -> Option<View> {
        self(index)
    }
}

/// What the balancer knows of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// [`key_hash`] of the affinity key.
    pub affinity: Option<u64>,
    /// Requests that wait in the queue for the same thing; decides when `model_affinity` spills over.
    pub waiting: u32,
    /// A number drawn from a counter of the hub, one up with each choice. It is stored as
    /// [`View::last_turn`] of the candidate that is taken, and all randomness is derived from it, so that a
    /// choice is a function of its arguments. One counter for all rosters of a hub, living longer than any
    /// of them, or turns start anew whenever the list changes.
    pub turn: u64,
}

/// What the balancer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The candidate at this place of the roster.
    Take(usize),
    /// Those that should serve it are full: queue for them.
    Wait,
    /// No candidate is eligible, full ones included.
    Nothing,
}

/// Chooses a candidate. See the [module](self) for the rules.
///
/// The choice is a hint until the caller has counted the request in: between looking and taking, another
/// thread may have filled the candidate. The caller then chooses again.
#[inline]
pub fn choose(strategy: Strategy, roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    match strategy {
        Strategy::RoundRobin => score::longest_unused(roster, candidates, ask),
        Strategy::LeastLoaded => score::least_loaded(roster, candidates, ask, Tie::Affinity),
        Strategy::LatencyBased => score::quickest(roster, candidates, ask),
        Strategy::Adaptive => score::adaptive(roster, candidates, ask),
        Strategy::PriorityBased => score::tiered(roster, candidates, ask),
        Strategy::Random => lot::uniform(roster, candidates, ask),
        Strategy::Weighted => lot::weighted(roster, candidates, ask),
        Strategy::FirstAvailable => lot::first(roster, candidates),
        Strategy::ModelAffinity => affinity::choose(roster, candidates, ask),
        Strategy::HashBased => match ask.affinity {
            Some(key) => hash::choose(roster, candidates, ask, key),
            None => score::least_loaded(roster, candidates, ask, Tie::LongestUnused),
        },
    }
}

#[cfg(test)]
mod tests;
