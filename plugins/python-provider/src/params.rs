//! Parameters of the methods, as the manifest's schemas describe them.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plugin_api::Error;
use plugin_api::contract::requirement::Priority;
use plugin_api::quantity::{Size, Span};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What every method that runs something takes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Params {
    pub code: Option<String>,
    pub file: Option<String>,
    pub files: BTreeMap<String, Contents>,
    pub args: Option<Box<RawValue>>,
    pub argv: Vec<String>,
    pub stdin: Option<Contents>,
    #[serde(alias = "env")]
    pub environment: BTreeMap<String, String>,
    pub timeout: Option<Span>,
    #[serde(alias = "execution_mode", alias = "security_level")]
    pub level: Option<String>,
    pub profile: Option<String>,
    pub limits: Limits,
    pub memory_limit: Option<Size>,
    pub cpu_limit: Option<f64>,
    pub collect: Option<bool>,
    pub priority: Option<Priority>,
    pub queue_timeout: Option<f64>,
    /// `open` only.
    pub idle_timeout: Option<Span>,
    /// `run` and `close` only.
    pub session: Option<String>,
}

/// Limits of one request: each no looser than the profile's.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    #[serde(alias = "memory_limit")]
    pub memory: Option<Size>,
    #[serde(alias = "cpu_limit")]
    pub cpus: Option<f64>,
    pub processes: Option<u32>,
    pub cpu_time: Option<Span>,
    pub output_bytes: Option<Size>,
    pub result_bytes: Option<Size>,
    pub file_bytes: Option<Size>,
    pub files: Option<u32>,
    pub files_bytes: Option<Size>,
    pub images: Option<u32>,
}

/// Text, or bytes in base64.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Contents {
    Text(String),
    Bytes { base64: String },
}

impl Contents {
    pub(crate) fn bytes(self, what: &str) -> Result<Vec<u8>, Error> {
        match self {
            Contents::Text(text) => Ok(text.into_bytes()),
            Contents::Bytes { base64 } => STANDARD
                .decode(base64)
                .map_err(|error| Error::invalid(format!("{what} is not base64: {error}"))),
        }
    }
}

/// `python/batch`.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchParams {
    pub tasks: Vec<Box<RawValue>>,
    pub max_concurrent: Option<usize>,
    #[serde(alias = "execution_mode", alias = "security_level")]
    pub level: Option<String>,
    pub profile: Option<String>,
    pub timeout: Option<Span>,
}

/// `python/info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InfoParams {
    #[serde(alias = "execution_mode", alias = "security_level")]
    pub level: Option<String>,
    pub profile: Option<String>,
    pub packages: bool,
}

impl Params {
    /// Reads them; nothing at all is as good as `{}`.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        Ok(serde_json::from_slice(if body.is_empty() {
            b"{}"
        } else {
            body
        })?)
    }

    /// The limits, wherever they were written.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = self.limits.clone();
        limits.memory = limits.memory.or(self.memory_limit);
        limits.cpus = limits.cpus.or(self.cpu_limit);
        limits
    }

    pub(crate) fn queue_timeout(&self) -> Result<Option<Duration>, Error> {
        let wrong = |_| Error::invalid("`queue_timeout` is a number of seconds");
        self.queue_timeout
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(wrong))
            .transpose()
    }
}
