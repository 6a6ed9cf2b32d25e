//! The `python/*` methods.

mod batch;
mod execute;
mod info;
mod session;
mod stream;
mod validate;

use std::sync::Arc;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error};

use crate::params::Params;
use crate::provider::Shared;

/// Answers a method. The host has checked `params` against the manifest's schema.
pub(crate) async fn work(
    shared: &Arc<Shared>,
    context: &Context,
    method: &str,
    stream: bool,
    params: &[u8],
) -> Result<Reply, Error> {
    match method {
        "python/execute" => execute::run(shared, context, stream, Params::read(params)?).await,
        "python/validate" => validate::run(shared, context, Params::read(params)?).await,
        "python/batch" => batch::run(shared, context, params).await,
        "python/info" => info::run(shared, context, params).await,
        "python/open" => session::open(shared, context, Params::read(params)?).await,
        "python/run" => session::run(shared, context, stream, Params::read(params)?).await,
        "python/close" => session::close(shared, context, Params::read(params)?).await,
        "python/sessions" => Ok(session::list(shared, context)),
        other => Err(Error::unsupported(format!("`{other}`"))),
    }
}
