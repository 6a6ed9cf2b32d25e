use std::collections::BTreeMap;

use plugin_api::contract::balance::Reach;
use plugin_api::contract::instance::{Capability, Residency};

use super::Holders;
use crate::pool::bits::Bits;

fn capability(residency: Residency, features: &[&str], num_ctx: Option<i64>) -> Capability {
    Capability {
        name: "m".into(),
        residency,
        features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        loaded_as: num_ctx
            .into_iter()
            .map(|size| ("num_ctx".to_owned(), size))
            .collect(),
        ..Capability::default()
    }
}

fn wish(num_ctx: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([("num_ctx".to_owned(), num_ctx)])
}

fn listed(bits: &Bits) -> Vec<usize> {
    bits.iter().collect()
}

#[test]
fn what_is_loaded_is_nearer_than_what_is_stored_and_that_than_what_is_absent() {
    let mut holders = Holders::default();
    holders.put(1, &capability(Residency::Loaded, &[], Some(4096)));
    holders.put(2, &capability(Residency::Stored, &[], None));
    let reaches = [1, 2, 3].map(|place| holders.reach(place, &BTreeMap::new()));
    assert_eq!(reaches, [Reach::Ready, Reach::Stored, Reach::Absent]);
    assert!(holders.has(2) && !holders.has(3));
}

#[test]
fn a_preparation_under_way_attracts_others_without_counting_as_loaded() {
    let mut holders = Holders::default();
    holders.put(1, &capability(Residency::Stored, &[], None));
    holders.prepare(1, true);
    holders.prepare(2, true);
    assert_eq!(holders.reach(1, &BTreeMap::new()), Reach::Ready, "being loaded");
    assert_eq!(holders.reach(2, &BTreeMap::new()), Reach::Stored, "being fetched");
    assert!(!holders.loaded(1) && !holders.loaded(2));
    holders.remove(1);
    holders.prepare(1, false);
    holders.prepare(2, false);
    assert!(holders.is_empty());
}

#[test]
fn a_shape_serves_a_wish_that_does_not_contradict_it() {
    let mut holders = Holders::default();
    holders.put(1, &capability(Residency::Loaded, &[], Some(4096)));
    holders.put(2, &capability(Residency::Loaded, &[], None));
    assert_eq!(holders.reach(1, &wish(4096)), Reach::Ready);
    assert_eq!(holders.reach(1, &wish(8192)), Reach::Loaded);
    assert_eq!(
        holders.reach(2, &wish(8192)),
        Reach::Ready,
        "an unknown shape contradicts nothing"
    );
}

#[test]
fn an_instance_that_lists_no_features_passes_for_any() {
    let mut holders = Holders::default();
    holders.put(1, &capability(Residency::Stored, &["vision"], None));
    holders.put(2, &capability(Residency::Stored, &[], None));
    holders.put(3, &capability(Residency::Stored, &["tools"], None));
    assert_eq!(listed(holders.with_feature("vision")), [1, 2]);
    assert_eq!(listed(holders.with_feature("tools")), [2, 3]);
    assert_eq!(listed(holders.with_feature("embedding")), [2]);
}

#[test]
fn what_was_put_is_taken_away_without_a_trace() {
    let mut holders = Holders::default();
    holders.put(1, &capability(Residency::Loaded, &["vision"], Some(1)));
    holders.put(1, &capability(Residency::Stored, &[], None));
    assert!(!holders.loaded(1));
    holders.remove(1);
    assert!(holders.is_empty() && holders.with_feature("vision").is_empty());
    assert!(holders.shapes.is_empty() && holders.features.is_empty());
}
