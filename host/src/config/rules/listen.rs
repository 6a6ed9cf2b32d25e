//! Beyond loopback, a key or an explicit word that none is wanted.

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::tree::{Kind, steps};

pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    let host = &facts.settings.host;
    // Keys that are written but wrong have their own mistake already.
    let keys_written = facts
        .whole
        .at(&steps!["host", "keys"])
        .is_some_and(|node| !matches!(&node.kind, Kind::Array(items) if items.is_empty()));
    if host.listen.ip().is_loopback() || host.allow_anonymous || keys_written {
        return;
    }
    mistakes.push(
        Mistake::new(format!(
            "`host.listen` is open to others at {}, and no key is wanted",
            host.listen
        ))
        .at(facts.tree.point_at(&steps!["host", "listen"]), "beyond loopback")
        .help(
            "add a key, keys = [{ name = \"me\", key_env = \"MY_KEY\", admin = true }], or say \
                 allow_anonymous = true if anybody who can reach the address may use it",
        ),
    );
}
