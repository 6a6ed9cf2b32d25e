//! Build, stage, verify, bench: what a Makefile would do. `cargo up` and `cargo verify` are aliases to it.

mod bench;
mod build;
mod shell;
mod up;
mod verify;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Build, stage, verify and bench Gleitzeit")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build host and plugins, put the plugins into the plugin directory, and serve.
    Up {
        /// Build with the quick profile instead of the fast one.
        #[arg(long)]
        debug: bool,
        /// Build and stage, and do not serve.
        #[arg(long)]
        no_serve: bool,
        /// What to pass on to `gleitzeit serve`.
        #[arg(last = true)]
        serve: Vec<String>,
    },
    /// Run the whole test suite: formatting is not part of it, everything else is.
    Verify {
        /// Only tests whose name contains this.
        filter: Option<String>,
    },
    /// Measure against direct, nginx and HAProxy in one run.
    Bench(bench::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Up {
            debug,
            no_serve,
            serve,
        } => up::run(debug, no_serve, &serve),
        Task::Verify { filter } => verify::run(filter.as_deref()),
        Task::Bench(options) => bench::run(&options),
    }
}
