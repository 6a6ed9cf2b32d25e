//! Instances have ids of their own and URLs without passwords.

use std::collections::BTreeMap;

use plugin_api::ResourceInstance;

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::tree::steps;

pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    for hub in &facts.settings.hubs {
        let mut seen = BTreeMap::new();
        for (index, instance) in hub.instances.iter().enumerate() {
            let at = steps!["hubs", &hub.name, "instances", index];
            let url_at = steps!["hubs", &hub.name, "instances", index, "url"];
            if url::Url::parse(&instance.url)
                .is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
            {
                mistakes.push(
                    Mistake::new("a URL with a name or a password in it would be a secret in clear")
                        .at(facts.tree.point_at(&url_at), "everything before the @")
                        .help("put the secret into [secrets], and name it in the instance's `config`"),
                );
                continue;
            }
            // Whether its hub knows the scheme, only the hub's manifest says.
            let scheme = instance.url.split_once("://").map_or("", |(scheme, _)| scheme);
            let id = match ResourceInstance::from_settings_of(instance, &[scheme]) {
                Ok(resource) => resource.id,
                Err(error) => {
                    let mistake = Mistake::new(error.message).at(facts.tree.point_at(&url_at), "here");
                    mistakes.push(match error.hint {
                        Some(hint) => mistake.help(hint),
                        None => mistake,
                    });
                    continue;
                }
            };
            if let Some(first) = seen.insert(id.clone(), index) {
                let id_at = steps!["hubs", &hub.name, "instances", index, "id"];
                let named = instance.id.is_some();
                mistakes.push(
                    Mistake::new(format!(
                        "two instances of `{}` are called `{id}`: number {} and number {}",
                        hub.name,
                        first + 1,
                        index + 1
                    ))
                    .at(
                        facts.tree.point_at(if named { &id_at } else { &at }),
                        "the second",
                    )
                    .help("give each an `id` of its own, or take one out"),
                );
            }
        }
    }
}
