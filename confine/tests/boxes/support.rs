//! Launching boxes, and hearing what happened in them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use confine::cgroup::{Group, Limits, Parent};
use confine::{Belt, Confinement, End, Event, FIRST_FREE_ID, SUBCOMMAND};
use plugin_api::contract::workload::{self, Isolation, Scratch, Workload};
use serde_json::Value;

/// The interpreter of the system, which anybody may run.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// What every program here begins with.
const PRELUDE: &str = r#"
import ctypes, errno, json, os, signal, socket, sys, time
C = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"

def name(number):
    return errno.errorcode.get(number, str(number)) if number else "OK"

def call(number, *arguments):
    "A system call by number: OK, or the name of its error."
    ctypes.set_errno(0)
    converted = [a if isinstance(a, (bytes, type(None), ctypes._SimpleCData)) or hasattr(a, "_length_") else ctypes.c_long(a) for a in arguments]
    return name(ctypes.get_errno()) if C.syscall(ctypes.c_long(number), *converted) == -1 else "OK"

def attempt(work):
    "What comes of it: OK, or the name of its error."
    try:
        work()
        return "OK"
    except OSError as error:
        return name(error.errno)

def tell(**results):
    print("RESULT " + json.dumps(results), flush=True)
"#;

/// Whose rights the launcher has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// This machine's root: a box has many identities.
    Root,
    /// A user without rights: it has one.
    User,
}

/// Everybody as whom boxes can be tried here. On a machine of a user whose kernel allows no user namespaces that may be
/// nobody, which is said; in CI it is a failure.
pub(crate) fn everybody() -> Vec<Who> {
    let is_root = rustix_is_root();
    let mut who = vec![Who::User];
    if is_root {
        who.insert(0, Who::Root);
    }
    who.retain(|who| match trial(*who) {
        Ok(()) => true,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "no box as {who:?}: {why}");
            eprintln!("skipped as {who:?}: {why}");
            false
        }
    });
    who
}

fn rustix_is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn trial(who: Who) -> Result<(), String> {
    let output = launcher(who)
        .args([SUBCOMMAND, confine::REPORT])
        .output()
        .unwrap();
    let machine: confine::machine::Machine = serde_json::from_slice(&output.stdout).unwrap();
    machine.refusal.map_or(Ok(()), |refusal| {
        Err(format!(
            "{refusal}; mend: {}",
            refusal.mend.clone().unwrap_or_default()
        ))
    })
}

/// The launcher, at a place where anybody may run it.
fn launcher(who: Who) -> Command {
    static PLACE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PLACE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = directory.path().join("launcher");
        fs::copy(env!("CARGO_BIN_EXE_gleitzeit-confine"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (directory, program)
    });
    if who == Who::User && rustix_is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65533", "--regid=65533", "--clear-groups"]);
        command.arg(program);
        return command;
    }
    Command::new(program)
}

/// A workload that runs this program after [`PRELUDE`].
pub(crate) fn python(program: &str) -> Workload {
    Workload {
        command: [PYTHON, "-I", "-c", &format!("{PRELUDE}{program}")]
            .map(str::to_owned)
            .into(),
        environment: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
        user: Some("0:0".to_owned()),
        isolation: Isolation::System,
        limits: workload::Limits {
            memory_bytes: Some(192 << 20),
            cpus: Some(1.0),
            processes: Some(32),
            open_files: Some(128),
            file_bytes: Some(2 << 20),
            shared_memory_bytes: Some(1 << 20),
        },
        scratch: vec![scratch("/work", 4 << 20, 64)],
        lifetime_seconds: Some(60),
        ..Workload::default()
    }
}

/// The same, with what a supervisor keeps.
pub(crate) fn supervisor(program: &str) -> Workload {
    Workload {
        capabilities: ["SETUID", "SETGID", "KILL"].map(str::to_owned).into(),
        ..python(program)
    }
}

pub(crate) fn scratch(path: &str, bytes: u64, files: u64) -> Scratch {
    Scratch {
        path: path.to_owned(),
        bytes,
        files,
        mode: 0o1777,
    }
}

/// A box that runs, or ran. Dropping it ends it.
pub(crate) struct Running {
    pub(crate) launcher: Child,
    events: Lines<BufReader<ChildStdout>>,
    printed: Option<JoinHandle<String>>,
    /// Removed when the box is.
    pub(crate) group: Option<Group>,
}

/// What became of a box.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) last: Event,
    pub(crate) printed: String,
    /// How often the kernel ended something for want of memory.
    pub(crate) out_of_memory: u64,
}

impl Outcome {
    /// What the program told.
    pub(crate) fn told(&self) -> Value {
        let line = self.printed.lines().find_map(|line| line.strip_prefix("RESULT "));
        let line = line.unwrap_or_else(|| panic!("it told nothing: {self:?}"));
        serde_json::from_str(line).unwrap()
    }

    /// How it ended.
    pub(crate) fn end(&self) -> &End {
        match &self.last {
            Event::Ended(end) => end,
            other => panic!("it did not run: {other:?}"),
        }
    }
}

/// Starts a box. Memory is limited always: by a control group as root, and by what there is without one.
pub(crate) fn start(who: Who, workload: &Workload) -> Running {
    let limits = &workload.limits;
    let group = (who == Who::Root && workload.isolation == Isolation::System).then(|| {
        let parent = Parent::find(None).unwrap();
        assert!(parent.report().memory.is_some(), "{:?}", parent.report());
        let limits = Limits {
            memory: limits.memory_bytes,
            cpus: limits.cpus,
            processes: limits.processes,
        };
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        parent.create(&format!("test-{count}"), &limits).unwrap()
    });
    let belts = match &group {
        Some(_) => BTreeSet::new(),
        None => [Belt::Memory, Belt::Processors, Belt::Processes].into(),
    };
    let confinement = Confinement {
        workload: workload.clone(),
        groups: group
            .iter()
            .flat_map(Group::directories)
            .map(PathBuf::from)
            .collect(),
        belts,
        first_id: FIRST_FREE_ID + (std::process::id() % 4000) * confine::IDS_OF_A_BOX,
        control: None,
    };
    launch(who, &confinement, group)
}

pub(crate) fn launch(who: Who, confinement: &Confinement, group: Option<Group>) -> Running {
    let mut launcher = launcher(who)
        .arg(SUBCOMMAND)
        .env("SECRET", "of the host")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    confine::write_frame(launcher.stdin.as_ref().unwrap(), confinement).unwrap();
    let events = BufReader::new(launcher.stdout.take().unwrap()).lines();
    let mut stderr = launcher.stderr.take().unwrap();
    let printed = std::thread::spawn(move || {
        let mut printed = Vec::new();
        let _ = stderr.read_to_end(&mut printed);
        String::from_utf8_lossy(&printed).into_owned()
    });
    Running {
        launcher,
        events,
        printed: Some(printed),
        group,
    }
}

impl Running {
    /// The next event.
    pub(crate) fn event(&mut self) -> Option<Event> {
        let line = self.events.next()?.unwrap();
        Some(serde_json::from_str(&line).unwrap())
    }

    /// The process, once it runs.
    pub(crate) fn started(&mut self) -> u32 {
        match self.event() {
            Some(Event::Started { pid, .. }) => pid,
            other => panic!("it did not start: {other:?}"),
        }
    }

    /// The path to its socket, once it listens.
    pub(crate) fn ready(&mut self) -> String {
        match self.event() {
            Some(Event::Ready { socket }) => socket,
            other => panic!("it does not listen: {other:?}"),
        }
    }

    /// What became of it; with its standard input left open until then.
    pub(crate) fn outcome(mut self) -> Outcome {
        let last = std::iter::from_fn(|| self.event()).last().expect("an event");
        self.launcher.wait().unwrap();
        Outcome {
            last,
            printed: self.printed.take().unwrap().join().unwrap(),
            out_of_memory: self
                .group
                .as_ref()
                .and_then(|group| group.usage().out_of_memory)
                .unwrap_or_default(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.launcher.stdin.take());
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

/// Runs a program to its end.
pub(crate) fn run(who: Who, workload: &Workload) -> Outcome {
    start(who, workload).outcome()
}

/// Runs a program, and what it told.
pub(crate) fn told(who: Who, workload: &Workload) -> Value {
    let outcome = run(who, workload);
    assert_eq!(outcome.end(), &End::Exited(0), "{who:?}: {outcome:?}");
    outcome.told()
}

/// Whether a process of this number is there and not just waiting to be noticed.
pub(crate) fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

/// Waits until something is true, and fails after ten seconds if it is not.
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !is_true() {
        assert!(
            std::time::Instant::now() < deadline,
            "waited in vain until {what}"
        );
        std::thread::yield_now();
    }
}
