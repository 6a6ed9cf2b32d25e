//! Ends a server when the host is gone, however it went.
//!
//! A small shell waits at a pipe whose other end only the host holds. When the host dies, even killed, the pipe closes,
//! and the shell ends the server's process group. `PR_SET_PDEATHSIG` would need unsafe code between fork and exec,
//! reaches the server and not its runners, and fires when the *thread* that started the server ends.

use std::process::Stdio;

use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::ProcessError;

/// Reads the group, then waits: a line dismisses it, the end of the pipe makes it act.
const SCRIPT: &str = r#"
read -r group || exit 0
read -r dismissed && exit 0
kill -TERM "-$group" 2>/dev/null || exit 0
for second in 1 2 3 4 5; do
    sleep 1
    kill -0 "-$group" 2>/dev/null || exit 0
done
kill -KILL "-$group" 2>/dev/null
"#;

/// A guard that does not know yet what to end.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts it, before the server, so that there is no time without one.
    pub(super) fn spawn() -> Result<Self, ProcessError> {
        const SHELL: &str = "/bin/sh";
        let mut child = Command::new(SHELL)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the host's group: what interrupts the host on its terminal must not end the guard first.
            .process_group(0)
            .spawn()
            .map_err(|error| ProcessError::Spawn {
                program: SHELL.to_owned(),
                reason: error.to_string(),
            })?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Tells it whom to end.
    pub(super) async fn watch(mut self, group: Pid) -> Self {
        self.tell(&format!("{}\n", group.as_raw_nonzero())).await;
        self
    }

    /// Sends it away: the group has ended.
    pub(super) async fn dismiss(mut self) {
        self.tell("dismissed\n").await;
        self.pipe = None;
        let _ = self.child.wait().await;
    }

    async fn tell(&mut self, line: &str) {
        if let Some(pipe) = &mut self.pipe {
            // A guard that was killed cannot be told; the server is still ended by everything else.
            let _ = pipe.write_all(line.as_bytes()).await;
        }
    }
}
