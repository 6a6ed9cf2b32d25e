//! Optimising: what an operator would notice after a long look at status, and what can be done about it.
//!
//! Each finding says why it is one and what to do. A few have a remedy that harms nobody (asking a sick instance again,
//! starting one more of what the operator listed, stopping what idles beyond what is to be kept ready); those are
//! applied where that is asked for. Nothing here runs by itself.

use plugin_api::Error;
use plugin_api::contract::breaker::BreakerState;
use plugin_api::contract::instance::Residency;
use plugin_api::contract::reference::normalise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{HubEntry, Manager, Who, needs_admin};
use crate::pool::{InstanceStatus, Pool, State};

/// A breaker that opened so often in a row does not heal by itself.
const OPENINGS: u32 = 3;
/// So many failed probes in a row are no passing trouble.
const FAILED_PROBES: u32 = 10;
/// Fewer requests for warm resources than this say nothing about how many should be ready.
const FEW: u64 = 20;

/// Parameters of `manager/optimise`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimiseParams {
    /// Look at this hub only.
    #[serde(default)]
    pub hub: Option<String>,
    /// Do what is safe to do, instead of only saying it. For administrators.
    #[serde(default)]
    pub apply: bool,
}

/// Something that could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which sort: `stuck`, `forgotten`, `hot`, `twice_loaded`, `cold`, `idle`.
    pub kind: &'static str,
    /// The hub.
    pub hub: String,
    /// The instance, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Why it is one, with the numbers.
    pub why: String,
    /// What to do.
    pub advice: String,
    /// What can be done at once without harm.
    #[serde(skip)]
    pub(super) remedy: Option<Remedy>,
}

/// What can be done at once without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Ask this instance how it is, now.
    Probe(String),
    /// Keep so many started.
    Start(usize),
    /// Other bounds for the warm pool: `min_idle` and `max`.
    Warm(u32, u32),
}

impl Manager {
    /// Says what could be better, and with `apply` does what is safe.
    ///
    /// # Errors
    /// There is no such hub, or the key may not apply anything.
    pub fn optimise(&self, params: &OptimiseParams, who: &Who) -> Result<Value, Error> {
        if params.apply && !who.admin {
            return Err(needs_admin("`apply`"));
        }
        let hubs = match &params.hub {
            Some(name) => vec![self.hub(name)?],
            None => self.hubs().as_ref().clone(),
        };
        let mut shown = Vec::new();
        for hub in hubs {
            for finding in findings(&hub) {
                let mut line = json!(finding);
                line["safe"] = json!(finding.remedy.is_some());
                if let (true, Some(remedy)) = (params.apply, &finding.remedy) {
                    line["done"] = match remedy.apply(&hub.pool) {
                        Ok(done) => json!(done),
                        Err(error) => json!(format!("failed: {error}")),
                    };
                }
                shown.push(line);
            }
        }
        Ok(json!({ "applied": params.apply, "findings": shown }))
    }
}

impl Remedy {
    fn apply(&self, pool: &Pool) -> Result<String, Error> {
        match self {
            Remedy::Probe(instance) => {
                pool.probe_now(instance);
                Ok("asked it how it is".to_owned())
            }
            Remedy::Start(count) => {
                pool.set_started(*count, Vec::new())?;
                Ok(format!("{count} are kept started now"))
            }
            Remedy::Warm(min_idle, max) => {
                pool.set_warm_bounds(*min_idle, *max);
                Ok(format!("{min_idle} of each kind are kept ready now"))
            }
        }
    }
}

/// Everything about a hub that could be better.
fn findings(hub: &HubEntry) -> Vec<Finding> {
    let pool = &hub.pool;
    let instances = pool.instances();
    let mut findings: Vec<_> = instances
        .iter()
        .filter_map(|instance| stuck(pool, instance).or_else(|| forgotten(pool, instance)))
        .collect();
    findings.extend(warm(pool));
    // Those who wait for a warm resource have a finding of their own.
    let for_warm = pool.warm_status().map_or(0, |warm| warm.waiting);
    let waiting = pool.queue_depth().saturating_sub(for_warm);
    if waiting > 0 {
        findings.extend(twice_loaded(hub, &instances, waiting));
        findings.extend(hot(pool, &instances, waiting));
    }
    findings
}

/// An instance that does not heal by itself.
fn stuck(pool: &Pool, instance: &InstanceStatus) -> Option<Finding> {
    let breaker = &instance.breaker;
    let open = breaker.state != BreakerState::Closed && breaker.openings >= OPENINGS;
    let why = if open {
        format!("its breaker has opened {} times in a row", breaker.openings)
    } else if instance.failed_probes >= FAILED_PROBES {
        format!("{} probes in a row have failed", instance.failed_probes)
    } else {
        return None;
    };
    let reason = instance.reason.as_deref().unwrap_or("no reason is known");
    Some(Finding {
        kind: "stuck",
        hub: pool.name().to_owned(),
        instance: Some(instance.id.clone()),
        why: format!("{why}: {reason}"),
        advice: "see to it, or take it out of the configuration".to_owned(),
        remedy: Some(Remedy::Probe(instance.id.clone())),
    })
}

/// An instance that somebody drained, and that has nothing to do since.
fn forgotten(pool: &Pool, instance: &InstanceStatus) -> Option<Finding> {
    let forgotten = instance.state == State::Draining && instance.drained;
    forgotten.then(|| Finding {
        kind: "forgotten",
        hub: pool.name().to_owned(),
        instance: Some(instance.id.clone()),
        why: "it is drained, and nothing is in flight any more".to_owned(),
        advice: format!("`gleitzeit instances resume {}`, or take it away", instance.id),
        remedy: None,
    })
}

fn usable(instance: &InstanceStatus) -> bool {
    matches!(instance.state, State::Healthy | State::Degraded)
}

/// Requests wait, and nobody who could serve them has a place left.
fn hot(pool: &Pool, instances: &[InstanceStatus], waiting: usize) -> Option<Finding> {
    let able: Vec<_> = instances.iter().filter(|instance| usable(instance)).collect();
    if able.iter().any(|instance| instance.routable) {
        return None;
    }
    let (started, startable) = (pool.started(), pool.startable());
    let (advice, remedy) = match started < startable {
        true => (
            format!("start one more: {started} of {startable} entries of `start` are kept started"),
            Some(Remedy::Start(started + 1)),
        ),
        false => ("raise `max_concurrent`, or add an instance".to_owned(), None),
    };
    Some(Finding {
        kind: "hot",
        hub: pool.name().to_owned(),
        instance: None,
        why: format!(
            "{waiting} requests wait, and none of {} usable instances has a place left",
            able.len()
        ),
        advice,
        remedy,
    })
}

/// An idle instance holds in memory what another holds as well, while requests wait.
fn twice_loaded(hub: &HubEntry, instances: &[InstanceStatus], waiting: usize) -> Vec<Finding> {
    let unloads = hub.driver.manifest().verbs.contains_key("unload");
    let advice = |name: &str, instance: &str| match unloads {
        true => format!("`gleitzeit hub {} unload {name} --instance {instance}`", hub.name),
        false => "unload it there, so that what is waited for fits".to_owned(),
    };
    let loaded = |instance: &InstanceStatus, name: &str| {
        let mut capabilities = instance.capabilities.iter();
        capabilities.any(|known| known.residency == Residency::Loaded && normalise(&known.name) == name)
    };
    let idle = instances
        .iter()
        .filter(|instance| instance.in_flight == 0 && instance.routable);
    idle.flat_map(|instance| {
        let held = instance
            .capabilities
            .iter()
            .filter(|known| known.residency == Residency::Loaded);
        held.filter_map(move |capability| {
            let name = normalise(&capability.name);
            let other = instances
                .iter()
                .find(|other| other.id != instance.id && usable(other) && loaded(other, &name))?;
            Some(Finding {
                kind: "twice_loaded",
                hub: hub.name.clone(),
                instance: Some(instance.id.clone()),
                why: format!(
                    "it is idle with `{name}` in memory, which `{}` has there too, while {waiting} requests wait",
                    other.id
                ),
                advice: advice(&name, &instance.id),
                remedy: None,
            })
        })
    })
    .collect()
}

/// A warm pool that keeps too few ready, or too many.
fn warm(pool: &Pool) -> Option<Finding> {
    let warm = pool.warm_status()?;
    let asked = warm.hits + warm.misses;
    let ready: usize = warm.shelves.iter().map(|shelf| shelf.unused).sum();
    let busy: usize = warm.shelves.iter().map(|shelf| shelf.busy).sum();
    let kinds = u32::try_from(warm.shelves.len()).unwrap_or(u32::MAX).max(1);
    let finding = |kind, why, advice, remedy| {
        Some(Finding {
            kind,
            hub: pool.name().to_owned(),
            instance: None,
            why,
            advice,
            remedy,
        })
    };
    if warm.waiting > 0 && warm.total >= warm.max {
        let why = format!(
            "{} requests wait for one of {} resources, and no more may be started",
            warm.waiting, warm.max
        );
        let advice = format!(
            "`gleitzeit scale {} --max …`, as far as the machine goes",
            pool.name()
        );
        return finding("hot", why, advice, None);
    }
    let more = warm.min_idle.saturating_add(1);
    if asked >= FEW && warm.misses * 5 > asked && more.saturating_mul(kinds) <= warm.max {
        let why = format!("{} of {asked} requests had to wait for a start", warm.misses);
        let advice = format!("keep {more} of each kind ready instead of {}", warm.min_idle);
        return finding("cold", why, advice, Some(Remedy::Warm(more, warm.max)));
    }
    let quiet = asked >= FEW && warm.misses * 100 < asked && busy == 0 && warm.waiting == 0;
    if quiet && warm.min_idle > 1 && ready > 1 {
        let fewer = warm.min_idle - 1;
        let why = format!(
            "{ready} resources are ready and nobody uses one; {} of {asked} requests had to wait",
            warm.misses
        );
        let advice = format!("keep {fewer} of each kind ready instead of {}", warm.min_idle);
        return finding("idle", why, advice, Some(Remedy::Warm(fewer, warm.max)));
    }
    None
}
