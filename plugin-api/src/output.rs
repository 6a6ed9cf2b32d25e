//! What a child process prints: read to the last byte, because a full pipe would stop it, and its end kept for the
//! message that says why it died.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// A longer line is passed on in pieces.
const LINE: usize = 8 << 10;

/// How many lines are kept.
const KEPT: usize = 10;

/// The last ten lines that a process printed, for when it ends unasked.
///
/// Shown, it is what goes behind a sentence: nothing where nothing was printed, else `; its last lines:` and they.
#[derive(Debug, Default)]
pub struct Tail {
    lines: Mutex<VecDeque<String>>,
}

impl Tail {
    /// Reads a pipe of the process until it closes, in a task of its own; both of its pipes may go into one tail.
    ///
    /// Each line is also given to `line`, to be logged: without what ends it, lossily decoded, empty ones left out, in
    /// pieces of some 8 KiB where it is longer. The task ends by itself, so nobody needs to hold the handle; who wants
    /// the last words awaits it first. Aborting it leaves the pipe unread.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn follow(
        self: &Arc<Self>,
        pipe: impl AsyncRead + Send + Unpin + 'static,
        mut line: impl FnMut(&str) + Send + 'static,
    ) -> JoinHandle<()> {
        let tail = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::with_capacity(LINE, pipe);
            let mut bytes = Vec::new();
            loop {
                let (used, ended) = match reader.fill_buf().await {
                    Ok([]) | Err(_) => break,
                    Ok(more) => match more.iter().position(|byte| *byte == b'\n') {
                        Some(end) => {
                            bytes.extend_from_slice(&more[..end]);
                            (end + 1, true)
                        }
                        None => {
                            bytes.extend_from_slice(more);
                            (more.len(), bytes.len() >= LINE)
                        }
                    },
                };
                reader.consume(used);
                if ended {
                    tail.take(&mut bytes, &mut line);
                }
            }
            tail.take(&mut bytes, &mut line);
        })
    }

    fn take(&self, bytes: &mut Vec<u8>, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        bytes.clear();
        if text.is_empty() {
            return;
        }
        line(&text);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(text);
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !lines.is_empty() {
            formatter.write_str("; its last lines:")?;
        }
        lines
            .iter()
            .try_for_each(|line| write!(formatter, "\n    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of this output, and how many lines were passed on.
    async fn shown(output: &'static [u8]) -> (String, usize) {
        let tail = Arc::new(Tail::default());
        let passed = Arc::new(Mutex::new(Vec::new()));
        let sink = passed.clone();
        let line = move |line: &str| sink.lock().unwrap().push(line.to_owned());
        tail.follow(output, line).await.unwrap();
        let passed = passed.lock().unwrap().len();
        (tail.to_string(), passed)
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_all_are_passed_on() {
        assert_eq!(shown(b"").await, (String::new(), 0));
        let few = shown(b"one\r\n\n  two").await;
        assert_eq!(few, ("; its last lines:\n    one\n      two".to_owned(), 2));
        let many = shown(b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n").await;
        assert!(many.0.starts_with("; its last lines:\n    2\n") && many.0.ends_with("\n    11"));
        assert_eq!(many.1, 12);
    }

    #[tokio::test]
    async fn a_line_without_an_end_does_not_grow_for_ever() {
        let endless: &'static [u8] = Box::leak(vec![b'x'; 10 * LINE].into_boxed_slice());
        let (_, pieces) = shown(endless).await;
        assert_eq!(pieces, 10);
        assert!(shown(b"\xff\xfe").await.0.contains('\u{fffd}'));
    }
}
