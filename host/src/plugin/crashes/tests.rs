use std::fs;

use tempfile::TempDir;

use super::{Crashes, Reason};
use crate::plugin::hash::{ContentHash, copy_hashed};

fn build(content: &str) -> ContentHash {
    copy_hashed(&mut content.as_bytes(), &mut std::io::sink())
        .unwrap()
        .0
}

/// A host that dies while it starts this.
fn crash(state: &TempDir, component: Option<&str>, hash: ContentHash) {
    let guard = Crashes::new(state.path()).starting("p", component, hash).unwrap();
    std::mem::forget(guard);
}

fn crashes_before(state: &TempDir, component: Option<&str>, hash: ContentHash) -> u32 {
    match Crashes::new(state.path()).starting("p", component, hash) {
        Ok(_) => 0,
        Err(Reason::Quarantined { crashes, .. }) => crashes,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_came_back_leaves_nothing_behind() {
    let state = TempDir::new().unwrap();
    drop(
        Crashes::new(state.path())
            .starting("p", None, build("a"))
            .unwrap(),
    );
    assert_eq!(state.path().read_dir().unwrap().count(), 0);
}

#[test]
fn the_third_crash_in_a_row_was_the_last() {
    let state = TempDir::new().unwrap();
    for _ in 0..3 {
        crash(&state, None, build("a"));
    }
    assert_eq!(crashes_before(&state, None, build("a")), 3);
    assert_eq!(
        crashes_before(&state, None, build("a")),
        3,
        "asking changes nothing"
    );
}

#[test]
fn coming_back_once_forgives_everything() {
    let state = TempDir::new().unwrap();
    crash(&state, None, build("a"));
    crash(&state, None, build("a"));
    assert_eq!(crashes_before(&state, None, build("a")), 0);
    crash(&state, None, build("a"));
    assert_eq!(crashes_before(&state, None, build("a")), 0);
}

#[test]
fn another_build_begins_anew() {
    let state = TempDir::new().unwrap();
    for _ in 0..3 {
        crash(&state, None, build("a"));
    }
    assert_eq!(crashes_before(&state, None, build("b")), 0);
}

#[test]
fn what_comes_back_does_not_excuse_what_does_not() {
    let state = TempDir::new().unwrap();
    for _ in 0..3 {
        drop(
            Crashes::new(state.path())
                .starting("p", None, build("a"))
                .unwrap(),
        );
        drop(
            Crashes::new(state.path())
                .starting("p", Some("good"), build("a"))
                .unwrap(),
        );
        crash(&state, Some("bad"), build("a"));
    }
    assert_eq!(crashes_before(&state, Some("good"), build("a")), 0);
    assert_eq!(crashes_before(&state, Some("bad"), build("a")), 3);
}

#[test]
fn the_marker_stays_until_the_last_of_several_starts_came_back() {
    let state = TempDir::new().unwrap();
    let crashes = Crashes::new(state.path());
    let one = crashes.starting("p", None, build("a")).unwrap();
    let two = crashes.starting("p", None, build("a")).unwrap();
    drop(one);
    assert!(state.path().join("p.starting").exists());
    drop(two);
    assert!(!state.path().join("p.starting").exists());
}

#[test]
fn a_marker_that_cannot_be_read_counts_for_nothing() {
    let state = TempDir::new().unwrap();
    for text in ["", "words", "1 2 3", "\u{0}\u{1}"] {
        fs::write(state.path().join("p.starting"), text).unwrap();
        assert_eq!(crashes_before(&state, None, build("a")), 0);
    }
}

#[test]
fn a_component_may_have_any_name() {
    let state = TempDir::new().unwrap();
    let name = "../../etc/ä b".repeat(100);
    crash(&state, Some(&name), build("a"));
    let entries: Vec<_> = state.path().read_dir().unwrap().collect();
    assert_eq!(entries.len(), 1, "and its marker stays in the state directory");
}

#[test]
fn without_a_state_directory_there_is_no_memory_and_no_refusal() {
    let state = TempDir::new().unwrap();
    let crashes = Crashes::new(&state.path().join("missing"));
    assert!(crashes.starting("p", None, build("a")).is_ok());
}
