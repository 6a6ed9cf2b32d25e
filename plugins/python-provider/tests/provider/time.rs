//! Deadlines hold whatever the code does about them, and a run that has ended has ended altogether.

use std::time::{Duration, Instant};

use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use crate::support::{Boxed, alive};

/// The run ends at its deadline, give or take what a busy machine needs, and the box is clean and used again.
async fn ends(code: &str) {
    let boxed = Boxed::new();
    boxed.execute("1").await;
    let began = Instant::now();
    let done = boxed.within(0.5, code).await;
    let took = began.elapsed();
    assert_eq!(
        (&done["outcome"], &done["success"]),
        (&json!("timeout"), &json!(false)),
        "{code}: {done:#}"
    );
    assert_eq!(done["error"], "the code did not end within 0.5 s");
    assert!(took >= Duration::from_millis(500), "{code}: {took:?}");
    let told = done["execution_time"].as_f64().unwrap();
    assert!((0.5..1.5).contains(&told), "{code}: {told} s");
    assert_eq!(
        boxed.host().outcomes(),
        [Outcome::Success, Outcome::Success],
        "{code}: it was proven clean"
    );
    let next = boxed.execute("'s' in globals() or 'again'").await;
    assert_eq!(next["result"], "again", "{code}: {next:#}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline() {
    ends("while True: pass").await;
}

#[tokio::test]
async fn ignored_signals_do_not_help() {
    ends("import signal, time\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except OSError: pass\nwhile True: time.sleep(60)").await;
}

#[tokio::test]
async fn catching_everything_does_not_help() {
    ends("while True:\n    try:\n        while True: pass\n    except BaseException: pass").await;
}

#[tokio::test]
async fn hanging_at_the_exit_does_not_help() {
    ends("import atexit, time\natexit.register(time.sleep, 60)").await;
    ends("import threading, time\nthreading.Thread(target=time.sleep, args=(1e6,)).start()").await;
    ends("import time\nclass A:\n    def __del__(self): time.sleep(60)\na = A()\ndel a").await;
}

#[tokio::test]
async fn a_hostile_result_is_bounded_by_the_same_deadline() {
    ends("class A(dict):\n    def __repr__(self):\n        while True: pass\nclass B:\n    __repr__ = A.__repr__\nB()").await;
}

#[tokio::test]
async fn an_interrupt_tells_where_the_code_was() {
    let boxed = Boxed::new();
    let done = boxed
        .within(0.3, "print('begun')\nimport time\ntime.sleep(60)")
        .await;
    assert_eq!(done["stdout"], "begun\n", "what was written until then is kept");
    let text = done["stderr"].as_str().unwrap();
    assert!(
        text.contains("line 3, in <module>\n    time.sleep(60)\nKeyboardInterrupt"),
        "{text}"
    );
}

#[tokio::test]
async fn waiting_for_input_that_does_not_come_sees_its_end() {
    assert_eq!(
        Boxed::new().within(5.0, "import sys\nsys.stdin.read()").await["result"],
        ""
    );
}

#[tokio::test]
async fn a_daemon_is_dead_before_the_result_is_told() {
    let boxed = Boxed::new();
    let code = "import os, signal, time\n\
        reading, writing = os.pipe()\n\
        if os.fork() == 0:\n\
        \x20   os.setsid()\n\
        \x20   if os.fork() == 0:\n\
        \x20       for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n\
        \x20       os.write(writing, str(os.getpid()).encode())\n\
        \x20       time.sleep(600)\n\
        \x20   os._exit(0)\n\
        int(os.read(reading, 20))";
    let began = Instant::now();
    let done = boxed.execute(code).await;
    assert_eq!(done["outcome"], "ok", "{done:#}");
    // Outside a box the process numbers of the code are everybody's.
    assert!(!alive(done["result"].as_u64().unwrap()), "the daemon lives on");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "and the open end of standard output held nothing up"
    );
    assert_eq!(boxed.host().outcomes(), [Outcome::Success]);
}

#[tokio::test]
async fn a_swarm_of_orphans_leaves_nobody() {
    let boxed = Boxed::new();
    let code = "import os, time\n\
        for i in range(200):\n\
        \x20   if os.fork() == 0:\n\
        \x20       if os.fork() == 0:\n\
        \x20           if i % 2: os._exit(0)\n\
        \x20           time.sleep(600)\n\
        \x20       os._exit(0)\n\
        \x20   os.wait()\n\
        'done'";
    let done = boxed.execute(code).await;
    assert_eq!(done["result"], "done", "{done:#}");
    assert_eq!(boxed.execute("1").await["result"], 1);
    let left = boxed.runner.descendants();
    assert!(left.len() <= 1, "only the spare fork is there: {left:?}");
}

#[tokio::test]
async fn processor_time_is_bounded_where_the_request_says_so() {
    let boxed = Boxed::new();
    let params = json!({ "code": "while True: pass", "limits": { "cpu_time": 1 }, "timeout": 20 });
    let done = boxed.call("python/execute", params).await.unwrap();
    assert_eq!(
        (&done["outcome"], &done["signal"]),
        (&json!("timeout"), &json!("SIGXCPU")),
        "{done:#}"
    );
}

#[tokio::test]
async fn a_signal_that_code_sends_itself_is_no_deadline() {
    let boxed = Boxed::new();
    let code = "import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)";
    let params = json!({ "code": code, "limits": { "cpu_time": 1 }, "timeout": 20 });
    let done = boxed.call("python/execute", params).await.unwrap();
    assert_eq!(
        (&done["outcome"], &done["signal"]),
        (&json!("signal"), &json!("SIGXCPU")),
        "{done:#}"
    );
}
