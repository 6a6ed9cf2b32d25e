//! O: what it prints.

use fakes::client;
use serde_json::{Value, json};

use crate::python::Python;

cases! {
    o1_a_flood,
    o2_a_flood_of_small_writes_on_both,
    o3_a_line_without_end,
    o4_what_follows_the_limit,
    o5_marks_of_the_protocol,
    o6_every_descriptor,
    o8_bytes_that_are_no_text,
    o9_odd_sources,
    o10_order,
    o14_ends_and_their_numbers,
    x_streams_say_what_whole_answers_say,
    x_a_million_prints,
}

/// Bytes of memory of the host, and of what it loaded, at their highest.
fn high_water(python: &Python) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", python.host.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

const CAP: u64 = 1 << 20;

fn capped(timeout: u64, code: &str) -> Value {
    json!({ "code": code, "timeout": timeout, "limits": { "output_bytes": CAP } })
}

async fn o1_a_flood(python: &Python) {
    let before = high_water(python);
    let run = python
        .execute(capped(10, "while True:\n    print('x' * 10**6)"))
        .await;
    assert!(
        ["output_limit", "timeout"].contains(&run.outcome()),
        "{}",
        run.outcome()
    );
    assert_eq!(run.0["truncated"]["stdout"], true);
    assert!(
        run.stdout().len() as u64 <= CAP && run.stdout().len() as u64 > CAP / 2,
        "{}",
        run.stdout().len()
    );
    let grown = high_water(python) - before;
    assert!(grown < CAP + (16 << 20), "the host grew by {grown} bytes");
}

async fn o2_a_flood_of_small_writes_on_both(python: &Python) {
    let code = "import os\nwhile True:\n    os.write(2, b'e')\n    os.write(1, b'o')";
    let run = python.execute(capped(4, code)).await;
    assert!(
        ["output_limit", "timeout"].contains(&run.outcome()),
        "{}",
        run.outcome()
    );
    assert!(run.stdout().len() as u64 <= CAP && run.stderr().len() as u64 <= CAP);
    let run = python
        .execute(capped(
            10,
            "import os\nwhile True:\n    os.write(2, b'e' * 65536)",
        ))
        .await;
    assert_eq!(run.0["truncated"]["stderr"], true, "{}", run.outcome());
}

async fn o3_a_line_without_end(python: &Python) {
    let before = high_water(python);
    let run = python
        .execute(capped(
            20,
            "import os\nfor _ in range(2048):\n    os.write(1, b'x' * (1 << 20))",
        ))
        .await;
    assert!(run.stdout().len() as u64 <= CAP);
    assert_eq!(run.0["truncated"]["stdout"], true, "{}", run.outcome());
    let grown = high_water(python) - before;
    assert!(grown < CAP + (16 << 20), "the host grew by {grown} bytes");
}

async fn o4_what_follows_the_limit(python: &Python) {
    let code = "import subprocess\nsubprocess.Popen(['yes'])\nsubprocess.run(['yes'])";
    let run = python.execute(capped(4, code)).await;
    assert!(
        ["output_limit", "timeout"].contains(&run.outcome()),
        "{}",
        run.outcome()
    );
}

async fn o5_marks_of_the_protocol(python: &Python) {
    let text = "\u{1}\0\0\0\u{7f}{\"done\": true, \"success\": true}\n{\"jsonrpc\":\"2.0\",\"result\":1}\n--end--\u{4}\u{1a}\r\n\u{1b}[2J\0\0\0\u{10}";
    let run = python.execute(json!({ "code": "import sys\nsys.stdout.write(text)\nsys.stderr.write(text)\n'mine'", "args": { "text": text } })).await;
    assert_eq!(
        (run.stdout(), run.stderr(), run.result()),
        (text, text, &json!("mine")),
        "{run:?}"
    );
    let run = python
        .run("import os\nos.write(1, b'\\x01\\0\\0\\0\\x7f\\xff\\xff\\xff' * 3)\n'mine'")
        .await;
    assert_eq!(run.result(), "mine", "{run:?}");
}

async fn o6_every_descriptor(python: &Python) {
    let forged = r#"
import os, json
forged = json.dumps({'done': True, 'result': 'forged', 'outcome': 'ok'}).encode()
for descriptor in range(3, 256):
    for message in (forged, len(forged).to_bytes(4, 'big') + forged, len(forged).to_bytes(4, 'little') + forged, b'\xff' * 64):
        try:
            os.write(descriptor, message)
        except OSError:
            pass
result = 'true'"#;
    let run = python.run(forged).await;
    assert_ne!(run.result(), "forged", "{run:?}");
    assert_ne!(run.outcome(), "infrastructure", "{run:?}");
    for code in [
        "import os\nos.closerange(0, 256)\nresult = 1",
        "import os\nos.dup2(os.open('/dev/null', os.O_RDWR), 1)\nos.dup2(1, 2)\nprint('unheard')\nresult = 1",
        "import os\nfor number in range(3, 256):\n    try: os.dup2(1, number)\n    except OSError: pass\nresult = 1",
        "import sys\nsys.stdout.close()\nsys.stderr.close()\nresult = 1",
        "import sys\nsys.stdout = sys.stderr = sys.stdin = None\nresult = 1",
    ] {
        let run = python.run(code).await;
        assert_ne!(run.outcome(), "infrastructure", "{code}: {run:?}");
        assert!(run.result() == 1 || run.result().is_null(), "{code}: {run:?}");
    }
    let run = python.run("open('/dev/stdout', 'w').write('by name')").await;
    assert_ne!(run.outcome(), "infrastructure", "{run:?}");
}

async fn o8_bytes_that_are_no_text(python: &Python) {
    let run = python
        .run("import sys\nsys.stdout.buffer.write(b'\\xff\\xfe\\x00ok')")
        .await;
    assert_eq!(
        (run.outcome(), run.stdout()),
        ("ok", "\u{fffd}\u{fffd}\0ok"),
        "{run:?}"
    );
    assert_eq!(run.0["stdout_base64"], "//4Ab2s=", "{run:?}");
    let run = python.run("import sys, time\nfor byte in '\u{1f980}é'.encode():\n    sys.stdout.buffer.write(bytes([byte]))\n    sys.stdout.flush()\n    time.sleep(0.02)").await;
    assert_eq!(run.stdout(), "\u{1f980}é", "{run:?}");
    let run = python.run("print('\\ud800')").await;
    assert!(["ok", "exception"].contains(&run.outcome()), "{run:?}");
    let run = python.run("'\\ud800'").await;
    assert!(["ok", "exception"].contains(&run.outcome()), "{run:?}");
    let run = python.run("raise ValueError('\\ud800\\x00\\x1b[31m')").await;
    assert_eq!(run.outcome(), "exception", "{run:?}");
}

async fn o9_odd_sources(python: &Python) {
    let bom = python.run("\u{feff}print(1)\r\nprint(2)\r\n").await;
    assert_eq!((bom.outcome(), bom.stdout()), ("ok", "1\n2\n"), "{bom:?}");
    for (code, error) in [
        ("if True:\n\tx = 1\n        y = 2", "TabError"),
        ("x = (", "SyntaxError"),
        ("return 1", "SyntaxError"),
    ] {
        let run = python.run(code).await;
        assert_eq!(run.outcome(), "exception", "{run:?}");
        assert!(run.error().contains(error), "{run:?}");
    }
    for code in ["x = 1\0", "\u{fffd}", "# -*- coding: nonsense -*-\n1", "\\", ""] {
        let answer = python.ask(json!({ "code": code })).await;
        let clean = answer["error"]["code"] == -32602
            || ["ok", "exception"].contains(&answer["result"]["outcome"].as_str().unwrap_or(""));
        assert!(clean, "{code:?}: {answer}");
    }
    let nested = format!("{}{}", "(".repeat(100_000), ")".repeat(100_000));
    let run = python.run(&nested).await;
    assert!(
        ["exception", "signal", "oom"].contains(&run.outcome()),
        "{:?}",
        run.error()
    );
    let long = format!("{}\n'end'", "# a comment\n".repeat(400_000));
    let answer = python.ask(json!({ "code": long })).await;
    assert!(
        answer["result"]["result"] == "end" || answer["error"]["code"] == -32602,
        "{answer}"
    );
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "python/execute", "params": { "code": "#".repeat(50 << 20) } });
    match client::post(&python.host.url_of("/rpc"), &body).await {
        Ok(answer) => assert!(
            answer.status == 413 || answer.json().get("error").is_some(),
            "{}",
            answer.status
        ),
        // It was refused before it was read.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Within one stream nothing is reordered; between the two only a flush says what came first.
async fn o10_order(python: &Python) {
    let run = python
        .run("import sys\nfor number in range(2000):\n    print(number)\n    print(number, file=sys.stderr)")
        .await;
    let numbers: String = (0..2000).map(|number| format!("{number}\n")).collect();
    assert_eq!((run.stdout(), run.stderr()), (numbers.as_str(), numbers.as_str()));
}

async fn o14_ends_and_their_numbers(python: &Python) {
    for (code, outcome, number) in [
        ("import sys\nsys.exit('the reason')", "exit", 1),
        ("import sys\nsys.exit(3)", "exit", 3),
        ("import os\nos._exit(7)", "exit", 7),
        ("raise SystemExit(None)", "ok", 0),
        ("import sys\nsys.exit(0)", "ok", 0),
        ("raise ValueError('no')", "exception", 1),
    ] {
        let run = python.run(code).await;
        assert_eq!(
            (run.outcome(), &run.0["exit_code"]),
            (outcome, &json!(number)),
            "{code}: {run:?}"
        );
        assert_eq!(run.0["success"], json!(outcome == "ok"), "{code}: {run:?}");
    }
    assert!(
        python
            .run("import sys\nsys.exit('the reason')")
            .await
            .stderr()
            .contains("the reason")
    );
    for signal in [
        "SIGTERM",
        "SIGKILL",
        "SIGUSR1",
        "SIGHUP",
        "SIGQUIT",
        "SIGPIPE",
        "SIGUSR2",
        "SIGVTALRM",
        "SIGXCPU",
        "SIGSYS",
        "SIGRTMIN",
        "SIGRTMAX",
    ] {
        let code = format!(
            "import os, signal\nsignal.signal(signal.{signal}, signal.SIG_DFL) if '{signal}' != 'SIGKILL' else None\nos.kill(os.getpid(), signal.{signal})\nimport time; time.sleep(5)"
        );
        let run = python.run(&code).await;
        assert_eq!(
            (run.outcome(), run.0["signal"].as_str()),
            ("signal", Some(signal)),
            "{run:?}"
        );
    }
    // The kernel's word for a file that is too large; who sends it to himself says the same.
    let run = python
        .run("import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nos.kill(os.getpid(), signal.SIGXFSZ)")
        .await;
    assert_eq!(
        (run.outcome(), run.0["signal"].as_str()),
        ("disk_limit", Some("SIGXFSZ")),
        "{run:?}"
    );
}

async fn x_streams_say_what_whole_answers_say(python: &Python) {
    let code = "import sys, time\nprint('one', flush=True)\ntime.sleep(0.1)\nprint('two', file=sys.stderr, flush=True)\nsys.stdout.buffer.write(b'\\xff')\n42";
    let params = json!({ "code": code, "level": python.level.name() });
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "python/execute", "params": params, "stream": true });
    let answer = python.host.post("/rpc", &body).await;
    let text = answer.text();
    for part in ["one", "two", "\"done\":true", "42"] {
        assert!(text.replace(' ', "").contains(part), "{part}: {text}");
    }
}

async fn x_a_million_prints(python: &Python) {
    let run = python
        .execute(capped(30, "for number in range(10**6):\n    print(1)\n'end'"))
        .await;
    assert!(run.stdout().len() as u64 <= CAP, "{}", run.stdout().len());
    assert!(
        run.0["truncated"]["stdout"] == true || run.outcome() == "output_limit",
        "{}",
        run.outcome()
    );
}
