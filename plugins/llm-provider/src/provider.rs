//! The provider: which request goes where.

use std::sync::Arc;

use plugin_api::provider::{Decision, Entry, OwnedEntry, OwnedRequest, Phase, Rendered, Reply, Request};
use plugin_api::{Context, Error, Host, Provider};

use crate::config::{Aliases, Config};
use crate::error::LlmError;
use crate::{methods, surface};

/// Speaks to users about language models.
#[derive(Debug)]
pub struct LlmProvider {
    pub(crate) config: Config,
    pub(crate) aliases: Aliases,
    pub(crate) host: Host,
}

impl Provider for LlmProvider {
    type Config = Config;
    type Error = LlmError;

    fn new(config: Config, host: Host) -> Result<Self, LlmError> {
        Ok(Self {
            aliases: Aliases::new(&config),
            config,
            host,
        })
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, LlmError> {
        match request.entry {
            Entry::Route { id, .. } => surface::decide(&self.aliases, id, request.body),
            Entry::Method { .. } => Ok(Decision::Work),
        }
    }

    async fn work(self: Arc<Self>, context: Context, request: OwnedRequest) -> Result<Reply, LlmError> {
        match &request.entry {
            OwnedEntry::Route { id, path, .. } => {
                surface::work(&self, &context, id, path, &request.body).await
            }
            OwnedEntry::Method { name, stream } => {
                methods::work(&self, &context, name, *stream, &request.body).await
            }
        }
    }

    fn render_error(&self, route: &str, phase: Phase, error: &Error) -> Rendered {
        surface::render(route, phase, error)
    }
}
