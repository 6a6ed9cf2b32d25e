//! `gleitzeit completions`: a script that makes a shell complete commands and flags.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, Failure, Terminal};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gleitzeit", &mut script);
    terminal.print(&String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}
