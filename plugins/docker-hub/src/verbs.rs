//! The hub's own verbs, as operators and providers call them, one file for each family.
//!
//! What is about one container is asked of the hub, which knows the engine that has it; everything else of engines.

use std::sync::Arc;

use futures_util::future::join_all;
use plugin_api::hub::Progress;
use plugin_api::{Context, Error};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::DockerError;
use crate::hub::DockerHub;
use crate::sandbox::admit::is_name;

pub mod arguments;
mod build;
mod create;
mod exec;
mod files;
mod images;
mod inside;
mod lifecycle;
mod look;

/// What a verb has at hand.
pub(crate) struct Call<'a> {
    pub(crate) hub: &'a DockerHub,
    pub(crate) engine: Arc<Engine>,
    pub(crate) arguments: Value,
    pub(crate) progress: &'a Progress,
}

impl Call<'_> {
    /// The arguments as a verb reads them.
    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        read(self.arguments.take())
    }
}

fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Error> {
    let arguments = if arguments.is_null() { json!({}) } else { arguments };
    serde_json::from_value(arguments).map_err(Error::from)
}

/// Carries out a verb that is about an engine. Dropping the future ends what it asked the engine for.
pub(crate) async fn on_engine(verb: &str, call: Call<'_>) -> Result<Value, Error> {
    match verb {
        "create" => create::create(call).await,
        "run" => create::run(call).await,
        "list" => look::list(call).await,
        "events" => look::events(call).await,
        "prune" => lifecycle::prune(call).await,
        "cleanup" => lifecycle::cleanup(call).await,
        "capabilities" => look::capabilities(call).await,
        "images" => images::list(call).await,
        "pull" => images::pull(call).await,
        "tag" => images::tag(call).await,
        "untag" => images::remove(call, false).await,
        "remove-image" => images::remove(call, true).await,
        "inspect-image" => images::inspect(call).await,
        "prune-images" => images::prune(call).await,
        "build" => build::build(call).await,
        "import" => build::import(call).await,
        _ => Err(Error::unsupported(format!("`{verb}`"))),
    }
}

/// Carries out a verb that is about one container, on the engine that has it.
pub(crate) async fn on_container(
    hub: &DockerHub,
    context: &Context,
    verb: &str,
    arguments: Value,
    progress: &Progress,
) -> Result<Value, Error> {
    if !CONTAINER_VERBS.contains(&verb) {
        return Err(Error::unsupported(format!("`{verb}`")));
    }
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    let container = text("container").ok_or_else(|| Error::invalid("`container` is missing"))?;
    let engine = holder(hub, context, &container, text("engine").as_deref()).await?;
    let call = Call {
        hub,
        engine,
        arguments,
        progress,
    };
    match verb {
        "start" => lifecycle::start(call).await,
        "stop" => lifecycle::stop(call).await,
        "restart" => lifecycle::restart(call).await,
        "kill" => lifecycle::kill(call).await,
        "remove" => lifecycle::remove(call).await,
        "wait" => lifecycle::wait(call).await,
        "inspect" => look::inspect(call).await,
        "logs" => look::logs(call).await,
        "stats" => look::stats(call).await,
        "exec" => exec::exec(call).await,
        "copy-in" => files::copy_in(call).await,
        "copy-out" => files::copy_out(call).await,
        _ => Err(Error::unsupported(format!("`{verb}`"))),
    }
}

/// The verbs about one container.
const CONTAINER_VERBS: [&str; 12] = [
    "start", "stop", "restart", "kill", "remove", "wait", "inspect", "logs", "stats", "exec", "copy-in",
    "copy-out",
];

/// The engine that has a container. All are asked at once, so that one which does not answer costs its own time only.
async fn holder(
    hub: &DockerHub,
    context: &Context,
    container: &str,
    engine: Option<&str>,
) -> Result<Arc<Engine>, Error> {
    if !is_name(container) {
        return Err(Error::invalid(format!("`{container}` is no name of a container")));
    }
    let engines = hub.engines_now(context).await?;
    let asked: Vec<_> = engines
        .into_iter()
        .filter(|candidate| engine.is_none_or(|id| id == candidate.instance()))
        .collect();
    if asked.is_empty() {
        return Err(Error::not_found(match engine {
            Some(engine) => format!("there is no engine `{engine}`"),
            None => "there is no engine".to_owned(),
        }));
    }
    let answers = join_all(asked.into_iter().map(|engine| async move {
        let found = look::find(&engine, container).await;
        (engine, found)
    }));
    let mut holders = Vec::new();
    let mut failure = None;
    for (engine, found) in answers.await {
        match found {
            Ok(_) => holders.push(engine),
            Err(error) if error.is_absent() => {}
            Err(error) => failure = Some(error),
        }
    }
    let names: Vec<String> = holders
        .iter()
        .map(|engine| engine.instance().to_owned())
        .collect();
    match (holders.pop(), names.len(), failure) {
        (Some(engine), 1, _) => Ok(engine),
        (Some(_), ..) => Err(
            Error::invalid(format!("several engines have a container `{container}`"))
                .hint(format!("say which with `engine`: {}", names.join(", "))),
        ),
        (None, _, Some(error)) => Err(error.into()),
        (None, _, None) => Err(Error::not_found(format!("there is no container `{container}`"))
            .hint("gleitzeit hub HUB list all=true shows those there are")),
    }
}

/// What an engine answers to what is as it should be already.
fn done_already(done: Result<(), DockerError>) -> Result<(), DockerError> {
    match done {
        Err(DockerError::Answer { status: 304, .. }) => Ok(()),
        done => done,
    }
}
