//! The messages in the frames: what a run is told, and what it tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the supervisor is told of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Control<'a> {
    /// `once`, `validate`, `open`, `run` or `close`.
    pub kind: &'a str,
    /// Seconds.
    pub timeout: f64,
    /// Bytes kept of each stream.
    pub output_bytes: u64,
    /// `truncate` or `kill`.
    pub output: crate::config::OnOutput,
    /// How much more is read and forgotten.
    pub drain_bytes: u64,
    /// Bytes of the result.
    pub result_bytes: u64,
    /// Pictures, and the bytes of all of them.
    pub images: u32,
    /// See [`images`](Self::images).
    pub image_bytes: u64,
    /// Files to be given back, if any.
    pub collect: Option<Collect>,
    /// Somebody watches: nothing is held back.
    pub stream: bool,
    /// Seconds of processor time that the kernel ends a process after.
    pub cpu_seconds: Option<u64>,
}

/// Which files are given back.
#[derive(Debug, Clone, Serialize)]
pub struct Collect {
    /// So many at most.
    pub files: u32,
    /// So many bytes together.
    pub bytes: u64,
    /// Looked for no longer than this.
    pub seconds: f64,
    /// Files that came with the request have this time of change until somebody changes them.
    pub stamp: i64,
    /// In a session: only what this run has changed.
    pub changed: bool,
}

/// What the interpreter is told of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Job<'a> {
    /// As in [`Control`].
    pub kind: &'a str,
    /// The program, unless it is a file.
    pub code: Option<&'a str>,
    /// Which of the files is the program.
    pub file: Option<&'a str>,
    /// Its name in tracebacks.
    pub name: &'a str,
    /// Global variables.
    pub args: Option<&'a RawValue>,
    /// What follows the program's name in `sys.argv`.
    pub argv: &'a [String],
    /// Variables that the request sets.
    pub environment: &'a BTreeMap<String, String>,
    /// As in [`Collect`].
    pub stamp: i64,
    /// Bytes of the result.
    pub result_bytes: u64,
    /// Pictures.
    pub images: u32,
    /// Bytes of one file, where the request wants less than the profile gives.
    pub file_bytes: Option<u64>,
    /// Seconds of processor time.
    pub cpu_seconds: Option<u64>,
}

/// What a runner says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol: 1.
    pub protocol: u32,
    /// The interpreter's version.
    pub python: String,
    /// `cpython`, say.
    #[serde(default)]
    pub implementation: String,
    /// What was imported ahead, with versions where they are known.
    #[serde(default)]
    pub preimported: BTreeMap<String, Option<String>>,
}

/// How a run ended, in the words of the supervisor.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct End {
    /// `ok`, `exception`, `exit`, `signal`, `timeout`, `oom`, `output_limit`, `disk_limit`, `cancelled`, `infrastructure`.
    pub outcome: String,
    /// Of the main process, if it ended by itself.
    pub exit_code: Option<i32>,
    /// What killed it, otherwise.
    pub signal: Option<String>,
    /// One sentence.
    pub error: Option<String>,
    /// Why there is no result.
    pub result_error: Option<String>,
    /// What is not all there.
    pub truncated: Truncated,
    /// The time it took.
    pub wall_ms: f64,
    /// The processors' time of all its processes; unknown while a session goes on.
    pub cpu_ms: Option<f64>,
    /// Of the main process.
    pub peak_memory_bytes: Option<u64>,
    /// Nothing is left of it.
    pub clean: bool,
    /// What is left, or why that is not known.
    pub unclean: Option<String>,
    /// The session goes on.
    pub session: bool,
}

/// What is not all there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Truncated {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Pictures.
    pub images: bool,
    /// Files.
    pub files: bool,
}

/// What a run has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Milliseconds from its beginning to the end of its last process.
    pub wall_ms: f64,
    /// Milliseconds of processor time.
    pub cpu_ms: Option<f64>,
    /// The most memory its main process had.
    pub peak_memory_bytes: Option<u64>,
}
