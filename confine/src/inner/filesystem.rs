//! What the box sees of files: a root of its own in memory, read-only, with little in it.
//!
//! The old root stays reachable at `/old` while the new one is built at `/new`; then it is let go of for good.

mod devices;
mod mounts;
mod processes;
mod shape;

use std::fs;
use std::path::{Path, PathBuf};

use plugin_api::contract::workload::{Scratch, Workload};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::pivot_root;

use self::mounts::{MEMORY, Tmpfs};
use crate::refusal::While;
use crate::{CONTROL_DIRECTORY, Refusal};

/// Where the machine's files are while the box is being built.
const OLD: &str = "/old";

/// Where the box's are.
const NEW: &str = "/new";

/// A directory that any machine has, to build on; nothing in it is touched.
const STAGES: [&str; 4] = ["/tmp", "/run", "/mnt", "/dev"];

/// What a box has of the machine, besides what the workload names: programs and their libraries.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// And what those need to be found.
const SETTINGS: [&str; 5] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
];

/// Names of users and hosts that every program asks for. None is this machine's.
const NAMES: [(&str, &str); 4] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost box\n::1 localhost\n"),
    (
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\n",
    ),
];

/// Builds the root and enters it. `user` and `group` own what may be written, as numbered here and now.
pub(super) fn build(workload: &Workload, user: u32, group: u32) -> Result<(), Refusal> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // While paths still mean what they meant to the operator.
    let readable = shape::readable(workload)?;
    shape::check_scratch(workload)?;
    let settings: Vec<(PathBuf, PathBuf)> = SETTINGS
        .iter()
        .filter_map(|path| Some((fs::canonicalize(path).ok()?, PathBuf::from(path))))
        .collect();
    step_aside()?;

    Tmpfs::new("size=1m,nr_inodes=4096,mode=755").mount(NEW, MountFlags::NOSUID | MountFlags::NODEV)?;
    for path in SYSTEM {
        system(path)?;
    }
    for (source, target) in settings.iter().chain(&readable) {
        mounts::bind_readable(source, target)?;
    }
    for (path, text) in NAMES {
        if !inside(path).exists() {
            write(path, text)?;
        }
    }
    devices::build()?;
    processes::build()?;
    let shared = workload.limits.shared_memory_bytes.unwrap_or_default();
    let shared = Scratch {
        path: "/dev/shm".to_owned(),
        bytes: shared,
        files: 1024,
        mode: 0o1777,
    };
    let control = Scratch {
        path: CONTROL_DIRECTORY.to_owned(),
        bytes: 64 << 10,
        files: 16,
        mode: 0o700,
    };
    for scratch in workload.scratch.iter().chain([&shared, &control]) {
        writable(scratch, user, group)?;
    }
    let working = workload.working_directory.as_deref().unwrap_or("/");
    if !working.contains("..") && !inside(working).exists() {
        let _ = fs::create_dir_all(inside(working));
    }
    enter()
}

/// Puts an empty root in place of the machine's, with the machine's at `/old` in it.
fn step_aside() -> Result<(), Refusal> {
    const WHAT: &str = "putting the machine's files aside";
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).during(WHAT)?;
    let stage = STAGES
        .into_iter()
        .find(|path| Path::new(path).is_dir())
        .ok_or_else(|| Refusal::new(WHAT, "there is no /tmp"))?;
    Tmpfs::new("size=64k,nr_inodes=16,mode=755").mount_at(Path::new(stage), MEMORY)?;
    let of_stage = |path: &str| format!("{stage}{path}");
    fs::create_dir(of_stage(OLD)).during(WHAT)?;
    fs::create_dir(of_stage(NEW)).during(WHAT)?;
    pivot_root(stage, of_stage(OLD)).during(WHAT)?;
    std::env::set_current_dir("/").during(WHAT)
}

/// Makes the new root the root, and lets go of the old one.
fn enter() -> Result<(), Refusal> {
    const WHAT: &str = "entering the box";
    unmount(OLD, UnmountFlags::DETACH).during(WHAT)?;
    std::env::set_current_dir(NEW).during(WHAT)?;
    // Stacks the stage on the new root, in the same place; then the stage is taken off.
    pivot_root(".", ".").during(WHAT)?;
    unmount(".", UnmountFlags::DETACH).during(WHAT)?;
    std::env::set_current_dir("/").during(WHAT)?;
    mounts::make_read_only(Path::new("/"), MountFlags::NOSUID | MountFlags::NODEV)
}

/// A directory of programs, or the link that stands in its place where `/usr` holds them all.
fn system(path: &str) -> Result<(), Refusal> {
    let old = outside(Path::new(path));
    let Ok(kind) = fs::symlink_metadata(&old) else {
        return Ok(());
    };
    if kind.is_symlink() {
        let to = fs::read_link(&old).during(path)?;
        std::os::unix::fs::symlink(to, inside(path)).during(path)
    } else {
        mounts::bind_readable(Path::new(path), Path::new(path))
    }
}

/// A directory in memory that may be written, and from which nothing is run.
fn writable(scratch: &Scratch, user: u32, group: u32) -> Result<(), Refusal> {
    let Scratch {
        path,
        bytes,
        files,
        mode,
    } = scratch;
    // 0 would be without limit.
    let (bytes, files) = (bytes.max(&4096), files.max(&2));
    let options = format!("size={bytes},nr_inodes={files},mode={mode:o},uid={user},gid={group}");
    let target = inside(path);
    fs::create_dir_all(&target)
        .during(format!("making {path}"))
        .map_err(Refusal::of_the_workload)?;
    Tmpfs::new(options).mount_at(&target, MEMORY)
}

fn write(path: &str, text: &str) -> Result<(), Refusal> {
    let target = inside(path);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).during(format!("making {path}"))?;
    }
    fs::write(target, text).during(format!("making {path}"))
}

/// Where a path of the machine is while the box is being built.
fn outside(path: &Path) -> PathBuf {
    below(OLD, path)
}

/// Where a path of the box is while it is being built.
fn inside(path: impl AsRef<Path>) -> PathBuf {
    below(NEW, path.as_ref())
}

fn below(root: &str, path: &Path) -> PathBuf {
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}
