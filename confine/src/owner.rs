//! Names that tell who made a thing which outlives its maker, a directory or a control group.

use plugin_api::owner::{Life, Owner};

/// A name for what this process makes for the box of this id.
pub fn name(id: &str) -> String {
    format!("{}.{id}", Owner::this())
}

/// Whether whoever made the thing of this name is gone. Names that are not ours, and those of other namespaces, which
/// nobody here can judge, are not.
pub fn is_dead(name: &str) -> bool {
    Owner::tagged(name).is_some_and(|(owner, id)| !id.is_empty() && owner.life() == Life::Dead)
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
        let this = Owner::this().to_string();
        let (rest, _) = this.rsplit_once('.').unwrap();
        let (namespace, _) = rest.split_once('.').unwrap();
        assert!(is_dead(&format!("{rest}.1.a")));
        assert!(is_dead(&format!("{namespace}.4294967294.1.a")));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        assert!(!is_dead("docker"));
        assert!(!is_dead("1.2.3"));
        assert!(!is_dead("1.2.3.a"));
    }
}
