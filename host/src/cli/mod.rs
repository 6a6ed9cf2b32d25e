//! The command line: one file per command.
//!
//! Commands that talk to a running host speak JSON-RPC to it like anybody else; the others look at files only.
//! Results go to standard output, everything else to standard error, and how it went is the [`Exit`] code.

mod allocate;
mod allocations;
mod call;
mod check;
mod client;
mod completions;
mod configured;
mod confine;
mod doctor;
mod events;
mod exit;
mod follow;
mod global;
mod hub;
mod instances;
mod listing;
mod logging;
mod methods;
mod optimise;
mod output;
mod params;
mod plugin;
mod progress;
mod scale;
mod schema;
mod serve;
mod status;
mod table;
mod terminal;
mod totals;
mod warm;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};
pub use global::Global;
pub use terminal::Terminal;

/// A dependable gateway for AI resources, made of plugins.
#[derive(Debug, Parser)]
#[command(name = "gleitzeit", version, about, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host: load plugins, watch over every instance, answer requests, until a signal ends it
    Serve,
    /// Call a method of a running host
    Call(call::Args),
    /// Show every hub and instance: whether a request would be sent there now, and why not
    Status(status::Args),
    /// List instances, take one out of service, or put it back
    Instances(instances::Args),
    /// Run a hub's own verb, such as `hub NAME pull MODEL`; without a verb, list them
    Hub(hub::Args),
    /// Keep resources for a while: several at once, across hubs, all of them or none
    Allocate(allocate::Args),
    /// List what is allocated, make an allocation last longer, or give it back
    Allocations(allocations::Args),
    /// Make an allocation last longer
    Renew(allocations::Renew),
    /// Give an allocation back
    Release(allocations::Release),
    /// Change how many resources a hub keeps
    Scale(scale::Args),
    /// Say what could be better and why, or do what is safe
    Optimise(optimise::Args),
    /// Show every hub together, and each by itself, in numbers
    Totals,
    /// Follow what happens, as it happens
    Events(follow::Args),
    /// List the methods a running host offers, or show one
    Methods(methods::Args),
    /// Look at plugin files without running them
    #[command(subcommand)]
    Plugin(plugin::Args),
    /// Check plugins.toml and everything it names, and do nothing else
    Check,
    /// Print the JSON Schema of plugins.toml
    Schema,
    /// Say what is missing on this machine, and how to mend it
    Doctor,
    /// Print completions for a shell
    Completions(completions::Args),
    /// Lock a process down and become it; for hubs that run processes
    #[command(hide = true)]
    Confine(confine::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    if let Some(code) = confine::instead() {
        return code;
    }
    let mut terminal = Terminal::of_process();
    u8::from(run(std::env::args_os(), &mut terminal)).into()
}

/// Runs one command line. Everything it prints goes to `terminal`.
pub fn run(arguments: impl IntoIterator<Item = OsString>, terminal: &mut Terminal) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = terminal.usage(&error);
            return ended(Ok(exit), terminal);
        }
    };
    terminal.json = cli.global.json;
    let result = match cli.command {
        Command::Serve => serve::run(&cli.global, terminal),
        Command::Call(args) => block_on(call::run(args, &cli.global, terminal)),
        Command::Status(args) => block_on(status::run(args, &cli.global, terminal)),
        Command::Instances(args) => block_on(instances::run(args, &cli.global, terminal)),
        Command::Hub(args) => block_on(hub::run(args, &cli.global, terminal)),
        Command::Allocate(args) => block_on(allocate::run(args, &cli.global, terminal)),
        Command::Allocations(args) => block_on(allocations::run(args, &cli.global, terminal)),
        Command::Renew(args) => block_on(allocations::renew(args, &cli.global, terminal)),
        Command::Release(args) => block_on(allocations::release(args, &cli.global, terminal)),
        Command::Scale(args) => block_on(scale::run(args, &cli.global, terminal)),
        Command::Optimise(args) => block_on(optimise::run(&args, &cli.global, terminal)),
        Command::Totals => block_on(totals::run(&cli.global, terminal)),
        Command::Events(args) => block_on(follow::run(args, &cli.global, terminal)),
        Command::Methods(args) => block_on(methods::run(args, &cli.global, terminal)),
        Command::Plugin(args) => plugin::run(&args, &cli.global, terminal),
        Command::Check => check::run(&cli.global, terminal),
        Command::Schema => schema::run(&cli.global, terminal),
        Command::Doctor => block_on(doctor::run(&cli.global, terminal)),
        Command::Completions(args) => completions::run(&args, terminal),
        Command::Confine(_) => Err(confine::not_alone()),
    };
    ended(result, terminal)
}

/// The exit code, after whatever there is to say has been said. A result that nobody could be given is a failure.
fn ended(result: Result<Exit, Failure>, terminal: &mut Terminal) -> Exit {
    let written = terminal.written();
    result
        .and_then(|exit| written.map(|()| exit))
        .unwrap_or_else(|failure| {
            terminal.failure(&failure);
            failure.exit
        })
}

/// One thread is enough for a client.
fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("the runtime cannot be started: {error}")))?
        .block_on(work)
}
