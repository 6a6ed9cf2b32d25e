//! The client of a running host: JSON-RPC 2.0 over `POST /rpc`, streamed results as server-sent events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::events::Events;
use super::{Exit, Failure, Global};

/// Longer answers than this are not meant for a terminal.
const LARGEST: usize = 256 << 20;

/// The client of a running host.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    key: Option<plugin_api::host::Secret>,
}

impl Client {
    /// A client of the host that the flags name.
    ///
    /// # Errors
    /// The URL is none, or the key cannot be read.
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        let url = global.host_url();
        let parsed = url::Url::parse(&url)
            .ok()
            .filter(|parsed| matches!(parsed.scheme(), "http" | "https"))
            .ok_or_else(|| {
                Failure::usage(format!("`{url}` is not a host's URL"))
                    .hint("write it like http://127.0.0.1:7433")
            })?;
        // Installed once per process; who came first does not matter, it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("gleitzeit/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none());
        let loopback = match parsed.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| Failure::new(Exit::Failed, format!("no HTTP client: {}", chain(&error))))?;
        Ok(Self {
            http,
            url,
            key: global.key()?,
        })
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    /// No host answers, or it answers with an error.
    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let response = self.send(method, params, false).await?;
        let status = response.status();
        let body = self.body(response).await?;
        result_of(self.message(status, &body)?)
    }

    /// Calls a method and streams its result: each item as it comes, then the final result where it is not null.
    ///
    /// # Errors
    /// As [`call`](Self::call); a stream that breaks off ends with one as well.
    pub(super) async fn open(
        &self,
        method: &str,
        params: Value,
    ) -> Result<BoxStream<'static, Result<Value, Failure>>, Failure> {
        let response = self.send(method, params, true).await?;
        let status = response.status();
        let is_events = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        if !is_events {
            let body = self.body(response).await?;
            let value = result_of(self.message(status, &body)?)?;
            return Ok(futures_util::stream::iter([Ok(value)]).boxed());
        }
        let chunks = response
            .bytes_stream()
            .map(|chunk| chunk.map_err(|error| broken_off(&chain(&error))));
        let items = Events::new(chunks.boxed()).filter_map(|event| async {
            match event.and_then(|data| read_event(&data)) {
                Ok(None) => None,
                Ok(Some(value)) => Some(Ok(value)),
                Err(failure) => Some(Err(failure)),
            }
        });
        Ok(items.boxed())
    }

    /// Follows events: the query is of `GET /events`. Ends when the host does.
    ///
    /// # Errors
    /// No host answers, or it refuses.
    pub(super) async fn follow(
        &self,
        query: &str,
    ) -> Result<BoxStream<'static, Result<Value, Failure>>, Failure> {
        let url = format!("{}/events?{query}", self.url);
        let response = self
            .dispatch(self.http.get(url).header(ACCEPT, "text/event-stream"))
            .await?;
        let status = response.status();
        if !status.is_success() {
            let body = self.body(response).await?;
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            return Err(match value.get("error") {
                Some(error) => Failure::of_error(error),
                None => self.stranger(status),
            });
        }
        let chunks = response
            .bytes_stream()
            .map(|chunk| chunk.map_err(|error| broken_off(&chain(&error))));
        let events = Events::new(chunks.boxed()).map(|event| {
            let data = event?;
            serde_json::from_slice(&data)
                .map_err(|error| broken_off(&format!("an event is not JSON: {error}")))
        });
        Ok(events.boxed())
    }

    async fn send(&self, method: &str, params: Value, stream: bool) -> Result<reqwest::Response, Failure> {
        let mut body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let accept = if stream {
            body["stream"] = Value::Bool(true);
            "text/event-stream"
        } else {
            "application/json"
        };
        let request = self
            .http
            .post(format!("{}/rpc", self.url))
            .header(ACCEPT, accept)
            .json(&body);
        self.dispatch(request).await
    }

    async fn dispatch(&self, mut request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        request.send().await.map_err(|error| {
            let what = format!("no host answers at {}: {}", self.url, chain(&error));
            Failure::new(Exit::Unreachable, what)
                .hint("start one with `gleitzeit serve`, or say where it is: --url or GLEITZEIT_URL")
        })
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken_off(&chain(&error)))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(Failure::new(Exit::Failed, "the answer is larger than 256 MiB"));
            }
        }
        Ok(body)
    }

    /// A response object. Whatever else answers is not Gleitzeit.
    fn message(&self, status: StatusCode, body: &[u8]) -> Result<Value, Failure> {
        let message: Option<Value> = serde_json::from_slice(body).ok();
        let is_response = |message: &Value| message.get("result").is_some() || message.get("error").is_some();
        message.filter(is_response).ok_or_else(|| self.stranger(status))
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        let what = format!(
            "what answers at {} is not a Gleitzeit host (HTTP {})",
            self.url,
            status.as_u16()
        );
        Failure::new(Exit::Unreachable, what).hint("say where the host is: --url or GLEITZEIT_URL")
    }
}

/// A message of a stream: an item, or the response that ends it. Null is the usual result of what was streamed,
/// and says nothing.
fn read_event(data: &Bytes) -> Result<Option<Value>, Failure> {
    let mut message: Value = serde_json::from_slice(data)
        .map_err(|error| broken_off(&format!("an event is not JSON: {error}")))?;
    if message.get("method").and_then(Value::as_str) == Some("stream/item") {
        return Ok(message.pointer_mut("/params/item").map(Value::take));
    }
    result_of(message).map(|value| Some(value).filter(|value| !value.is_null()))
}

fn result_of(mut message: Value) -> Result<Value, Failure> {
    match message.get("error").filter(|error| !error.is_null()) {
        Some(error) => Err(Failure::of_error(error)),
        None => Ok(message.get_mut("result").map(Value::take).unwrap_or_default()),
    }
}

fn broken_off(why: &str) -> Failure {
    Failure::new(Exit::Failed, format!("the host broke off its answer: {why}"))
        .hint("`gleitzeit status` shows whether it still runs; its log says why it stopped")
}

/// An error with its causes, without repeating what they have in common.
fn chain(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
