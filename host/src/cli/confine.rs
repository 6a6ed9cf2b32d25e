//! `gleitzeit confine`: this binary as the launcher of confined processes. Hubs call it; people have no use for it.

use std::process::ExitCode;

use super::Failure;

/// What it is called with. Only so that the help of the command line knows it: see [`instead`].
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which part of it this process is
    part: Option<String>,
}

/// Runs the launcher where this process was called as one.
///
/// Before the command line is read or anything else is done, because it is on the way of every process that is started, and
/// the program it becomes inherits what was opened.
pub(super) fn instead() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != confine::SUBCOMMAND {
        return None;
    }
    let part = arguments.next();
    match part.as_deref().map(|part| part.to_str()) {
        None => Some(confine::run(None)),
        // `--help` is for the command line.
        Some(Some(part)) if !part.starts_with('-') => Some(confine::run(Some(part))),
        Some(_) => None,
    }
}

/// It becomes another program, so it cannot be run within one.
pub(super) fn not_alone() -> Failure {
    Failure::usage("`confine` is a process of its own, started by hubs")
}
