//! Values become JSON, or a reason why not.

use serde_json::{Value, json};

use crate::support::Boxed;

#[tokio::test]
async fn values_become_json() {
    let boxed = Boxed::new();
    for (code, expected) in [
        (
            "{'a': [1, 2.5, None, True, 'ä']}",
            json!({ "a": [1, 2.5, null, true, "ä"] }),
        ),
        ("(1, {2}, frozenset())", json!([1, [2], []])),
        (
            "[float('nan'), float('inf'), -float('inf')]",
            json!([null, null, null]),
        ),
        (
            "{1: 'a', 2.5: 'b', None: 'c', True: 'd'}",
            json!({ "1": "d", "2.5": "b", "null": "c" }),
        ),
        ("b'\\xff\\x00'", json!({ "base64": "/wA=" })),
        ("import decimal\ndecimal.Decimal('1.10')", json!("1.10")),
        ("2**64", json!("18446744073709551616")),
        ("[2**64 - 1, -2**63]", json!([u64::MAX, i64::MIN])),
        (
            "import datetime\ndatetime.datetime(2026, 1, 2, 3)",
            json!("2026-01-02T03:00:00"),
        ),
        ("import enum\nclass C(enum.IntEnum):\n    A = 3\nC.A", json!(3)),
        (
            "import collections\n[collections.OrderedDict(a=1), collections.Counter('aa')]",
            json!([{ "a": 1 }, { "a": 2 }]),
        ),
        (
            "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n[P(1)]",
            json!([{ "x": 1 }]),
        ),
        (
            "import pathlib, uuid\n[pathlib.Path('/a'), uuid.UUID(int=1)]",
            json!(["/a", "00000000-0000-0000-0000-000000000001"]),
        ),
        (
            "class S(str):\n    def __str__(self): return 'no'\nS('yes')",
            json!("yes"),
        ),
        ("'\\ud800'", json!("?")),
    ] {
        let done = boxed.execute(code).await;
        assert_eq!(done["result"], expected, "{code}: {done:#}");
    }
}

#[tokio::test]
async fn the_last_expression_counts_or_a_variable_named_result() {
    let boxed = Boxed::new();
    for (code, expected) in [
        ("result = 5\nprint(1)", json!(5)),
        ("result = 5\n6", json!(6)),
        ("x = 1", Value::Null),
        ("'''text'''", json!("text")),
        ("if True:\n    7", Value::Null),
        ("from __future__ import annotations\n1", json!(1)),
    ] {
        assert_eq!(boxed.execute(code).await["result"], expected, "{code}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_told_with_a_reason() {
    let boxed = Boxed::new();
    for (code, reason) in [
        (
            "object()",
            "a value of type object is not JSON: <object object at",
        ),
        ("a = []\na.append(a)\na", "the result contains itself"),
        (
            "a = []\nfor i in range(10**5): a = [a]\na",
            "the result is nested more than 100 deep",
        ),
        ("{(1, 2): 3}", "a key of type tuple is not JSON"),
        ("'x' * 10**9", "larger than"),
        ("[0] * 10**7", "larger than"),
        ("10**5000", "cannot be had as JSON"),
        (
            "class A:\n    def __repr__(self): raise ValueError('no')\nA()",
            "ValueError: no",
        ),
        (
            "class A(list):\n    def __iter__(self): return iter(lambda: 1, 2)\nA()",
            "",
        ),
    ] {
        let done = boxed.execute(code).await;
        let told = done["result_error"].as_str().unwrap_or_default();
        assert!(told.contains(reason), "{code:.40}: {told}");
        assert_eq!(done["outcome"], "ok", "the code itself has done nothing wrong");
    }
    let done = boxed.execute("[0] * 10**7").await;
    assert_eq!(done["truncated"]["result"], true);
}

#[tokio::test]
async fn a_representation_that_ends_the_process_ends_the_run_only() {
    let boxed = Boxed::new();
    let done = boxed
        .execute("import os\nclass A:\n    def __repr__(self): os._exit(9)\nA()")
        .await;
    assert_eq!(
        (&done["outcome"], &done["exit_code"]),
        (&json!("exit"), &json!(9))
    );
    assert_eq!(boxed.execute("1").await["result"], 1);
}

#[tokio::test]
async fn the_result_may_be_limited_by_the_request() {
    let boxed = Boxed::new();
    let params = json!({ "code": "'x' * 100", "limits": { "result_bytes": 50 } });
    let done = boxed.call("python/execute", params).await.unwrap();
    assert_eq!(
        (&done["result"], &done["truncated"]["result"]),
        (&Value::Null, &json!(true))
    );
}
