//! `python/execute`: one program, one fresh process, one result.

use std::sync::Arc;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error};

use super::stream;
use crate::params::Params;
use crate::plan::Plan;
use crate::provider::Shared;
use crate::report::Report;
use crate::run::Running;

pub(super) async fn run(
    shared: &Arc<Shared>,
    context: &Context,
    stream: bool,
    params: Params,
) -> Result<Reply, Error> {
    let mut plan = Plan::new(&shared.profiles, params)?.with_program()?;
    plan.stream = stream;
    if stream {
        shared.require(context, plan.profile.level).await?;
        let running = Running::start(shared, context, &plan, "once").await?;
        return Ok(Reply::stream(
            "application/json",
            stream::items(running, |running, collected, end| {
                let place = running.place.clone();
                running.settle(&end);
                Report::new(collected, end, place)
            }),
        ));
    }
    Ok(Reply::json(&once(shared, context, &plan, "once").await?))
}

/// Runs it and waits for its end.
pub(super) async fn once(
    shared: &Arc<Shared>,
    context: &Context,
    plan: &Plan,
    kind: &str,
) -> Result<Report, Error> {
    shared.require(context, plan.profile.level).await?;
    let mut running = Running::start(shared, context, plan, kind).await?;
    let (collected, end) = running.all(context).await?;
    let place = running.place.clone();
    running.settle(&end);
    Ok(Report::new(collected, end, place))
}
