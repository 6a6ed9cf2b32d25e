//! The inner part: process 1 of the box, which gives everything away and becomes the program.

mod filesystem;
mod landlock;
mod limits;
mod network;
mod privileges;

pub(crate) use landlock::version as landlock_version;

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, unshare};
use plugin_api::contract::workload::{CONTROL_VARIABLE, Isolation};
use rustix::process::{Signal, set_parent_process_death_signal, setsid};
use rustix::stdio::{dup2_stdout, stderr};

use crate::outer::{Go, Orders, Word};
use crate::refusal::While;
use crate::{CONTROL_DIRECTORY, CONTROL_SOCKET, Confinement, Refusal, frame, syscalls};

/// Threads of the outer part while there is a box: the one that waits, and the one that seals.
const THREADS_OUTSIDE: u64 = 2;

/// What the box is called from within.
const HOST_NAME: &[u8] = b"box";

/// Does as the outer part says on standard output, which is the channel to it.
pub(crate) fn run() -> ExitCode {
    let channel = match io::stdout().as_fd().try_clone_to_owned() {
        Ok(channel) => UnixStream::from(channel),
        Err(error) => {
            eprintln!("no channel to the outer part: {error}");
            return ExitCode::FAILURE;
        }
    };
    let Err(refusal) = confine(&channel);
    let _ = frame::write(&channel, &Word::Failed(refusal));
    ExitCode::FAILURE
}

fn confine(channel: &UnixStream) -> Result<Infallible, Refusal> {
    die_with_the_outer_part()?;
    let orders: Orders = frame::read(channel).during("reading what to do")?;
    let confinement = &orders.confinement;
    limits::set_oom_score();
    setsid().during("a session of its own")?;
    match confinement.workload.isolation {
        Isolation::System => build(&orders, channel)?,
        Isolation::None => {
            limits::set(confinement, 1)?;
            privileges::no_new()?;
        }
        Isolation::Container => {
            return Err(Refusal::workload(
                "isolation",
                "containers are an engine's affair",
            ));
        }
    }
    let directory = confinement.workload.working_directory.as_deref().unwrap_or("/");
    std::env::set_current_dir(directory)
        .during(format!("going to {directory}"))
        .map_err(Refusal::of_the_workload)?;
    let filter = syscalls::compile(confinement)?;
    let mut command = command(confinement)?;
    // A change of user has taken it back.
    die_with_the_outer_part()?;
    await_word(channel, &Word::Built)?;
    dup2_stdout(stderr()).during("standard output")?;
    filter.apply()?;
    let error = command.exec();
    Err(Refusal::workload(
        format!("running `{}`", confinement.workload.command.join(" ")),
        error,
    ))
}

/// Builds the box around this process, from the outside in.
fn build(orders: &Orders, channel: &UnixStream) -> Result<(), Refusal> {
    let confinement = &orders.confinement;
    let (user, group) = confinement.user()?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWCGROUP,
    )
    .during("entering namespaces of its own")?;
    rustix::system::sethostname(HOST_NAME).during("naming the box")?;
    network::raise_loopback()?;
    let outside = |id: u32| {
        if orders.several_ids {
            confinement.first_id + id
        } else {
            id
        }
    };
    filesystem::build(&confinement.workload, outside(user), outside(group))?;
    let beside = if orders.several_ids { 0 } else { THREADS_OUTSIDE };
    limits::set(confinement, beside)?;
    if orders.several_ids {
        // Last, so that everything above belongs to the machine's root, whom nobody in the box can become.
        unshare(CloneFlags::CLONE_NEWUSER)
            .during("entering a user namespace")
            .map_err(|refusal| refusal.mend(crate::machine::mend_user_namespaces()))?;
        await_word(channel, &Word::Identities)?;
        privileges::become_user(user, group)?;
    }
    privileges::keep_only(&confinement.workload.capabilities)?;
    privileges::no_new()?;
    landlock::restrict(&confinement.workload)
}

/// Says something, and waits until the outer part has heard it. If it is gone instead, so are we.
fn await_word(channel: &UnixStream, word: &Word) -> Result<(), Refusal> {
    frame::write(channel, word).during("talking to the outer part")?;
    let Go = frame::read(channel).during("waiting for the outer part")?;
    Ok(())
}

fn die_with_the_outer_part() -> Result<(), Refusal> {
    set_parent_process_death_signal(Some(Signal::KILL)).during("dying with the outer part")
}

fn command(confinement: &Confinement) -> Result<Command, Refusal> {
    let (program, arguments) = confinement
        .workload
        .command
        .split_first()
        .ok_or_else(|| Refusal::workload("the command", "it is empty"))?;
    let control = match &confinement.control {
        Some(directory) => directory.join(CONTROL_SOCKET),
        None => [CONTROL_DIRECTORY, CONTROL_SOCKET].iter().collect(),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&confinement.workload.environment)
        .env(CONTROL_VARIABLE, control);
    Ok(command)
}
