//! Relative paths begin at the file's own directory, wherever the host is started.

use std::path::Path;

use serde_json::{Map, Value};

use super::Settings;
use super::settings::SecretSource;

/// Makes every path stand alone: the host's own, and in plugins' settings what a key ending in `_file` names.
pub(super) fn resolve(settings: &mut Settings, base: &Path) {
    for directory in &mut settings.host.plugin_dirs {
        *directory = base.join(&*directory);
    }
    settings.host.state_dir = base.join(&settings.host.state_dir);
    let keys = settings.host.keys.iter_mut().map(|key| &mut key.source);
    for source in keys.chain(settings.secrets.values_mut()) {
        if let SecretSource::File(path) = source {
            *path = base.join(&*path);
        }
    }
    for hub in &mut settings.hubs {
        in_plugin(&mut hub.config, base);
        let instances = hub.instances.iter_mut().map(|instance| &mut instance.config);
        let started = hub.start.iter_mut().filter_map(Value::as_object_mut);
        instances
            .chain(started)
            .for_each(|config| in_plugin(config, base));
    }
    for provider in &mut settings.providers {
        in_plugin(&mut provider.config, base);
    }
}

fn in_plugin(config: &mut Map<String, Value>, base: &Path) {
    for (key, value) in config {
        if let Value::String(path) = value
            && key.ends_with("_file")
            && let Some(resolved) = base.join(&*path).to_str()
        {
            *path = resolved.to_owned();
        }
    }
}
