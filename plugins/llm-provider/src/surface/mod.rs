//! The surfaces: routes in the dialects that clients speak.

mod decide;
mod fleet;
mod inventory;
mod peek;
mod render;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error, ErrorCode, Fault};

pub(crate) use decide::decide;
pub(crate) use fleet::results;
pub(crate) use inventory::Fleet;
pub(crate) use render::render;

use crate::LlmProvider;
use crate::error::LlmError;

/// Answers the routes that are about the fleet and not about one instance.
pub(crate) async fn work(
    provider: &LlmProvider,
    context: &Context,
    route: &str,
    path: &str,
    body: &[u8],
) -> Result<Reply, LlmError> {
    match route {
        "root" => Ok(Reply::text("text/plain; charset=utf-8", "Ollama is running")),
        "version" => inventory::version(provider, context).await,
        "tags" => inventory::tags(provider, context).await,
        "ps" => inventory::ps(provider, context).await,
        "openai-models" => inventory::openai_models(provider, context).await,
        "openai-model" => inventory::openai_model(provider, context, path).await,
        "pull" => fleet::pull(provider, context, body).await,
        "delete" => fleet::delete(provider, context, body).await,
        "copy" => fleet::copy(provider, context, body).await,
        other => {
            let message = format!("the manifest has a route `{other}` that nobody wrote");
            Err(Error::new(ErrorCode::INTERNAL_ERROR, Fault::Plugin, message).into())
        }
    }
}
