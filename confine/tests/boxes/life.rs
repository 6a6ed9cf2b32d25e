//! Beginning, control channel, end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use confine::{Confinement, End, Event};
use plugin_api::contract::workload::{Isolation, Syscalls};

use crate::support::{Running, Who, everybody, launch, python, run, runs, start, until};

const LISTENER: &str = r#"
listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["GLEITZEIT_CONTROL"])
time.sleep(0.05)
listener.listen(1)
while True:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(100)[::-1])
    connection.close()
"#;

fn say(socket: &str, text: &str) -> std::io::Result<String> {
    let mut connection = UnixStream::connect(socket)?;
    connection.write_all(text.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn the_control_channel_is_told_once_it_listens_and_goes_with_the_box() {
    for who in everybody() {
        let mut running = start(who, &python(LISTENER));
        running.started();
        let socket = running.ready();
        assert_eq!(say(&socket, "abc").unwrap(), "cba", "{who:?}");
        assert_eq!(say(&socket, "xyz").unwrap(), "zyx", "{who:?}");
        drop(running);
        assert!(say(&socket, "abc").is_err());
    }
}

#[test]
fn once_it_listens_nothing_in_the_box_takes_the_place_of_its_socket() {
    let program = r#"
listener = socket.socket(socket.AF_UNIX)
path = os.environ["GLEITZEIT_CONTROL"]
listener.bind(path); listener.listen(1)
connection, _ = listener.accept(); connection.recv(1)
folder, other = os.path.dirname(path), socket.socket(socket.AF_UNIX)
tried = [attempt(work) for work in (lambda: os.unlink(path), lambda: os.rename(path, folder + "/away"), lambda: other.bind(folder + "/other"),
    lambda: os.mkdir(folder + "/more"), lambda: os.chmod(folder, 0o777), lambda: os.chmod(path, 0o600), lambda: os.symlink("/", folder + "/link"))]
connection.sendall(" ".join(tried + os.listdir(folder)).encode()); connection.close()
connection, _ = listener.accept(); connection.recv(1)
connection.sendall(b"still here"); connection.close()
time.sleep(60)
"#;
    for who in everybody() {
        let mut running = start(who, &python(program));
        running.started();
        let socket = running.ready();
        let tried = say(&socket, "x").unwrap();
        let (left, refused) = {
            let mut words: Vec<&str> = tried.split(' ').collect();
            (words.split_off(7), words)
        };
        assert_eq!(left, ["control.sock"], "{who:?}: {tried}");
        for answer in refused {
            assert!(["EROFS", "EACCES", "EPERM"].contains(&answer), "{who:?}: {tried}");
        }
        assert_eq!(say(&socket, "x").unwrap(), "still here", "{who:?}");
    }
}

#[test]
fn a_link_in_the_place_of_the_socket_leads_nowhere() {
    let program = r#"
path = os.environ["GLEITZEIT_CONTROL"]
listener = socket.socket(socket.AF_UNIX); listener.bind("/work/elsewhere"); listener.listen(1)
attempt(lambda: os.symlink("/work/elsewhere", path))  # where the kernel has Landlock, not even that
time.sleep(0.3)
"#;
    for who in everybody() {
        let mut running = start(who, &python(program));
        running.started();
        match running.event() {
            Some(Event::Ended(End::Exited(0))) => {}
            other => panic!("{who:?}: {other:?}"),
        }
    }
}

#[test]
fn the_box_ends_when_standard_input_does() {
    for who in everybody() {
        let mut running = start(
            who,
            &python("import signal\n[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]\ntime.sleep(600)"),
        );
        let pid = running.started();
        let begun = Instant::now();
        drop(running.launcher.stdin.take());
        assert_eq!(running.outcome().end(), &End::Stopped, "{who:?}");
        assert!(!runs(pid));
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn the_box_ends_when_the_launcher_is_killed() {
    let program = "\nif os.fork() == 0:\n  os.setsid()\n  if os.fork(): os._exit(0)\n  time.sleep(600)\ntime.sleep(600)";
    for who in everybody() {
        let mut running = start(who, &python(program));
        let pid = running.started();
        running.launcher.kill().unwrap();
        until("the box is gone", || !runs(pid));
    }
}

#[test]
fn nothing_outlives_the_program() {
    let program = r#"
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    time.sleep(600)
os.wait()
os._exit(5)
"#;
    for who in everybody() {
        let begun = Instant::now();
        let outcome = run(who, &python(program));
        assert_eq!(outcome.end(), &End::Exited(5), "{who:?}");
        // The daemon held standard error: had it lived on, the reader would still read.
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn its_lifetime_ends_it_whatever_it_does() {
    for who in everybody() {
        let mut workload = python("while True: pass");
        workload.lifetime_seconds = Some(1);
        let begun = Instant::now();
        assert_eq!(run(who, &workload).end(), &End::Lifetime, "{who:?}");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn how_it_ended_is_told_exactly() {
    for who in everybody() {
        let end = |program: &str| run(who, &python(program)).end().clone();
        assert_eq!(end("pass"), End::Exited(0));
        assert_eq!(end("sys.exit(7)"), End::Exited(7));
        assert_eq!(end("os._exit(256 + 3)"), End::Exited(3));
        assert_eq!(end("sys.exit('no')"), End::Exited(1));
    }
}

/// A program without a box, and the directory of its control channel.
fn unconfined(program: &str) -> (Running, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut workload = python(program);
    workload.isolation = Isolation::None;
    workload.syscalls = Syscalls::Unfiltered;
    let confinement = Confinement {
        workload,
        groups: Vec::new(),
        belts: Default::default(),
        first_id: 0,
        control: Some(directory.path().to_owned()),
    };
    (launch(Who::Root, &confinement, None), directory)
}

#[test]
fn without_a_box_there_are_limits_still_and_nothing_is_left() {
    let daemon = r#"
import resource
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
os.wait()
mine = [int(p) for p in os.listdir("/proc") if p.isdigit() and attempt(lambda: os.kill(int(p), 0)) == "OK" and os.getsid(int(p)) != os.getsid(0)
        and open(f"/proc/{p}/cmdline").read() == open("/proc/self/cmdline").read()]
tell(environment=sorted(os.environ), files=resource.getrlimit(resource.RLIMIT_NOFILE), daemons=mine)
listener = socket.socket(socket.AF_UNIX); listener.bind(os.environ["GLEITZEIT_CONTROL"]); listener.listen(1)
time.sleep(600)
"#;
    let (mut running, _directory) = unconfined(daemon);
    let pid = running.started();
    let Some(Event::Ready { socket }) = running.event() else {
        panic!("it does not listen");
    };
    assert!(UnixStream::connect(socket).is_ok());
    drop(running.launcher.stdin.take());
    let outcome = running.outcome();
    assert_eq!(outcome.end(), &End::Stopped);
    let told = outcome.told();
    assert_eq!(told["files"], serde_json::json!([128, 128]));
    assert_eq!(
        told["environment"],
        serde_json::json!(["GLEITZEIT_CONTROL", "LANG"])
    );
    let daemons = told["daemons"].as_array().unwrap();
    assert!(!daemons.is_empty(), "there was one");
    for daemon in daemons {
        assert!(!runs(u32::try_from(daemon.as_u64().unwrap()).unwrap()));
    }
    assert!(!runs(pid));
}
