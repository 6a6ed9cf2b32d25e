//! Directories that a box shares with this machine: one each, for its control socket and nothing else.
//!
//! What is in one was made by the guest. So nothing in it is ever opened by its path: the one thing that is used, the
//! socket, is pinned first ([`Directory::pin`]) and then reached through the descriptor.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use plugin_api::owner::{Life, Owner};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::error::DockerError;

/// The socket's name, inside as outside.
const SOCKET: &str = "control.sock";

/// Where the directory is in a box.
pub(crate) const INSIDE: &str = "/run/gleitzeit";

/// What the directory of one process is called, before its owner's tag.
const OWN: &str = "host-";

/// The place of all directories of this process.
#[derive(Debug)]
pub(crate) struct Directories {
    base: PathBuf,
    owner: Owner,
}

impl Directories {
    /// Nothing is made before it is needed, so that a host that starts no boxes leaves no traces.
    pub(crate) fn new(configured: Option<PathBuf>, owner: Owner) -> Self {
        let uid = rustix::process::getuid();
        let base = configured.unwrap_or_else(|| {
            let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            match runtime.filter(|path| path.is_absolute() && path.is_dir()) {
                Some(runtime) => runtime.join("gleitzeit"),
                None if uid.is_root() => PathBuf::from("/run/gleitzeit"),
                None => std::env::temp_dir().join(format!("gleitzeit-{}", uid.as_raw())),
            }
        });
        Self { base, owner }
    }

    /// All that are of this process.
    fn own(&self) -> PathBuf {
        self.base.join(format!("{OWN}{}", self.owner))
    }

    /// A new directory that nobody else may enter.
    pub(crate) fn new_directory(&self, name: &str) -> Result<Directory, DockerError> {
        // It may be given to the host by a service manager, which lets others look into it; but nobody may change it.
        ours(&self.base, 0o022)?;
        let own = self.own();
        ours(&own, 0o077)?;
        let path = own.join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| wrong(&path, &error))?;
        Ok(Directory {
            path,
            process: self.owner.process(),
        })
    }

    /// Removes what processes have left that ended without doing so themselves.
    pub(crate) fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.base) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let owner = name
                .to_str()
                .and_then(|name| name.strip_prefix(OWN))
                .and_then(owner);
            if owner.is_some_and(|owner| owner.life() == Life::Dead) {
                remove(&entry.path());
            }
        }
    }
}

/// Whose a directory is that is called so behind [`OWN`]: also one of the versions before, whose names were made of
/// a process and its beginning, and which took every process for one of its own namespace.
fn owner(name: &str) -> Option<Owner> {
    if let Some((owner, _)) = Owner::tagged(name) {
        return Some(owner);
    }
    let (process, began) = name.split_once('-')?;
    let this = Owner::this().fields();
    Owner::from_fields(|field| match field {
        "process" => Some(process),
        "began" => Some(began),
        _ => {
            let part = this.iter().find(|(name, _)| *name == field);
            part.map(|(_, value)| value.as_str())
        }
    })
}

impl Drop for Directories {
    fn drop(&mut self) {
        // Only where it is empty: boxes that still end remove their own.
        let _ = std::fs::remove_dir(self.own());
    }
}

/// Makes a directory that only this user may enter, or sees that it is this user's and gives others none of these rights.
fn ours(path: &Path, not: u32) -> Result<(), DockerError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(wrong(path, &error)),
    }
    let data = std::fs::symlink_metadata(path).map_err(|error| wrong(path, &error))?;
    if !data.is_dir() {
        return Err(wrong(path, &"it is not a directory"));
    }
    if data.uid() != rustix::process::geteuid().as_raw() || data.mode() & not != 0 {
        return Err(wrong(path, &"it is another user's, or others have rights to it"));
    }
    Ok(())
}

fn wrong(path: &Path, reason: &dyn ToString) -> DockerError {
    DockerError::StateDirectory {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Follows no links, so what a guest left in it leads nowhere.
fn remove(path: &Path) {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a directory of a box that has ended");
        }
        _ => {}
    }
}

/// A directory of one box. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    process: u32,
}

impl Directory {
    /// Where it is on this machine.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a socket of ours is in it, in the mode without a shared directory.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Gives it to the user that process 1 of the box is on this machine.
    pub(crate) fn give_to(&self, user: u32, group: u32) -> Result<(), DockerError> {
        std::os::unix::fs::chown(&self.path, Some(user), Some(group))
            .map_err(|error| wrong(&self.path, &error))
    }

    /// Takes hold of the socket that the guest made, if it has, and if it is one: a link to another socket of this
    /// machine is none.
    pub(crate) fn pin(&self) -> io::Result<Option<Pinned>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&self.path, flags | OFlags::DIRECTORY, Mode::empty())?;
        let socket = match rustix::fs::openat(&directory, SOCKET, flags, Mode::empty()) {
            Ok(socket) => socket,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let data = rustix::fs::statat(&socket, "", AtFlags::EMPTY_PATH)?;
        if FileType::from_raw_mode(data.st_mode) != FileType::Socket {
            return Err(io::Error::other(
                "the guest put something else in the place of its socket",
            ));
        }
        Ok(Some(Pinned {
            socket,
            process: self.process,
        }))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// A guest's socket that was taken hold of, so that no name the guest may change leads to it.
#[derive(Debug)]
pub(crate) struct Pinned {
    socket: OwnedFd,
    process: u32,
}

impl Pinned {
    /// A path that leads to this very socket for as long as this lives, for all processes of this user.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", self.process, self.socket.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_hosts_left_is_swept_by_its_name_of_today_and_of_before() {
        let base = tempfile::tempdir().unwrap();
        let this = Owner::this();
        let fields = this.fields();
        let field = |name| &fields.iter().find(|(field, _)| *field == name).unwrap().1;
        let tag = this.to_string();
        let (namespace, _) = tag.split_once('.').unwrap();
        // No process has so high a number.
        let dead = [format!("host-{namespace}.4194305.1"), "host-4194305-1".to_owned()];
        let kept = [
            format!("host-{tag}"),
            format!("host-{}-{}", field("process"), field("began")),
            "host-1".to_owned(),
            "host-x-1".to_owned(),
            "another".to_owned(),
        ];
        for name in dead.iter().chain(&kept) {
            std::fs::create_dir_all(base.path().join(name).join("box")).unwrap();
        }
        Directories::new(Some(base.path().to_owned()), this.clone()).sweep();
        for name in &dead {
            assert!(!base.path().join(name).exists(), "{name}");
        }
        for name in &kept {
            assert!(base.path().join(name).exists(), "{name}");
        }
    }
}
