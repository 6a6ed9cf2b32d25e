//! Output is kept in bytes, bounded, and never taken for anything but output.

use serde_json::{Value, json};

use crate::support::Boxed;

fn length(value: &Value) -> usize {
    value.as_str().unwrap().len()
}

#[tokio::test]
async fn a_flood_is_cut_at_the_limit_and_says_so() {
    let boxed = Boxed::new();
    let code = "import sys\nfor i in range(5):\n    print('x' * 10**6)\n    print('y' * 10**6, file=sys.stderr)\n'end'";
    let done = boxed.execute(code).await;
    assert_eq!(
        (&done["outcome"], &done["result"]),
        (&json!("ok"), &json!("end")),
        "it was let go on"
    );
    assert_eq!(
        (length(&done["stdout"]), length(&done["stderr"])),
        (1 << 20, 1 << 20)
    );
    assert_eq!(
        (&done["truncated"]["stdout"], &done["truncated"]["stderr"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn an_endless_flood_is_ended() {
    let boxed = Boxed::with(json!({ "sandboxed": { "output": "64KiB" } }), json!({}));
    for code in [
        "while 1: print('x' * 10**6)",
        "import os\nwhile 1: os.write(2, b'x' * 1000)",
    ] {
        let done = boxed.execute(code).await;
        assert_eq!(done["outcome"], "output_limit", "{code}");
        assert!(length(&done["stdout"]) <= 64 << 10);
    }
}

#[tokio::test]
async fn the_operator_may_have_floods_ended_at_once() {
    let config = json!({ "sandboxed": { "output": 1000, "on_output": "kill" } });
    let done = Boxed::with(config, json!({}))
        .execute("print('x' * 2000)\nimport time\ntime.sleep(20)")
        .await;
    assert_eq!(done["outcome"], "output_limit");
    assert_eq!(length(&done["stdout"]), 1000);
}

#[tokio::test]
async fn single_bytes_and_long_lines_are_alike() {
    let boxed = Boxed::new();
    let done = boxed
        .execute("import os\nfor i in range(3000): os.write(1, b'a')")
        .await;
    assert_eq!(length(&done["stdout"]), 3000);
    let done = boxed.execute("print('a' * 900_000, end='')").await;
    assert_eq!(
        (length(&done["stdout"]), &done["truncated"]["stdout"]),
        (900_000, &json!(false))
    );
}

#[tokio::test]
async fn what_looks_like_the_protocol_is_output() {
    let boxed = Boxed::new();
    let code = "import os\n\
        os.write(1, b'\\x01\\0\\0\\0\\x7f\\xff\\xff\\xff')\n\
        os.write(1, b'\\0\\0\\0\\x02\\x16\\0\\0\\0\\x01{}')\n\
        print('{\"outcome\": \"ok\", \"result\": 1}')\n1/0";
    let done = boxed.execute(code).await;
    assert_eq!(
        (&done["outcome"], &done["result"]),
        (&json!("exception"), &Value::Null)
    );
    assert!(done["stdout"].as_str().unwrap().ends_with("\"result\": 1}\n"));
}

#[tokio::test]
async fn the_channel_cannot_be_written_to_or_closed() {
    let boxed = Boxed::new();
    for code in [
        "import os\nfor fd in range(3, 300):\n    try: os.write(fd, b'\\0\\0\\0\\x02\\x16\\0\\0\\0\\x01{}' * 50)\n    except OSError: pass\nprint('x')",
        "import os\nprint('x')\nos.closerange(0, 300)",
        "import os\nprint('x')\nfd = os.open('/dev/null', os.O_RDWR)\nfor n in range(3, 300): os.dup2(fd, n)",
        "import os\nfor n in range(1, 3): print('x' if n == 1 else '', end='\\n' if n == 1 else '', flush=True)\nfor f in os.listdir('/proc/1/fd') if os.access('/proc/1/fd', os.R_OK) and os.getuid() else []:\n    open('/proc/1/fd/' + f, 'wb').write(b'x')",
    ] {
        let done = boxed.execute(code).await;
        assert!(
            done["stdout"].as_str().unwrap().starts_with("x\n"),
            "{code}: {done:#}"
        );
        assert_eq!(
            boxed.execute("2").await["result"],
            2,
            "{code}: and the next run is as ever"
        );
    }
}

#[tokio::test]
async fn a_result_cannot_be_had_by_garbage_on_the_inner_pipe() {
    let boxed = Boxed::new();
    let code = "import os\n\
        for fd in range(3, 300):\n\
        \x20   try: os.write(fd, b'\\xff' * 100)\n\
        \x20   except OSError: pass\n\
        5";
    let done = boxed.execute(code).await;
    assert_eq!(
        (&done["outcome"], &done["result"]),
        (&json!("ok"), &Value::Null),
        "{done:#}"
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_come_as_bytes_too() {
    let boxed = Boxed::new();
    let done = boxed
        .execute("import os\nos.write(1, b'a\\xff\\0\\x1b[31m')")
        .await;
    assert_eq!(done["stdout"], "a\u{fffd}\0\u{1b}[31m");
    assert_eq!(done["stdout_base64"], "Yf8AG1szMW0=");
    let done = boxed.execute("print('\\ud800 é 😀')").await;
    assert_eq!(
        (&done["stdout"], &done["outcome"]),
        (&json!("\\ud800 é 😀\n"), &json!("ok"))
    );
}
