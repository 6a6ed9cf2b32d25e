//! Using up what there is.

use std::time::{Duration, Instant};

use confine::End;
use serde_json::json;

use crate::support::{Who, everybody, python, run, runs, start, told};

#[test]
fn a_fork_bomb_is_contained_and_ended_within_a_second() {
    let program = r#"
print("go", flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
"#;
    for who in everybody() {
        let mut running = start(who, &python(program));
        let pid = running.started();
        let before = Instant::now();
        while before.elapsed() < Duration::from_millis(500) {
            std::thread::yield_now();
        }
        if let Some(group) = &running.group {
            assert!(group.usage().processes.unwrap() <= 32, "{:?}", group.usage());
        }
        let ending = Instant::now();
        drop(running.launcher.stdin.take());
        let outcome = running.outcome();
        assert_eq!(outcome.end(), &End::Stopped, "{who:?}");
        assert!(
            ending.elapsed() < Duration::from_secs(1),
            "{who:?}: {:?}",
            ending.elapsed()
        );
        assert!(!runs(pid));
        assert_eq!(
            run(who, &python("pass")).end(),
            &End::Exited(0),
            "the next one runs"
        );
    }
}

#[test]
fn no_more_processes_than_were_allowed() {
    let program = r#"
started = 0
try:
    while started < 1000:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        started += 1
except OSError as error:
    tell(started=started, error=name(error.errno))
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        assert_eq!(results, json!({ "started": 31, "error": "EAGAIN" }), "{who:?}");
    }
}

#[test]
fn memory_ends_where_it_was_said_to() {
    let hogs = [
        "x = bytearray(10**10)",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "import mmap\nx = mmap.mmap(-1, 1 << 30)\nfor at in range(0, 1 << 30, 4096): x[at] = 1",
        "x = []\nfor n in range(8):\n  if os.fork() == 0:\n    x = [bytearray(1 << 20) for _ in range(100)]; time.sleep(60)\ntime.sleep(60)",
    ];
    for who in everybody() {
        for hog in hogs {
            let mut running = start(who, &python(hog));
            running.started();
            let begun = Instant::now();
            let group_peak = |running: &crate::support::Running| {
                running.group.as_ref().and_then(|group| group.usage().peak_memory)
            };
            if hog.contains("fork") && who == Who::Root {
                crate::support::until("the kernel has ended something", || {
                    running.group.as_ref().unwrap().usage().out_of_memory > Some(0)
                });
                drop(running.launcher.stdin.take());
            }
            if let Some(peak) = group_peak(&running) {
                assert!(peak <= 192 << 20, "{peak}");
            }
            let outcome = running.outcome();
            let by_the_kernel = outcome.end() == &End::Killed(9) && outcome.out_of_memory > 0;
            let by_looking = outcome.end() == &End::Memory;
            let by_the_limit = outcome.printed.contains("MemoryError");
            let of_a_child = hog.contains("fork") && outcome.out_of_memory > 0;
            assert!(
                by_the_kernel || by_looking || by_the_limit || of_a_child,
                "{hog} as {who:?}: {outcome:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(20), "{hog} as {who:?}");
        }
    }
}

#[test]
fn files_in_memory_count_and_never_hang() {
    let program = r#"
tell(filled=attempt(lambda: [open(f"/work/{n}", "wb").write(b"x" * (1 << 20)) for n in range(64)]))
"#;
    for who in everybody() {
        assert_eq!(
            told(who, &python(program)),
            json!({ "filled": "ENOSPC" }),
            "{who:?}"
        );
    }
}

#[test]
fn descriptors_run_out_for_the_program_alone() {
    let program = r#"
import select
held = []
def hold(make):
    for _ in range(100000): held.append(make())
files = attempt(lambda: hold(lambda: open("/dev/null"))); count = len(held); held.clear()
sockets = attempt(lambda: hold(socket.socket)); held.clear()
polls = attempt(lambda: hold(select.epoll)); held.clear()
tell(files=files, sockets=sockets, polls=polls, count=count <= 128, still=attempt(lambda: open("/dev/null")))
"#;
    for who in everybody() {
        let expected = json!({ "files": "EMFILE", "sockets": "EMFILE", "polls": "EMFILE", "count": true, "still": "OK" });
        assert_eq!(told(who, &python(program)), expected, "{who:?}");
    }
}

#[test]
fn a_crash_is_told_by_its_signal_and_leaves_no_core() {
    for who in everybody() {
        let child = r#"
import subprocess
os.chdir("/work")
shown = [subprocess.run([sys.executable, "-I", "-c", code]).returncode for code in ("import ctypes; ctypes.string_at(0)", "import os; os.abort()")]
import resource
tell(codes=shown, files=os.listdir("/work"), core=resource.getrlimit(resource.RLIMIT_CORE))
"#;
        let expected = json!({ "codes": [-11, -6], "files": [], "core": [0, 0] });
        assert_eq!(told(who, &python(child)), expected, "{who:?}");
    }
}
