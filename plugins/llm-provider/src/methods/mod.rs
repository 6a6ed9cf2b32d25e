//! The `llm/*` methods: one set of parameters and results, whatever dialect an instance speaks.

mod answer;
mod embed;
mod fleet;
mod generate;
mod hints;
mod images;
mod native;
mod openai;
mod params;
mod stream;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error};

use crate::LlmProvider;
use crate::error::LlmError;

/// Answers a method. The host has checked `params` against the manifest's schema.
pub(crate) async fn work(
    provider: &LlmProvider,
    context: &Context,
    method: &str,
    stream: bool,
    params: &[u8],
) -> Result<Reply, LlmError> {
    match method {
        "llm/generate" => generate::run(provider, context, generate::Kind::Generate, stream, params).await,
        "llm/chat" => generate::run(provider, context, generate::Kind::Chat, stream, params).await,
        "llm/vision" => generate::run(provider, context, generate::Kind::Vision, stream, params).await,
        "llm/embed" => embed::run(provider, context, params).await,
        "llm/list_models" => fleet::list(provider, context).await,
        "llm/pull_model" => fleet::change(provider, context, "pull", stream, params).await,
        "llm/delete_model" => fleet::change(provider, context, "delete", false, params).await,
        other => Err(Error::unsupported(format!("`{other}`")).into()),
    }
}
