//! A fake of any server that speaks the OpenAI dialect: vLLM, llama.cpp, LM Studio, a cloud.

use std::{io, ops::Deref, sync::Arc};

use serde_json::{Value, json};

use crate::{
    script::{Script, script_methods},
    server::FakeServer,
};

mod routes;
mod wire;

pub(crate) use wire::{Form, Opening, SSE, Wire, base64_floats, data};

/// A running fake OpenAI-compatible server; it stops when dropped. Everything a [`FakeServer`] can do, it can.
#[derive(Debug)]
pub struct FakeOpenai {
    server: FakeServer,
    prefix: String,
}

impl FakeOpenai {
    /// Begins a description of the server; end it with [`FakeOpenaiBuilder::start`].
    pub fn builder() -> FakeOpenaiBuilder {
        FakeOpenaiBuilder::default()
    }

    /// What clients are given as base URL: address and prefix, such as `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        self.url_of(&self.prefix)
    }
}

/// The handle of what all fakes share is part of this one's interface.
impl Deref for FakeOpenai {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        &self.server
    }
}

/// Describes a [`FakeOpenai`].
#[derive(Debug, Clone)]
pub struct FakeOpenaiBuilder {
    script: Script,
    port: u16,
    control: bool,
    prefix: String,
    key: Option<String>,
    models: Vec<String>,
    dimensions: usize,
    owner: String,
}

impl Default for FakeOpenaiBuilder {
    fn default() -> Self {
        Self {
            script: Script::default(),
            port: 0,
            control: false,
            prefix: "/v1".to_owned(),
            key: None,
            models: Vec::new(),
            dimensions: 16,
            owner: "fakes".to_owned(),
        }
    }
}

impl FakeOpenaiBuilder {
    script_methods!();

    /// Serves a model; names are compared exactly, as these servers do.
    pub fn model(mut self, id: impl Into<String>) -> Self {
        self.models.push(id.into());
        self
    }

    /// Where the API lies, `/v1` by default; without a slash at the end.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Answers 401 to whoever does not bear this key; the health route is open.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// How many dimensions embeddings have.
    pub fn dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = dimensions;
        self
    }

    /// Starts the server on the current tokio runtime.
    pub async fn start(self) -> io::Result<FakeOpenai> {
        let (prefix, port, control) = (self.prefix.clone(), self.port, self.control);
        let server = FakeServer::start(Arc::new(self), port, control).await?;
        Ok(FakeOpenai { server, prefix })
    }
}

/// An error body of the dialect.
pub(crate) fn error(message: &str, kind: &str, code: Value) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}
