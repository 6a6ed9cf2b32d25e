use serde_json::{Value, json};

use super::{EventSink, Followed, Follower, kind};

fn tell(sink: &EventSink, hub: &str) {
    sink.emit(kind::HUB_STARTED, hub, None, Value::Null);
}

/// What a follower can have now: the hubs of events, `-N` for so many that it lost.
fn heard(follower: &mut Follower) -> Vec<String> {
    std::iter::from_fn(|| follower.try_next())
        .map(|followed| match followed {
            Followed::Event(event) => event.hub.clone(),
            Followed::Lost(Some(lost)) => format!("-{lost}"),
            Followed::Lost(None) => "-?".to_owned(),
        })
        .collect()
}

#[test]
fn a_follower_hears_what_happens_from_then_on() {
    let sink = EventSink::default();
    tell(&sink, "before");
    let mut follower = sink.follow();
    tell(&sink, "a");
    tell(&sink, "b");
    assert_eq!(heard(&mut follower), ["a", "b"]);
    assert!(heard(&mut follower).is_empty());
}

#[test]
fn one_that_comes_back_goes_on_where_it_was() {
    let sink = EventSink::default();
    let mut follower = sink.follow();
    tell(&sink, "a");
    let Some(Followed::Event(last)) = follower.try_next() else {
        panic!("an event")
    };
    drop(follower);
    tell(&sink, "b");
    tell(&sink, "c");
    let id = last.id.to_string().parse().unwrap();
    assert_eq!(heard(&mut sink.follow_after(id)), ["b", "c"]);
}

#[test]
fn what_is_not_kept_any_more_is_told_as_lost() {
    let sink = EventSink::new(3);
    let mut follower = sink.follow();
    for hub in ["a", "b", "c", "d", "e"] {
        tell(&sink, hub);
    }
    assert_eq!(heard(&mut follower), ["-2", "c", "d", "e"]);
}

#[test]
fn a_number_of_another_life_is_known_to_be_one() {
    let (former, sink) = (EventSink::default(), EventSink::default());
    let mut follower = former.follow();
    tell(&former, "a");
    let Some(Followed::Event(last)) = follower.try_next() else {
        panic!("an event")
    };
    tell(&sink, "b");
    assert_eq!(heard(&mut sink.follow_after(last.id)), ["-?", "b"]);
    for nonsense in ["", "7", "xyz-1", "00000001-", "1-2-3"] {
        assert!(nonsense.parse::<super::EventId>().is_err(), "{nonsense}");
    }
}

#[test]
fn what_happens_all_the_time_is_made_for_followers_only() {
    let sink = EventSink::default();
    sink.emit_to_followers(kind::LEASE_GRANTED, "h", None, || panic!("nobody follows"));
    let mut follower = sink.follow();
    sink.emit_to_followers(
        kind::LEASE_GRANTED,
        "h",
        Some("a"),
        || json!({ "allocation": "x" }),
    );
    assert_eq!(heard(&mut follower), ["h"]);
    drop(follower);
    assert!(!sink.is_followed());
}

#[tokio::test]
async fn followers_are_woken() {
    let sink = EventSink::default();
    let mut follower = sink.follow();
    let waiting = tokio::spawn(async move { follower.next().await });
    tokio::task::yield_now().await;
    tell(&sink, "a");
    assert!(matches!(waiting.await.unwrap(), Followed::Event(event) if event.hub == "a"));
}

#[test]
fn an_event_about_several_hubs_is_about_each() {
    let sink = EventSink::default();
    let mut follower = sink.follow();
    sink.emit(kind::ALLOCATION_CREATED, "", None, json!({ "hubs": ["a", "b"] }));
    let Some(Followed::Event(event)) = follower.try_next() else {
        panic!("an event")
    };
    assert!(event.is_about("a") && event.is_about("b") && !event.is_about("c"));
}

#[test]
fn every_kind_is_listed_once() {
    let distinct: std::collections::BTreeSet<_> = kind::ALL.into_iter().collect();
    assert_eq!(distinct.len(), kind::ALL.len());
    let source = include_str!("mod.rs");
    let declared = source.matches("    pub const ").count() - 1;
    assert_eq!(declared, kind::ALL.len(), "one is missing in ALL");
}
