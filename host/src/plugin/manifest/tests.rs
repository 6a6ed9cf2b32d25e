use serde_json::json;

use super::unknown::first;

#[test]
fn a_key_that_is_not_there_after_reading_was_not_understood() {
    let understood = json!({ "a": 1, "b": { "c": null }, "d": [{ "e": 1 }] });
    assert_eq!(first(&json!({ "a": 2, "b": { "c": 3 } }), &understood), None);
    assert_eq!(first(&json!({ "x": 1 }), &understood).as_deref(), Some("x"));
    assert_eq!(
        first(&json!({ "b": { "y": 1 } }), &understood).as_deref(),
        Some("b.y")
    );
    assert_eq!(
        first(&json!({ "d": [{ "e": 1, "z": 2 }] }), &understood).as_deref(),
        Some("d.0.z")
    );
}
