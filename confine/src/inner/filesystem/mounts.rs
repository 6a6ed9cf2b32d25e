//! Mounts: memory, and what is shown of the machine, read-only.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount, mount_bind_recursive, mount_remount};

use super::{NEW, OLD, inside, outside};
use crate::Refusal;
use crate::refusal::While;

/// What holds of every directory in memory: data, never programs or devices.
pub(super) const MEMORY: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// A file system in memory, with these options.
pub(super) struct Tmpfs(String);

impl Tmpfs {
    pub(super) fn new(options: impl Into<String>) -> Self {
        Self(options.into())
    }

    pub(super) fn mount(self, target: &str, flags: MountFlags) -> Result<(), Refusal> {
        self.mount_at(Path::new(target), flags)
    }

    pub(super) fn mount_at(self, target: &Path, flags: MountFlags) -> Result<(), Refusal> {
        let what = || format!("memory at {}", shown(target));
        let options = CString::new(self.0).during(what())?;
        mount(c"tmpfs", target, c"tmpfs", flags, options.as_c_str()).during(what())
    }
}

/// Shows a file or directory of the machine in the box, with all that is mounted below it, read-only.
pub(super) fn bind_readable(source: &Path, target: &Path) -> Result<(), Refusal> {
    let what = || format!("showing {} in the box", source.display());
    let from = outside(source);
    let to = inside(target);
    let kind = fs::metadata(&from).during(what())?;
    let parent = if kind.is_dir() {
        Some(to.as_path())
    } else {
        to.parent()
    };
    if let Some(parent) = parent {
        fs::create_dir_all(parent).during(what())?;
    }
    if !kind.is_dir() && !to.exists() {
        fs::write(&to, "").during(what())?;
    }
    mount_bind_recursive(&from, &to).during(what())?;
    for (path, flags) in below(&to).during(what())? {
        make_read_only(&path, flags | MountFlags::NOSUID | MountFlags::NODEV)?;
    }
    Ok(())
}

/// Shows one device. It must stay one, so nothing but programs is forbidden there.
pub(super) fn bind_device(source: &str) -> Result<(), Refusal> {
    let what = || format!("the device {source}");
    let to = inside(source);
    fs::write(&to, "").during(what())?;
    rustix::mount::mount_bind(outside(Path::new(source)), &to).during(what())?;
    let flags = below(&to)
        .during(what())?
        .into_iter()
        .fold(MountFlags::empty(), |flags, (_, more)| flags | more);
    let flags = flags | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount_remount(&to, flags, c"").during(what())
}

/// Makes a mount read-only, with these flags besides.
pub(super) fn make_read_only(path: &Path, flags: MountFlags) -> Result<(), Refusal> {
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | flags, c"")
        .during(format!("making {} read-only", shown(path)))
}

/// The mounts at and below a path, with the flags they have: in a user namespace those can only be added to.
fn below(path: &Path) -> std::io::Result<Vec<(PathBuf, MountFlags)>> {
    let table = fs::read_to_string(outside(Path::new("/proc/self/mountinfo")))?;
    Ok(table
        .lines()
        .filter_map(parse)
        .filter(|(mounted, _)| mounted.starts_with(path))
        .collect())
}

/// Mount point and flags of a line of `mountinfo`.
fn parse(line: &str) -> Option<(PathBuf, MountFlags)> {
    let mut fields = line.split(' ');
    let point = unescape(fields.nth(4)?);
    let flags = fields
        .next()?
        .split(',')
        .fold(MountFlags::empty(), |flags, option| {
            flags
                | match option {
                    "ro" => MountFlags::RDONLY,
                    "nosuid" => MountFlags::NOSUID,
                    "nodev" => MountFlags::NODEV,
                    "noexec" => MountFlags::NOEXEC,
                    "noatime" => MountFlags::NOATIME,
                    "nodiratime" => MountFlags::NODIRATIME,
                    "relatime" => MountFlags::RELATIME,
                    _ => MountFlags::empty(),
                }
        });
    Some((PathBuf::from(point), flags))
}

/// Blanks and backslashes are written as octal numbers there.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// A path as the box, or the machine, knows it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    match text.strip_prefix(NEW).or_else(|| text.strip_prefix(OLD)) {
        Some("") => "/".to_owned(),
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_tells_where_and_how() {
        let line = r"36 35 98:0 /mnt1 /new/usr/a\040b rw,nosuid,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let (path, flags) = parse(line).unwrap();
        assert_eq!(path, Path::new("/new/usr/a b"));
        assert_eq!(flags, MountFlags::NOSUID | MountFlags::NOATIME);
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn people_see_the_paths_they_know() {
        assert_eq!(shown(Path::new("/new/usr")), "/usr");
        assert_eq!(shown(Path::new("/new")), "/");
        assert_eq!(shown(Path::new("/old/opt")), "/opt");
    }
}
