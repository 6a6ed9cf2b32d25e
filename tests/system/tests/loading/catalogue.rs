//! The list of all plugin files, which inspection, checks and status share.

use gleitzeit::plugin::{Catalogue, State};
use system::plugins::{matrix, plugin};

use crate::elf::Elf;
use crate::yard::{Yard, assert_line};

#[test]
fn of_two_files_with_one_id_the_second_is_refused_and_both_are_named() {
    let yard = Yard::new();
    let good = Elf::of(&plugin("zoo-good"));
    let first = yard.drop_in("a.so", &good.0);
    let second = yard.drop_in("b.so", &good.edit_manifest("0.1.0", "0.2.0").0);
    let catalogue = yard.scan();
    assert_eq!(catalogue.get("zoo-good").unwrap().verified().path(), first);
    let refusals = catalogue.refusals();
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].path, second);
    assert_line(
        &refusals[0],
        &format!(
            "FILE: id `zoo-good` is already that of {}; remove one of the two",
            first.display()
        ),
    );
}

#[test]
fn directories_are_looked_into_in_the_order_they_are_named() {
    let (one, two) = (Yard::new(), Yard::new());
    let good = Elf::of(&plugin("zoo-good"));
    one.drop_in("z.so", &good.0);
    let first = two.drop_in("a.so", &good.0);
    let catalogue = Catalogue::scan(&[two.plugins(), one.plugins()]);
    assert_eq!(catalogue.get("zoo-good").unwrap().verified().path(), first);
}

#[test]
fn a_file_reached_twice_is_one_plugin() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-good")).0);
    std::os::unix::fs::symlink(path, yard.plugins().join("b.so")).unwrap();
    let catalogue = Catalogue::scan(&[yard.plugins(), yard.plugins()]);
    assert_eq!(catalogue.refusals(), []);
    assert_eq!(catalogue.entries().count(), 1);
}

#[test]
fn the_good_are_listed_beside_the_refused() {
    let yard = Yard::new();
    yard.drop_in("good.so", &Elf::of(&plugin("zoo-good")).0);
    yard.drop_in("matrix.so", &Elf::of(&matrix("current")).0);
    yard.drop_in("bad.so", b"just some words\n");
    let catalogue = yard.scan();
    let listing = catalogue.listing();
    let rows: Vec<_> = listing
        .iter()
        .map(|row| (row.id.as_deref(), row.state, row.reason.is_some()))
        .collect();
    assert_eq!(
        rows,
        [
            (Some("matrix-current"), State::Verified, false),
            (Some("zoo-good"), State::Verified, false),
            (None, State::Rejected, true),
        ]
    );
    assert_eq!(listing[1].provides.as_deref(), Some("echo-server"));
    assert_eq!(listing[1].protocol.as_deref(), Some("echo/v1"));
    assert_eq!(catalogue.manifests().len(), 2);
}

#[tokio::test]
async fn the_listing_shows_how_far_a_plugin_came() {
    let yard = Yard::new();
    yard.drop_in("good.so", &Elf::of(&plugin("zoo-good")).0);
    yard.drop_in("undefined.so", &Elf::of(&plugin("zoo-undefined")).0);
    let catalogue = yard.scan();
    let loader = yard.loader();
    let library = loader.load(catalogue.get("zoo-good").unwrap()).await.unwrap();
    loader
        .load(catalogue.get("zoo-undefined").unwrap())
        .await
        .unwrap_err();
    let listing = catalogue.listing();
    assert_eq!(listing[0].state, State::Loaded);
    assert_eq!(listing[0].hash, Some(library.hash()));
    assert_eq!(listing[1].state, State::Rejected);
    let reason = catalogue.refusal_of("zoo-undefined").unwrap().to_string();
    assert_eq!(listing[1].reason.as_deref(), Some(reason.as_str()));
}
