//! A provider that is replaced when it keeps panicking.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use plugin_api::manifest::ProviderManifest;
use plugin_api::provider::{Decision, OwnedRequest, Phase, Rendered, Reply, ReplyBody, Request};
use plugin_api::{Context, Error};
use serde_json::json;

use super::{Build, Component, Keeper};
use crate::plugin::driver::ProviderDriver;
use crate::plugin::remote::AbiProvider;

impl Component for AbiProvider {
    fn panics(&self) -> u64 {
        ProviderDriver::panics(self)
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        ProviderDriver::shutdown(self)
    }
}

/// A provider that is replaced when it keeps panicking.
pub(in crate::plugin) struct KeptProvider {
    manifest: ProviderManifest,
    keeper: Arc<Keeper<AbiProvider>>,
}

impl KeptProvider {
    pub(in crate::plugin) fn new(
        plugin: String,
        name: String,
        first: AbiProvider,
        build: Build<AbiProvider>,
    ) -> Self {
        Self {
            manifest: first.manifest().clone(),
            keeper: Keeper::new(plugin, name, first, build),
        }
    }
}

impl ProviderDriver for KeptProvider {
    fn manifest(&self) -> &ProviderManifest {
        &self.manifest
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
        self.keeper.at_once(|driver| driver.decide(request))?
    }

    fn work(&self, context: Context, request: OwnedRequest) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            let call = self.keeper.call()?;
            let mut reply = call.driver().work(context, request).await?;
            // The work goes on for as long as the stream does.
            if let ReplyBody::Stream(items) = reply.body {
                reply.body = ReplyBody::Stream(items.map(move |item| (item, &call).0).boxed());
            }
            Ok(reply)
        })
    }

    fn render_error(&self, route: &str, phase: Phase, error: &Error) -> Rendered {
        self.keeper
            .at_once(|driver| driver.render_error(route, phase, error))
            // The client is owed an answer, if not in its own dialect.
            .unwrap_or_else(|_| Rendered::json(error.http_status(), &json!({ "error": error.message })))
    }

    fn panics(&self) -> u64 {
        self.keeper.panics()
    }

    fn quarantine(&self) -> Option<String> {
        self.keeper.quarantine()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.keeper.shutdown())
    }
}
