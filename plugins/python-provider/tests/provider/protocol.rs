//! The runner against a host that misbehaves: it hangs up on nonsense, ends with its host, and goes on otherwise.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Runner, alive, wait_for};

const RUN: u8 = 1;
const GO: u8 = 4;
const CANCEL: u8 = 5;
const PING: u8 = 6;

struct Line(UnixStream);

impl Line {
    fn to(runner: &Runner) -> Self {
        let stream = UnixStream::connect(runner.path()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut line = Self(stream);
        let (kind, _, payload) = line.next().unwrap();
        let hello: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            (kind, &hello["protocol"], &hello["alone"]),
            (16, &json!(1), &json!(false))
        );
        line
    }

    fn send(&mut self, kind: u8, run: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[..], &[kind], &run.to_be_bytes(), payload].concat();
        // It may have hung up already, which the next read tells.
        let _ = self.0.write_all(&frame);
    }

    fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut header = [0; 9];
        self.0.read_exact(&mut header).ok()?;
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let mut payload = vec![0; number(&header[..4]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((header[4], number(&header[5..]), payload))
    }

    fn begin(&mut self, run: u32, code: &str) {
        let control =
            json!({ "kind": "once", "timeout": 20, "output_bytes": 1000, "result_bytes": 1000 }).to_string();
        let job =
            json!({ "kind": "once", "code": code, "name": "main.py", "stamp": 0, "result_bytes": 1000 })
                .to_string();
        let length = u32::try_from(control.len()).unwrap().to_be_bytes();
        self.send(
            RUN,
            run,
            &[&length[..], control.as_bytes(), job.as_bytes()].concat(),
        );
    }

    /// The end of the run, and what was printed before it.
    fn end(&mut self) -> (Value, String) {
        let mut out = String::new();
        loop {
            match self.next().expect("the runner goes on") {
                (22, _, payload) => return (serde_json::from_slice(&payload).unwrap(), out),
                (17, _, payload) => out.push_str(&String::from_utf8(payload).unwrap()),
                _ => {}
            }
        }
    }

    fn works(&mut self, run: u32) {
        self.begin(run, "print(6 * 7)");
        self.send(GO, run, b"");
        let (end, out) = self.end();
        assert_eq!(
            (&end["outcome"], &end["clean"], out.as_str()),
            (&json!("ok"), &json!(true), "42\n")
        );
    }
}

#[test]
fn nonsense_is_answered_with_a_word_and_the_end_of_the_connection() {
    let runner = Runner::start();
    let nonsense: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xff; 64],
        &[0, 0, 0, 0, 99, 0, 0, 0, 1],
        &[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1],
        &[0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0],
        &[0, 0, 0, 5, 1, 0, 0, 0, 1, 0, 0, 0, 1, b'{'],
        &[0, 0, 0, 0, 4, 0, 0, 0, 1],
    ];
    for bytes in nonsense {
        let mut line = Line::to(&runner);
        line.0.write_all(bytes).unwrap();
        let (kind, _, why) = line.next().expect("a word of why");
        assert_eq!(kind, 24);
        assert!(!why.is_empty());
        assert_eq!(line.next(), None, "{bytes:?}");
    }
    Line::to(&runner).works(1);
}

#[test]
fn a_connection_cut_in_the_middle_of_a_frame_is_forgotten() {
    let runner = Runner::start();
    let mut line = Line::to(&runner);
    line.0.write_all(&[0, 0, 1]).unwrap();
    drop(line);
    let mut line = Line::to(&runner);
    line.begin(5, "1");
    drop(line);
    Line::to(&runner).works(1);
}

#[test]
fn a_host_that_hangs_up_in_the_middle_of_a_run_ends_it() {
    let runner = Runner::start();
    let begun = runner.directory.path().join("begun");
    let mut line = Line::to(&runner);
    let code = format!("import os, time\nopen({begun:?}, 'w').write(f'{{os.getpid()}} ')\ntime.sleep(600)");
    line.begin(1, &code);
    line.send(GO, 1, b"");
    let code = wait_for("the code", || {
        let text = std::fs::read_to_string(&begun).ok()?;
        text.strip_suffix(' ')?.parse().ok()
    });
    drop(line);
    let mut line = Line::to(&runner);
    assert!(!alive(code), "the code lives on");
    line.works(2);
}

#[test]
fn a_run_is_cancelled_by_its_number_only() {
    let runner = Runner::start();
    let mut line = Line::to(&runner);
    line.send(CANCEL, 7, b"");
    line.begin(1, "import time\ntime.sleep(600)");
    line.send(GO, 1, b"");
    line.send(CANCEL, 9, b"");
    line.send(PING, 3, b"there?");
    assert_eq!(
        line.next(),
        Some((23, 3, b"there?".to_vec())),
        "it listens while code runs"
    );
    line.send(CANCEL, 1, b"");
    let (end, _) = line.end();
    assert_eq!(
        (&end["outcome"], &end["clean"]),
        (&json!("cancelled"), &json!(true))
    );
    line.works(2);
}

#[test]
fn a_second_run_before_the_end_of_the_first_is_refused() {
    let runner = Runner::start();
    let mut line = Line::to(&runner);
    line.begin(1, "import time\ntime.sleep(600)");
    line.send(GO, 1, b"");
    line.begin(2, "1");
    assert_eq!(line.next().map(|(kind, ..)| kind), Some(24));
    Line::to(&runner).works(3);
}

#[test]
fn the_runner_ends_with_its_host_whatever_it_is_doing() {
    let mut idle = Runner::start();
    idle.hang_up();
    assert_eq!(idle.ended(), Some(0));

    let mut busy = Runner::start();
    let mut line = Line::to(&busy);
    line.begin(
        1,
        "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(600)",
    );
    line.send(GO, 1, b"");
    let below = wait_for("the code and its child", || {
        Some(busy.descendants()).filter(|below| below.len() == 2)
    });
    busy.hang_up();
    assert_eq!(busy.ended(), Some(0));
    for pid in below {
        assert!(!alive(u64::from(pid)), "{pid} lives on");
    }
    let left: Vec<_> = std::fs::read_dir(busy.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["control"], "its own directory is gone");
}

#[test]
fn the_runner_grows_no_older_than_it_may() {
    let mut runner = Runner::with(json!({ "lifetime": 0.5 }));
    assert_eq!(runner.ended(), Some(0));
}

#[test]
fn only_its_user_may_connect() {
    use std::os::unix::fs::PermissionsExt as _;
    let runner = Runner::start();
    let mode = std::fs::metadata(runner.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn directories_that_everybody_shares_are_never_emptied_outside_a_box() {
    for settings in [
        json!({ "work": "/tmp/work", "wipe": ["/tmp"] }),
        json!({ "ipc": true, "work": null, "wipe": [] }),
    ] {
        let mut config = json!({ "uid": null, "environment": {}, "preimport": [] });
        config
            .as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        let command = python_provider::runner::command("python3", &config);
        let output = std::process::Command::new(&command[0])
            .args(&command[1..])
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("in a box only, and is in none"));
    }
}

#[test]
fn modules_that_are_not_there_are_told_at_once() {
    let command = python_provider::runner::command(
        "python3",
        &json!({
            "uid": null, "work": null, "wipe": [], "environment": {}, "preimport": ["no_such_module"],
        }),
    );
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(&command[0])
        .args(&command[1..])
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0, "the directory that it had made is gone");
    assert!(String::from_utf8_lossy(&output.stderr).contains("No module named 'no_such_module'"));
}
