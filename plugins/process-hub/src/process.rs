//! One process: the launcher that we started, and what it tells of the box behind it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confine::{Confinement, End, Event};
use parking_lot::Mutex;
use plugin_api::contract::probe::Load;
use plugin_api::contract::workload::OUT_OF_MEMORY;
use plugin_api::output::Tail;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::error::ProcessError;
use crate::room::{Meter, Room};

/// How long the launcher may take to end a box whose end was asked for, before it is killed itself.
const ENDING: Duration = Duration::from_secs(2);

/// How many bytes of what one process prints are logged. A program that prints for ever must not fill the log.
const LOGGED: usize = 256 << 10;

/// How long to wait for what a process printed before it ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A process that runs, or ran. Dropping it ends the process and whatever it started.
#[derive(Debug)]
pub(crate) struct Process {
    /// The launcher ends the box when this closes, which it also does when the host dies.
    life: Mutex<Option<ChildStdin>>,
    /// Rung when the life above was taken.
    ending: Arc<Notify>,
    tail: Arc<Tail>,
    meter: Meter,
    memory_limit: Option<u64>,
    stage: watch::Receiver<Stage>,
    began: Instant,
    /// Processor time at the last look, and when that was.
    last_look: Mutex<(Duration, Instant)>,
}

/// How far a process is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Stage {
    /// The box is being built.
    #[default]
    Building,
    /// The program runs.
    Running(Box),
    /// And listens at this path.
    Ready(Box, String),
    /// It was refused.
    Refused(confine::Refusal),
    /// It is over.
    Over(String),
}

/// What is known of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Box {
    /// The process, as this machine numbers it.
    pub(crate) pid: u32,
    /// How many user identities there are in it.
    pub(crate) ids: u32,
}

impl Process {
    /// Starts the launcher and tells it what to run. `when_over` is called once the process has ended and everything
    /// that belonged to it is gone.
    pub(crate) async fn spawn(
        launcher: &std::path::Path,
        id: &str,
        room: Room,
        confinement: &Confinement,
        when_over: impl FnOnce(&str) + Send + 'static,
    ) -> Result<Self, ProcessError> {
        let failed = |error: std::io::Error| ProcessError::Launcher {
            program: launcher.display().to_string(),
            reason: error.to_string(),
        };
        let mut child = Command::new(launcher)
            .arg(confine::SUBCOMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What interrupts the host on its terminal is for the host to pass on.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        let tail = Arc::new(Tail::default());
        let ending = Arc::new(Notify::new());
        let (stages, stage) = watch::channel(Stage::Building);
        let meter = room.meter();
        let watched = Watched {
            child,
            events: BufReader::new(stdout).lines(),
            printed: tail.follow(stderr, log(id)),
            room,
            stages,
            ending: ending.clone(),
        };
        tokio::spawn(watched.until_it_is_over(std::boxed::Box::new(when_over)));
        let mut frame = Vec::new();
        confine::write_frame(&mut frame, confinement).map_err(failed)?;
        let now = Instant::now();
        let process = Self {
            life: Mutex::new(None),
            ending,
            tail,
            meter,
            memory_limit: confinement.workload.limits.memory_bytes,
            stage,
            began: now,
            last_look: Mutex::new((Duration::ZERO, now)),
        };
        // A launcher that ends before it has read everything says why in an event.
        let _ = stdin.write_all(&frame).await;
        *process.life.lock() = Some(stdin);
        Ok(process)
    }

    /// Waits until it listens. Cancel safe.
    pub(crate) async fn ready(&self, program: &str, limit: Duration) -> Result<(Box, String), ProcessError> {
        let mut stage = self.stage.clone();
        let decided = stage.wait_for(|stage| !matches!(stage, Stage::Building | Stage::Running(_)));
        let decided = match tokio::time::timeout(limit, decided).await {
            Ok(Ok(stage)) => stage.clone(),
            Ok(Err(_)) => Stage::Over("killed".to_owned()),
            Err(_) => {
                return Err(ProcessError::NotReady {
                    program: program.to_owned(),
                    limit,
                    output: self.tail.to_string(),
                });
            }
        };
        match decided {
            Stage::Ready(inside, socket) => Ok((inside, socket)),
            Stage::Refused(refusal) => Err(ProcessError::Refused(refusal, self.tail.to_string())),
            Stage::Over(reason) => Err(ProcessError::Ended {
                program: program.to_owned(),
                reason,
                output: self.tail.to_string(),
            }),
            Stage::Building | Stage::Running(_) => Err(ProcessError::Gone("lost".to_owned())),
        }
    }

    /// How it ended, if it has.
    pub(crate) fn over(&self) -> Option<String> {
        match &*self.stage.borrow() {
            Stage::Over(reason) => Some(reason.clone()),
            Stage::Refused(refusal) => Some(refusal.to_string()),
            _ => None,
        }
    }

    /// The box it is in.
    pub(crate) fn inside(&self) -> Option<Box> {
        match *self.stage.borrow() {
            Stage::Running(inside) | Stage::Ready(inside, _) => Some(inside),
            _ => None,
        }
    }

    /// Ends it, at once; does not wait.
    pub(crate) fn end(&self) {
        self.life.lock().take();
        self.ending.notify_one();
    }

    /// Ends it and waits until nothing of it is left; whether that came about.
    pub(crate) async fn stop(&self) -> bool {
        self.end();
        let mut stage = self.stage.clone();
        let over = stage.wait_for(|stage| matches!(stage, Stage::Over(_) | Stage::Refused(_)));
        tokio::time::timeout(2 * ENDING, over).await.is_ok()
    }

    /// How long it has run.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// What it has used up.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What it uses of the machine; processor time since it was last asked.
    pub(crate) fn load(&self) -> Load {
        let usage = self.meter.usage();
        let memory = usage.memory.or_else(|| {
            let pid = self.inside()?.pid;
            Some(confine::machine::memory::of_tree(pid)).filter(|bytes| *bytes > 0)
        });
        let now = Instant::now();
        let cpu_percent = usage.cpu.map(|cpu| {
            let mut last = self.last_look.lock();
            let (before, then) = std::mem::replace(&mut *last, (cpu, now));
            let passed = now.duration_since(then).as_secs_f64().max(1e-3);
            100.0 * cpu.saturating_sub(before).as_secs_f64() / passed
        });
        let percent = |bytes: u64| Some(100.0 * bytes as f64 / self.memory_limit? as f64);
        Load {
            cpu_percent,
            memory_bytes: memory,
            memory_percent: memory.and_then(percent),
            ..Load::default()
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The launcher and what is its own, in the hands of the task that waits for it.
struct Watched {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    printed: JoinHandle<()>,
    room: Room,
    stages: watch::Sender<Stage>,
    ending: Arc<Notify>,
}

impl Watched {
    async fn until_it_is_over(mut self, when_over: std::boxed::Box<dyn FnOnce(&str) + Send>) {
        let ending = self.ending.clone();
        let outcome = tokio::select! {
            outcome = self.follow() => outcome,
            () = give_up(&ending) => {
                // It should have ended by itself; the kernel ends the box when the launcher is gone.
                let _ = self.child.start_kill();
                None
            }
        };
        self.room.kill();
        let _ = self.child.wait().await;
        let oom = self.room.meter().usage().out_of_memory.unwrap_or_default();
        // Ends what is left and removes it. Short, and better done than said.
        drop(self.room);
        // A process that was let out of the box's sight could hold the pipe open for ever.
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.printed).await;
        self.printed.abort();
        let stage = match outcome {
            Some(Event::Refused(refusal)) => Stage::Refused(refusal),
            Some(Event::Ended(end)) => Stage::Over(reason(&end, oom)),
            _ => Stage::Over("killed".to_owned()),
        };
        // In this order: whoever looks before the second knows by the first.
        let _ = self.stages.send(stage.clone());
        if let Stage::Over(reason) = &stage {
            when_over(reason);
        }
    }

    /// Follows what the launcher tells, up to the last of it.
    async fn follow(&mut self) -> Option<Event> {
        let mut inside = None;
        while let Ok(Some(line)) = self.events.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Event::Started { pid, ids }) => {
                    let known = Box { pid, ids };
                    inside = Some(known);
                    let _ = self.stages.send(Stage::Running(known));
                }
                Ok(Event::Ready { socket }) => {
                    if let Some(inside) = inside {
                        let _ = self.stages.send(Stage::Ready(inside, socket));
                    }
                }
                Ok(last @ (Event::Refused(_) | Event::Ended(_))) => return Some(last),
                Err(error) => tracing::warn!(line, %error, "the launcher says what nobody understands"),
            }
        }
        None
    }
}

/// Resolves when the launcher has had its time to end what it was told to.
async fn give_up(ending: &Notify) {
    ending.notified().await;
    tokio::time::sleep(ENDING).await;
}

/// How it ended, in words; the kernel's own word on memory says more than the signal.
fn reason(end: &End, out_of_memory: u64) -> String {
    match end {
        End::Killed(9) if out_of_memory > 0 => OUT_OF_MEMORY.to_owned(),
        End::Memory => OUT_OF_MEMORY.to_owned(),
        end => end.to_string(),
    }
}

/// Logs what a process prints, as long as it is not too much.
fn log(id: &str) -> impl FnMut(&str) + Send + 'static {
    let instance = id.to_owned();
    let mut logged = 0;
    move |line| {
        if logged > LOGGED {
            return;
        }
        logged += line.len();
        if logged > LOGGED {
            tracing::debug!(target: "process_hub::output", instance, "it prints too much; the rest is not logged");
        } else {
            tracing::debug!(target: "process_hub::output", instance, "{line}");
        }
    }
}
