//! One container engine: how it is asked, and what is known of it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::errors::Error as ClientError;
use bollard::{API_DEFAULT_VERSION, Docker};
use parking_lot::Mutex;
use plugin_api::ResourceInstance;
use serde_json::Value;

use crate::error::DockerError;
use crate::image::Pulls;

pub(crate) mod address;
pub(crate) mod discovery;
pub(crate) mod events;
pub(crate) mod report;
mod stuck;
mod transport;

pub(crate) use report::Report;
use stuck::Stuck;
use transport::{Route, Unconnected, distrust};

/// What the client is told as its own limit on answers: ours come first, this one only bounds what they do not.
const CLIENT_LIMIT: u64 = 60 * 60;

/// A container engine. Requests are cancelled by dropping them.
#[derive(Debug)]
pub(crate) struct Engine {
    instance: String,
    url: String,
    client: Docker,
    limit: Duration,
    on_this_machine: bool,
    report: Mutex<Option<Arc<Report>>>,
    /// Cleared once it turned out that directories of this machine are not the engine's.
    shares_directories: AtomicBool,
    pulls: Pulls,
    stuck: Stuck,
}

impl Engine {
    fn new(instance: &ResourceInstance, limit: Duration) -> Result<Self, DockerError> {
        let route = Arc::new(address::route(instance)?);
        let on_this_machine = matches!(*route, Route::Unix(_));
        let send = move |request| route.clone().send(request);
        let url = instance
            .endpoint
            .as_ref()
            .map_or_else(String::new, |endpoint| endpoint.url.clone());
        let client = Docker::connect_with_custom_transport(
            send,
            Some("http://engine"),
            CLIENT_LIMIT,
            API_DEFAULT_VERSION,
        )
        .map_err(|_| DockerError::Url(url.clone()))?;
        Ok(Self {
            instance: instance.id.clone(),
            url,
            client,
            limit,
            on_this_machine,
            report: Mutex::new(None),
            shares_directories: AtomicBool::new(true),
            pulls: Pulls::default(),
            stuck: Stuck::default(),
        })
    }

    /// The instance's id.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Where it is, for messages.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The client, for requests that are then put through [`call`](Self::call) or read as streams.
    pub(crate) fn client(&self) -> &Docker {
        &self.client
    }

    /// Whether it is behind a socket of this machine.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        self.on_this_machine
    }

    /// Whether a directory of this machine can be had in a container, as far as known.
    pub(crate) fn shares_directories(&self) -> bool {
        self.on_this_machine && self.shares_directories.load(Ordering::Relaxed)
    }

    pub(crate) fn does_not_share_directories(&self) {
        self.shares_directories.store(false, Ordering::Relaxed);
    }

    /// The images that are being pulled, or could not be.
    pub(crate) fn pulls(&self) -> &Pulls {
        &self.pulls
    }

    /// The containers that it does not get rid of.
    pub(crate) fn stuck(&self) -> &Stuck {
        &self.stuck
    }

    /// Waits for an answer, for so long as answers may take.
    pub(crate) async fn call<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, DockerError> {
        self.call_within(what, self.limit, answer).await
    }

    /// Waits for an answer, for so long.
    pub(crate) async fn call_within<T>(
        &self,
        what: &'static str,
        limit: Duration,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, DockerError> {
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| self.explain(what, error)),
            Err(_) => Err(DockerError::TimedOut {
                engine: self.url.clone(),
                what,
                limit,
            }),
        }
    }

    /// What a failure of the client means.
    pub(crate) fn explain(&self, what: &'static str, error: ClientError) -> DockerError {
        let engine = self.url.clone();
        if let Some(distrust) = distrust(&error) {
            return DockerError::Distrust {
                engine,
                reason: distrust.to_string(),
                by_the_engine: matches!(distrust, rustls::Error::AlertReceived(_)),
            };
        }
        match error {
            ClientError::DockerResponseServerError { status_code, message } => DockerError::Answer {
                engine,
                what,
                status: status_code,
                message: message.trim().to_owned(),
            },
            ClientError::RequestTimeoutError => DockerError::TimedOut {
                engine,
                what,
                limit: Duration::from_secs(CLIENT_LIMIT),
            },
            ClientError::IOError { err } if err.get_ref().is_some_and(|inner| inner.is::<Unconnected>()) => {
                DockerError::Unreachable {
                    engine,
                    reason: err.to_string(),
                }
            }
            error => DockerError::Nonsense {
                engine,
                what,
                reason: reasons(&error),
            },
        }
    }

    /// What it can do, asked anew.
    pub(crate) async fn look(&self) -> Result<Arc<Report>, DockerError> {
        let version = self.call("tell its version", self.client.version()).await?;
        let info = self.call("describe itself", self.client.info()).await?;
        let report = Arc::new(Report::new(&self.url, self.on_this_machine, &version, info)?);
        *self.report.lock() = Some(report.clone());
        Ok(report)
    }

    /// What it can do, as last seen.
    pub(crate) async fn report(&self) -> Result<Arc<Report>, DockerError> {
        let known = self.report.lock().clone();
        match known {
            Some(report) => Ok(report),
            None => self.look().await,
        }
    }
}

fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// The engines, made when they are first asked for. The lock is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    by_instance: Mutex<HashMap<String, (Key, Arc<Engine>)>>,
}

/// What an engine is made of: where another is said to be under the same name, it is another.
type Key = (Option<String>, Option<Value>);

impl Engines {
    /// The engine of an instance.
    pub(crate) fn of(
        &self,
        instance: &ResourceInstance,
        limit: Duration,
    ) -> Result<Arc<Engine>, DockerError> {
        let url = instance.endpoint.as_ref().map(|endpoint| endpoint.url.clone());
        let key = (url, instance.metadata.get("tls").cloned());
        let mut engines = self.by_instance.lock();
        if let Some((known, engine)) = engines.get(&instance.id)
            && *known == key
        {
            return Ok(engine.clone());
        }
        let engine = Arc::new(Engine::new(instance, limit)?);
        engines.insert(instance.id.clone(), (key, engine.clone()));
        Ok(engine)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Engine>> {
        self.by_instance
            .lock()
            .values()
            .map(|(_, engine)| engine.clone())
            .collect()
    }

    /// Forgets those that are no instances any more.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.by_instance.lock().retain(|instance, _| is_there(instance));
    }
}
