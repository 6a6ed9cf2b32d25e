//! Every secret is where it is said to be, and nobody else can read it.

use std::path::Path;

use serde_json::Value;

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::secrets::{self, SHORTEST_KEY};
use crate::config::settings::SecretSource;
use crate::config::tree::{Step, steps};

/// Checks the callers' keys, the named secrets, and the keys that instances are given.
pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    let mut look = |at: Vec<Step>, source: &SecretSource, shortest: usize| {
        if let Err(mistake) = check_source(facts, &at, source, shortest) {
            mistakes.push(mistake);
        }
    };
    for (index, key) in facts.settings.host.keys.iter().enumerate() {
        let field = match key.source {
            SecretSource::File(_) => "key_file",
            SecretSource::Environment(_) => "key_env",
        };
        look(
            steps!["host", "keys", index, field].to_vec(),
            &key.source,
            SHORTEST_KEY,
        );
    }
    for (name, source) in &facts.settings.secrets {
        let field = match source {
            SecretSource::File(_) => "file",
            SecretSource::Environment(_) => "env",
        };
        look(steps!["secrets", name, field].to_vec(), source, 1);
    }
    for hub in &facts.settings.hubs {
        for (index, instance) in hub.instances.iter().enumerate() {
            let named = |field: &str| instance.config.get(field).and_then(Value::as_str);
            let at = |field| steps!["hubs", &hub.name, "instances", index, "config", field].to_vec();
            if let Some(file) = named("key_file") {
                look(at("key_file"), &SecretSource::File(file.into()), 1);
            }
            if let Some(variable) = named("key_env") {
                look(at("key_env"), &SecretSource::Environment(variable.to_owned()), 1);
            }
        }
    }
}

fn check_source(
    facts: &Facts<'_>,
    at: &[Step],
    source: &SecretSource,
    shortest: usize,
) -> Result<(), Mistake> {
    let place = facts.tree.point_at(at);
    let (found, label) = match source {
        SecretSource::Environment(variable) => (read_variable(facts, variable), "this variable"),
        SecretSource::File(file) => (read_file(&facts.base.join(file)), "this file"),
    };
    let secret = found.map_err(|mistake| mistake.at(place.clone(), label))?;
    if secret.trim().len() < shortest {
        return Err(Mistake::new(format!(
            "a key of fewer than {shortest} characters can be guessed"
        ))
        .at(place, label)
        .help("make one with `openssl rand -hex 32`"));
    }
    Ok(())
}

fn read_variable(facts: &Facts<'_>, variable: &str) -> Result<String, Mistake> {
    match facts.environment.get(variable) {
        Some(value) if !value.trim().is_empty() => Ok(value.clone()),
        Some(_) => Err(
            Mistake::new(format!("the environment variable `{variable}` is empty"))
                .help(format!("export {variable}=… before `gleitzeit serve`")),
        ),
        None => Err(
            Mistake::new(format!("the environment variable `{variable}` is not set")).help(format!(
                "export {variable}=… before `gleitzeit serve`, or name a file instead"
            )),
        ),
    }
}

fn read_file(file: &Path) -> Result<String, Mistake> {
    let shown = file.display();
    let text = secrets::read_file(file).map_err(|error| {
        let help =
            format!("write the secret there, readable by nobody else: install -m 600 /dev/stdin {shown}");
        Mistake::new(error.message).help(error.hint.unwrap_or(help))
    })?;
    if text.trim().is_empty() {
        return Err(Mistake::new(format!("{shown} is empty")).help("write the secret into it"));
    }
    Ok(text)
}
