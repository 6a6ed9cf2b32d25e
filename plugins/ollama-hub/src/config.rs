//! The settings, as the manifest's schemas describe them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use plugin_api::http::Access;
use plugin_api::quantity::Span;
use schemars::JsonSchema;
use serde::Deserialize;

/// The port an Ollama server listens on unless told otherwise.
pub(crate) const PORT: u16 = 11434;

/// `config` of the hub.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Look for servers on `hosts` and `ports`, and use those found.
    pub auto_discover: bool,
    /// The machines to look on, by name or address.
    pub hosts: Vec<String>,
    /// The ports to look on.
    pub ports: Vec<u16>,
    /// Names with ports, such as ollama.internal:11434, to look at each address they resolve to, auto_discover or not.
    pub dns: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auto_discover: true,
            hosts: vec![Ipv4Addr::LOCALHOST.to_string()],
            ports: (PORT..=PORT + 5).collect(),
            dns: Vec::new(),
        }
    }
}

/// `config` of one entry of `instances`. Unknown keys are refused by the manifest's schema.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InstanceConfig {
    /// The key and further headers, for a server behind a proxy that wants them.
    #[serde(flatten)]
    pub access: Access,
}

/// One entry of `start`: a local server for the hub to run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StartConfig {
    /// A name for status and logs; host:port where absent.
    pub id: Option<String>,
    /// The program and its arguments, looked up in PATH.
    pub command: Vec<String>,
    /// The address to listen on. Ollama asks nobody for a key, so think before you leave loopback.
    #[schemars(with = "String")]
    pub host: IpAddr,
    /// The port to listen on.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Labels for hard selection.
    pub tags: BTreeSet<String>,
    /// Share of traffic under `weighted`.
    #[schemars(range(min = 0.001))]
    pub weight: f64,
    /// Tier under `priority_based`; higher is used first.
    pub priority: i32,
    /// How many requests at once.
    #[schemars(range(min = 1))]
    pub max_concurrent: Option<u32>,
    /// OLLAMA_MODELS: the full path of where models are kept.
    pub models: Option<PathBuf>,
    /// OLLAMA_KEEP_ALIVE: how long an unused model stays in memory, such as 30m; -1 is for ever.
    pub keep_alive: Option<String>,
    /// OLLAMA_NUM_PARALLEL: requests that one model answers at once; memory grows with it.
    #[schemars(range(min = 1))]
    pub num_parallel: Option<u32>,
    /// OLLAMA_MAX_LOADED_MODELS: models in memory at once.
    pub max_loaded_models: Option<u32>,
    /// OLLAMA_MAX_QUEUE: requests that may wait for a load.
    pub max_queue: Option<u32>,
    /// OLLAMA_CONTEXT_LENGTH: tokens of context where a request does not say.
    #[schemars(range(min = 1))]
    pub context_length: Option<u32>,
    /// OLLAMA_FLASH_ATTENTION.
    pub flash_attention: Option<bool>,
    /// OLLAMA_KV_CACHE_TYPE: how the context is kept in memory; q8_0 takes half of what f16 does, q4_0 a quarter.
    #[schemars(extend("enum" = ["f16", "q8_0", "q4_0"]))]
    pub kv_cache_type: Option<String>,
    /// OLLAMA_LOAD_TIMEOUT: how long a load may make no progress.
    pub load_timeout: Option<Span>,
    /// Any other variable of its environment, which is otherwise the host's own.
    pub environment: BTreeMap<String, String>,
    /// How long it may take until it answers.
    pub ready_timeout: Span,
    /// How long it gets to end by itself before it is killed.
    pub stop_timeout: Span,
}

impl Default for StartConfig {
    fn default() -> Self {
        Self {
            id: None,
            command: vec!["ollama".into(), "serve".into()],
            host: Ipv4Addr::LOCALHOST.into(),
            port: PORT,
            tags: BTreeSet::new(),
            weight: 1.0,
            priority: 0,
            max_concurrent: None,
            models: None,
            keep_alive: None,
            num_parallel: None,
            max_loaded_models: None,
            max_queue: None,
            context_length: None,
            flash_attention: None,
            kv_cache_type: None,
            load_timeout: None,
            environment: BTreeMap::new(),
            ready_timeout: Span::seconds(60),
            stop_timeout: Span::seconds(10),
        }
    }
}

impl StartConfig {
    /// Where it listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Where it is reached from this machine.
    pub(crate) fn address(&self) -> SocketAddr {
        let host = match self.host {
            IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(host) if host.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            host => host,
        };
        SocketAddr::new(host, self.port)
    }

    /// The instance's id.
    pub(crate) fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.address().to_string())
    }

    /// What is added to the host's own environment. The operator's `environment` has the last word on everything but
    /// the address, which must be the one that is waited for.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let path = self.models.as_ref().map(|path| path.display().to_string());
        let named = [
            ("OLLAMA_MODELS", path),
            ("OLLAMA_KEEP_ALIVE", self.keep_alive.clone()),
            ("OLLAMA_NUM_PARALLEL", self.num_parallel.map(|n| n.to_string())),
            (
                "OLLAMA_MAX_LOADED_MODELS",
                self.max_loaded_models.map(|n| n.to_string()),
            ),
            ("OLLAMA_MAX_QUEUE", self.max_queue.map(|n| n.to_string())),
            (
                "OLLAMA_CONTEXT_LENGTH",
                self.context_length.map(|n| n.to_string()),
            ),
            (
                "OLLAMA_FLASH_ATTENTION",
                self.flash_attention.map(|on| u8::from(on).to_string()),
            ),
            ("OLLAMA_KV_CACHE_TYPE", self.kv_cache_type.clone()),
            (
                "OLLAMA_LOAD_TIMEOUT",
                self.load_timeout.map(|span| format!("{}s", span.0.as_secs())),
            ),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        named
            .chain(self.environment.clone())
            .chain([("OLLAMA_HOST".to_owned(), self.listen().to_string())])
            .collect()
    }
}
