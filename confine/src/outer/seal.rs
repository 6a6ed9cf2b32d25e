//! Closing the directory of the control channel once the program listens there.
//!
//! Where a box has one identity, the program and the code that it runs own that directory alike: code could take the
//! socket's name away and put another thing under it. Owner and mode are no help against an owner, so the mount itself
//! becomes read-only, from outside, where nobody in the box can take that back.

use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::{MountFlags, mount_remount};

use crate::refusal::While;
use crate::{CONTROL_DIRECTORY, Refusal};

const WHAT: &str = "closing the directory of the control channel";

/// The thread that does it. It enters the box's mounts for itself alone, and has to be there before the first process of
/// a new process namespace is: after that this process gets no more threads.
pub(super) struct Sealer {
    mounts: Sender<File>,
    sealed: Receiver<Result<(), Refusal>>,
}

impl Sealer {
    pub(super) fn new() -> Result<Self, Refusal> {
        let (mounts, to_seal) = channel::<File>();
        let (answer, sealed) = channel();
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || {
                // Until the end: it counts as one of the user's processes, and their number is to be known.
                while let Ok(mounts) = to_seal.recv() {
                    let _ = answer.send(seal(&mounts));
                }
            })
            .during(WHAT)?;
        Ok(Self { mounts, sealed })
    }

    /// Makes the directory read-only in the box whose mounts these are, for good. What listens there can be
    /// connected to as before.
    pub(super) fn seal(&self, mounts: File) -> Result<(), Refusal> {
        let gone = || Refusal::new(WHAT, "the thread for it has ended");
        self.mounts.send(mounts).map_err(|_| gone())?;
        self.sealed.recv().map_err(|_| gone())?
    }
}

fn seal(mounts: &File) -> Result<(), Refusal> {
    // Other mounts are for those who share root and working directory with nobody.
    unshare(CloneFlags::CLONE_FS).during(WHAT)?;
    setns(mounts, CloneFlags::CLONE_NEWNS).during(WHAT)?;
    let flags =
        MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_remount(CONTROL_DIRECTORY, flags, c"").during(WHAT)
}
