//! X: the fork that waits behind the one at work, with its supervisor's rights.

use serde_json::json;

use crate::python::{Level, Python, assert_all_refused};

cases! {
    x_it_is_closed_to_the_code,
    x_it_hides_nobody,
    x_it_finds_its_place_whatever_was_done_to_it,
}

/// Everybody but process 1 and the code itself.
const OTHERS: &str = "import os\nothers = [int(name) for name in os.listdir('/proc') if name.isdigit() and int(name) not in (1, os.getpid())]\n";

/// Runs until one waits while code is at work. At `restricted`, where nothing could protect it, none ever does.
async fn until_one_waits(python: &Python) {
    let expected = usize::from(python.level == Level::Sandboxed);
    for _ in 0..200 {
        let seen = python.run(&format!("{OTHERS}len(others)")).await;
        if seen.result() == expected {
            return;
        }
    }
    panic!("in two hundred runs {expected} should have waited");
}

pub(crate) async fn x_it_is_closed_to_the_code(python: &Python) {
    until_one_waits(python).await;
    let attempts = format!(
        r"{OTHERS}import resource
found = {{'nobody': 'EPERM'}}
for pid in others:
    for number in (0, 2, 9, 15, 19):
        found[f'signal {{number}}'] = tried(os.kill, pid, number)
    for name in ('environ', 'mem', 'maps', 'stack', 'syscall', 'io'):
        found[name] = tried(read, f'/proc/{{pid}}/{{name}}')
    for name in ('fd', 'cwd/.', 'root/.'):
        found[name] = tried(os.listdir, f'/proc/{{pid}}/{{name}}')
    found['write'] = tried(opened, f'/proc/{{pid}}/mem', os.O_RDWR)
    found['limits'] = tried(resource.prlimit, pid, resource.RLIMIT_CPU, (1, 1))
    found['affinity'] = tried(os.sched_setaffinity, pid, {{0}})
    found['priority'] = tried(os.setpriority, os.PRIO_PROCESS, pid, 19)
    found['oom'] = tried(opened, f'/proc/{{pid}}/oom_score_adj')
found"
    );
    assert_all_refused(&python.attack(&attempts).await);
}

pub(crate) async fn x_it_hides_nobody(python: &Python) {
    until_one_waits(python).await;
    let code = "import os, signal, time\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        for number in range(1, 32):\n            if number not in (9, 19): signal.signal(number, signal.SIG_IGN)\n        if os.fork() == 0:\n            os.closerange(0, 256)\n            while True: time.sleep(600)\n        os._exit(0)\n'left'";
    assert_eq!(python.run(code).await.result(), "left");
    let code = format!("{OTHERS}[pid for pid in others if os.stat(f'/proc/{{pid}}').st_uid == os.getuid()]");
    assert_eq!(python.run(&code).await.result(), &json!([]));
}

/// What it will do once its turn has come is prepared by the run before.
pub(crate) async fn x_it_finds_its_place_whatever_was_done_to_it(python: &Python) {
    until_one_waits(python).await;
    for code in [
        "import os\nos.chdir('/')\nos.rmdir('/tmp/work')\nos.symlink('/', '/tmp/work')",
        "import os\nos.chdir('/')\nos.rmdir('/tmp/work')\nos.mkfifo('/tmp/work')",
        "import os\nos.chdir('/')\nos.rmdir('/tmp/work')\nopen('/tmp/work', 'w').close()",
        "import os\nos.chmod('/tmp/work', 0)",
        "import os\nfor place in ('/tmp', '/dev/shm'):\n    try: os.chmod(place, 0)\n    except OSError: pass",
    ] {
        let done = python
            .execute(json!({ "code": format!("{code}\n'done'"), "collect": false }))
            .await;
        assert_eq!(done.result(), "done", "{code}: {done:?}");
        let next = python
            .run("import os\n[os.getcwd(), os.listdir(), oct(os.stat('/tmp').st_mode)]")
            .await;
        assert_eq!(
            next.result(),
            &json!(["/tmp/work", [], "0o41777"]),
            "after {code}: {next:?}"
        );
    }
}
