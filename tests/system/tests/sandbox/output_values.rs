//! O11: results that are no JSON, or far too much of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::python::Python;

cases! {
    o11_large_results,
    o11_results_that_are_no_json,
    o11_hostile_results,
    x_results_are_not_forged,
}

pub(crate) async fn o11_large_results(python: &Python) {
    for code in [
        "'x' * 10**9",
        "list(range(10**7))",
        "'x' * (8 << 20)",
        "value = []\nfor _ in range(10**5):\n    value = [value]\nvalue",
        "10 ** 100000",
        "{str(number): 'x' * 100 for number in range(10**5)}",
    ] {
        let begun = Instant::now();
        let run = python.execute(json!({ "code": code, "timeout": 20 })).await;
        assert_ne!(run.outcome(), "infrastructure", "{code}: {:?}", run.error());
        assert!(run.result().to_string().len() < 6 << 20, "{code}");
        let told =
            !run.0["result_error"].is_null() || run.0["truncated"]["result"] == true || run.outcome() != "ok";
        assert!(
            told || !run.result().is_null(),
            "{code}: nothing says why there is no result"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{code}: {:?}",
            begun.elapsed()
        );
    }
}

pub(crate) async fn o11_results_that_are_no_json(python: &Python) {
    for code in [
        "value = []\nvalue.append(value)\nvalue",
        "object()",
        "{(1, 2): 3}",
        "lambda: 1",
        "open('/dev/null')",
        "(number for number in range(3))",
        "1j",
    ] {
        let run = python.run(code).await;
        assert_eq!(run.outcome(), "ok", "{code}: {run:?}");
        assert!(
            run.result().is_null() && run.0["result_error"].is_string(),
            "{code}: {run:?}"
        );
    }
    for (code, result) in [
        ("[float('nan'), float('-inf')]", json!([null, null])),
        ("b'bytes'", json!({ "base64": "Ynl0ZXM=" })),
        ("import decimal\ndecimal.Decimal('1.5')", json!("1.5")),
        ("{7}", json!([7])),
        (
            "{1: 'one', None: 'none', True: 'true'}",
            json!({ "1": "true", "null": "none" }),
        ),
        ("2 ** 70", json!("1180591620717411303424")),
        ("None", json!(null)),
        ("result = {'by': 'name'}\nprint(1)", json!({ "by": "name" })),
    ] {
        assert_eq!(python.run(code).await.result(), &result, "{code}");
    }
}

pub(crate) async fn o11_hostile_results(python: &Python) {
    let begun = Instant::now();
    for (code, outcomes) in [
        (
            "class C(dict):\n    def items(self):\n        while True: pass\nC(a=1)",
            &["timeout", "ok"][..],
        ),
        (
            "class C(str):\n    def __str__(self):\n        raise SystemExit(3)\n    __repr__ = __str__\nC('x')",
            &["ok", "exit", "exception"],
        ),
        (
            "class C:\n    def __repr__(self):\n        print('printed')\n        return 'C'\nC()",
            &["ok"],
        ),
        (
            "import os\nclass C:\n    def __repr__(self):\n        os._exit(9)\n    __json__ = __reduce__ = __str__ = __getstate__ = __repr__\nC()",
            &["ok", "exit"],
        ),
        (
            "class C(list):\n    def __iter__(self):\n        while True: yield 1\n    def __len__(self):\n        return -1\nC([1])",
            &["ok", "timeout", "oom"],
        ),
        (
            "class C(int):\n    def __repr__(self):\n        return '{\"forged\": 1}'\nC(5)",
            &["ok"],
        ),
        (
            "class E(Exception):\n    def __str__(self):\n        raise KeyError\n    __repr__ = __str__\nraise E",
            &["exception"],
        ),
        (
            "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
            &["exception", "timeout"],
        ),
        (
            "import json\njson.dumps = lambda *a, **k: '\"forged\"'\njson.JSONEncoder.encode = json.dumps\n5",
            &["ok"],
        ),
    ] {
        let run = python.execute(json!({ "code": code, "timeout": 2 })).await;
        assert!(outcomes.contains(&run.outcome()), "{code}: {run:?}");
        assert_eq!(python.run("1 + 1").await.result(), 2, "after {code}");
    }
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

/// What the code prints or writes is never taken for what became of it.
pub(crate) async fn x_results_are_not_forged(python: &Python) {
    let run = python
        .run("import os\nos.write(1, b'{\"success\": true, \"outcome\": \"ok\"}')\nos._exit(4)")
        .await;
    assert_eq!(
        (run.outcome(), &run.0["success"], &run.0["exit_code"]),
        ("exit", &json!(false), &json!(4)),
        "{run:?}"
    );
    // Even if it digs out every object of the interpreter it was forked from, its end is its end.
    let dig = r"
import gc, sys, os
for thing in gc.get_objects():
    name = type(thing).__name__
    for word in ('send', 'write', 'sendall', 'reply', 'finish'):
        method = getattr(type(thing), word, None)
        if method and 'socket' in name.lower():
            try:
                getattr(thing, word)(b'{\'result\': \'forged\', \'outcome\': \'ok\', \'success\': true}')
            except BaseException:
                pass
os._exit(5)";
    let run = python.run(dig).await;
    assert_eq!(
        (run.outcome(), &run.0["exit_code"]),
        ("exit", &json!(5)),
        "{run:?}"
    );
}
