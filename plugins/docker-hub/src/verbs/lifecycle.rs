//! Verbs that begin and end containers.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as ClientError;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, PruneContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RestartContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use plugin_api::{Error, ErrorCode, Fault};
use serde_json::{Value, json};

use super::arguments::{Container, Kill, Nothing, Prune, Remove, Stop, Wait};
use super::{Call, done_already};
use crate::engine::Engine;
use crate::sandbox::label::MACHINE;
use crate::sandbox::sweep;

pub(super) async fn start(mut call: Call<'_>) -> Result<Value, Error> {
    let Container { container, .. } = call.read()?;
    let limit = call.hub.config().create_timeout.0;
    let start = call
        .engine
        .client()
        .start_container(&container, None::<StartContainerOptions>);
    done_already(call.engine.call_within("start a container", limit, start).await)?;
    Ok(json!({ "container": container, "status": "started" }))
}

pub(super) async fn stop(mut call: Call<'_>) -> Result<Value, Error> {
    let Stop {
        container, timeout, ..
    } = call.read()?;
    let options = StopContainerOptionsBuilder::new().t(timeout as i32).build();
    let stop = call.engine.client().stop_container(&container, Some(options));
    done_already(
        call.engine
            .call_within("stop a container", patience(&call, timeout), stop)
            .await,
    )?;
    Ok(json!({ "container": container, "status": "stopped" }))
}

pub(super) async fn restart(mut call: Call<'_>) -> Result<Value, Error> {
    let Stop {
        container, timeout, ..
    } = call.read()?;
    let options = RestartContainerOptionsBuilder::new().t(timeout as i32).build();
    let restart = call.engine.client().restart_container(&container, Some(options));
    let limit = patience(&call, timeout) + call.hub.config().create_timeout.0;
    call.engine
        .call_within("restart a container", limit, restart)
        .await?;
    Ok(json!({ "container": container, "status": "restarted" }))
}

/// The engine answers once the container has ended, which takes as long as that may take.
fn patience(call: &Call<'_>, timeout: u32) -> Duration {
    Duration::from_secs(u64::from(timeout)) + call.hub.config().call_timeout.0
}

pub(super) async fn kill(mut call: Call<'_>) -> Result<Value, Error> {
    let Kill {
        container, signal, ..
    } = call.read()?;
    let options = KillContainerOptionsBuilder::new().signal(&signal).build();
    let kill = call.engine.client().kill_container(&container, Some(options));
    call.engine.call("kill a container", kill).await?;
    Ok(json!({ "container": container, "status": "killed", "signal": signal }))
}

pub(super) async fn remove(mut call: Call<'_>) -> Result<Value, Error> {
    let Remove {
        container,
        force,
        volumes,
        ..
    } = call.read()?;
    let options = RemoveContainerOptionsBuilder::new()
        .force(force)
        .v(volumes)
        .build();
    let remove = call.engine.client().remove_container(&container, Some(options));
    match call.engine.call("remove a container", remove).await {
        // Another is at it already, which comes to the same.
        Err(crate::DockerError::Answer {
            status: 409, message, ..
        }) if message.contains("already in progress") => {}
        removed => removed?,
    }
    Ok(json!({ "container": container, "status": "removed" }))
}

pub(super) async fn wait(mut call: Call<'_>) -> Result<Value, Error> {
    let Wait {
        container, timeout, ..
    } = call.read()?;
    let limit = timeout.map_or(Duration::MAX, |seconds| Duration::from_secs(u64::from(seconds)));
    match tokio::time::timeout(limit, exit_code(&call.engine, &container, "not-running")).await {
        Ok(code) => Ok(json!({ "container": container, "exit_code": code? })),
        Err(_) => Err(Error::new(
            ErrorCode::TIMEOUT,
            Fault::Client,
            format!("`{container}` still runs"),
        )),
    }
}

/// Waits until a container has ended. Its client makes an error of every code but zero.
pub(super) async fn exit_code(engine: &Engine, container: &str, condition: &str) -> Result<i64, Error> {
    const WHAT: &str = "wait for a container";
    let options = WaitContainerOptionsBuilder::new().condition(condition).build();
    let mut answers = Box::pin(engine.client().wait_container(container, Some(options)));
    match answers.next().await {
        Some(Ok(answer)) => Ok(answer.status_code),
        Some(Err(ClientError::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(engine.explain(WHAT, error).into()),
        None => Err(Error::instance(
            ErrorCode::STREAM_BROKEN,
            format!("the engine at {} would not {WHAT}", engine.url()),
        )),
    }
}

pub(super) async fn prune(mut call: Call<'_>) -> Result<Value, Error> {
    let Prune { all } = call.read()?;
    let mut options = PruneContainersOptionsBuilder::new();
    let filters = HashMap::from([("label", vec![MACHINE])]);
    if !all {
        options = options.filters(&filters);
    }
    let prune = call.engine.client().prune_containers(Some(options.build()));
    let limit = call.hub.config().create_timeout.0;
    let pruned = call
        .engine
        .call_within("prune its containers", limit, prune)
        .await?;
    Ok(json!({
        "removed": pruned.containers_deleted.unwrap_or_default(),
        "bytes": pruned.space_reclaimed.unwrap_or_default(),
    }))
}

pub(super) async fn cleanup(mut call: Call<'_>) -> Result<Value, Error> {
    let Nothing {} = call.read()?;
    let removed = sweep::sweep(&call.engine, call.hub.owner(), call.hub.sandboxes()).await?;
    call.hub.directories().sweep();
    Ok(json!({ "removed": removed, "stuck": call.engine.stuck().all() }))
}
