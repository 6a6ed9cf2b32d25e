//! A run begins as if it were the first, whatever the one before has done.

use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use crate::support::{Boxed, wait_for};

#[tokio::test]
async fn a_run_sees_nothing_of_the_one_before() {
    let boxed = Boxed::new();
    let code = "import os, sys, builtins, json, tempfile\n\
        os.environ['LEFT'] = '1'; builtins.left = 1; json.dumps = lambda *a, **k: 'forged'\n\
        sys.modules['left'] = json; sys.path.append('/left'); os.umask(0)\n\
        open('sitecustomize.py', 'w').write('1/0'); open(tempfile.gettempdir() + '/left.pth', 'w').write('x')\n\
        import threading\nthreading.Thread(target=lambda: None, daemon=True).start()\nos.chdir('/')\nleft = 1";
    let done = boxed.execute(code).await;
    assert_eq!(done["outcome"], "ok", "{done:#}");
    let code = "import os, sys, builtins, json, tempfile\n\
        [os.environ.get('LEFT'), hasattr(builtins, 'left'), json.dumps([1]), 'left' in sys.modules, '/left' in sys.path, \
        os.umask(0o22) == 0o22, os.listdir(), os.listdir(tempfile.gettempdir()), 'left' in globals(), \
        os.path.basename(os.getcwd())]";
    let done = boxed.execute(code).await;
    let expected = json!([
        null,
        false,
        "[1]",
        false,
        false,
        true,
        [],
        ["work"],
        false,
        "work"
    ]);
    assert_eq!(done["result"], expected, "{done:#}");
}

/// Where code is the same user as its supervisor, the directory itself is the code's own.
#[tokio::test]
async fn nothing_is_left_on_the_scratch_directory_itself() {
    let boxed = Boxed::alone();
    let code = "import os, tempfile\nplace = tempfile.gettempdir()\n\
        os.chmod(place, 0o750)\nos.setxattr(place, 'user.left', b'1')\nos.listxattr(place)";
    let first = boxed.execute(code).await;
    if first["result"] != json!(["user.left"]) {
        eprintln!(
            "directories in memory bear no marks here, which they do since Linux 6.6: {}",
            first["error"]
        );
    }
    let code = "import os, tempfile\nplace = tempfile.gettempdir()\n[os.listxattr(place), oct(os.stat(place).st_mode)]";
    let next = boxed.execute(code).await;
    assert_eq!(next["result"], json!([[], "0o41777"]), "{first:#} {next:#}");
    assert_eq!(boxed.host().outcomes(), [Outcome::Success; 2]);
}

#[tokio::test]
async fn the_environment_is_what_the_operator_wrote_and_no_more() {
    let done = Boxed::new().execute("import os\nsorted(os.environ)").await;
    assert_eq!(done["result"], json!(["HOME", "PATH", "TMPDIR"]));
}

#[tokio::test]
async fn random_numbers_differ_between_runs() {
    let boxed = Boxed::new();
    let code = "import random, uuid\n[random.random(), str(uuid.uuid4())]";
    let (first, second) = (boxed.execute(code).await, boxed.execute(code).await);
    assert_ne!(first["result"], second["result"]);
}

#[tokio::test]
async fn the_code_holds_nothing_of_the_supervisor() {
    let done = Boxed::new()
        .execute("import os, sys\n[len(os.listdir('/proc/self/fd')), sys.argv]")
        .await;
    assert_eq!(
        done["result"],
        json!([5, ["main.py"]]),
        "three streams, the pipe of the result, and the listing"
    );
}

#[tokio::test]
async fn a_thousand_runs_leave_the_supervisor_as_it_was() {
    let boxed = Boxed::new();
    let state = || {
        let pid = boxed.runner.pid();
        let memory = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
        let pages: u64 = memory.split_whitespace().nth(5).unwrap().parse().unwrap();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        (pages, open)
    };
    for _ in 0..50 {
        boxed.execute("print('warm')").await;
    }
    wait_for("the spare fork", || boxed.runner.descendants().pop());
    let before = state();
    assert!(before.1 < 24, "{} open files", before.1);
    for run in 0..300 {
        let code = if run % 3 == 0 {
            "open('f', 'w').write('x')"
        } else {
            "print('x' * 1000)\n[1]"
        };
        assert_eq!(boxed.execute(code).await["outcome"], "ok");
    }
    // The spare fork is made after the result is told: with it there are five pipes more.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut after = state();
    while after.1 > before.1 && std::time::Instant::now() < until {
        after = state();
    }
    assert!(
        after.1 <= before.1,
        "open files: {} and then {}",
        before.1,
        after.1
    );
    assert!(
        after.0 <= before.0 + 128,
        "pages of memory: {} and then {}",
        before.0,
        after.0
    );
    assert!(
        boxed
            .host()
            .outcomes()
            .iter()
            .all(|outcome| *outcome == Outcome::Success)
    );
}
