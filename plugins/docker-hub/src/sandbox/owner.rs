//! Whose a container or a directory is: who may say that it is an orphan.
//!
//! A process number alone says nothing: it is given again, and another machine or another container has its own. So
//! the owner is the machine, its boot, the process-number namespace, the process and when that process began.

use std::collections::HashMap;
use std::fmt;

/// The labels by which containers are known as ours.
pub(crate) const MACHINE: &str = "gleitzeit.machine";
const BOOT: &str = "gleitzeit.boot";
const PROCESS: &str = "gleitzeit.process";
const BEGAN: &str = "gleitzeit.began";
/// When the container was asked for, in seconds since 1970.
pub(crate) const CREATED: &str = "gleitzeit.created";
/// When it must be gone, in seconds since 1970, whoever made it.
pub(crate) const DEADLINE: &str = "gleitzeit.deadline";
/// What it is: [`SANDBOX`], [`RUN`] or [`OPERATOR`].
pub(crate) const KIND: &str = "gleitzeit.kind";
/// What [`Hub::start`](plugin_api::Hub::start) made.
pub(crate) const SANDBOX: &str = "sandbox";
/// What a verb made and waits for.
pub(crate) const RUN: &str = "run";
/// What a verb made to stay: nobody's orphan.
pub(crate) const OPERATOR: &str = "operator";

/// A process that makes containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The machine, and the namespace its process numbers count in.
    machine: String,
    boot: String,
    process: u32,
    /// In the kernel's ticks since boot.
    began: u64,
}

/// What is known of an owner's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs, or it is this one.
    Alive,
    /// It has ended.
    Dead,
    /// It is of another machine, or another namespace of this one: not ours to say.
    Unknown,
}

impl Owner {
    /// This process.
    pub(crate) fn this() -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let link = |path: &str| {
            std::fs::read_link(path)
                .map(|path| path.display().to_string())
                .unwrap_or_default()
        };
        let machine = [read("/etc/machine-id"), read("/proc/sys/kernel/hostname")];
        let machine = machine
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        let process = std::process::id();
        let namespace: String = link("/proc/self/ns/pid")
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        Self {
            machine: format!("{machine}-{namespace}"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            process,
            began: began(process).unwrap_or(0),
        }
    }

    /// As labels of a container.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let labels = [
            (MACHINE, self.machine.clone()),
            (BOOT, self.boot.clone()),
            (PROCESS, self.process.to_string()),
            (BEGAN, self.began.to_string()),
        ];
        labels.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// From labels of a container; `None` where it is none of ours.
    pub(crate) fn of(labels: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            machine: labels.get(MACHINE)?.clone(),
            boot: labels.get(BOOT)?.clone(),
            process: labels.get(PROCESS)?.parse().ok()?,
            began: labels.get(BEGAN)?.parse().ok()?,
        })
    }

    /// Another of the same machine and boot, from the name of its directory.
    pub(crate) fn named(&self, name: &str) -> Option<Self> {
        let (process, began) = name.strip_prefix("host-")?.split_once('-')?;
        Some(Self {
            process: process.parse().ok()?,
            began: began.parse().ok()?,
            ..self.clone()
        })
    }

    /// Whether another owner still lives, as far as this one can tell.
    pub(crate) fn life_of(&self, other: &Owner) -> Life {
        if self == other {
            return Life::Alive;
        }
        if self.machine != other.machine {
            return Life::Unknown;
        }
        if self.boot == other.boot && began(other.process) == Some(other.began) {
            return Life::Alive;
        }
        Life::Dead
    }

    /// The process, and nothing more, for a path in `/proc`.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }
}

/// As the name of a directory.
impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "host-{}-{}", self.process, self.began)
    }
}

/// When a process began; `None` where there is none of this number.
fn began(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before stands in brackets and may hold anything, brackets too.
    let fields = stat.get(stat.rfind(')')? + 2..)?;
    fields.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Life, Owner};

    fn other(change: impl FnOnce(&mut Owner)) -> Owner {
        let mut owner = Owner::this();
        change(&mut owner);
        owner
    }

    #[test]
    fn labels_say_whose_a_container_is() {
        let this = Owner::this();
        assert_eq!(Owner::of(&this.labels()), Some(this.clone()));
        assert_eq!(this.named(&this.to_string()), Some(this));
        assert_eq!(
            Owner::of(&[("foreign".to_owned(), "label".to_owned())].into()),
            None
        );
    }

    #[test]
    fn only_who_is_surely_dead_is_dead() {
        let this = Owner::this();
        assert_eq!(this.life_of(&this), Life::Alive);
        // The parent lives, and began at another time than is said of it here, or at its own.
        let parent = std::os::unix::process::parent_id();
        let reborn = other(|owner| owner.process = parent);
        assert_eq!(this.life_of(&reborn), Life::Dead);
        let alive = other(|owner| {
            owner.process = parent;
            owner.began = super::began(parent).unwrap();
        });
        assert_eq!(this.life_of(&alive), Life::Alive);
        assert_eq!(
            this.life_of(&other(|owner| owner.boot = "before".into())),
            Life::Dead
        );
        assert_eq!(
            this.life_of(&other(|owner| owner.machine = "other".into())),
            Life::Unknown
        );
    }
}
