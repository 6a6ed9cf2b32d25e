//! Flags that every command takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use plugin_api::host::Secret;

use super::Failure;
use crate::config::settings::HostSettings;
use crate::config::{self, Sources};

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The settings' file [default: the first of ./plugins.toml, ~/.config/gleitzeit/plugins.toml, /etc/gleitzeit/plugins.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// Set one key of the file, such as host.listen=127.0.0.1:8000; may be repeated
    #[arg(
        long = "set",
        global = true,
        value_name = "KEY=VALUE",
        help_heading = "Settings"
    )]
    pub sets: Vec<String>,
    /// Print JSON for scripts instead of tables for people
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Which log lines to write to standard error: a level, or directives such as info,gleitzeit::pool=debug
    #[arg(
        long,
        global = true,
        env = "GLEITZEIT_LOG",
        value_name = "FILTER",
        help_heading = "Output"
    )]
    pub log: Option<String>,
    /// Where the running host is [default: where plugins.toml says it listens]
    #[arg(
        long,
        global = true,
        env = "GLEITZEIT_URL",
        value_name = "URL",
        help_heading = "Host"
    )]
    pub url: Option<String>,
    /// Your key. Others on this machine can see a command's flags: prefer --key-file or GLEITZEIT_KEY
    #[arg(
        long,
        global = true,
        env = "GLEITZEIT_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Host"
    )]
    pub(super) key: Option<String>,
    /// A file that holds your key
    #[arg(
        long,
        global = true,
        env = "GLEITZEIT_KEY_FILE",
        value_name = "FILE",
        help_heading = "Host"
    )]
    pub key_file: Option<PathBuf>,
}

impl Global {
    /// Where settings come from.
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), self.sets.clone())
    }

    /// Where the running host is: as said, else where the settings say it listens.
    pub fn host_url(&self) -> String {
        if let Some(url) = &self.url {
            return url.trim_end_matches('/').to_owned();
        }
        let listen = config::read(&self.sources())
            .listen()
            .unwrap_or_else(|| HostSettings::default().listen);
        format!("http://{}", reachable(listen))
    }

    /// The caller's key, if there is one. `--key` and `GLEITZEIT_KEY` win over the file.
    ///
    /// # Errors
    /// The file cannot be read, or what it holds is no key.
    pub fn key(&self) -> Result<Option<Secret>, Failure> {
        let (whose, key) = match (&self.key, &self.key_file) {
            (Some(key), _) => ("in --key or GLEITZEIT_KEY".to_owned(), key.clone()),
            (None, Some(path)) => {
                let whose = format!("in {}", path.display());
                let key = std::fs::read_to_string(path)
                    .map_err(|error| Failure::usage(format!("the key {whose} cannot be read: {error}")))?;
                (whose, key)
            }
            (None, None) => return Ok(None),
        };
        let key = key.trim();
        // It goes into a header, which could not be sent; said here, because there it would look like a dead host.
        if let Some(stray) = key.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
            let what = match stray {
                '\n' | '\r' => "a line break",
                _ => "a character that no key can have",
            };
            return Err(Failure::usage(format!("the key {whose} holds {what}"))
                .hint("a key is one line of plain ASCII text"));
        }
        Ok(Some(key).filter(|key| !key.is_empty()).map(Secret::new))
    }
}

/// An address to connect to, for one that is listened on: "every address" is none.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
