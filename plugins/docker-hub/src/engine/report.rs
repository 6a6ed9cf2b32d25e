//! What an engine can do: asked of it once per probe, and what plans are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bollard::models::{ImageSummary, SystemInfo, SystemVersion};
use plugin_api::contract::instance::{Capability, Residency};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::DockerError;

/// The least version of the interface: the first that knows control group namespaces.
const LEAST: (u32, u32) = (1, 41);

/// How the engine's kernel counts and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cgroups {
    /// One hierarchy a controller.
    V1,
    /// One hierarchy.
    V2,
    /// The first, with the second mounted beside it.
    Hybrid,
}

/// What an engine can do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// `docker` or `podman`.
    pub(crate) engine: String,
    /// Its version.
    pub(crate) version: String,
    /// The version of its interface.
    pub(crate) api: String,
    /// `linux`, where containers are what one thinks.
    pub(crate) system: String,
    /// The machine's processor family.
    pub(crate) architecture: String,
    /// The kernel.
    pub(crate) kernel: String,
    /// How it limits.
    pub(crate) cgroups: Cgroups,
    /// The runtimes it can be asked for.
    pub(crate) runtimes: BTreeSet<String>,
    /// The one it takes.
    pub(crate) default_runtime: String,
    /// The version of runc, where it tells.
    pub(crate) runc: Option<String>,
    /// Whether system calls can be filtered.
    pub(crate) seccomp: bool,
    /// Whether AppArmor confines its containers.
    pub(crate) apparmor: bool,
    /// Whether SELinux does.
    pub(crate) selinux: bool,
    /// Whether users in containers are other users outside.
    pub(crate) user_namespaces: bool,
    /// Whether it runs without root's rights itself.
    pub(crate) rootless: bool,
    /// Whether the memory limit is kept.
    pub(crate) memory_limit: bool,
    /// Whether swap is counted.
    pub(crate) swap_limit: bool,
    /// Whether processor time is limited.
    pub(crate) cpu_limit: bool,
    /// Whether processes are counted.
    pub(crate) process_limit: bool,
    /// Whether it hands out graphics processors.
    pub(crate) gpus: bool,
    /// Processors of its machine.
    pub(crate) cpus: u64,
    /// Memory of its machine.
    pub(crate) memory_bytes: u64,
    /// Containers that run.
    pub(crate) running: u64,
    /// Images it has.
    pub(crate) images: u64,
    /// What an operator should know.
    pub(crate) warnings: Vec<String>,
}

impl Report {
    pub(super) fn new(
        url: &str,
        on_this_machine: bool,
        version: &SystemVersion,
        info: SystemInfo,
    ) -> Result<Self, DockerError> {
        let api = version.api_version.clone().unwrap_or_default();
        if numbers(&api).is_none_or(|[major, minor, _]| (major, minor) < LEAST) {
            return Err(DockerError::TooOld {
                engine: url.to_owned(),
                found: if api.is_empty() {
                    "of no version".to_owned()
                } else {
                    api
                },
            });
        }
        let components = version.components.as_deref().unwrap_or_default();
        let component = |name: &str| {
            components
                .iter()
                .find(|component| component.name.eq_ignore_ascii_case(name))
        };
        let podman = component("Podman Engine").is_some();
        let options = info.security_options.unwrap_or_default();
        let option = |name: &str| {
            options.iter().any(|option| {
                option
                    .split(',')
                    .any(|part| part == format!("name={name}") || part == name)
            })
        };
        let runtimes: BTreeSet<String> = info.runtimes.unwrap_or_default().into_keys().collect();
        let runc = component("runc").map(|runc| runc.version.clone());
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        let v2 = info
            .cgroup_version
            .is_some_and(|version| version.to_string() == "2");
        let hybrid = on_this_machine && !v2 && Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
        let mut report = Self {
            engine: if podman { "podman" } else { "docker" }.to_owned(),
            version: version.version.clone().unwrap_or_default(),
            api,
            system: info.os_type.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            cgroups: match (v2, hybrid) {
                (true, _) => Cgroups::V2,
                (false, true) => Cgroups::Hybrid,
                (false, false) => Cgroups::V1,
            },
            gpus: runtimes.contains("nvidia")
                || info.discovered_devices.is_some_and(|devices| !devices.is_empty()),
            runtimes,
            default_runtime: info.default_runtime.unwrap_or_default(),
            runc,
            seccomp: option("seccomp"),
            apparmor: option("apparmor"),
            selinux: option("selinux"),
            user_namespaces: option("userns"),
            rootless: option("rootless"),
            memory_limit: info.memory_limit.unwrap_or(podman),
            // Under version 2 swap is counted always.
            swap_limit: v2 || info.swap_limit.unwrap_or(podman),
            cpu_limit: info.cpu_cfs_quota.unwrap_or(podman),
            process_limit: info.pids_limit.unwrap_or(podman),
            cpus: count(info.ncpu),
            memory_bytes: count(info.mem_total),
            running: count(info.containers_running),
            images: count(info.images),
            warnings: info.warnings.unwrap_or_default(),
        };
        report.warn();
        Ok(report)
    }

    fn warn(&mut self) {
        if let Some(runc) = self.runc.as_deref().filter(|runc| !is_patched(runc)) {
            self.warnings.push(format!(
                "runc {runc} is older than the corrections of CVE-2025-31133, -52565 and -52881 (1.2.8, 1.3.3), unless its distributor has put them in"
            ));
        }
        if !self.seccomp {
            self.warnings
                .push("system calls cannot be filtered: no workload will be started".to_owned());
        }
    }

    /// Whether it is Podman, speaking as Docker does.
    pub(crate) fn is_podman(&self) -> bool {
        self.engine == "podman"
    }

    /// Why no workload can be started at all, whatever it asks for.
    pub(crate) fn unfit(&self) -> Option<String> {
        let needed = [
            // As its versions up to 4.3 do, by looking: directories in memory have no limit on files, and three more than
            // were asked for have no limit at all; a box goes on when its host ends; filters are files of its machine.
            (
                !self.is_podman(),
                "is Podman, which through this interface makes weaker boxes than are asked for; containers and images are to \
                 be had by verbs, and boxes of Docker",
            ),
            (self.system == "linux", "runs no Linux containers"),
            (self.seccomp, "cannot filter system calls"),
            (self.memory_limit, "does not keep memory limits"),
            (self.cpu_limit, "does not keep processor limits"),
            (self.process_limit, "does not keep limits on processes"),
        ];
        needed
            .iter()
            .find(|(there, _)| !there)
            .map(|(_, what)| (*what).to_owned())
    }

    /// What requests can ask for: containers, each runtime by name, and the images there are.
    pub(crate) fn capabilities(&self, images: &[ImageSummary]) -> Vec<Capability> {
        let capability = |name: String, features: BTreeSet<String>| Capability {
            name,
            residency: Residency::Loaded,
            features,
            ..Capability::default()
        };
        let features = [
            (self.gpus, "gpu"),
            (self.apparmor, "apparmor"),
            (self.selinux, "selinux"),
            (self.user_namespaces, "user_namespaces"),
            (self.rootless, "rootless"),
        ];
        let features: BTreeSet<String> = features
            .iter()
            .filter(|(there, _)| *there)
            .map(|(_, name)| (*name).to_owned())
            .chain(["container".to_owned()])
            .collect();
        let runtimes = self
            .runtimes
            .iter()
            .map(|runtime| capability(runtime_capability(runtime), features.clone()));
        let mut all = vec![capability("container".to_owned(), features.clone())];
        if let Some(capability) = all.first_mut() {
            capability.metadata = self.as_object();
        }
        all.extend(runtimes);
        for image in images {
            let names = image.repo_tags.iter().filter(|name| !name.starts_with("<none>"));
            all.extend(names.map(|name| Capability {
                digest: Some(image.id.clone()),
                size: u64::try_from(image.size).ok(),
                ..capability(name.clone(), BTreeSet::from(["image".to_owned()]))
            }));
        }
        all
    }

    /// All of it, for people.
    pub(crate) fn as_object(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    /// What changes, for status and metrics.
    pub(crate) fn gauges(&self) -> BTreeMap<String, f64> {
        let gauges = [
            ("containers_running", self.running as f64),
            ("images", self.images as f64),
            ("cpus", self.cpus as f64),
            ("machine_memory_bytes", self.memory_bytes as f64),
            ("warnings", self.warnings.len() as f64),
        ];
        gauges.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// The capability of an engine that has this runtime.
pub(crate) fn runtime_capability(runtime: &str) -> String {
    format!("runtime/{runtime}")
}

fn is_patched(runc: &str) -> bool {
    numbers(runc).is_none_or(|version| match version {
        [1, 2, patch] => patch >= 8,
        [1, 3, patch] => patch >= 3,
        [major, minor, _] => (major, minor) > (1, 3),
    })
}

/// The first three numbers of a version, those that are absent being zero.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+', '~']);
    numbers[0] = parts.next()?.parse().ok()?;
    numbers[1] = parts.next()?.parse().ok()?;
    numbers[2] = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::{is_patched, numbers};

    #[test]
    fn versions_are_read_as_distributors_write_them() {
        assert_eq!(numbers("1.1.5+ds1"), Some([1, 1, 5]));
        assert_eq!(numbers("1.41"), Some([1, 41, 0]));
        assert_eq!(numbers("v1.2.8-rc1"), Some([1, 2, 8]));
        assert_eq!(numbers("unknown"), None);
    }

    #[test]
    fn a_runc_is_warned_of_up_to_the_version_that_mends_it() {
        for old in ["1.1.5+ds1", "1.2.7", "1.3.2", "1.0.0"] {
            assert!(!is_patched(old), "{old}");
        }
        for new in ["1.2.8", "1.3.3", "1.4.0", "2.0.0"] {
            assert!(is_patched(new), "{new}");
        }
    }
}
