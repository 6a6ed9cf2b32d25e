//! A provider is bound to hubs that exist.

use std::collections::BTreeSet;

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::nearest;
use crate::config::settings::HubBinding;
use crate::config::tree::{Step, steps};

pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    // All that are written, the ill-formed included: those have mistakes of their own.
    let hubs: Vec<&str> = facts
        .whole
        .at(&steps!["hubs"])
        .map(|node| node.entries().iter().map(|entry| entry.name.as_str()).collect())
        .unwrap_or_default();
    for provider in &facts.settings.providers {
        match &provider.hubs {
            HubBinding::ByManifest => {}
            HubBinding::ByRole(roles) => {
                for (role, hub) in roles {
                    let at = steps!["providers", &provider.name, "hubs", role];
                    refer(facts, &hubs, &at, hub, mistakes);
                }
            }
            HubBinding::Ordered(names) => {
                let mut seen = BTreeSet::new();
                for (index, hub) in names.iter().enumerate() {
                    let at = steps!["providers", &provider.name, "hubs", index];
                    refer(facts, &hubs, &at, hub, mistakes);
                    if !seen.insert(hub) {
                        mistakes.push(
                            Mistake::new(format!("provider `{}` is bound to `{hub}` twice", provider.name))
                                .at(facts.tree.point_at(&at), "the second time")
                                .help("take one out"),
                        );
                    }
                }
            }
        }
    }
}

fn refer(facts: &Facts<'_>, hubs: &[&str], at: &[Step], hub: &str, mistakes: &mut Vec<Mistake>) {
    if hubs.contains(&hub) {
        return;
    }
    let help = match nearest::nearest(hub, hubs.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add [hubs.{hub}], or take it out"),
    };
    mistakes.push(
        Mistake::new(format!("there is no hub `{hub}`"))
            .at(facts.tree.point_at(at), "no hub of this name")
            .help(help),
    );
}
