//! The host, with every shipped plugin.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::options::Options;
use crate::workload::Dialect;

/// Stages the plugins into a directory of their own and writes the configuration.
pub(super) fn prepare(
    options: &Options,
    addr: SocketAddr,
    back_ends: [SocketAddr; 2],
    dialect: Dialect,
    directory: &Path,
) -> anyhow::Result<Command> {
    let program = options
        .gleitzeit
        .as_ref()
        .context("there is no host to measure: --gleitzeit FILE")?;
    let plugins = directory.join("plugins.d");
    fs::DirBuilder::new().mode(0o700).create(&plugins)?;
    stage(options, &plugins)?;
    let config_file = directory.join("plugins.toml");
    fs::write(&config_file, config(addr, back_ends, dialect))?;
    let mut command = Command::new(program);
    command
        .arg("serve")
        .arg("--config")
        .arg(config_file)
        .current_dir(directory);
    Ok(command)
}

/// Copies the plugins into a directory. Whatever the umask is: the host refuses those that others may write.
pub(crate) fn stage(options: &Options, into: &Path) -> anyhow::Result<()> {
    for plugin in &options.plugin {
        let name = plugin
            .file_name()
            .with_context(|| format!("{} is no file", plugin.display()))?;
        let staged = into.join(name);
        fs::copy(plugin, &staged).with_context(|| format!("cannot copy {}", plugin.display()))?;
        fs::set_permissions(&staged, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// Both hubs and the provider are loaded, and the back ends belong to the hub of the dialect.
fn config(addr: SocketAddr, [a, b]: [SocketAddr; 2], dialect: Dialect) -> String {
    let instances = format!(r#"instances = [{{ url = "http://{a}" }}, {{ url = "http://{b}" }}]"#);
    let of = |hub: Dialect| if hub == dialect { instances.as_str() } else { "" };
    format!(
        r#"[host]
listen = "{addr}"
plugin_dirs = ["plugins.d"]
state_dir = "state"

[hubs.ollama]
plugin = "ollama-hub"
strategy = "model_affinity"
config = {{ auto_discover = false }}
{}

[hubs.openai]
plugin = "openai-hub"
{}

[providers.llm]
plugin = "llm-provider"
hubs = ["{}"]
"#,
        of(Dialect::Ollama),
        of(Dialect::Openai),
        dialect.name(),
    )
}
