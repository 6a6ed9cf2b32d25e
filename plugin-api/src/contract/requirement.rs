//! Requirements: what a request needs of an instance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a request needs of an instance. Everything but `prefer`, `affinity` and `strategy` is hard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// A capability it must hold, normalised. `None` takes any instance.
    pub capability: Option<String>,
    /// Features that capability must have, such as `vision`. An instance that lists no features passes.
    pub features: BTreeSet<String>,
    /// Wire dialects the request can be sent in: the instance must speak one. Empty takes any.
    pub dialects: Vec<String>,
    /// Tags it must carry, all of them.
    pub tags: BTreeSet<String>,
    /// How the capability should be loaded, such as `{"num_ctx": 8192}`: an instance that has it loaded so
    /// comes first, because any other would have to load it again.
    pub prefer: BTreeMap<String, i64>,
    /// Handed to [`Hub::prepare`](crate::hub::Hub::prepare) where the capability has to be loaded first.
    pub prepare: Option<Value>,
    /// Requests with equal keys go to the same instance under `hash_based`, and break ties elsewhere.
    pub affinity: Option<String>,
    /// The strategy for this request, where it is not the hub's own.
    pub strategy: Option<Strategy>,
    /// Its class in the queue.
    pub priority: Priority,
    /// How long it may wait in the queue; `None` takes the hub's own limit.
    pub queue_timeout: Option<Duration>,
    /// Only this instance will do (administration, not load balancing).
    pub instance: Option<String>,
    /// Only the hub in this role will do: the one the operator bound to it, else the first bound hub of the kind that
    /// the provider's manifest gives the role.
    pub role: Option<String>,
    /// The resource to be had from the hub's warm pool: one that was started by exactly this specification, which is
    /// [`Hub::start`](crate::hub::Hub::start)'s. It is used by nobody else meanwhile, and by no other caller ever.
    /// Everything above but `role`, `priority` and `queue_timeout` is without effect then.
    pub specification: Option<Value>,
    /// How often a resource of the warm pool may be used, this time included, before it is thrown away; the smaller of
    /// this and the hub's own limit counts.
    pub max_uses: Option<u32>,
    /// What it asks for is administration (taking a model out of memory that others use), so the host refuses it where
    /// keys are configured and the caller's is not an administrator's.
    pub admin: bool,
}

/// A class in the queue. Ordered: later goes first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Work that can wait, such as batches.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Somebody is waiting.
    High,
    /// Before everything else.
    Urgent,
}

/// How an instance is chosen among the eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One after the other, fairly even when the eligible set changes.
    RoundRobin,
    /// The fewest requests in flight, relative to capacity.
    #[default]
    LeastLoaded,
    /// Uniformly at random.
    Random,
    /// Loaded now before only stored; then least loaded.
    ModelAffinity,
    /// The lowest peak-EWMA latency times load; newcomers get their chance.
    LatencyBased,
    /// At random in proportion to weight.
    Weighted,
    /// Rendezvous hashing of the affinity key with bounded load.
    HashBased,
    /// The highest tier first, least loaded within it.
    PriorityBased,
    /// A score of load, latency and error rate.
    Adaptive,
    /// The first in the configured order.
    FirstAvailable,
}

impl Priority {
    /// All, lowest first, with their names in config and requests.
    pub const ALL: [(Priority, &'static str); 4] = [
        (Priority::Low, "low"),
        (Priority::Normal, "normal"),
        (Priority::High, "high"),
        (Priority::Urgent, "urgent"),
    ];
}

impl Strategy {
    /// All, with their names in config and requests.
    pub const ALL: [(Strategy, &'static str); 10] = [
        (Strategy::RoundRobin, "round_robin"),
        (Strategy::LeastLoaded, "least_loaded"),
        (Strategy::Random, "random"),
        (Strategy::ModelAffinity, "model_affinity"),
        (Strategy::LatencyBased, "latency_based"),
        (Strategy::Weighted, "weighted"),
        (Strategy::HashBased, "hash_based"),
        (Strategy::PriorityBased, "priority_based"),
        (Strategy::Adaptive, "adaptive"),
        (Strategy::FirstAvailable, "first_available"),
    ];
}

macro_rules! by_name {
    ($type:ty, $what:literal) => {
        impl $type {
            /// Its name in config and requests.
            pub fn name(self) -> &'static str {
                Self::ALL
                    .iter()
                    .find(|(value, _)| *value == self)
                    .map_or("", |(_, name)| name)
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::Error;

            /// # Errors
            /// An unknown name; the message lists the known ones.
            fn from_str(text: &str) -> Result<Self, crate::Error> {
                Self::ALL
                    .iter()
                    .find(|(_, name)| *name == text)
                    .map(|(value, _)| *value)
                    .ok_or_else(|| {
                        let known: Vec<_> = Self::ALL.iter().map(|(_, name)| *name).collect();
                        crate::Error::invalid(format!(
                            "`{text}` is not a {}; known are {}",
                            $what,
                            known.join(", ")
                        ))
                    })
            }
        }
    };
}

by_name!(Priority, "priority");
by_name!(Strategy, "strategy");
