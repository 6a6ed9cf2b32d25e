//! A provider that echoes: by itself, or by sending the request to a server that does.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use plugin_api::contract::requirement::Requirement;
use plugin_api::provider::{Decision, Entry, Forward, OwnedEntry, OwnedRequest, Reply, Request};
use plugin_api::{Context, Error, Host, Provider};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::hub::DIALECT;

/// A provider that echoes.
#[derive(Debug)]
pub struct EchoProvider {
    config: Config,
}

/// Its settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Put before every echo.
    prefix: String,
}

impl EchoProvider {
    fn say(&self, params: &Value, streamed: bool) -> Result<Reply, Error> {
        let text = params["text"].as_str().ok_or_else(|| Error::invalid("no text"))?;
        let echo = format!("{}{text}", self.config.prefix);
        if !streamed {
            return Ok(Reply::json(&json!({ "text": echo })));
        }
        let words: Vec<_> = echo
            .split_whitespace()
            .map(|word| Ok(Bytes::from(json!({ "word": word }).to_string())))
            .collect();
        Ok(Reply::stream("application/json", stream::iter(words).boxed()))
    }
}

impl Provider for EchoProvider {
    type Config = Config;
    type Error = Error;

    fn new(config: Config, _host: Host) -> Result<Self, Error> {
        Ok(Self { config })
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
        let Entry::Route {
            id: "forward",
            path,
            query,
            ..
        } = request.entry
        else {
            return Ok(Decision::Work);
        };
        let rest = path.trim_start_matches("/forward");
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Decision::Forward(Box::new(Forward {
            requirement: Requirement {
                dialects: vec![DIALECT.to_owned()],
                ..Requirement::default()
            },
            path: Some(format!("{rest}{query}")),
            relay: Some("whole".to_owned()),
            ..Forward::default()
        })))
    }

    async fn work(self: Arc<Self>, _context: Context, request: OwnedRequest) -> Result<Reply, Error> {
        match request.entry {
            OwnedEntry::Method { name, stream } => {
                let params: Value = serde_json::from_slice(&request.body)?;
                match name.as_str() {
                    "echo/say" => self.say(&params, stream),
                    "echo/fail" => Err(Error::plugin(params["message"].as_str().unwrap_or_default())),
                    _ => Err(Error::unsupported(format!("`{name}`"))),
                }
            }
            OwnedEntry::Route { .. } => {
                let mut reply = Reply::text("text/plain; charset=utf-8", request.body);
                reply.headers.extend(request.headers);
                Ok(reply)
            }
        }
    }
}
