//! Every way in which code can end, and what is said of it.

use serde_json::{Value, json};

use crate::support::Boxed;

#[tokio::test]
async fn code_that_runs_to_its_end_is_a_success() {
    let boxed = Boxed::new();
    let done = boxed
        .execute("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
        .await;
    assert_eq!(done["success"], true, "{done:#}");
    assert_eq!(done["outcome"], "ok");
    assert_eq!(
        (&done["stdout"], &done["stderr"]),
        (&json!("out\n"), &json!("err\n"))
    );
    assert_eq!((&done["result"], &done["exit_code"]), (&json!(42), &json!(0)));
    assert_eq!(
        (&done["level"], &done["execution_mode"]),
        (&json!("sandboxed"), &json!("sandboxed"))
    );
    assert_eq!(done["instance"], "box-1");
    assert!(done["execution_time"].as_f64().unwrap() > 0.0);
    assert!(done["usage"]["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
}

#[tokio::test]
async fn an_exception_has_a_traceback_with_its_lines() {
    let boxed = Boxed::new();
    let done = boxed.execute("def f():\n    raise ValueError('no')\n\nf()").await;
    assert_eq!(
        (&done["outcome"], &done["success"]),
        (&json!("exception"), &json!(false))
    );
    assert_eq!(
        (&done["error"], &done["exit_code"]),
        (&json!("ValueError: no"), &json!(1))
    );
    let text = done["stderr"].as_str().unwrap();
    assert!(
        text.contains("File \"main.py\", line 4, in <module>\n    f()"),
        "{text}"
    );
    assert!(
        text.contains("line 2, in f\n    raise ValueError('no')"),
        "{text}"
    );
    assert!(
        !text.contains("gleitzeit"),
        "the runner's own frames are no part of it: {text}"
    );
}

#[tokio::test]
async fn exit_codes_are_those_that_a_shell_would_see() {
    let boxed = Boxed::new();
    for (code, outcome, exit_code, error) in [
        ("import sys; sys.exit('msg')", "exit", 1, json!("msg")),
        ("import sys; sys.exit()", "ok", 0, Value::Null),
        ("raise SystemExit(None)", "ok", 0, Value::Null),
        ("exit(256)", "ok", 0, Value::Null),
        (
            "exit(-1)",
            "exit",
            255,
            json!("the code ended with exit code 255"),
        ),
        (
            "exit(2**70)",
            "exit",
            255,
            json!("the code ended with exit code 255"),
        ),
        ("exit(3)", "exit", 3, json!("the code ended with exit code 3")),
        (
            "import os; os._exit(7)",
            "exit",
            7,
            json!("the code ended with exit code 7"),
        ),
        ("import os; os._exit(0)", "ok", 0, Value::Null),
    ] {
        let done = boxed.execute(code).await;
        assert_eq!(
            (&done["outcome"], &done["exit_code"]),
            (&json!(outcome), &json!(exit_code)),
            "{code}"
        );
        assert_eq!(done["error"], error, "{code}");
    }
    let printed = boxed.execute("import sys; sys.exit('msg')").await;
    assert_eq!(printed["stderr"], "msg\n");
}

#[tokio::test]
async fn death_by_a_signal_is_told_by_its_name() {
    let boxed = Boxed::new();
    for (code, signal) in [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import os; os.kill(os.getpid(), 15)", "SIGTERM"),
        ("import os; os.kill(os.getpid(), 10)", "SIGUSR1"),
    ] {
        let done = boxed.execute(code).await;
        assert_eq!(
            (&done["outcome"], &done["signal"]),
            (&json!("signal"), &json!(signal)),
            "{done:#}"
        );
        assert_eq!(done["exit_code"], Value::Null);
    }
}

#[tokio::test]
async fn memory_that_cannot_be_had_is_oom() {
    let boxed = Boxed::new();
    let code = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\nbytearray(10**10)";
    assert_eq!(boxed.execute(code).await["outcome"], "oom");
}

#[tokio::test]
async fn a_file_that_grows_too_large_is_disk_limit() {
    let boxed = Boxed::with(json!({}), json!({ "file_bytes": 1 << 20 }));
    let done = boxed.execute("open('big', 'wb').write(bytes(2 << 20))").await;
    assert_eq!(done["outcome"], "disk_limit", "{done:#}");
    let tighter = json!({ "code": "with open('big', 'wb') as f: f.write(bytes(2000))", "limits": { "file_bytes": 1000 } });
    let done = boxed.call("python/execute", tighter).await.unwrap();
    assert_eq!(done["outcome"], "disk_limit", "{done:#}");
}

#[tokio::test]
async fn code_that_cannot_be_compiled_says_where() {
    let boxed = Boxed::new();
    let done = boxed.execute("x = 1\ndef f(:\n  pass").await;
    assert_eq!(done["outcome"], "exception");
    assert!(
        done["error"].as_str().unwrap().starts_with("SyntaxError: "),
        "{done:#}"
    );
    assert!(
        done["stderr"].as_str().unwrap().contains("line 2\n    def f(:"),
        "{done:#}"
    );
    for (code, outcome) in [
        ("\u{feff}print(1)", "ok"),
        ("print(1)\r\nprint(2)\r\n", "ok"),
        ("if 1:\n\tprint(1)\n        print(2)", "exception"),
        ("print('a\0b')", "exception"),
        ("", "ok"),
    ] {
        assert_eq!(boxed.execute(code).await["outcome"], outcome, "{code:?}");
    }
    let deep = format!("{}{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(boxed.execute(&deep).await["success"], false);
    assert_eq!(
        boxed.execute("1").await["result"],
        1,
        "and the next is none the worse for it"
    );
}

#[tokio::test]
async fn code_too_large_to_be_meant_is_refused_with_the_limit() {
    let boxed = Boxed::with(json!({ "sandboxed": { "input": "1MiB" } }), json!({}));
    let code = "x".repeat(2 << 20);
    let error = boxed
        .call("python/execute", json!({ "code": code }))
        .await
        .unwrap_err();
    assert_eq!(error.code.name(), Some("TOO_LARGE"));
    assert!(error.message.contains("takes 1.0 MiB"), "{error}");
}

#[tokio::test]
async fn functions_recursion_imports_classes_and_threads_work_as_in_a_file() {
    let boxed = Boxed::new();
    let code = "import math, threading, dataclasses, pickle\n\
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n\
        @dataclasses.dataclass\n\
        class P:\n    x: int\n\
        seen = []\n\
        thread = threading.Thread(target=lambda: seen.append(fib(10)))\n\
        thread.start(); thread.join()\n\
        assert __name__ == '__main__' and pickle.loads(pickle.dumps(P(3))) == P(3)\n\
        [math.floor(2.5), seen, [fib(k) for k in range(3)]]";
    let done = boxed.execute(code).await;
    assert_eq!(done["result"], json!([2, [55], [0, 1, 1]]), "{done:#}");
    let code = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 5\n";
    assert_eq!(
        boxed.execute(&format!("{code}asyncio.run(f())")).await["result"],
        5
    );
    assert_eq!(
        boxed
            .execute(&format!("{code}x = await f()\nx + await f()"))
            .await["result"],
        10
    );
    let code = "import multiprocessing\n\
        def f(x): return x * x\n\
        with multiprocessing.get_context('fork').Pool(2) as pool: r = pool.map(f, [1, 2])\nr";
    assert_eq!(boxed.execute(code).await["result"], json!([1, 4]));
}

#[tokio::test]
async fn threads_and_exit_handlers_are_waited_for() {
    let boxed = Boxed::new();
    let code = "import atexit, threading, time\n\
        atexit.register(lambda: print('bye'))\n\
        threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nprint('main')";
    assert_eq!(boxed.execute(code).await["stdout"], "main\nthread\nbye\n");
}

#[tokio::test]
async fn arguments_input_and_environment_reach_the_code() {
    let boxed = Boxed::with(
        json!({ "sandboxed": { "allow_environment": ["MODE"] } }),
        json!({}),
    );
    let params = json!({
        "code": "import os, sys\n[a, b, sys.argv, sys.stdin.read(), os.environ['MODE']]",
        "args": { "a": [1, { "x": null }], "b": "ä" },
        "argv": ["--fast"],
        "stdin": "line\n",
        "env": { "MODE": "x" },
    });
    let done = boxed.call("python/execute", params).await.unwrap();
    let expected = json!([[1, { "x": null }], "ä", ["main.py", "--fast"], "line\n", "x"]);
    assert_eq!(done["result"], expected, "{done:#}");
    let params = json!({ "code": "import sys\nlen(sys.stdin.buffer.read())", "stdin": { "base64": "//8=" } });
    assert_eq!(boxed.call("python/execute", params).await.unwrap()["result"], 2);
    let refused = json!({ "code": "1", "environment": { "LD_PRELOAD": "x" } });
    let error = boxed.call("python/execute", refused).await.unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("it allows MODE"));
}

#[tokio::test]
async fn code_is_validated_without_being_run() {
    let boxed = Boxed::new();
    let good = boxed
        .call("python/validate", json!({ "code": "print(1)" }))
        .await
        .unwrap();
    assert_eq!(good, json!({ "valid": true }));
    let bad = boxed
        .call("python/validate", json!({ "code": "x = 1\nx = (" }))
        .await
        .unwrap();
    assert_eq!((&bad["valid"], &bad["line"]), (&json!(false), &json!(2)), "{bad}");
    assert_eq!(bad["message"], "'(' was never closed");
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_counts() {
    let boxed = Boxed::new();
    let params = json!({
        "tasks": [{ "code": "1" }, { "code": "1/0" }, { "nonsense": 1 }, { "code": "x", "args": { "x": 4 } }],
        "max_concurrent": 1,
    });
    let done = boxed.call("python/batch", params).await.unwrap();
    assert_eq!(
        done["summary"],
        json!({ "total": 4, "succeeded": 2, "failed": 2 }),
        "{done:#}"
    );
    let results = &done["results"];
    assert_eq!(
        (&results[0]["result"], &results[3]["result"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(results[1]["error"], "ZeroDivisionError: division by zero");
    assert_eq!(results[2]["error"], "`code` is required, or `file` with `files`");
}

/// As where the host was started by `nohup`.
#[tokio::test]
async fn what_the_host_ignores_is_not_ignored_by_the_code() {
    let boxed = Boxed::hung_up();
    let done = boxed
        .execute("import os, signal\nos.kill(os.getpid(), signal.SIGHUP)")
        .await;
    assert_eq!(
        (&done["outcome"], &done["signal"]),
        (&json!("signal"), &json!("SIGHUP")),
        "{done:#}"
    );
}
