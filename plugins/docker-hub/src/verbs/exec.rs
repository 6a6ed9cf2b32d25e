//! `exec`: a command in a container that runs, with a time limit that ends it.
//!
//! Engines have no way to end such a command: neither its time-out nor closing its stream does. So it carries a mark in
//! its environment, which its children inherit, and is [ended](Marked) by that.

use std::sync::Arc;
use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt as _;
use plugin_api::{Error, ErrorCode, Fault};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::Call;
use super::arguments::Exec;
use super::inside::Output;
use crate::engine::Engine;
use crate::error::DockerError;
use crate::sandbox::unfinished::random_name;

/// The variable that marks everything a command starts.
const MARK: &str = "GLEITZEIT_EXEC";

/// Between two questions whether the command still runs: its output may stay open without it.
const LOOK: Duration = Duration::from_millis(200);

/// How often one tries to end it: each time there may be new children.
const ATTEMPTS: usize = 5;

/// Ends, in a container, whatever carries a mark, the shell that does it excepted.
const END: &str = r#"
for place in /proc/[0-9]*; do
    process=${place#/proc/}
    [ "$process" = "$$" ] && continue
    tr '\0' '\n' 2>/dev/null <"$place/environ" | grep -qx "$MARKED" && kill -9 "$process" 2>/dev/null
done
:
"#;

pub(super) async fn exec(mut call: Call<'_>) -> Result<Value, Error> {
    let exec: Exec = call.read()?;
    let engine = call.engine.clone();
    let mark = random_name();
    let environment = exec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let config = ExecConfig {
        attach_stdin: Some(exec.stdin.is_some()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        // A terminal's stream has no frames, and the client looks for them all the same.
        tty: Some(false),
        env: Some(environment.chain([format!("{MARK}={mark}")]).collect()),
        cmd: Some(exec.command.clone()),
        user: exec.user.clone(),
        working_dir: exec.working_directory.clone(),
        ..ExecConfig::default()
    };
    let created = engine.client().create_exec(&exec.container, config);
    let id = engine.call("prepare a command", created).await?.id;
    // From here on it is ended when this is dropped before it is over.
    let mut marked = Marked {
        engine: engine.clone(),
        container: exec.container.clone(),
        user: exec.user.clone(),
        exec: id.clone(),
        mark,
        is_over: false,
    };
    let started = engine.client().start_exec(&id, Some(StartExecOptions::default()));
    let StartExecResults::Attached {
        output: mut pieces,
        mut input,
    } = engine
        .call_within("start a command", call.hub.config().create_timeout.0, started)
        .await?
    else {
        return Err(Error::plugin("a command that was not to be detached was"));
    };
    let mut output = Output::new(Some(call.progress), exec.output_bytes);
    let feed = async {
        if let Some(text) = &exec.stdin {
            // A command that does not read it all is no failure.
            let _ = input.write_all(text.as_bytes()).await;
            let _ = input.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let work = async {
        let mut looks = tokio::time::interval(LOOK);
        let mut ended = false;
        loop {
            tokio::select! {
                biased;
                piece = pieces.next() => match piece {
                    Some(Ok(piece)) => output.take(piece),
                    Some(Err(_)) | None => break,
                },
                // Once it has ended, what it wrote is here by the next look.
                _ = looks.tick() => {
                    if ended {
                        break;
                    }
                    ended = state(&engine, &id).await?.0 == Some(false);
                }
            }
        }
        Ok::<_, DockerError>(())
    };
    let limit = Duration::from_secs(u64::from(exec.timeout));
    let both = async {
        tokio::select! {
            worked = work => Some(worked),
            () = feed => None,
        }
    };
    let timed_out = match tokio::time::timeout(limit, both).await {
        Ok(worked) => {
            worked.transpose()?;
            false
        }
        Err(_) => true,
    };
    let mut result = output.into_object();
    if timed_out {
        let ended = marked.end().await;
        marked.is_over = ended;
        if !ended {
            return Err(Error::new(
                ErrorCode::TIMEOUT,
                Fault::Instance,
                format!("the command did not end within {limit:?}, and could not be killed"),
            )
            .hint("kill the container"));
        }
        result["timed_out"] = json!(true);
        return Ok(result);
    }
    marked.is_over = true;
    result["exit_code"] = json!(exit_code(&engine, &id).await?);
    Ok(result)
}

/// Whether a command runs, and its exit code.
async fn state(engine: &Engine, exec: &str) -> Result<(Option<bool>, Option<i64>, Option<i64>), DockerError> {
    let found = engine
        .call("look at a command", engine.client().inspect_exec(exec))
        .await?;
    Ok((found.running, found.exit_code, found.pid))
}

/// The output ends a moment before the engine knows the exit code.
async fn exit_code(engine: &Engine, exec: &str) -> Result<Option<i64>, DockerError> {
    for _ in 0..20 {
        if let (Some(false), code, _) = state(engine, exec).await? {
            return Ok(code);
        }
        tokio::time::sleep(LOOK / 10).await;
    }
    Ok(None)
}

/// A command that runs. Dropping it ends the command in the background.
#[derive(Debug, Clone)]
struct Marked {
    engine: Arc<Engine>,
    container: String,
    user: Option<String>,
    exec: String,
    mark: String,
    is_over: bool,
}

impl Marked {
    /// Ends the command and everything it started; whether it has ended.
    async fn end(&self) -> bool {
        let may_end_here = self.engine.is_on_this_machine() && rustix::process::geteuid().is_root();
        for attempt in 0..ATTEMPTS {
            match state(&self.engine, &self.exec).await {
                Ok((Some(false), ..)) if attempt > 0 => return true,
                Ok((_, _, pid)) => {
                    if !(may_end_here && self.end_from_here(pid)) {
                        self.end_from_inside().await;
                    }
                }
                // The container is gone, and the command with it.
                Err(error) if error.is_absent() => return true,
                Err(error) => tracing::debug!(%error, "cannot look at a command that is to be ended"),
            }
            tokio::time::sleep(LOOK / 4).await;
        }
        matches!(state(&self.engine, &self.exec).await, Ok((Some(false), ..)))
    }

    /// Ends it through this machine's own list of processes, which needs nothing of the image; `false` where that list
    /// does not have it.
    fn end_from_here(&self, pid: Option<i64>) -> bool {
        let variable = format!("{MARK}={}", self.mark);
        let carries = |process: &str| {
            let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == variable.as_bytes())
        };
        // Its number may be one of another namespace, where another process has it.
        let known = pid.is_some_and(|pid| carries(&pid.to_string()));
        for process in processes() {
            // Held before it is looked at, so that its number cannot come to be another's in between.
            let held = process.parse().ok().and_then(Pid::from_raw);
            let held = held.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
            if let Some(held) = held.filter(|_| carries(&process)) {
                // One that has ended meanwhile is ended.
                let _ = rustix::process::pidfd_send_signal(held, Signal::KILL);
            }
        }
        known
    }

    /// Ends it with a command of its own, on engines that are elsewhere or whose processes are another user's.
    async fn end_from_inside(&self) {
        let config = ExecConfig {
            attach_stdout: Some(true),
            tty: Some(false),
            env: Some(vec![format!("MARKED={MARK}={}", self.mark)]),
            cmd: Some(["/bin/sh", "-c", END].map(str::to_owned).into()),
            user: self.user.clone(),
            ..ExecConfig::default()
        };
        let created = self.engine.client().create_exec(&self.container, config);
        let Ok(created) = self.engine.call("prepare a command", created).await else {
            return;
        };
        let started = self
            .engine
            .client()
            .start_exec(&created.id, Some(StartExecOptions::default()));
        if let Ok(StartExecResults::Attached { mut output, .. }) =
            self.engine.call("start a command", started).await
        {
            let ended = async { while output.next().await.is_some() {} };
            let _ = tokio::time::timeout(Duration::from_secs(5), ended).await;
        }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut last = self.clone();
        last.is_over = true;
        tokio::spawn(async move {
            if !last.end().await {
                tracing::warn!(
                    container = last.container,
                    "a command that nobody waits for could not be ended"
                );
            }
        });
    }
}

fn processes() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}
