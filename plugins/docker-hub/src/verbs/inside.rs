//! What a process wrote: all of it as progress while it comes, the beginning of each stream for the result.

use bollard::container::LogOutput;
use plugin_api::hub::Progress;
use serde_json::{Value, json};

/// The output of a process, up to a limit.
#[derive(Debug)]
pub(super) struct Output<'a> {
    progress: Option<&'a Progress>,
    limit: usize,
    stdout: Stream,
    stderr: Stream,
}

#[derive(Debug, Default)]
struct Stream {
    kept: Vec<u8>,
    bytes: u64,
}

impl<'a> Output<'a> {
    /// Reports what comes, where it is wanted, and keeps so many bytes of each stream.
    pub(super) fn new(progress: Option<&'a Progress>, limit: u32) -> Self {
        Self {
            progress,
            limit: limit as usize,
            stdout: Stream::default(),
            stderr: Stream::default(),
        }
    }

    /// Takes a piece in. What is over the limit is counted and let go, so that the process is not held up.
    pub(super) fn take(&mut self, piece: LogOutput) {
        let (name, stream, bytes) = match piece {
            LogOutput::StdErr { message } => ("stderr", &mut self.stderr, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                ("stdout", &mut self.stdout, message)
            }
        };
        let room = self.limit.saturating_sub(stream.kept.len());
        stream.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        stream.bytes += bytes.len() as u64;
        if let Some(progress) = self.progress {
            progress.report(json!({ name: String::from_utf8_lossy(&bytes) }));
        }
    }

    /// As a result.
    pub(super) fn into_object(self) -> Value {
        let text = |stream: &Stream| String::from_utf8_lossy(&stream.kept).into_owned();
        let cut = |stream: &Stream| stream.bytes > stream.kept.len() as u64;
        json!({
            "stdout": text(&self.stdout),
            "stderr": text(&self.stderr),
            "truncated": { "stdout": cut(&self.stdout), "stderr": cut(&self.stderr) },
        })
    }
}
