//! Every secret is where it is said to be, and nobody else can read it.

use std::path::Path;

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::settings::SecretSource;
use crate::config::tree::{Step, steps};

pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    let keys = facts.settings.host.keys.iter().enumerate().map(|(index, key)| {
        let field = match key.source {
            SecretSource::File(_) => "key_file",
            SecretSource::Environment(_) => "key_env",
        };
        (steps!["host", "keys", index, field].to_vec(), &key.source)
    });
    let secrets = facts.settings.secrets.iter().map(|(name, source)| {
        let field = match source {
            SecretSource::File(_) => "file",
            SecretSource::Environment(_) => "env",
        };
        (steps!["secrets", name, field].to_vec(), source)
    });
    for (path, source) in keys.chain(secrets) {
        if let Err(mistake) = check_source(facts, &path, source) {
            mistakes.push(mistake);
        }
    }
}

fn check_source(facts: &Facts<'_>, at: &[Step], source: &SecretSource) -> Result<(), Mistake> {
    let place = facts.tree.point_at(at);
    match source {
        SecretSource::Environment(variable) => match facts.environment.get(variable) {
            Some(value) if !value.trim().is_empty() => Ok(()),
            Some(_) => Err(
                Mistake::new(format!("the environment variable `{variable}` is empty"))
                    .at(place, "empty")
                    .help(format!("export {variable}=… before `gleitzeit serve`")),
            ),
            None => Err(
                Mistake::new(format!("the environment variable `{variable}` is not set"))
                    .at(place, "not set")
                    .help(format!(
                        "export {variable}=… before `gleitzeit serve`, or name a file instead"
                    )),
            ),
        },
        SecretSource::File(file) => check_file(&facts.base.join(file)).map_err(|mut mistake| {
            mistake.place = place;
            mistake.label = "this file".to_owned();
            mistake
        }),
    }
}

fn check_file(file: &Path) -> Result<(), Mistake> {
    let shown = file.display();
    let unreadable = |error: std::io::Error| {
        Mistake::new(format!("the secret in `{shown}` cannot be read: {error}")).help(format!(
            "write it there, readable by nobody else: install -m 600 /dev/stdin {shown}"
        ))
    };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Mistake::new(format!("`{shown}` is not a file"))
            .help("name a file whose contents are the secret"));
    }
    super::files::not_readable_by_others(file, &metadata)?;
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    if text.trim().is_empty() {
        return Err(Mistake::new(format!("`{shown}` is empty")).help("write the secret into it"));
    }
    Ok(())
}
