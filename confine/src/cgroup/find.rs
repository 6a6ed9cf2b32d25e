//! Where groups can be made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::group::{Group, Limits};
use super::{Controller, Report};
use crate::owner;

/// The group that holds those of all boxes, in each hierarchy.
const NAME: &str = "gleitzeit";

/// What the unified hierarchy can limit for us.
const UNIFIED: [Controller; 3] = [Controller::Memory, Controller::Pids, Controller::Cpu];

/// The places in which groups for boxes are made.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Parent {
    /// The directory for each controller that can be used; several controllers may share one.
    places: BTreeMap<Controller, PathBuf>,
    unified: bool,
    obstacle: Option<String>,
}

impl Parent {
    /// Looks for them, and makes the group that holds all others. `configured` is a group of the unified hierarchy that
    /// was delegated to the host, where an operator names one.
    ///
    /// # Errors
    /// The configured group cannot be used. That nothing was found is no error: see [`report`](Self::report).
    pub fn find(configured: Option<&Path>) -> io::Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        Self::find_in(configured, &own, &mounts)
    }

    fn find_in(configured: Option<&Path>, own: &str, mounts: &str) -> io::Result<Self> {
        let mut parent = Self::default();
        if let Some(group) = configured {
            parent.unified = true;
            parent.use_unified(group)?;
            return Ok(parent);
        }
        for controller in Controller::ALL {
            if let Some(group) = old_group(controller, own, mounts)
                && let Err(error) = parent.use_old(controller, &group)
            {
                parent.obstacle = Some(format!("{}: {error}", group.display()));
            }
        }
        if parent.places.is_empty()
            && let Some(group) = unified_group(own, mounts)
        {
            let old = parent.obstacle.take();
            parent.unified = true;
            // The host's own group holds the host, and a group of the unified hierarchy that holds processes cannot
            // limit groups below it, unless it is the root. Beside it is as good.
            let beside = group.parent().map(Path::to_owned);
            for place in [Some(group), beside].into_iter().flatten() {
                match parent.use_unified(&place) {
                    Ok(()) => {
                        parent.obstacle = None;
                        break;
                    }
                    Err(error) => parent.obstacle = Some(format!("{}: {error}", place.display())),
                }
            }
            if parent.places.is_empty() && old.is_some() {
                parent.obstacle = old;
            }
        }
        Ok(parent)
    }

    fn use_old(&mut self, controller: Controller, group: &Path) -> io::Result<()> {
        let place = group.join(NAME);
        make(&place)?;
        self.places.insert(controller, place);
        Ok(())
    }

    fn use_unified(&mut self, group: &Path) -> io::Result<()> {
        let place = group.join(NAME);
        enable(group, &UNIFIED)?;
        make(&place)?;
        enable(&place, &UNIFIED)?;
        self.places = UNIFIED
            .into_iter()
            .map(|controller| (controller, place.clone()))
            .collect();
        Ok(())
    }

    /// Whether it can limit what this controller does.
    fn has(&self, controller: Controller) -> bool {
        self.places.contains_key(&controller)
    }

    /// Whether memory, processors and processes can be limited.
    pub fn limits(&self) -> (bool, bool, bool) {
        (
            self.has(Controller::Memory),
            self.has(Controller::Cpu),
            self.has(Controller::Pids),
        )
    }

    /// What it can do, for people.
    pub fn report(&self) -> Report {
        let place = |controller| self.places.get(&controller).cloned();
        Report {
            memory: place(Controller::Memory),
            processes: place(Controller::Pids),
            processors: place(Controller::Cpu),
            unified: self.unified,
            obstacle: self.obstacle.clone(),
        }
    }

    /// Makes the groups of a box, with what can be limited of these limits.
    ///
    /// # Errors
    /// The kernel says no; nothing is left behind.
    pub fn create(&self, id: &str, limits: &Limits) -> io::Result<Group> {
        let name = owner::name(id);
        match Group::create(&self.places, self.unified, &name, limits) {
            // Another host that used it too has ended, and taken it along.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_again()?;
                Group::create(&self.places, self.unified, &name, limits)
            }
            other => other,
        }
    }

    fn make_again(&self) -> io::Result<()> {
        for place in self.places.values() {
            make(place)?;
            if self.unified {
                enable(place, &UNIFIED)?;
            }
        }
        Ok(())
    }

    /// Removes groups of hosts that are gone, and ends whatever runs in them still. How many there were.
    pub fn sweep(&self) -> usize {
        let places: BTreeSet<&PathBuf> = self.places.values().collect();
        let left: Vec<PathBuf> = places
            .into_iter()
            .filter_map(|place| fs::read_dir(place).ok())
            .flat_map(|listed| listed.flatten())
            .filter(|entry| entry.file_name().to_str().is_some_and(owner::is_dead))
            .map(|entry| entry.path())
            .collect();
        let names: BTreeSet<_> = left.iter().filter_map(|path| path.file_name()).collect();
        let count = names.len();
        drop(Group::left_behind(left));
        count
    }
}

/// Leaves nothing: a group that holds no other is removed. Where another host uses it, that fails, as it should.
impl Drop for Parent {
    fn drop(&mut self) {
        for place in self.places.values() {
            let _ = fs::remove_dir(place);
        }
    }
}

fn make(place: &Path) -> io::Result<()> {
    match fs::create_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Whether we could make a group in it.
            rustix::fs::access(place, rustix::fs::Access::WRITE_OK)?;
            Ok(())
        }
        other => other,
    }
}

/// Lets the groups below limit these.
fn enable(group: &Path, controllers: &[Controller]) -> io::Result<()> {
    let control = group.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&control)?;
    for controller in controllers {
        let name = controller.name();
        if !enabled.split_whitespace().any(|one| one == name) {
            fs::write(&control, format!("+{name}"))
                .map_err(|error| io::Error::new(error.kind(), format!("+{name}: {error}")))?;
        }
    }
    Ok(())
}

/// The host's own group in the old hierarchy of a controller.
fn old_group(controller: Controller, own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        let path = fields.next()?;
        controllers
            .split(',')
            .any(|name| name == controller.name())
            .then_some(path)
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_it = kind.next() == Some("cgroup")
            && kind.nth(1)?.split(',').any(|option| option == controller.name());
        is_it.then(|| place_of(place)).flatten()
    })?;
    Some(joined(&root, &point, path))
}

/// The host's own group in the unified hierarchy.
fn unified_group(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| place_of(place)).flatten()
    })?;
    Some(joined(&root, &point, path))
}

/// Root and mount point of the first half of a line of `mountinfo`.
fn place_of(place: &str) -> Option<(String, String)> {
    let mut fields = place.split(' ').skip(3);
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// A container sees only the part of the hierarchy below its root.
fn joined(root: &str, point: &str, path: &str) -> PathBuf {
    let path = Path::new(path);
    let below = path
        .strip_prefix(root)
        .or_else(|_| path.strip_prefix("/"))
        .unwrap_or(path);
    let below = below
        .to_str()
        .filter(|below| !below.starts_with(".."))
        .unwrap_or("");
    Path::new(point).join(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD_MOUNTS: &str = "\
30 29 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:10 - cgroup cgroup rw,cpu,cpuacct
31 29 0:27 / /sys/fs/cgroup/memory rw,relatime shared:11 - cgroup cgroup rw,memory
32 29 0:28 / /sys/fs/cgroup/unified rw,relatime shared:12 - cgroup2 cgroup2 rw";

    #[test]
    fn the_hosts_own_group_is_found_in_each_hierarchy() {
        let own =
            "5:memory:/system.slice/gleitzeit.service\n4:cpu,cpuacct:/\n0::/system.slice/gleitzeit.service\n";
        assert_eq!(
            old_group(Controller::Memory, own, OLD_MOUNTS),
            Some("/sys/fs/cgroup/memory/system.slice/gleitzeit.service".into())
        );
        assert_eq!(
            old_group(Controller::CpuAccounting, own, OLD_MOUNTS),
            Some("/sys/fs/cgroup/cpu,cpuacct".into())
        );
        assert_eq!(old_group(Controller::Pids, own, OLD_MOUNTS), None);
        assert_eq!(
            unified_group(own, OLD_MOUNTS),
            Some("/sys/fs/cgroup/unified/system.slice/gleitzeit.service".into())
        );
    }

    #[test]
    fn within_a_container_its_own_group_is_the_root() {
        let mounts = "31 29 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        assert_eq!(
            old_group(Controller::Memory, "5:memory:/docker/abc\n", mounts),
            Some("/sys/fs/cgroup/memory/".into())
        );
    }

    #[test]
    fn beside_the_hosts_own_group_if_that_cannot_hold_any() {
        let hierarchy = tempfile::tempdir().unwrap();
        let slice = hierarchy.path().join("app.slice");
        let own = slice.join("gleitzeit.scope");
        fs::create_dir_all(&own).unwrap();
        // The host's own group may not hand controllers on: it has no such file here, as with one that is not ours.
        fs::write(slice.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        fs::create_dir(slice.join(NAME)).unwrap();
        fs::write(slice.join(NAME).join("cgroup.subtree_control"), "").unwrap();
        let mounts = format!(
            "31 29 0:27 / {} rw - cgroup2 cgroup2 rw",
            hierarchy.path().display()
        );
        let parent = Parent::find_in(None, "0::/app.slice/gleitzeit.scope\n", &mounts).unwrap();
        assert_eq!(parent.report().memory, Some(slice.join(NAME)));
        assert!(parent.report().unified);
        assert_eq!(parent.limits(), (true, true, true));
    }

    #[test]
    fn where_nothing_can_be_made_the_reason_is_told() {
        let hierarchy = tempfile::tempdir().unwrap();
        let mounts = format!(
            "31 29 0:27 / {} rw - cgroup2 cgroup2 rw",
            hierarchy.path().display()
        );
        let parent = Parent::find_in(None, "0::/a/b\n", &mounts).unwrap();
        assert_eq!(parent.limits(), (false, false, false));
        assert!(parent.report().obstacle.is_some());
    }
}
