//! Names that tell who made a thing which outlives its maker, a directory or a control group: its process, when that
//! began, and in which namespace it has its number.

use std::fs;

/// A name for what this process makes for the box of this id.
pub fn name(id: &str) -> String {
    let pid = std::process::id();
    format!(
        "{}.{pid}.{}.{id}",
        namespace().unwrap_or_default(),
        began(pid).unwrap_or_default()
    )
}

/// Whether whoever made the thing of this name is gone. Names that are not ours, and those of other namespaces, which
/// nobody here can judge, are not.
pub fn is_dead(name: &str) -> bool {
    let mut parts = name.splitn(4, '.').map(str::parse::<u64>);
    let (Some(Ok(space)), Some(Ok(pid)), Some(Ok(began_then))) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some(here) = namespace() else {
        return false;
    };
    space == here && u32::try_from(pid).is_ok_and(|pid| began(pid) != Some(began_then))
}

/// The namespace in which this process has its number.
fn namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let text = link.to_str()?;
    text.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// When a process began, in ticks since the machine did.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.get(stat.rfind(')')? + 2..)?.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_living_process_made_is_left_alone() {
        assert!(!is_dead(&name("a.b")));
    }

    #[test]
    fn what_a_dead_one_made_is_told_by_its_beginning() {
        let (space, pid) = (namespace().unwrap(), std::process::id());
        assert!(is_dead(&format!("{space}.{pid}.1.a")));
        assert!(is_dead(&format!("{space}.4294967294.1.a")));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        assert!(!is_dead("docker"));
        assert!(!is_dead("1.2.3"));
        assert!(!is_dead(&format!("{}.x.1.a", namespace().unwrap())));
    }
}
