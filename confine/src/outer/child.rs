//! The inner part, from outside.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus, Stdio};

use nix::sched::{CloneFlags, unshare};
use plugin_api::contract::workload::Isolation;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use super::identity;
use super::seal::Sealer;
use crate::refusal::While;
use crate::{CONTROL_DIRECTORY, Confinement, IDS_OF_A_BOX, INNER, Refusal, SUBCOMMAND, frame};

/// What the inner part is told first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// What to run, and how.
    pub(crate) confinement: Confinement,
    /// Whether it enters a user namespace of its own and is given a range of identities there.
    pub(crate) several_ids: bool,
}

/// What the inner part says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// It is in its user namespace and waits for identities.
    Identities,
    /// Everything stands, and the next thing it does is to become the program.
    Built,
    /// It cannot go on.
    Failed(Refusal),
}

/// What it is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Go;

/// The inner part, which becomes the program. Killed when it is dropped.
pub(super) struct Child {
    process: std::process::Child,
    /// Readable when it has ended.
    pidfd: OwnedFd,
    /// The directory of its control channel, where that is inside the box.
    control: Option<File>,
    /// Who closes that directory once the program listens, and the mounts it is among.
    sealer: Option<Sealer>,
    mounts: Option<File>,
    ids: u32,
    /// The program's standard input, which ends when we do. A pipe of its own: who may write to one can keep it open, so
    /// ours must not be in the box.
    _stdin: OwnedFd,
}

impl Child {
    /// Starts it and leads it up to the moment in which it has become the program.
    pub(super) fn start(confinement: &Confinement) -> Result<Self, Refusal> {
        let boxed = confinement.workload.isolation == Isolation::System;
        let several_ids = boxed && identity::are_several();
        let mut sealer = None;
        if boxed {
            if !several_ids {
                identity::enter_alone(confinement)?;
            }
            sealer = Some(Sealer::new()?);
            unshare(CloneFlags::CLONE_NEWPID)
                .during("entering a process namespace")
                .map_err(|refusal| {
                    refusal.mend("give the host CAP_SYS_ADMIN, or run it as an ordinary user")
                })?;
        } else {
            // What the program leaves behind becomes ours, so that it can be ended too.
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
                .during("adopting what the program leaves behind")?;
        }
        let (channel, theirs) = UnixStream::pair().during("a channel to the inner part")?;
        let (its_stdin, stdin) = pipe_with(PipeFlags::CLOEXEC).during("standard input of the program")?;
        let process = Command::new("/proc/self/exe")
            .args([SUBCOMMAND, INNER])
            .env_clear()
            .stdin(Stdio::from(its_stdin))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::inherit())
            .spawn()
            .during("starting the inner part")?;
        let pid = Pid::from_child(&process);
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                Self::end_of(process);
                return Err(
                    Refusal::new("watching the inner part", error).mend("Linux 5.3 or newer is needed")
                );
            }
        };
        let mut child = Self {
            process,
            pidfd,
            control: None,
            sealer,
            mounts: None,
            ids: if several_ids { IDS_OF_A_BOX } else { 1 },
            _stdin: stdin,
        };
        child.lead(confinement, several_ids, &channel, boxed)?;
        Ok(child)
    }

    fn lead(
        &mut self,
        confinement: &Confinement,
        several_ids: bool,
        channel: &UnixStream,
        boxed: bool,
    ) -> Result<(), Refusal> {
        let pid = self.pid();
        for group in &confinement.groups {
            let file = group.join("cgroup.procs");
            fs::write(&file, pid.to_string()).during(format!("joining {}", group.display()))?;
        }
        let orders = Orders {
            confinement: confinement.clone(),
            several_ids,
        };
        frame::write(channel, &orders).during("telling the inner part what to do")?;
        let mut built = false;
        loop {
            match frame::read::<Word>(channel) {
                Ok(Word::Identities) => identity::map_range(pid, confinement.first_id)?,
                Ok(Word::Built) => {
                    built = true;
                    if boxed {
                        // Nothing in there is the program's yet, so the path leads where we built it.
                        let directory = File::open(format!("/proc/{pid}/root{CONTROL_DIRECTORY}"));
                        self.control = Some(directory.during("reaching the control channel")?);
                        let mounts = File::open(format!("/proc/{pid}/ns/mnt"));
                        self.mounts = Some(mounts.during("reaching the box's mounts")?);
                    }
                }
                Ok(Word::Failed(refusal)) => return Err(refusal),
                // The channel closes when it becomes the program.
                Err(_) if built => return Ok(()),
                Err(error) => return Err(Refusal::new("building the box", error)),
            }
            frame::write(channel, &Go).during("telling the inner part to go on")?;
        }
    }

    /// The process, as this machine numbers it.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How many user identities it has.
    pub(super) fn ids(&self) -> u32 {
        self.ids
    }

    /// Readable when it has ended.
    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// The directory of its control channel, where that is inside the box.
    pub(super) fn control(&self) -> Option<&File> {
        self.control.as_ref()
    }

    /// The program listens: from now on nothing else shall be where it does.
    pub(super) fn seal(&mut self) -> Result<(), Refusal> {
        match (&self.sealer, self.mounts.take()) {
            (Some(sealer), Some(mounts)) => sealer.seal(mounts),
            _ => Ok(()),
        }
    }

    /// Kills it and waits: a box's other processes are gone then too, because process 1 of their namespace is.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait()
    }

    fn end_of(mut process: std::process::Child) {
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
