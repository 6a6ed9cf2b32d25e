use std::time::Duration;

use bytes::Bytes;
use minicbor::encode::Encoder;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::json;

use super::{decode, encode};
use crate::contract::requirement::{Priority, Requirement, Strategy as Choice};
use crate::provider::{BodyPlan, Decision, Forward};
use crate::{ErrorCode, Fault};

fn text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let names = (
        of(text()),
        btree_set(text(), 0..3),
        vec(text(), 0..3),
        btree_set(text(), 0..3),
    );
    let wishes = (
        btree_map(text(), any::<i64>(), 0..3),
        of(text()),
        of(text()),
        of((0..Choice::ALL.len()).prop_map(|index| Choice::ALL[index].0)),
        (0..Priority::ALL.len()).prop_map(|index| Priority::ALL[index].0),
        of((0..u64::MAX).prop_map(Duration::from_nanos)),
        of(text()),
        (of(text()), any::<bool>()),
    );
    (names, wishes).prop_map(|((capability, features, dialects, tags), wishes)| {
        let (prefer, hint, affinity, strategy, priority, queue_timeout, instance, (role, admin)) = wishes;
        Requirement {
            capability,
            features,
            dialects,
            tags,
            prefer,
            prepare: hint.map(|hint| json!({ "hint": hint, "n": [1, 2.5, null] })),
            affinity,
            strategy,
            priority,
            queue_timeout,
            instance,
            role,
            admin,
            // Neither crosses with a decision.
            specification: None,
            max_uses: None,
        }
    })
}

fn body() -> impl Strategy<Value = BodyPlan> {
    prop_oneof![
        Just(BodyPlan::Unchanged),
        (any::<usize>(), any::<usize>(), text()).prop_map(|(start, end, with)| BodyPlan::Splice {
            start,
            end,
            with
        }),
        vec(any::<u8>(), 0..40).prop_map(|bytes| BodyPlan::Replaced(Bytes::from(bytes))),
    ]
}

proptest! {
    #[test]
    fn a_decision_to_forward_arrives_as_it_was(
        requirement in requirement(),
        path in of(text()),
        body in body(),
        relay in of(text()),
        rename in of(text()),
    ) {
        let decision = Decision::Forward(Box::new(Forward { requirement, path, body, relay, rename }));
        prop_assert_eq!(decode(encode(&decision).into()).unwrap(), decision);
    }

    #[test]
    fn no_bytes_make_it_panic(noise: Vec<u8>) {
        let _ = decode(noise.into());
    }
}

#[test]
fn a_decision_to_work_is_nothing_at_all() {
    assert!(encode(&Decision::Work).is_empty());
    assert_eq!(decode(Bytes::new()).unwrap(), Decision::Work);
}

#[test]
fn a_large_body_is_not_copied_when_it_arrives() {
    let body = Bytes::from(vec![7; 100_000]);
    let forward = Forward {
        body: BodyPlan::Replaced(body),
        ..Forward::default()
    };
    let message = Bytes::from(encode(&Decision::Forward(Box::new(forward))));
    let within = message.as_ptr_range();
    let Decision::Forward(forward) = decode(message.clone()).unwrap() else {
        panic!("it was to forward")
    };
    let BodyPlan::Replaced(body) = forward.body else {
        panic!("it had a body")
    };
    assert!(within.contains(&body.as_ptr()));
}

#[test]
fn a_decision_that_is_cut_short_is_the_plugins_fault() {
    let whole = encode(&Decision::Forward(Box::default()));
    for cut in 1..whole.len() {
        let error = decode(Bytes::copy_from_slice(&whole[..cut])).unwrap_err();
        assert_eq!(
            (error.code, error.fault),
            (ErrorCode::VERSION_MISMATCH, Fault::Plugin),
            "{cut}"
        );
    }
}

#[test]
fn an_older_plugins_shorter_decision_means_what_it_meant() {
    let mut message = Vec::new();
    Encoder::new(&mut message)
        .array(2)
        .unwrap()
        .u8(1)
        .unwrap()
        .str("m:latest")
        .unwrap();
    let Decision::Forward(forward) = decode(message.into()).unwrap() else {
        panic!("it was to forward")
    };
    assert_eq!(forward.requirement.capability.as_deref(), Some("m:latest"));
    assert_eq!(forward.requirement.priority, Priority::Normal);
    assert_eq!(forward.body, BodyPlan::Unchanged);
}

#[test]
fn a_newer_plugins_longer_decision_is_read_as_far_as_we_know_it() {
    let mut message = encode(&Decision::Forward(Box::default()));
    assert_eq!(message[0], 0x92, "an array of eighteen");
    message[0] = 0x93;
    message.push(0x07);
    decode(message.into()).unwrap();
}

#[test]
fn a_kind_a_strategy_or_a_priority_that_is_not_known_is_refused() {
    let kind = decode(Bytes::from_static(&[0x81, 0x02])).unwrap_err();
    assert!(kind.message.contains("kind 2"), "{kind}");
    let whole = encode(&Decision::Forward(Box::default()));
    let text = String::from_utf8_lossy(&whole).replace("normal", "utmost");
    assert!(!text.contains("normal"));
    let at = whole.windows(6).position(|window| window == b"normal").unwrap();
    let mut other = whole;
    other[at..at + 6].copy_from_slice(b"utmost");
    let error = decode(other.into()).unwrap_err();
    assert!(error.message.contains("utmost"), "{error}");
}
