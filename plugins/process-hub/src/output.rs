//! What a process prints: read to the last byte, because a full pipe would stop it; logged, and its end kept.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// A longer line is logged in pieces.
const LINE: usize = 8 << 10;

/// How many lines are kept for an error message.
const KEPT: usize = 10;

/// How many bytes of one process are logged. A program that prints for ever must not fill the log.
const LOGGED: usize = 256 << 10;

/// The last lines, for when it ends unasked.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: Mutex<VecDeque<String>>,
}

impl Tail {
    fn push(&self, line: String) {
        let mut lines = self.lines.lock();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.lock();
        if !lines.is_empty() {
            formatter.write_str("; its last lines:")?;
        }
        lines
            .iter()
            .try_for_each(|line| write!(formatter, "\n    {line}"))
    }
}

/// Reads until the pipe closes. Ends by itself, so nobody needs to hold the handle.
pub(crate) fn drain(
    pipe: impl AsyncRead + Send + Unpin + 'static,
    instance: String,
    tail: Arc<Tail>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut reader = BufReader::with_capacity(LINE, pipe);
        let mut line = Vec::new();
        let mut logged = 0;
        loop {
            let (used, ended) = match reader.fill_buf().await {
                Ok([]) | Err(_) => break,
                Ok(bytes) => match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        line.extend_from_slice(&bytes[..end]);
                        (end + 1, true)
                    }
                    None => {
                        line.extend_from_slice(bytes);
                        (bytes.len(), line.len() >= LINE)
                    }
                },
            };
            reader.consume(used);
            if ended {
                pass_on(&instance, &mut line, &mut logged, &tail);
            }
        }
        pass_on(&instance, &mut line, &mut logged, &tail);
    })
}

fn pass_on(instance: &str, line: &mut Vec<u8>, logged: &mut usize, tail: &Tail) {
    let text = String::from_utf8_lossy(line).trim_end().to_owned();
    line.clear();
    if text.is_empty() {
        return;
    }
    if *logged <= LOGGED {
        *logged += text.len();
        if *logged > LOGGED {
            tracing::debug!(target: "process_hub::output", instance, "it prints too much; the rest is not logged");
        } else {
            tracing::debug!(target: "process_hub::output", instance, "{text}");
        }
    }
    tail.push(text);
}
