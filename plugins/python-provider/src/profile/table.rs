//! The table of a level: every number that bounds a run, with the level's defaults.

use plugin_api::quantity::{Size, Span, as_seconds};
use serde::Serialize;

use crate::config::{OnOutput, Settings};
use crate::level::Level;

const MIB: u64 = 1 << 20;

/// The most that a request may carry or a run give back: no frame to or from a runner is larger.
pub(crate) const LARGEST: u64 = 32 * MIB;

/// Every number that bounds a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Memory in bytes, scratch included.
    pub memory: u64,
    /// Processors.
    pub cpus: f64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Open files of one process.
    pub open_files: u64,
    /// Bytes of one file.
    pub file: u64,
    /// Bytes in `/tmp`.
    pub scratch: u64,
    /// Files and directories in `/tmp`.
    pub scratch_files: u64,
    /// Bytes of `/dev/shm`.
    pub shared_memory: u64,
    /// How long a run may take.
    #[serde(serialize_with = "as_seconds")]
    pub timeout: Span,
    /// Processor time of one process.
    #[serde(serialize_with = "as_seconds")]
    pub cpu_time: Option<Span>,
    /// Bytes kept of standard output, and of standard error.
    pub output: u64,
    /// What becomes of a run that writes more.
    pub on_output: OnOutput,
    /// Bytes of the result.
    pub result: u64,
    /// Bytes of what a request carries.
    pub input: u64,
    /// Files given back.
    pub files: u32,
    /// Bytes of them.
    pub files_size: u64,
    /// Pictures given back.
    pub images: u32,
    /// How often a box is used.
    pub uses: u32,
    /// How old a box may grow.
    #[serde(serialize_with = "as_seconds")]
    pub lifetime: Span,
}

impl Table {
    /// The level's own.
    pub(crate) fn of(level: Level) -> Self {
        let sandboxed = Table {
            memory: 512 * MIB,
            cpus: 1.0,
            processes: 64,
            open_files: 256,
            file: 32 * MIB,
            scratch: 64 * MIB,
            scratch_files: 16_384,
            shared_memory: 16 * MIB,
            timeout: Span::seconds(30),
            cpu_time: None,
            output: MIB,
            on_output: OnOutput::Truncate,
            result: MIB,
            input: 16 * MIB,
            files: 100,
            files_size: 8 * MIB,
            images: 16,
            uses: 100,
            lifetime: Span::seconds(3600),
        };
        match level {
            Level::Sandboxed | Level::Restricted => sandboxed,
            Level::Specialized => Table {
                memory: 2048 * MIB,
                cpus: 2.0,
                processes: 128,
                open_files: 1024,
                file: 128 * MIB,
                scratch: 256 * MIB,
                shared_memory: 64 * MIB,
                timeout: Span::seconds(120),
                output: 4 * MIB,
                result: 4 * MIB,
                input: LARGEST,
                files_size: 16 * MIB,
                ..sandboxed
            },
            Level::Trusted => Table {
                memory: 2048 * MIB,
                cpus: 4.0,
                processes: 512,
                open_files: 1024,
                file: 1024 * MIB,
                scratch: 1024 * MIB,
                timeout: Span::seconds(300),
                output: 8 * MIB,
                result: 4 * MIB,
                input: LARGEST,
                files_size: 16 * MIB,
                ..sandboxed
            },
        }
    }

    /// The table with what the operator has set.
    pub(crate) fn with(self, settings: &Settings) -> Self {
        let size = |set: Option<Size>, default: u64| set.map_or(default, |size| size.0);
        Table {
            memory: size(settings.memory, self.memory),
            cpus: settings.cpus.unwrap_or(self.cpus),
            processes: settings.processes.unwrap_or(self.processes),
            open_files: settings.open_files.unwrap_or(self.open_files),
            file: size(settings.file, self.file),
            scratch: size(settings.scratch, self.scratch),
            scratch_files: settings.scratch_files.unwrap_or(self.scratch_files),
            shared_memory: size(settings.shared_memory, self.shared_memory),
            timeout: settings.timeout.unwrap_or(self.timeout),
            cpu_time: settings.cpu_time.or(self.cpu_time),
            output: size(settings.output, self.output).min(LARGEST),
            on_output: settings.on_output.unwrap_or(self.on_output),
            result: size(settings.result, self.result).min(LARGEST),
            input: size(settings.input, self.input).min(LARGEST),
            files: settings.files.unwrap_or(self.files),
            files_size: size(settings.files_size, self.files_size).min(LARGEST),
            images: settings.images.unwrap_or(self.images),
            uses: settings.uses.unwrap_or(self.uses),
            lifetime: settings.lifetime.unwrap_or(self.lifetime),
        }
    }
}
