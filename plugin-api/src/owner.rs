//! Whose a thing is that may outlive its maker, such as a container, a directory or a control group: so that whoever finds
//! it can tell whether it is an orphan.
//!
//! A process number alone says nothing: it is given again, and another machine or another container has its own. So the
//! owner is the machine, its boot, the namespace that process numbers count in, the process and when that process began.

use std::fmt;
use std::fs;

/// A process that makes such things.
///
/// Shown, it is a [`tag`](Self::tagged): the namespace, the process and its beginning, fit for the name of a file on this
/// machine. What may be seen from other machines wants [`fields`](Self::fields).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    machine: String,
    boot: String,
    /// The number of the namespace; 0 where it cannot be told.
    namespace: u64,
    process: u32,
    /// In the kernel's ticks since boot.
    began: u64,
}

/// What is known of an owner's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// It runs, or it is this one.
    Alive,
    /// It has ended.
    Dead,
    /// It is of another machine, or of another namespace of this one: not for this process to say.
    Unknown,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        let read = |path: &str| {
            fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let names = [read("/etc/machine-id"), read("/proc/sys/kernel/hostname")];
        let machine = names.into_iter().find(|name| !name.is_empty());
        let process = std::process::id();
        Self {
            machine: machine.unwrap_or_default(),
            boot: read("/proc/sys/kernel/random/boot_id"),
            namespace: namespace().unwrap_or(0),
            process,
            began: began(process).unwrap_or(0),
        }
    }

    /// Its parts under their names, to be written down where it is seen from other machines: labels of a container.
    pub fn fields(&self) -> [(&'static str, String); 4] {
        [
            ("machine", format!("{}-{}", self.machine, self.namespace)),
            ("boot", self.boot.clone()),
            ("process", self.process.to_string()),
            ("began", self.began.to_string()),
        ]
    }

    /// The one whose parts these are; `None` where one is missing or is no number that has to be one. A machine may be
    /// called anything: then it is another than this.
    pub fn from_fields<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let machine = field("machine")?;
        let split = machine.rsplit_once('-');
        let (machine, namespace) = split
            .and_then(|(machine, namespace)| Some((machine, namespace.parse().ok()?)))
            .unwrap_or((machine, 0));
        Some(Self {
            machine: machine.to_owned(),
            boot: field("boot")?.to_owned(),
            namespace,
            process: field("process")?.parse().ok()?,
            began: field("began")?.parse().ok()?,
        })
    }

    /// The one of this machine and boot whose tag a name begins with, and what follows the tag in the name, without the
    /// point between them.
    ///
    /// What is left from an earlier boot is taken for this one's; its owner is dead then, unless by an unlikely chance
    /// another process has its number and its beginning.
    pub fn tagged(name: &str) -> Option<(Self, &str)> {
        let mut parts = name.splitn(4, '.');
        let namespace = parts.next()?.parse().ok()?;
        let process = parts.next()?.parse().ok()?;
        let began = parts.next()?.parse().ok()?;
        let owner = Self {
            namespace,
            process,
            began,
            ..Self::this()
        };
        Some((owner, parts.next().unwrap_or_default()))
    }

    /// Whether it still lives, as far as this process can tell.
    pub fn life(&self) -> Life {
        let this = Self::this();
        if *self == this {
            return Life::Alive;
        }
        if self.machine != this.machine || self.namespace != this.namespace || this.namespace == 0 {
            return Life::Unknown;
        }
        if self.boot == this.boot && began(self.process) == Some(self.began) {
            return Life::Alive;
        }
        Life::Dead
    }

    /// Its process number, and nothing more: for a path in `/proc`.
    pub fn process(&self) -> u32 {
        self.process
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.namespace, self.process, self.began)
    }
}

/// The namespace in which this process has its number.
fn namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let text = link.to_str()?;
    text.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// When a process began; `None` where there is none of this number.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before stands in brackets and may hold anything, brackets too.
    let fields = stat.get(stat.rfind(')')? + 2..)?;
    fields.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(change: impl FnOnce(&mut Owner)) -> Owner {
        let mut owner = Owner::this();
        change(&mut owner);
        owner
    }

    #[test]
    fn what_is_written_down_is_read_as_the_same() {
        let this = Owner::this();
        let fields = this.fields();
        let field = |name: &str| {
            let found = fields.iter().find(|(field, _)| *field == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(Owner::from_fields(field), Some(this.clone()));
        assert_eq!(Owner::from_fields(|_| None), None);
        assert_eq!(Owner::from_fields(|_| Some("x")), None);
        let foreign = Owner::from_fields(|name| if name == "machine" { Some("x") } else { field(name) });
        assert_eq!(foreign.unwrap().life(), Life::Unknown);
        assert_eq!(Owner::tagged(&this.to_string()), Some((this.clone(), "")));
        assert_eq!(Owner::tagged(&format!("{this}.a.b")), Some((this, "a.b")));
    }

    #[test]
    fn names_of_others_are_nobodys() {
        for name in ["", "docker", "1.2", "1.x.3.a", "-1.2.3", "1.4294967296.3"] {
            assert_eq!(Owner::tagged(name), None, "{name}");
        }
    }

    #[test]
    fn only_who_is_surely_dead_is_dead() {
        assert_eq!(Owner::this().life(), Life::Alive);
        // The parent lives, and began at another time than is said of it here, or at its own.
        let parent = std::os::unix::process::parent_id();
        assert_eq!(other(|owner| owner.process = parent).life(), Life::Dead);
        let alive = other(|owner| {
            owner.process = parent;
            owner.began = began(parent).unwrap();
        });
        assert_eq!(alive.life(), Life::Alive);
        assert_eq!(other(|owner| owner.boot = "before".into()).life(), Life::Dead);
        assert_eq!(
            other(|owner| owner.machine = "other".into()).life(),
            Life::Unknown
        );
        assert_eq!(other(|owner| owner.namespace += 1).life(), Life::Unknown);
    }
}
