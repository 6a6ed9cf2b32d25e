//! P: the runner itself, which lives in the same box.

use serde_json::json;

use crate::python::{Python, assert_all_refused};

cases! {
    p1_its_memory_and_its_files,
    p2_its_limits_and_its_turn,
    p3_its_life,
    p4_a_thousand_runs_leave_nothing,
    p5_the_environment_is_a_short_list,
    x_its_secrets,
    x_its_channel,
    x_the_mother_of_all_runs,
    x_descriptors_passed_on,
}

pub(crate) async fn p1_its_memory_and_its_files(python: &Python) {
    let attempts = r"
found = {}
for pid in {1, os.getppid()}:
    for name in ('environ', 'mem', 'maps', 'auxv', 'stack', 'syscall', 'io', 'smaps', 'pagemap', 'clear_refs', 'personality'):
        found[f'{pid} {name}'] = tried(read, f'/proc/{pid}/{name}')
    for name in ('fd', 'fdinfo', 'map_files', 'cwd/.', 'root/.'):
        found[f'{pid} {name}'] = tried(os.listdir, f'/proc/{pid}/{name}')
    found[f'{pid} write'] = tried(opened, f'/proc/{pid}/mem', os.O_RDWR)
found";
    assert_all_refused(&python.attack(attempts).await);
}

pub(crate) async fn p2_its_limits_and_its_turn(python: &Python) {
    let attempts = r"
import resource
found = {}
for pid in {1, os.getppid()}:
    found[f'{pid} cpu'] = tried(resource.prlimit, pid, resource.RLIMIT_CPU, (1, 1))
    found[f'{pid} files'] = tried(resource.prlimit, pid, resource.RLIMIT_NOFILE, (0, 0))
    found[f'{pid} look'] = 'EPERM'
    found[f'{pid} affinity'] = tried(os.sched_setaffinity, pid, {0})
    found[f'{pid} priority'] = tried(os.setpriority, os.PRIO_PROCESS, pid, 19)
    found[f'{pid} scheduler'] = tried(os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0))
    found[f'{pid} disk'] = tried(system, 251, 1, pid, (3 << 13))
    found[f'{pid} group'] = tried(os.setpgid, pid, os.getpid()) if pid != os.getppid() else 'EPERM'
    found[f'{pid} oom'] = tried(opened, f'/proc/{pid}/oom_score_adj')
found";
    assert_all_refused(&python.attack(attempts).await);
}

pub(crate) async fn p3_its_life(python: &Python) {
    for target in ["1", "os.getppid()", "-1", "0", "-os.getpgid(os.getppid())"] {
        let code = format!(
            "import os, signal\nfor number in (9, 19, 15, 6, 11):\n    try:\n        os.kill({target}, number)\n    except OSError:\n        pass\n'alive'"
        );
        let run = python.execute(json!({ "code": code, "timeout": 3 })).await;
        assert_ne!(run.outcome(), "infrastructure", "kill({target}): {run:?}");
        assert_eq!(python.run("1 + 1").await.result(), 2, "after kill({target})");
    }
}

/// A thousand on a quick machine; the box is the same one wherever uses are not counted out.
pub(crate) async fn p4_a_thousand_runs_leave_nothing(python: &Python) {
    let look = "import os\n[len(os.listdir('/proc/self/fd')), len([p for p in os.listdir('/proc') if p.isdigit()]), os.statvfs('.').f_ffree, os.statvfs('.').f_bavail]";
    let before = python.run(look).await.result().clone();
    let begun = std::time::Instant::now();
    for number in 0..1000 {
        let run = python.execute(json!({ "code": "import os\nopen('left', 'w').write('x' * 1000)\nn + 1", "args": { "n": number }, "collect": false })).await;
        assert_eq!(run.result(), number + 1, "{run:?}");
        if begun.elapsed() > std::time::Duration::from_secs(40) {
            break;
        }
    }
    assert_eq!(python.run(look).await.result(), &before);
}

async fn p5_the_environment_is_a_short_list(python: &Python) {
    let environment = python.run("import os\ndict(os.environ)").await.result().clone();
    for (name, value) in environment.as_object().unwrap() {
        let harmless = [
            "PATH",
            "HOME",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "TMPDIR",
            "TZ",
            "USER",
            "LOGNAME",
            "PWD",
            "SHELL",
            "TERM",
            "MPLBACKEND",
            "MPLCONFIGDIR",
        ];
        let known =
            harmless.contains(&name.as_str()) || name.starts_with("PYTHON") || name.ends_with("_NUM_THREADS");
        assert!(known, "{name}={value}");
    }
    let clue = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let told = python
        .run("import socket, os\n[socket.gethostname(), os.uname().nodename]")
        .await;
    if clue.trim() != "localhost" {
        assert!(
            !told.result().to_string().contains(clue.trim()),
            "the name of the host: {told:?}"
        );
    }
}

/// Nothing of this host's, and no other caller's, is in the memory it was forked with.
async fn x_its_secrets(python: &Python) {
    let marker = "gleitzeit-marker-of-another-caller";
    let run = python.execute(json!({ "code": "len(secret)", "args": { "secret": marker }, "stdin": marker, "files": { "secret.txt": marker } })).await;
    assert_eq!(run.result(), marker.len());
    let frames = r"
import sys
frame, found = sys._getframe(), []
while frame is not None:
    if frame.f_globals is not globals():
        found += [f'{frame.f_code.co_name}: {name}' for name, value in frame.f_locals.items() if '-'.join(words) in deep(value, 4)]
    frame = frame.f_back
found";
    let deep = "def deep(value, depth):\n    below = getattr(value, '__dict__', value)\n    if depth == 0 or not isinstance(below, (dict, list, tuple)):\n        return repr(value)\n    return ' '.join(deep(one, depth - 1) for one in (below.values() if isinstance(below, dict) else below))\n";
    let words = json!({ "code": format!("{deep}{}", frames.trim_start()), "args": { "words": marker.split('-').collect::<Vec<_>>() } });
    assert_eq!(
        python.execute(words).await.result(),
        &json!([]),
        "what another run was given is within reach"
    );
    let words = r"
import gc
found = []
for thing in gc.get_objects():
    if isinstance(thing, dict):
        for key, value in list(thing.items()):
            if isinstance(key, str) and any(word in key.lower() for word in ('nonce', 'secret', 'token')) and isinstance(value, (bytes, str)) and len(value) >= 8:
                found.append([key, str(type(value))])
result = [entry for entry in found if entry[0] not in ('token', 'Token')]";
    let run = python.run(words).await;
    assert_eq!(run.outcome(), "ok", "{run:?}");
    for entry in run.result().as_array().unwrap() {
        assert!(
            !entry[0].as_str().unwrap().to_lowercase().contains("nonce"),
            "{run:?}"
        );
    }
}

/// The way from the runner to the host is not told, and taking its place gets nobody a word from the host.
async fn x_its_channel(python: &Python) {
    let found = r"
found = []
for top in ('/run', '/var/run', '/tmp', '/dev', '/opt', '/mnt'):
    for folder, folders, names in os.walk(top, followlinks=False):
        for name in names:
            path = os.path.join(folder, name)
            try:
                if not stat.S_ISSOCK(os.lstat(path).st_mode):
                    continue
                os.rename(path, path + '.away')
            except OSError:
                pass
            try:
                os.remove(path + '.away')
                os.remove(path)
            except OSError:
                pass
            fake = socket.socket(socket.AF_UNIX)
            fake.settimeout(2)
            try:
                fake.bind(path)
                fake.listen()
                other = fake.accept()[0]
                found.append([path, repr(other.recv(4096))])
            except OSError:
                pass
[found, os.environ.get('GLEITZEIT_CONTROL')]";
    assert_eq!(python.attack(found).await, json!([[], null]));
    for _ in 0..3 {
        assert_eq!(python.run("1 + 1").await.result(), 2);
    }
}

/// Modules of the interpreter that runs are forked from are its own copy: what is done to them ends with it.
async fn x_the_mother_of_all_runs(python: &Python) {
    let poison = r"
import sys, builtins, os, json, gc
builtins.print = lambda *a, **k: None
builtins.open = None
for module in list(sys.modules.values()):
    for name in list(vars(module) if module else ()):
        if name in ('loads', 'dumps', 'fork', 'read', 'write', 'waitpid', 'kill'):
            try:
                setattr(module, name, None)
            except Exception:
                pass
sys.modules['evil'] = sys
sys.path.insert(0, '/tmp/evil')
sys.settrace(lambda *a: None)
sys.excepthook = sys.displayhook = None
gc.set_threshold(1)
os.environ['EVIL'] = 'yes'
import locale, resource, signal
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.umask(0)
'poisoned'";
    let run = python.run(poison).await;
    assert_ne!(run.outcome(), "infrastructure", "{run:?}");
    let next = python
        .run("import json\nprint(json.dumps([1]))\nopen('x', 'w').write('x')")
        .await;
    assert_eq!((next.outcome(), next.stdout()), ("ok", "[1]\n"), "{next:?}");
}

/// A descriptor hidden in a socket's queue stays alive without a process; the next run must find no such socket.
pub(crate) async fn x_descriptors_passed_on(python: &Python) {
    let hide = r"
one, two = socket.socketpair()
own = os.open('/tmp', os.O_RDONLY)
answer = tried(socket.send_fds, one, [b'x'], [own, two.fileno()])
for path in ('/tmp/evil.sock', os.path.abspath('evil.sock')):
    listener = socket.socket(socket.AF_UNIX)
    tried(listener.bind, path)
    tried(listener.listen)
if os.fork() == 0:
    time.sleep(1000)
answer";
    python.attack(hide).await;
    let next = python.attack("[tried(lambda: socket.socket(socket.AF_UNIX).connect('/tmp/evil.sock')), os.path.exists('/tmp/evil.sock')]").await;
    assert!(!next[0].as_str().unwrap().starts_with("allowed"), "{next}");
    assert_eq!(next[1], false);
}
