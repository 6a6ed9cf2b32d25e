//! A provider that misbehaves wherever it is told to.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use plugin_api::provider::{Decision, OwnedEntry, OwnedRequest, Phase, Rendered, Reply, Request};
use plugin_api::{Context, Error, Host, Provider};
use serde_json::{Value, json};

use crate::Config;

/// A provider that misbehaves wherever it is told to.
#[derive(Debug)]
pub struct TroubledProvider {
    config: Config,
}

impl Provider for TroubledProvider {
    type Config = Config;
    type Error = Error;

    fn new(config: Config, _host: Host) -> Result<Self, Error> {
        config.make("new")?;
        Ok(Self { config })
    }

    fn decide(&self, _request: &Request<'_>) -> Result<Decision, Error> {
        self.config.make("decide")?;
        Ok(Decision::Work)
    }

    async fn work(self: Arc<Self>, _context: Context, request: OwnedRequest) -> Result<Reply, Error> {
        self.config.make_async("work").await?;
        let streamed = matches!(request.entry, OwnedEntry::Method { stream: true, .. });
        if !streamed {
            return Ok(Reply::json(&Value::from("done")));
        }
        let first = stream::iter([Ok(Bytes::from_static(b"\"first\""))]);
        let config = self.config.clone();
        let second = stream::once(async move {
            config.make_async("stream").await?;
            Ok(Bytes::from_static(b"\"second\""))
        });
        Ok(Reply::stream("application/json", first.chain(second).boxed()))
    }

    fn render_error(&self, _route: &str, _phase: Phase, error: &Error) -> Rendered {
        // Rendering cannot fail in an orderly way: then it renders.
        let _ = self.config.make("render_error");
        Rendered::json(error.http_status(), &json!({ "trouble": error.message }))
    }
}

impl Drop for TroubledProvider {
    fn drop(&mut self) {
        // An orderly failure has nowhere to go from here.
        let _ = self.config.make("drop");
    }
}
