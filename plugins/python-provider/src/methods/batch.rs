//! `python/batch`: several programs, a few at a time, results in order.

use std::sync::{Arc, Mutex, PoisonError};

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

/// What all results of a batch may hold, as JSON: they wait in this process for the last of them.
const RESULTS: usize = 64 << 20;
/// What output and results of tasks may hold besides, once files and pictures are left out.
const OUTPUT: usize = 16 << 20;

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
    let used = &Mutex::new(0);
    let tasks = (0..params.tasks.len()).map(|task| async move {
        match one(shared, context, defaults, defaults.tasks[task].get()).await {
            Ok(mut report) => {
                bound(
                    &mut report,
                    &mut used.lock().unwrap_or_else(PoisonError::into_inner),
                );
                Done::Report(Box::new(report))
            }
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

/// Leaves out what the results of the batch have no room for any more.
fn bound(report: &mut Report, used: &mut usize) {
    let (artefacts, output) = report.sizes();
    if artefacts > RESULTS.saturating_sub(*used) {
        report.leave_out_artefacts();
    } else {
        *used += artefacts;
    }
    if output > (RESULTS + OUTPUT).saturating_sub(*used) {
        report.leave_out_output();
    } else {
        *used += output;
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::Value;

    use super::{OUTPUT, RESULTS, Report, bound};
    use crate::report::{Collected, Place};
    use crate::runner::End;

    fn bounded(used: &mut usize) -> Value {
        let collected = Collected {
            stdout: b"out".to_vec(),
            result: Some(Bytes::from_static(b"[1]")),
            files: vec![("f".into(), Bytes::from_static(b"abc"))],
            ..Collected::default()
        };
        let place = Place {
            level: "sandboxed",
            profile: "sandboxed".into(),
            instance: "box".into(),
            uses: 1,
            queued: Duration::ZERO,
        };
        let mut report = Report::new(collected, End::default(), place);
        bound(&mut report, used);
        serde_json::to_value(report).unwrap()
    }

    #[test]
    fn files_go_first_and_output_last_where_a_batch_has_no_room_left() {
        let mut used = 0;
        let whole = bounded(&mut used);
        assert_eq!(
            (&whole["stdout"], &whole["files"][0]["size"]),
            (&"out".into(), &3.into())
        );
        assert!(used > 0);
        used = RESULTS;
        let output = bounded(&mut used);
        assert_eq!(
            (&output["stdout"], &output["files"]),
            (&"out".into(), &Value::Array(vec![]))
        );
        assert_eq!(
            (&output["truncated"]["files"], &output["truncated"]["stdout"]),
            (&true.into(), &false.into())
        );
        used = RESULTS + OUTPUT;
        let bare = bounded(&mut used);
        assert_eq!((&bare["stdout"], &bare["result"]), (&"".into(), &Value::Null));
        assert_eq!(
            (&bare["truncated"]["stdout"], &bare["truncated"]["result"]),
            (&true.into(), &true.into())
        );
        assert_eq!(used, RESULTS + OUTPUT, "what is left out takes no room");
    }
}
