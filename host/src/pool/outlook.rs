//! The outlook of a request that nobody can serve at this moment: is it worth waiting?
//!
//! It is, if an instance that would do is merely full; or rests, and its rest ends in time; or has an open
//! breaker whose trials begin within [`NEAR`], or trials under way; or has not been looked at for the first
//! time. An instance that is draining, unhealthy, stopped or misconfigured is not waited for, and neither is a
//! breaker that stays open for long: a refusal now, with a reason and a time, is worth more to the caller than the
//! same refusal after a minute.

use std::time::Duration;

use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;

use super::core::Core;
use super::demand::Demand;
use super::gate::Closed;
use super::refusal::{MOST_REASONS, Refusal};
use super::slot::Slot;

/// An open breaker is waited for if its trials begin this soon.
pub(super) const NEAR: Duration = Duration::from_secs(10);

/// Whether a slot that opens by itself at `at` is worth waiting for.
pub(super) fn worth_waiting(slot: &Slot, at: Tick, now: Tick, patience: Duration) -> bool {
    let patience = match slot.gate.read().closed.has(Closed::BREAKER) {
        true => patience.min(NEAR),
        false => patience,
    };
    at <= now.after(patience)
}

/// `None` if waiting until `until` is worth it, else why not.
pub(super) fn hopeless(core: &Core, requirement: &Requirement, until: Tick) -> Option<Refusal> {
    if core.is_closed() {
        return Some(Refusal::Closed);
    }
    let snapshot = core.registry.load();
    let demand = Demand::new(&snapshot, requirement);
    let now = core.clock.now();
    let patience = until.since(now);
    let mut opens: Option<Tick> = None;
    for (slot, _) in demand.suitable() {
        // One that somebody has for himself is as good as a full one: it comes back.
        if slot.gate.read().closed.only(&[Closed::ALLOCATED]) {
            return None;
        }
        if let Some(at) = slot.opens_at(now) {
            if worth_waiting(slot, at, now, patience) {
                return None;
            }
            opens = Some(opens.map_or(at, |other| other.min(at)));
        }
    }
    // What an instance can do is not known before somebody has looked at it.
    if core.is_booting() || demand.described().any(|slot| !slot.looked_at()) {
        return None;
    }
    let reasons = reasons(&demand, now);
    if !reasons.is_empty() || demand.remembered() {
        return Some(Refusal::NoneRoutable {
            reasons,
            retry_after: opens.map(|at| at.since(now)),
        });
    }
    Some(unsuited(&demand, now))
}

fn reasons(demand: &Demand<'_>, now: Tick) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut more = 0;
    for (slot, _) in demand.suitable() {
        match slot.obstacle(now) {
            Some(obstacle) if reasons.len() < MOST_REASONS => {
                reasons.push(format!("{}: {obstacle}", slot.id))
            }
            _ => more += 1,
        }
    }
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    reasons
}

/// No instance has what is asked for: a mistake, unless we have seen no instance at all.
fn unsuited(demand: &Demand<'_>, now: Tick) -> Refusal {
    if demand.nobody_at_all() {
        return Refusal::NoneRoutable {
            reasons: vec!["the hub has no instances".into()],
            retry_after: None,
        };
    }
    let seen = demand.described().any(|slot| slot.condition.lock().known);
    let never_seen: Vec<_> = demand
        .described()
        .filter_map(|slot| Some(format!("{}: {}", slot.id, slot.obstacle(now)?)))
        .take(MOST_REASONS)
        .collect();
    if !seen && !never_seen.is_empty() {
        return Refusal::NoneRoutable {
            reasons: never_seen,
            retry_after: None,
        };
    }
    Refusal::Unknown {
        what: demand.what(),
        capability: demand.missing(),
    }
}
