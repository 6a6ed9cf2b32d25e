//! A hub of servers that echo. It looks no further than whether they accept a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin_api::contract::instance::{Capability, InstanceSettings};
use plugin_api::contract::probe::Probe;
use plugin_api::hub::Progress;
use plugin_api::{Context, Error, ErrorCode, Host, Hub, ResourceInstance};
use serde::Deserialize;
use serde_json::{Value, json};

/// The wire dialect of its servers.
pub(crate) const DIALECT: &str = "echo";

/// A hub of servers that echo.
#[derive(Debug)]
pub struct EchoHub {
    config: Config,
    probes: AtomicU64,
}

/// Its settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What every instance is said to be capable of.
    capabilities: Vec<String>,
    /// Refuse construction with this message.
    refuse: Option<String>,
}

/// What goes wrong in it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The operator asked for it.
    #[error("refused: {0}")]
    Refused(String),
    /// An entry of `instances` makes no sense.
    #[error(transparent)]
    Instance(#[from] Error),
    /// The server does not answer.
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
}

impl From<HubError> for Error {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Instance(error) => error,
            HubError::Refused(_) => Error::plugin(error.to_string()),
            HubError::Connect(_) => Error::instance(ErrorCode::CONNECTION_FAILED, error.to_string()),
        }
    }
}

impl EchoHub {
    fn capabilities(&self) -> Vec<Capability> {
        let capability = |name: &String| Capability {
            name: name.clone(),
            ..Capability::default()
        };
        self.config.capabilities.iter().map(capability).collect()
    }
}

impl Hub for EchoHub {
    type Config = Config;
    type Error = HubError;

    fn new(config: Config, _host: Host) -> Result<Self, HubError> {
        if let Some(message) = config.refuse {
            return Err(HubError::Refused(message));
        }
        tracing::info!("an echo hub begins");
        Ok(Self {
            config,
            probes: AtomicU64::new(0),
        })
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, HubError> {
        let mut instance = ResourceInstance::from_settings(&settings)?;
        instance.dialects = vec![DIALECT.to_owned()];
        instance.capabilities = self.capabilities();
        Ok(instance)
    }

    async fn probe(
        self: Arc<Self>,
        _context: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Probe, HubError> {
        self.probes.fetch_add(1, Ordering::Relaxed);
        // The id is host and port unless the operator gave another.
        tokio::net::TcpStream::connect(&instance.id).await?;
        Ok(Probe {
            capabilities: Some(self.capabilities()),
            ..Probe::default()
        })
    }

    async fn control(
        self: Arc<Self>,
        _context: Context,
        verb: String,
        arguments: Value,
        instance: Option<Arc<ResourceInstance>>,
        progress: Progress,
    ) -> Result<Value, Error> {
        match (verb.as_str(), instance) {
            ("greet", Some(instance)) => {
                progress.report(json!({ "status": "thinking of a greeting" }));
                let name = arguments["name"].as_str().unwrap_or("you");
                Ok(json!(format!("hello {name}, from {}", instance.id)))
            }
            ("count", None) => Ok(json!(self.probes.load(Ordering::Relaxed))),
            _ => Err(Error::unsupported(format!("`{verb}`"))),
        }
    }
}
