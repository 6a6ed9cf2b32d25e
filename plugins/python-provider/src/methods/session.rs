//! `python/open`, `python/run`, `python/close`, `python/sessions`: an interpreter that keeps its state.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::provider::Reply;
use plugin_api::{Context, Error};
use serde_json::json;

use super::stream;
use crate::params::Params;
use crate::plan::{Plan, Program};
use crate::provider::Shared;
use crate::report::{Collected, Report};
use crate::run::Running;
use crate::runner::End;
use crate::sessions::Turn;

/// How long closing a session may take.
const CLOSING: Duration = Duration::from_secs(1);

pub(super) async fn open(shared: &Arc<Shared>, context: &Context, params: Params) -> Result<Reply, Error> {
    let most = shared.sessions.settings().idle_timeout.0;
    let idle = params.idle_timeout.map_or(most, |asked| asked.0);
    if idle > most || idle.is_zero() {
        return Err(Error::invalid(format!(
            "`idle_timeout` is not within the limit of {} s",
            most.as_secs_f64()
        )));
    }
    let mut plan = Plan::new(&shared.profiles, params)?;
    if plan.program != Program::None {
        return Err(Error::invalid(
            "a session is opened without code; use python/run then",
        ));
    }
    plan.collect = false;
    shared.require(context, plan.profile.level).await?;
    let place = shared.sessions.admit(&context.principal, &plan.profile, idle)?;
    let mut running = Running::start(shared, context, &plan, "open").await?;
    let (_, end) = running.all(context).await?;
    let at = running.place.clone();
    let Some(held) = running.settle(&end).filter(|_| end.outcome == "ok") else {
        let why = end.error.unwrap_or(end.outcome);
        return Err(Error::invalid(format!("the session could not be opened: {why}")));
    };
    let id = place.fill(held).await;
    tokio::spawn(close_when_idle(shared.clone(), id.clone()));
    Ok(Reply::json(&json!({
        "session": id,
        "level": at.level,
        "execution_mode": at.level,
        "profile": at.profile,
        "instance": at.instance,
        "uses": at.uses,
        "idle_timeout": idle.as_secs_f64(),
    })))
}

pub(super) async fn run(
    shared: &Arc<Shared>,
    context: &Context,
    stream: bool,
    params: Params,
) -> Result<Reply, Error> {
    let (turn, mut plan) = turn(shared, context, params)?;
    plan = match &plan.program {
        Program::File(_) => plan, // it may have come with an earlier run
        _ => plan.with_program()?,
    };
    plan.stream = stream;
    let (mut running, turn) = begin(shared, context, turn, &plan, "run").await?;
    if stream {
        return Ok(Reply::stream(
            "application/json",
            stream::items(running, |running, collected, end| {
                finish(running, turn, collected, end)
            }),
        ));
    }
    let (collected, end) = running.all(context).await?;
    Ok(Reply::json(&finish(running, turn, collected, end)))
}

pub(super) async fn close(shared: &Arc<Shared>, context: &Context, params: Params) -> Result<Reply, Error> {
    let (turn, plan) = turn(shared, context, params)?;
    let id = turn.session.id.clone();
    end(shared, context, turn, plan).await?;
    Ok(Reply::json(&json!({ "session": id, "closed": true })))
}

/// The caller's own: whoever has lost the answer of `open` finds its session here.
pub(super) fn list(shared: &Arc<Shared>, context: &Context) -> Reply {
    let settings = shared.sessions.settings();
    let seen = shared.sessions.of(&context.principal);
    let sessions: Vec<_> = seen
        .iter()
        .map(|session| {
            json!({
                "session": session.id,
                "level": session.profile.level,
                "profile": session.profile.name,
                "busy": session.busy,
                "idle": session.idle.as_secs_f64(),
                "idle_timeout": session.idle_timeout.as_secs_f64(),
            })
        })
        .collect();
    Reply::json(&json!({ "sessions": sessions, "per_caller": settings.per_caller }))
}

/// The session of this caller, and what is to be run in it.
fn turn(shared: &Arc<Shared>, context: &Context, mut params: Params) -> Result<(Turn, Plan), Error> {
    let id = params
        .session
        .take()
        .ok_or_else(|| Error::invalid("`session` is required"))?;
    let turn = shared.sessions.turn(&id, &context.principal)?;
    let plan = Plan::with(turn.session.profile.clone(), params)?;
    if plan.own_box {
        return Err(Error::invalid(
            "memory, cpus and processes of a session are set when it is opened",
        ));
    }
    Ok((turn, plan))
}

async fn begin(
    shared: &Arc<Shared>,
    context: &Context,
    mut turn: Turn,
    plan: &Plan,
    kind: &str,
) -> Result<(Running, Turn), Error> {
    let gone = || Error::not_found("the session has ended").hint("open another with python/open");
    let held = turn.take().ok_or_else(gone)?;
    // A box that is gone takes the session with it.
    let running = Running::send(shared, context, plan, kind, held)
        .await
        .map_err(|_| gone())?;
    Ok((running, turn))
}

fn finish(running: Running, mut turn: Turn, collected: Collected, end: End) -> Report {
    let place = running.place.clone();
    let open = match running.settle(&end) {
        Some(held) => {
            turn.put_back(held);
            true
        }
        None => false,
    };
    Report::new(collected, end, place).in_session(&turn.session.id, open)
}

async fn end(shared: &Arc<Shared>, context: &Context, turn: Turn, mut plan: Plan) -> Result<(), Error> {
    (plan.timeout, plan.collect) = (CLOSING, false);
    let (mut running, _turn) = begin(shared, context, turn, &plan, "close").await?;
    let (_, end) = running.all(context).await?;
    running.settle(&end);
    Ok(())
}

async fn close_when_idle(shared: Arc<Shared>, id: String) {
    let Some(turn) = shared.sessions.clone().idle(id).await else {
        return;
    };
    let profile = turn.session.profile.clone();
    tracing::debug!(session = turn.session.id, "an idle session is closed");
    // Nobody is left to be told of a failure; the box is thrown away then.
    if let Ok(plan) = Plan::with(profile, Params::default()) {
        let _ = end(&shared, &Context::background("python-idle"), turn, plan).await;
    }
}
