//! One server's HTTP interface, as far as a hub needs it.

use std::time::Duration;

use plugin_api::contract::instance::Endpoint;
use plugin_api::http::{Client, HttpError, Method};
use plugin_api::{Error, ResourceInstance};
use serde_json::{Value, json};

use crate::error::OllamaError;

mod pull;
mod wire;

pub(crate) use wire::{Listed, Running, Shown};

/// How long a load may take. The server gives up by itself when a load makes no progress, so this only ends what
/// nothing else does.
const LOAD: Duration = Duration::from_secs(60 * 60);

/// A server to talk to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
}

impl<'a> Server<'a> {
    pub(crate) fn new(client: &'a Client, endpoint: &'a Endpoint) -> Self {
        Self { client, endpoint }
    }

    pub(crate) fn of(client: &'a Client, instance: &'a ResourceInstance) -> Result<Self, OllamaError> {
        match &instance.endpoint {
            Some(endpoint) => Ok(Self::new(client, endpoint)),
            None => Err(Error::plugin(format!("`{}` has no URL", instance.id)).into()),
        }
    }

    /// The version: proof that this is an Ollama.
    pub(crate) async fn version(&self) -> Result<String, HttpError> {
        let answer: wire::Version = self
            .client
            .call(Method::GET, self.endpoint, "/api/version")
            .json()
            .await?;
        Ok(answer.version)
    }

    /// The models on disk.
    pub(crate) async fn tags(&self) -> Result<Vec<Listed>, OllamaError> {
        let answer: wire::Models<Listed> = self
            .client
            .call(Method::GET, self.endpoint, "/api/tags")
            .json()
            .await?;
        Ok(answer.models.unwrap_or_default())
    }

    /// The models in memory; those being loaded may be among them. Servers too old for the question have none to tell.
    pub(crate) async fn ps(&self) -> Result<Vec<Running>, OllamaError> {
        let call = self.client.call(Method::GET, self.endpoint, "/api/ps");
        match call.json::<wire::Models<Running>>().await {
            Ok(answer) => Ok(answer.models.unwrap_or_default()),
            Err(error) if error.status() == Some(404) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything the server knows of a model.
    pub(crate) async fn show(&self, model: &str, verbose: bool) -> Result<Value, OllamaError> {
        const VERBOSE: usize = 64 << 20; // whole vocabularies
        self.client
            .call(Method::POST, self.endpoint, "/api/show")
            .body(&json!({ "model": model, "verbose": verbose }))
            .at_most(VERBOSE)
            .json()
            .await
            .map_err(|error| OllamaError::about(model, error))
    }

    /// Brings a model into memory, with the runner options and for the time that the hint says.
    ///
    /// An empty prompt loads and says nothing; a model that only embeds knows no prompts, but an empty input.
    pub(crate) async fn load(&self, model: &str, embeds: bool, hint: &Value) -> Result<(), OllamaError> {
        let (path, mut body) = if embeds {
            ("/api/embed", json!({ "model": model, "input": "" }))
        } else {
            (
                "/api/generate",
                json!({ "model": model, "prompt": "", "stream": false }),
            )
        };
        for key in ["options", "keep_alive"] {
            if let Some(value) = hint.get(key).filter(|value| !value.is_null()) {
                body[key] = value.clone();
            }
        }
        let call = self
            .client
            .call(Method::POST, self.endpoint, path)
            .body(&body)
            .within(LOAD);
        let answer: Value = call
            .json()
            .await
            .map_err(|error| OllamaError::about(model, error))?;
        match answer.get("error").and_then(Value::as_str) {
            None => Ok(()),
            Some(reason) => Err(OllamaError::Http(HttpError::Status {
                url: self.endpoint.url_of(path),
                status: 500,
                message: reason.to_owned(),
            })),
        }
    }

    /// Gives a model a second name.
    pub(crate) async fn copy(&self, source: &str, destination: &str) -> Result<(), OllamaError> {
        let body = json!({ "source": source, "destination": destination });
        let call = self
            .client
            .call(Method::POST, self.endpoint, "/api/copy")
            .body(&body);
        call.bytes()
            .await
            .map(drop)
            .map_err(|error| OllamaError::about(source, error))
    }

    /// Takes a model off the disk.
    pub(crate) async fn delete(&self, model: &str) -> Result<(), OllamaError> {
        let call = self
            .client
            .call(Method::DELETE, self.endpoint, "/api/delete")
            .body(&json!({ "model": model }));
        call.bytes()
            .await
            .map(drop)
            .map_err(|error| OllamaError::about(model, error))
    }
}
