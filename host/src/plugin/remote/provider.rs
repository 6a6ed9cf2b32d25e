//! A provider behind the stable ABI.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use plugin_api::abi::client::ProviderClient;
use plugin_api::abi::raw::PluginMod_Ref;
use plugin_api::host::Services;
use plugin_api::manifest::ProviderManifest;
use plugin_api::provider::{Decision, OwnedRequest, Phase, Rendered, Reply, Request};
use plugin_api::{Context, Error};
use serde_json::json;

use super::setup::{Built, Setup};
use crate::plugin::driver::ProviderDriver;

/// A provider behind the stable ABI.
pub struct AbiProvider {
    manifest: ProviderManifest,
    client: ProviderClient,
    built: Built,
}

impl AbiProvider {
    /// Builds the provider of a library. Runs the author's constructor: call it on a thread that the host can spare.
    ///
    /// # Errors
    /// The provider's own, or that it panicked.
    pub fn build(
        module: PluginMod_Ref,
        manifest: ProviderManifest,
        setup: Setup,
        services: Arc<dyn Services>,
    ) -> Result<Self, Error> {
        let built = setup.build(module, "provider", services)?;
        Ok(Self {
            manifest,
            client: ProviderClient(built.client.clone()),
            built,
        })
    }
}

impl ProviderDriver for AbiProvider {
    fn manifest(&self) -> &ProviderManifest {
        &self.manifest
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
        self.client.decide(request)
    }

    fn work(&self, context: Context, request: OwnedRequest) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move { self.client.work(&context, &request).await })
    }

    fn render_error(&self, route: &str, phase: Phase, error: &Error) -> Rendered {
        self.client
            .render_error(route, phase, error)
            .unwrap_or_else(|failure| {
                // The client is owed an answer, if not in its own dialect.
                tracing::warn!(target: "gleitzeit::plugin", route, %failure, "an error could not be rendered");
                Rendered::json(error.http_status(), &json!({ "error": error.message }))
            })
    }

    fn panics(&self) -> u64 {
        self.built.client.panics()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.built.shutdown())
    }
}
