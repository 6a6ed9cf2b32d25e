//! Picking an instance for a request, now, without waiting.

use std::sync::Arc;

use plugin_api::contract::balance::{Ask, Choice, Reach, choose, key_hash};
use plugin_api::contract::requirement::{Requirement, Strategy};
use plugin_api::contract::time::Tick;

use super::core::Core;
use super::demand::{Demand, Presence};
use super::lease::{Errand, Lease, Preparation};
use super::outlook;
use super::slot::Slot;
use super::tried::Tried;

/// Losing a race for the last place of an instance means that somebody else got it. After so many in a row the
/// request had better queue.
const RACES: usize = 32;

/// What came of looking for an instance.
#[derive(Debug)]
pub(super) enum Picked {
    /// It is held.
    Lease(Lease),
    /// Whoever should serve it is full.
    Busy,
    /// Nobody can serve it now.
    Nobody,
}

/// Picks an instance and holds it. `waiting` requests wait for the same already.
///
/// Takes no lock and allocates nothing unless something is amiss; may be called under the queue's lock, so what
/// is to be published stays in the lease until that is let go.
pub(super) fn pick(core: &Arc<Core>, requirement: &Requirement, tried: &Tried, waiting: u32) -> Picked {
    let snapshot = core.registry.load();
    let demand = Demand::new(&snapshot, requirement);
    let group = demand.group();
    if group.is_empty() {
        return Picked::Nobody;
    }
    let now = core.clock.now();
    let strategy = requirement.strategy.unwrap_or(core.settings.strategy);
    let affinity = requirement.affinity.as_ref().map(key_hash);
    let latency = matches!(strategy, Strategy::LatencyBased | Strategy::Adaptive);
    let mut avoid = !tried.is_empty();
    let mut reopened = false;
    for _ in 0..RACES {
        let candidates = |index: usize| {
            let slot = &group.slots()[index];
            if avoid && tried.contains(slot.key) {
                return None;
            }
            slot.view(demand.reach(slot)?, latency, now)
        };
        let turn = core.turn();
        match choose(
            strategy,
            group.roster(),
            &candidates,
            &Ask {
                affinity,
                waiting,
                turn,
            },
        ) {
            Choice::Take(index) => {
                let slot = &group.slots()[index];
                if must_not_fetch(core, &demand, slot, now) {
                    return Picked::Busy;
                }
                if let Some(lease) = hold(core, &demand, slot, turn, now) {
                    return Picked::Lease(lease);
                }
            }
            Choice::Wait => return Picked::Busy,
            // Better the instance that failed this request before than none.
            Choice::Nothing if avoid => avoid = false,
            // The alarm may be late; nobody should be refused for that.
            Choice::Nothing if !reopened => {
                reopened = true;
                if !reopen(&demand, now) {
                    return Picked::Nobody;
                }
            }
            Choice::Nothing => return Picked::Nobody,
        }
    }
    Picked::Busy
}

/// Nothing is fetched (a model pulled) while an instance that has it is only resting: it will be back long before
/// the fetch is over. One that is declared dead is not waited for.
fn must_not_fetch(core: &Core, demand: &Demand<'_>, chosen: &Slot, now: Tick) -> bool {
    demand.reach(chosen) == Some(Reach::Absent)
        && demand.suitable().any(|(slot, reach)| {
            reach != Reach::Absent
                && slot
                    .opens_at(now)
                    .is_some_and(|at| outlook::worth_waiting(slot, at, now, core.patience()))
        })
}

fn reopen(demand: &Demand<'_>, now: Tick) -> bool {
    // Every one of them is looked at: `any` would stop at the first.
    demand.suitable().filter(|(slot, _)| slot.reopen(now)).count() > 0
}

fn hold(core: &Arc<Core>, demand: &Demand<'_>, slot: &Arc<Slot>, turn: u64, now: Tick) -> Option<Lease> {
    let (permit, transition) = slot.enter(turn, now)?;
    let losses = slot.losses();
    let errand = demand.shared_name().map(|name| {
        let presence = demand.presence(slot);
        Errand {
            preparation: preparation(core, presence),
            brings: (presence != Presence::Ready).then(|| demand.requirement.prefer.clone()),
            name,
        }
    });
    Some(Lease::new(
        core.clone(),
        slot.clone(),
        permit,
        transition,
        errand,
        losses,
        now,
    ))
}

fn preparation(core: &Core, presence: Presence) -> Option<Preparation> {
    let prepares = core.driver.manifest().prepares;
    match presence {
        Presence::Ready | Presence::Loaded => None,
        Presence::Stored => prepares.stored.then_some(Preparation::Stored),
        Presence::Absent => prepares.absent.then_some(Preparation::Absent),
    }
}
