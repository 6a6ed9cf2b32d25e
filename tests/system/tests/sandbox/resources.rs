//! R: using everything up.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::python::Python;

cases! {
    r1_a_fork_bomb,
    r1_a_thread_bomb,
    r2_thousands_of_orphans,
    r3_memory_at_once,
    r3_memory_by_and_by,
    r4_memory_as_files,
    r6_every_processor,
    r7_every_descriptor,
    r9_crashes,
    r11_names_and_depths,
    x_memory_that_sockets_hold,
    x_limits_are_not_raised,
    x_a_storm_of_signals,
    x_timers_by_the_thousand,
    x_arguments_of_megabytes,
    x_messages_and_semaphores,
}

async fn r1_a_fork_bomb(python: &Python) {
    let begun = Instant::now();
    let bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n";
    let run = python.execute(json!({ "code": bomb, "timeout": 2 })).await;
    assert_eq!(run.outcome(), "timeout", "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

async fn r1_a_thread_bomb(python: &Python) {
    let bomb = r"
import threading, time
threads = 0
try:
    while threads < 20000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        threads += 1
except (RuntimeError, MemoryError) as error:
    pass
result = threads";
    let run = python.execute(json!({ "code": bomb, "timeout": 20 })).await;
    assert_eq!(run.outcome(), "ok", "{run:?}");
    assert!(run.result().as_u64().unwrap() < 1000, "{run:?}");
}

async fn r2_thousands_of_orphans(python: &Python) {
    let orphans = r"
import os, time
made = 0
while made < 3000:
    try:
        child = os.fork()
    except OSError:
        time.sleep(0.001)
        continue
    if child == 0:
        try:
            os.fork()
        except OSError:
            pass
        os._exit(0)
    os.waitpid(child, 0)
    made += 1
result = made";
    let run = python.execute(json!({ "code": orphans, "timeout": 30 })).await;
    // Slow machines make fewer; what counts is that none is left.
    assert!(["ok", "timeout"].contains(&run.outcome()), "{run:?}");
    let pids = python
        .attack("len([pid for pid in os.listdir('/proc') if pid.isdigit()])")
        .await;
    assert!(pids.as_u64().unwrap() < 12, "{pids} processes are left");
}

async fn r3_memory_at_once(python: &Python) {
    let run = python.run("bytearray(10**10)").await;
    assert!(run.ran_out_of_memory(), "{run:?}");
}

pub(crate) async fn r3_memory_by_and_by(python: &Python) {
    let run = python
        .run("hoard = []\nwhile True:\n    hoard.append(bytearray(b'x' * (1 << 20)))\n")
        .await;
    assert!(run.ran_out_of_memory(), "{run:?}");
    let code = "import os, time\nwhile True:\n    hoard = bytearray(b'x' * (1 << 23))\n    try:\n        if os.fork():\n            time.sleep(60)\n    except OSError:\n        time.sleep(60)\n";
    let run = python.execute(json!({ "code": code, "timeout": 5 })).await;
    assert_ne!(run.outcome(), "infrastructure", "many small processes: {run:?}");
}

async fn r4_memory_as_files(python: &Python) {
    for folder in [".", "/tmp", "/dev/shm"] {
        let fill = format!(
            "import os, errno\ncount, error = 0, None\ntry:\n    while True:\n        with open('{folder}/fill%d' % count, 'wb') as file:\n            \
             file.write(bytes(1 << 20))\n        count += 1\nexcept OSError as caught:\n    error = errno.errorcode[caught.errno]\n[count, error]"
        );
        let run = python
            .execute(json!({ "code": fill, "collect": false, "timeout": 20 }))
            .await;
        assert!(
            run.ran_out_of_memory() || run.outcome() == "ok" || run.outcome() == "disk_limit",
            "{folder}: {run:?}"
        );
        assert!(python.run("1 + 1").await.result() == 2);
    }
}

/// Of two callers one takes all it can; the other is served all the same.
async fn r6_every_processor(python: &Python) {
    let busy = r"
import threading, os
def spin():
    while True:
        pass
os.fork()
os.fork()
try:
    for _ in range(8):
        threading.Thread(target=spin, daemon=True).start()
except RuntimeError:
    pass
spin()";
    let hog = python.execute(json!({ "code": busy, "timeout": 4 }));
    let other = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let begun = Instant::now();
            assert_eq!(python.run("40 + 2").await.result(), 42);
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let (hog, slowest) = tokio::join!(hog, other);
    assert_eq!(hog.outcome(), "timeout", "{hog:?}");
    assert!(slowest < Duration::from_secs(4), "{slowest:?}");
}

async fn r7_every_descriptor(python: &Python) {
    let found = r"
import select
kept = []
def until_refused(make):
    del kept[:]
    for _ in range(1000000):
        kept.append(make())
found = {'files': tried(until_refused, lambda: os.open('/dev/null', os.O_RDONLY)), 'polls': tried(until_refused, select.epoll),
    'pairs': tried(until_refused, socket.socketpair), 'pipes': tried(until_refused, os.pipe)}
del kept[:]
os.closerange(10, 250)
found";
    let found = python.attack(found).await;
    for (what, answer) in found.as_object().unwrap() {
        assert!(
            ["EMFILE", "ENOMEM", "EPERM", "EACCES"].contains(&answer.as_str().unwrap()),
            "{what}: {answer}"
        );
    }
}

pub(crate) async fn r9_crashes(python: &Python) {
    for (code, signal) in [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGFPE)", "SIGFPE"),
    ] {
        let run = python.run(&format!("print('before', flush=True)\n{code}")).await;
        assert_eq!(
            (run.outcome(), run.0["signal"].as_str()),
            ("signal", Some(signal)),
            "{run:?}"
        );
        assert_eq!((run.stdout(), run.files().len()), ("before\n", 0), "{run:?}");
    }
    let run = python
        .run("import sys\nsys.setrecursionlimit(10**9)\ndef deep(n):\n    return deep(n + 1) + 1\ndeep(0)")
        .await;
    assert!(["signal", "exception", "oom"].contains(&run.outcome()), "{run:?}");
}

async fn r11_names_and_depths(python: &Python) {
    let code = r"
import os
os.mkdir(b'\xc3')
open(b'\xc3/\xff\xfe.txt', 'wb').write(b'not UTF-8')
open('n' * 255, 'w').write('long')
open('new\nline', 'w').write('odd')
top = os.getcwd()
depth = 0
try:
    while depth < 10000:
        os.mkdir('d')
        os.chdir('d')
        depth += 1
    open('bottom', 'w').write('deep')
except OSError:
    pass
os.chdir(top)
files = 0
try:
    while files < 100000:
        open('f%d' % files, 'w').close()
        files += 1
except OSError:
    pass
result = [depth, files]";
    let run = python.execute(json!({ "code": code, "timeout": 30 })).await;
    assert!(["ok", "timeout"].contains(&run.outcome()), "{:?}", run.0["error"]);
    assert!(run.files().len() <= 10_000, "{}", run.files().len());
}

/// What lies in sockets is nobody's in the kernel's eyes, so that it may end the supervisor instead, and the box with it.
async fn x_memory_that_sockets_hold(python: &Python) {
    let code = r#"
import os, socket, time
open('/proc/self/oom_score_adj', 'w').write('500')
def hoard():
    held = []
    try:
        while True:
            pair = socket.socketpair()
            pair[0].setblocking(False)
            pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            held += pair
            try:
                while True: pair[0].send(b'x' * 65536)
            except OSError: pass
    except OSError: pass
    for one in held: os.set_inheritable(one.fileno(), True)
for _ in range(30):
    if os.fork() == 0:
        hoard()
        os.execv('/bin/sleep', ['sleep', '20'])
    time.sleep(0.12)
open('/tmp/more', 'wb').write(b'x' * (30 << 20))
os.execv('/bin/sleep', ['sleep', '3'])
"#;
    let run = python
        .execute(json!({ "code": code, "timeout": 20, "collect": false }))
        .await;
    // Where the sockets hold less than all memory, nothing comes of it.
    let harmless = ["oom", "ok", "signal", "exit", "timeout"].contains(&run.outcome());
    assert!(harmless, "{run:?}");
    assert_eq!(python.run("1 + 1").await.result(), 2);
}

async fn x_limits_are_not_raised(python: &Python) {
    let found = r"
import resource
found = {}
for name in dir(resource):
    if name.startswith('RLIMIT_'):
        kind = getattr(resource, name)
        soft, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            found[name] = tried(resource.setrlimit, kind, (hard + 1, hard + 1))
found['nice'] = tried(os.nice, -5)
found['real time'] = tried(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
found['disk first'] = tried(system, 251, 1, 0, (1 << 13) | 0)
{name: 'EPERM' if answer.startswith('ValueError') else answer for name, answer in found.items()}";
    crate::python::assert_all_refused(&python.attack(found).await);
}

async fn x_a_storm_of_signals(python: &Python) {
    let storm = r"
import os, signal
for _ in range(20000):
    for target in (os.getppid(), 1):
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            try:
                os.kill(target, number)
            except OSError:
                pass
result = 'survived'";
    let run = python.run(storm).await;
    assert_eq!(run.result(), "survived", "{run:?}");
}

/// Timers are kept by the kernel: there is a limit to them, and they go with the run that made them.
async fn x_timers_by_the_thousand(python: &Python) {
    let timers = r"
import resource
class Event(ctypes.Structure):
    _fields_ = [('value', ctypes.c_void_p), ('signal', ctypes.c_int), ('notify', ctypes.c_int), ('rest', ctypes.c_char * 48)]
most, made, ended = min(resource.getrlimit(resource.RLIMIT_SIGPENDING)[0] + 1000, 2000000), 0, 'never'
while made < most:
    event, timer = Event(None, signal.SIGKILL, 0), ctypes.c_int()
    try:
        system(222, 0, ctypes.byref(event), ctypes.byref(timer))
    except OSError as error:
        ended = errno.errorcode[error.errno]
        break
    made += 1
result = [ended, made]";
    let first = python.attack(timers).await;
    assert!(
        ["EAGAIN", "ENOMEM", "EPERM"].contains(&first[0].as_str().unwrap()),
        "{first}"
    );
    let second = python.attack(timers).await;
    let made = |run: &serde_json::Value| run[1].as_u64().unwrap();
    // Others of the same user may have some at the moment; but not all that the first run had.
    assert!(made(&second) >= made(&first) / 2, "{first}, then {second}");
}

async fn x_arguments_of_megabytes(python: &Python) {
    let run = python
        .execute(json!({ "code": "import sys\nlen(sys.argv)", "argv": vec!["x".repeat(1000); 1000] }))
        .await;
    assert_eq!(
        (run.outcome(), run.result().as_u64()),
        ("ok", Some(1001)),
        "{run:?}"
    );
    let run = python.run("import os\ntry:\n    os.execv('/bin/true', ['x' * 100000] * 100)\nexcept OSError as error:\n    result = 'refused'").await;
    assert_ne!(run.outcome(), "infrastructure", "{run:?}");
}

/// What would outlive its process: System V objects, POSIX queues, named semaphores. The survey sees what is left.
async fn x_messages_and_semaphores(python: &Python) {
    let made = r"
made = {'shm': tried(system, 29, 0x1234, 65536, 0o1666), 'sem': tried(system, 64, 0x1234, 4, 0o1666), 'msg': tried(system, 68, 0x1234, 0o1666)}
class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ('flags', 'most', 'size', 'now', 'a', 'b', 'c', 'd')]
made['queue'] = tried(system, 240, b'evil', os.O_CREAT | os.O_RDWR, 0o666, ctypes.byref(Attributes(0, 4, 64)))
made['named'] = tried(lambda: libc.sem_open(b'/evil', os.O_CREAT, 0o666, 1))
made['file'] = tried(open, '/dev/shm/evil', 'w')
made['abstract'] = tried(lambda: socket.socket(socket.AF_UNIX).bind('\0evil'))
made";
    assert!(!python.attack(made).await.as_object().unwrap().is_empty());
    // More than one page of the list of them, and the box is clean all the same.
    let many = "for key in range(600): tried(system, 64, 0x2000 + key, 1, 0o1666)\n'made'";
    assert_eq!(python.attack(many).await, "made");
    let box_of = async || python.execute(json!({ "code": "1" })).await.0["instance"].clone();
    let before = box_of().await;
    assert_eq!(python.attack(many).await, "made");
    assert_eq!(box_of().await, before);
}
