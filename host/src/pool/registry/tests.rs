use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::balance::Reach;
use plugin_api::contract::breaker::BreakerPolicy;
use plugin_api::contract::health::HealthPolicy;
use plugin_api::contract::instance::ResourceInstance;
use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;

use super::Registry;
use crate::pool::alarm::Alarm;
use crate::pool::demand::Demand;
use crate::pool::slot::{Phase, Policies, Slot};
use crate::pool::testing::{capability, needs, served};

const START: Tick = Tick::START;

fn registry(fetching: bool) -> Registry {
    let policies = Policies {
        breaker: BreakerPolicy::default(),
        health: HealthPolicy::default(),
    };
    Registry::new(policies, None, fetching, Arc::new(Alarm::default()))
}

fn add(registry: &Registry, ids: impl IntoIterator<Item = String>) -> Vec<Arc<Slot>> {
    registry.register(ids.into_iter().map(|id| (served(&id), Phase::Serving)), START)
}

fn named(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Who may be chosen, in principle.
fn suitable(registry: &Registry, requirement: &Requirement) -> Vec<String> {
    let snapshot = registry.load();
    Demand::new(&snapshot, requirement)
        .suitable()
        .map(|(slot, _)| slot.id.to_string())
        .collect()
}

fn has(registry: &Registry, slot: &Arc<Slot>, models: &[&str], now: Tick) {
    let seen = slot.notes.lock().look();
    registry.found(
        slot,
        models.iter().map(|model| capability(model)).collect(),
        seen,
        now,
    );
}

#[test]
fn instances_are_listed_in_the_order_of_registration() {
    let registry = registry(false);
    add(&registry, named(&["c", "a"]));
    let b = add(&registry, named(&["b", "a"]));
    assert_eq!(b.len(), 1, "a is known already");
    assert_eq!(suitable(&registry, &needs("")), ["c", "a", "b"]);
    registry.unregister(&[registry.find("c").unwrap()], START);
    add(&registry, named(&["d"]));
    assert_eq!(
        suitable(&registry, &needs("")),
        ["a", "b", "d"],
        "in the place of c, but not in its rank"
    );
}

#[test]
fn what_an_instance_can_do_is_found_under_every_spelling() {
    let registry = registry(false);
    let slots = add(&registry, named(&["a", "b"]));
    has(&registry, &slots[1], &["Library/Big:7B"], START);
    assert_eq!(suitable(&registry, &needs("big:7b")), ["b"]);
    has(&registry, &slots[1], &[], START);
    assert!(suitable(&registry, &needs("big:7b")).is_empty());
}

#[test]
fn a_new_description_replaces_labels_and_keeps_what_was_found() {
    let registry = registry(false);
    let slots = add(&registry, named(&["a"]));
    has(&registry, &slots[0], &["m"], START);
    let mut described: ResourceInstance = served("a");
    described.tags.insert("gpu".into());
    described.max_concurrent = Some(3);
    registry.describe(&slots[0], described, START);
    let demand = Requirement {
        tags: ["gpu".to_owned()].into(),
        ..needs("m")
    };
    assert_eq!(suitable(&registry, &demand), ["a"]);
    assert_eq!(slots[0].gate.read().limit, 3);
}

#[test]
fn the_place_of_one_that_is_gone_carries_nothing_over() {
    let registry = registry(false);
    let slots = add(&registry, named(&["a", "b"]));
    has(&registry, &slots[0], &["*m"], START);
    registry.unregister(&slots[..1], START);
    let new = add(&registry, named(&["c"]));
    assert_eq!(new[0].place, slots[0].place);
    assert!(suitable(&registry, &needs("m")).is_empty());
    // News of the old one comes late.
    has(&registry, &slots[0], &["m"], START);
    registry.prepare(&slots[0], "m", true, START);
    assert!(suitable(&registry, &needs("m")).is_empty());
}

#[test]
fn where_fetching_is_allowed_everybody_may_be_chosen_for_anything() {
    let registry = registry(true);
    let slots = add(&registry, named(&["a", "b"]));
    has(&registry, &slots[0], &["m"], START);
    add(&registry, named(&["c"]));
    let snapshot = registry.load();
    let requirement = needs("m");
    let reaches: BTreeMap<_, _> = Demand::new(&snapshot, &requirement)
        .suitable()
        .map(|(slot, reach)| (slot.id.to_string(), reach))
        .collect();
    assert_eq!(reaches["a"], Reach::Stored);
    assert_eq!((reaches["b"], reaches["c"]), (Reach::Absent, Reach::Absent));
    assert_eq!(suitable(&registry, &needs("n")).len(), 3);
}

#[test]
fn a_long_list_is_not_made_anew_with_every_change_but_before_long() {
    let registry = registry(false);
    let slots = add(&registry, (0..400).map(|number| format!("i{number}")));
    for slot in &slots {
        has(&registry, slot, &["m"], START);
    }
    assert!(suitable(&registry, &needs("m")).len() < 400);
    registry.tidy(START.after(Duration::from_secs(1)));
    assert_eq!(suitable(&registry, &needs("m")).len(), 400);
    // Who no longer has it is not chosen, listed or not.
    has(&registry, &slots[7], &[], START.after(Duration::from_secs(1)));
    assert_eq!(suitable(&registry, &needs("m")).len(), 399);
}
