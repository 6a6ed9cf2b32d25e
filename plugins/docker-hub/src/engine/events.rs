//! What an engine tells of its containers, as it happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use plugin_api::owner::Owner;
use tokio_util::task::AbortOnDropHandle;

use super::Engine;
use crate::sandbox::Sandboxes;
use crate::sandbox::label::{KIND, SANDBOX};
use crate::sandbox::sweep::sweep;

/// Between two attempts to listen: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// A stream that held this long was no failure.
const HELD: Duration = Duration::from_secs(10);

/// What is listened at, and the task that does.
type Ear = (Arc<Engine>, AbortOnDropHandle<()>);

/// The ears at each engine. Dropping it stops listening.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    by_engine: Mutex<HashMap<String, Ear>>,
}

impl Ears {
    /// Listens to an engine from now on, if nobody does yet.
    pub(crate) fn listen(&self, engine: &Arc<Engine>, owner: &Arc<Owner>, sandboxes: &Arc<Sandboxes>) {
        let mut ears = self.by_engine.lock();
        let listening = ears.get(engine.instance());
        if listening.is_some_and(|(known, task)| Arc::ptr_eq(known, engine) && !task.is_finished()) {
            return;
        }
        let (heard, owner, sandboxes) = (engine.clone(), owner.clone(), sandboxes.clone());
        let task = tokio::spawn(async move { listen(&heard, &owner, &sandboxes).await });
        ears.insert(
            engine.instance().to_owned(),
            (engine.clone(), AbortOnDropHandle::new(task)),
        );
    }

    /// Stops listening to those that are no instances any more.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.by_engine.lock().retain(|engine, _| is_there(engine));
    }
}

/// Listens for as long as it is let. What happened while nobody listened is found by a sweep.
async fn listen(engine: &Engine, owner: &Owner, sandboxes: &Arc<Sandboxes>) {
    let mut pause = PAUSE.0;
    loop {
        let began = tokio::time::Instant::now();
        let mut events = Box::pin(engine.client().events(Some(ours())));
        // The stream is asked for when it is first polled; a sweep takes longer than that.
        let swept = sweep(engine, owner, sandboxes);
        let reason = tokio::select! {
            biased;
            reason = hear(&mut events, sandboxes) => reason,
            reason = async {
                if let Err(error) = swept.await {
                    tracing::debug!(engine = engine.instance(), %error, "cannot sweep");
                }
                std::future::pending::<String>().await
            } => reason,
        };
        if began.elapsed() > HELD {
            pause = PAUSE.0;
        }
        tracing::debug!(
            engine = engine.instance(),
            reason,
            ?pause,
            "the engine's events broke off"
        );
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

fn ours() -> bollard::query_parameters::EventsOptions {
    let label = format!("{KIND}={SANDBOX}");
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("label", vec![label.as_str()]),
        ("event", vec!["die", "oom", "destroy", "pause"]),
    ]);
    EventsOptionsBuilder::new().filters(&filters).build()
}

/// Hears events until they break off; why they did.
async fn hear(
    events: &mut (impl futures_util::Stream<Item = Result<EventMessage, bollard::errors::Error>> + Unpin),
    sandboxes: &Arc<Sandboxes>,
) -> String {
    loop {
        let event = match events.next().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => return error.to_string(),
            None => return "the engine ended them".to_owned(),
        };
        let Some((container, attributes)) = event
            .actor
            .and_then(|actor| Some((actor.id?, actor.attributes.unwrap_or_default())))
        else {
            continue;
        };
        match event.action.as_deref() {
            Some("oom") => sandboxes.out_of_memory(&container),
            Some("die") => {
                let code = attributes
                    .get("exitCode")
                    .or_else(|| attributes.get("containerExitCode"));
                let reason = code.map_or_else(|| "of itself".to_owned(), |code| format!("exit code {code}"));
                if code.is_some_and(|code| code == "137") {
                    // Not waited for: the word that is waited for comes through here.
                    let sandboxes = sandboxes.clone();
                    tokio::spawn(async move { sandboxes.killed(&container, &reason).await });
                } else {
                    sandboxes.ended(&container, &reason);
                }
            }
            Some("pause") => sandboxes.paused(&container),
            Some("destroy" | "remove") => sandboxes.ended(&container, "somebody removed it"),
            _ => {}
        }
    }
}
