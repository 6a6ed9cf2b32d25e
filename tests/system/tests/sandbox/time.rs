//! T: taking for ever.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::python::{Python, Run};

cases! {
    t1_a_busy_loop,
    t2_signals_ignored,
    t3_every_exception_caught,
    t4_a_daemon,
    t5_an_heir_of_the_output,
    t7_ends_that_hang,
    t8_imports_and_inputs_that_hang,
    t8_collecting_is_bounded,
    t10_a_clean_interpreter_after_a_timeout,
    x_stopped_by_itself,
    x_a_clock_of_its_own,
    x_uninterruptible_by_vfork,
}

/// Runs code that would take for ever, and expects its end at two seconds: by the supervisor's own clock no earlier, and
/// no later than the interrupt, which is given 40 ms, and a busy machine explain; by ours, whenever the answer comes.
async fn ends(python: &Python, code: &str) -> Run {
    let begun = Instant::now();
    let run = python.execute(json!({ "code": code, "timeout": 2 })).await;
    assert_eq!(run.outcome(), "timeout", "{code}: {run:?}");
    let ran = run.0["usage"]["wall_ms"].as_f64().unwrap();
    eprintln!("two seconds took {ran} ms");
    assert!((2000.0..2250.0).contains(&ran), "{code}: {ran}");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{code}: {:?}",
        begun.elapsed()
    );
    run
}

pub(crate) async fn t1_a_busy_loop(python: &Python) {
    let run = ends(python, "print('begun', flush=True)\nwhile True:\n    pass").await;
    assert_eq!(
        (run.stdout(), &run.0["success"]),
        ("begun\n", &json!(false)),
        "{run:?}"
    );
}

async fn t2_signals_ignored(python: &Python) {
    let code = r"
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    time.sleep(1000)";
    ends(python, code).await;
}

async fn t3_every_exception_caught(python: &Python) {
    ends(python, "def run():\n    while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n            continue\n        finally:\n            run()\nrun()").await;
}

/// The survey after it would see the daemon among the neighbours, and its file.
pub(crate) async fn t4_a_daemon(python: &Python) {
    let code = r"
import os, signal, time, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for number in range(3):
            os.close(number)
        while True:
            time.sleep(0.01)
            open('/tmp/alive', 'w').close()
    os._exit(0)
os.wait()
result = 'gone'";
    let run = python.run(code).await;
    assert_eq!(run.result(), "gone", "{run:?}");
}

async fn t5_an_heir_of_the_output(python: &Python) {
    let begun = Instant::now();
    let run = python.execute(json!({ "code": "import os, time\nif os.fork() == 0:\n    time.sleep(1000)\nprint('done', flush=True)", "timeout": 20 })).await;
    assert_eq!((run.outcome(), run.stdout()), ("ok", "done\n"), "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

pub(crate) async fn t7_ends_that_hang(python: &Python) {
    for code in [
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1e9,)).start()",
        "import atexit, time\natexit.register(time.sleep, 1e9)",
        "import time\nclass Hang:\n    def __del__(self):\n        while True:\n            time.sleep(1)\nhang = Hang()",
        "import threading\nlock = threading.Lock()\nlock.acquire()\nthreading.Thread(target=lock.acquire).start()",
    ] {
        let begun = Instant::now();
        let run = python
            .execute(json!({ "code": format!("print('ran', flush=True)\n{code}"), "timeout": 2 }))
            .await;
        // An end that is not waited for is as good as one that is cut off.
        assert!(["ok", "timeout"].contains(&run.outcome()), "{code}: {run:?}");
        assert_eq!(run.stdout(), "ran\n", "{code}");
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{code}: {:?}",
            begun.elapsed()
        );
    }
}

async fn t8_imports_and_inputs_that_hang(python: &Python) {
    let run = python
        .execute(json!({ "code": "import slow", "files": { "slow.py": "while True: pass" }, "timeout": 2 }))
        .await;
    assert_eq!(run.outcome(), "timeout", "{run:?}");
    // With no input to come, reading is at its end at once.
    let run = python
        .run("import sys\n[sys.stdin.read(), sys.stdin.read()]")
        .await;
    assert_eq!(run.result(), &json!(["", ""]), "{run:?}");
    let run = python.run("input()").await;
    assert!(run.error().contains("EOFError"), "{run:?}");
    // Input that nobody reads holds nothing up.
    let run = python
        .execute(json!({ "code": "7", "stdin": "x".repeat(4 << 20) }))
        .await;
    assert_eq!(run.result(), 7, "{run:?}");
    let run = python
        .execute(json!({ "code": "import os\nos.close(0)\nimport time\ntime.sleep(0.2)\n7", "stdin": "x".repeat(1 << 20) }))
        .await;
    assert_eq!(run.result(), 7, "{run:?}");
    let run = python
        .execute(json!({ "code": "import sys\nlen(sys.stdin.read())", "stdin": "x".repeat(3 << 20) }))
        .await;
    assert_eq!(run.result(), 3 << 20, "{run:?}");
}

async fn t8_collecting_is_bounded(python: &Python) {
    let code = "import os\nfor name in range(900):\n    os.mkfifo('fifo%d' % name)\n    os.symlink('/proc/self/mem', 'link%d' % name)\n\
                os.symlink('.', 'loop')\nopen('file', 'w').write('x')";
    let begun = Instant::now();
    let run = python.execute(json!({ "code": code, "timeout": 5 })).await;
    assert_eq!(run.files(), ["file"], "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

pub(crate) async fn t10_a_clean_interpreter_after_a_timeout(python: &Python) {
    ends(
        python,
        "import builtins, json\nbuiltins.print = None\njson.dumps = None\nwhile True:\n    pass",
    )
    .await;
    let run = python.run("import json\nprint(json.dumps([1]))").await;
    assert_eq!(run.stdout(), "[1]\n", "{run:?}");
}

/// Whoever stands still has not ended, and is ended in time.
async fn x_stopped_by_itself(python: &Python) {
    for signal in ["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"] {
        let code = format!(
            "import os, signal\nif '{signal}' != 'SIGSTOP':\n    signal.signal(signal.{signal}, signal.SIG_DFL)\nos.kill(os.getpid(), signal.{signal})\nwhile True: pass"
        );
        ends(python, &code).await;
    }
    ends(
        python,
        "import os, signal\nif os.fork():\n    os.killpg(0, signal.SIGSTOP)\nwhile True: pass",
    )
    .await;
}

/// Time goes on outside, whatever the code thinks of it.
async fn x_a_clock_of_its_own(python: &Python) {
    ends(python, "import time\ntime.monotonic = lambda: 0\ntime.time = lambda: 0\ntime.sleep = lambda _: None\nwhile True: time.sleep(1)").await;
    let run = python.run("import signal, time\nsignal.alarm(1)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\ntime.sleep(20)").await;
    assert_eq!(
        (run.outcome(), run.0["signal"].as_str()),
        ("signal", Some("SIGALRM")),
        "{run:?}"
    );
}

/// The parent of a vfork sleeps until the child is done, and takes no signal but the last.
async fn x_uninterruptible_by_vfork(python: &Python) {
    ends(python, "import ctypes\nlibc = ctypes.CDLL(None)\nif libc.syscall(56, 0x4000 | 0x100 | 17, 0, 0, 0, 0) == 0:\n    while True: pass\nwhile True: pass").await;
}
