//! What a process needs besides itself: a control group, identities, a directory. All of it goes when this is dropped.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use confine::cgroup::{Group, Parent, Usage};
use confine::{Confinement, owner};
use parking_lot::RwLock;
use plugin_api::contract::workload::Isolation;

use crate::error::ProcessError;
use crate::identities::{Identities, Range};
use crate::plan::Plan;

/// Where rooms are made.
#[derive(Debug)]
pub(crate) struct Rooms {
    groups: Parent,
    identities: Identities,
    /// Holds a directory for each unconfined process; made when the first one is.
    directory: PathBuf,
}

impl Rooms {
    pub(crate) fn new(groups: Parent, directory: Option<PathBuf>) -> Self {
        Self {
            groups,
            identities: Identities::default(),
            directory: directory.unwrap_or_else(usual_directory),
        }
    }

    pub(crate) fn groups(&self) -> &Parent {
        &self.groups
    }

    /// Makes what a process of this plan needs, and says what the launcher is told.
    pub(crate) fn make(&self, id: &str, plan: Plan) -> Result<(Room, Confinement), ProcessError> {
        let failed = |what: &'static str| {
            move |error: std::io::Error| ProcessError::Room {
                what,
                reason: error.to_string(),
            }
        };
        let is_boxed = plan.workload.isolation == Isolation::System;
        let range = (is_boxed && rustix::process::geteuid().is_root())
            .then(|| {
                self.identities.take().ok_or(ProcessError::Room {
                    what: "identities for another box",
                    reason: "all are in use".to_owned(),
                })
            })
            .transpose()?;
        let directory = (!is_boxed)
            .then(|| Directory::create(&self.directory, id))
            .transpose()
            .map_err(failed("a directory for the control channel"))?;
        let group = self
            .groups
            .create(id, &plan.limits)
            .map_err(failed("a control group"))?;
        let confinement = Confinement {
            workload: plan.workload,
            groups: group.directories().map(Path::to_owned).collect(),
            belts: plan.belts,
            first_id: range.as_ref().map(Range::first).unwrap_or_default(),
            control: directory.as_ref().map(|directory| directory.0.clone()),
        };
        let room = Room {
            group: Arc::new(RwLock::new(Some(group))),
            _range: range,
            _directory: directory,
        };
        Ok((room, confinement))
    }

    /// Removes what hosts that are gone have left behind; how many processes that were.
    pub(crate) fn sweep(&self) -> usize {
        let directories = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let dead = directories.filter(|entry| entry.file_name().to_str().is_some_and(owner::is_dead));
        let removed = dead
            .filter(|entry| fs::remove_dir_all(entry.path()).is_ok())
            .count();
        self.groups.sweep().max(removed)
    }
}

/// What one process needs besides itself.
#[derive(Debug)]
pub(crate) struct Room {
    /// Shared with whoever wants to know what is used; gone when the room is.
    group: Arc<RwLock<Option<Group>>>,
    _range: Option<Range>,
    _directory: Option<Directory>,
}

impl Room {
    /// A way to see what is used.
    pub(crate) fn meter(&self) -> Meter {
        Meter(self.group.clone())
    }

    /// Ends whatever runs in it.
    pub(crate) fn kill(&self) {
        if let Some(group) = &*self.group.read() {
            group.kill();
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.group.write().take();
    }
}

/// Tells what is used in a room.
#[derive(Debug)]
pub(crate) struct Meter(Arc<RwLock<Option<Group>>>);

impl Meter {
    /// Nothing where nobody counts, or once the room is gone.
    pub(crate) fn usage(&self) -> Usage {
        self.0.read().as_ref().map(Group::usage).unwrap_or_default()
    }
}

/// A directory that only this user may enter.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn create(parent: &Path, id: &str) -> std::io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700);
        match builder.create(parent) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => check_private(parent)?,
            other => other?,
        }
        let directory = parent.join(owner::name(id));
        builder.create(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Somebody else may have made it first, in a place where everybody may.
fn check_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(directory)?;
    let is_private =
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    if is_private {
        Ok(())
    } else {
        Err(std::io::Error::other(format!(
            "{} is not a directory that only we may change",
            directory.display()
        )))
    }
}

/// Short, because the path of a socket may have no more than 107 bytes.
fn usual_directory() -> PathBuf {
    let user = rustix::process::geteuid();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    match runtime {
        Some(runtime) => runtime.join("gleitzeit"),
        None if user.is_root() => PathBuf::from("/run/gleitzeit"),
        None => std::env::temp_dir().join(format!("gleitzeit-{}", user.as_raw())),
    }
}
