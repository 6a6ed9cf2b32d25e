//! `python/validate`: whether code compiles, asked of the very interpreter that would run it.

use std::sync::Arc;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error, ErrorCode};

use super::execute::once;
use crate::params::Params;
use crate::plan::Plan;
use crate::provider::Shared;

pub(super) async fn run(shared: &Arc<Shared>, context: &Context, params: Params) -> Result<Reply, Error> {
    let mut plan = Plan::new(&shared.profiles, params)?.with_program()?;
    plan.collect = false;
    let report = once(shared, context, &plan, "validate").await?;
    match report.result() {
        Some(verdict) => Ok(Reply::json(&verdict)),
        // The compiler itself can be brought down by code: by its nesting, or its size.
        None if report.outcome != "infrastructure" => Ok(Reply::json(&serde_json::json!({
            "valid": false,
            "message": format!("the compiler gave up: {}", report.failure()),
            "line": null,
            "offset": null,
        }))),
        None => Err(Error::instance(ErrorCode::STREAM_BROKEN, report.failure())),
    }
}
