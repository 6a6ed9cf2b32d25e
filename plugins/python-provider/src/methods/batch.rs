//! `python/batch`: several programs, a few at a time, results in order.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use plugin_api::provider::Reply;
use plugin_api::{Context, Error};
use serde::Serialize;
use serde_json::json;

use super::execute::once;
use crate::params::{BatchParams, Params};
use crate::plan::Plan;
use crate::provider::Shared;
use crate::report::Report;

/// So many at a time, where the request does not say.
const CONCURRENT: usize = 5;

/// The result of one task.
#[derive(Serialize)]
#[serde(untagged)]
enum Done {
    Report(Box<Report>),
    /// It was never run.
    Refused {
        success: bool,
        outcome: &'static str,
        error: String,
        code: i32,
        hint: Option<String>,
    },
}

pub(super) async fn run(shared: &Arc<Shared>, context: &Context, params: &[u8]) -> Result<Reply, Error> {
    let params: BatchParams = serde_json::from_slice(params)?;
    let at_once = params.max_concurrent.unwrap_or(CONCURRENT).max(1);
    let defaults = &params;
    let tasks = (0..params.tasks.len()).map(|task| async move {
        match one(shared, context, defaults, defaults.tasks[task].get()).await {
            Ok(report) => Done::Report(Box::new(report)),
            Err(error) => Done::Refused {
                success: false,
                outcome: "refused",
                error: error.message,
                code: error.code.0,
                hint: error.hint,
            },
        }
    });
    let all = stream::iter(tasks).buffered(at_once).collect::<Vec<_>>();
    let results = tokio::select! {
        results = all => results,
        () = context.cancelled() => return Err(crate::run::cancelled()),
    };
    let good = |done: &&Done| matches!(done, Done::Report(report) if report.success);
    let succeeded = results.iter().filter(good).count();
    let summary = json!({
        "total": results.len(),
        "succeeded": succeeded,
        "failed": results.len() - succeeded,
    });
    Ok(Reply::json(&json!({
        "success": succeeded == results.len(),
        "results": results,
        "summary": summary,
    })))
}

async fn one(
    shared: &Arc<Shared>,
    context: &Context,
    defaults: &BatchParams,
    task: &str,
) -> Result<Report, Error> {
    let mut params = Params::read(task.as_bytes())?;
    if params.level.is_none() && params.profile.is_none() {
        params.level.clone_from(&defaults.level);
        params.profile.clone_from(&defaults.profile);
    }
    params.timeout = params.timeout.or(defaults.timeout);
    let plan = Plan::new(&shared.profiles, params)?.with_program()?;
    once(shared, context, &plan, "once").await
}
