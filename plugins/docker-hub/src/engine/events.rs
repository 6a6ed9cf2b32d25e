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
                    // Not waited for: the word that it waits for comes through here.
                    drop(sandboxes.killed(&container, &reason));
                } else {
                    sandboxes.ended(&container, &reason);
                }
            }
            Some("pause") => sandboxes.paused(&container),
            Some("destroy" | "remove") => sandboxes.removed(&container),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;
    use crate::sandbox::tests::Idle;

    /// Why the host is told that a box has ended, where an engine says this of it in one breath.
    async fn told(actions: &[&str]) -> String {
        let idle = Idle::new();
        let events = actions.iter().map(|action| {
            Ok(EventMessage {
                action: Some((*action).to_owned()),
                actor: Some(EventActor {
                    id: Some(Idle::CONTAINER.to_owned()),
                    attributes: Some([("exitCode".to_owned(), "137".to_owned())].into()),
                }),
                ..EventMessage::default()
            })
        });
        let mut events = futures_util::stream::iter(events.collect::<Vec<_>>());
        assert_eq!(hear(&mut events, &idle.boxes).await, "the engine ended them");
        idle.lost().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_that_was_killed_is_not_said_to_have_been_removed() {
        for actions in [&["die"][..], &["die", "destroy"]] {
            let told = told(actions).await;
            assert!(told.contains("(exit code 137)"), "{actions:?}: {told}");
        }
        let told = told(&["destroy"]).await;
        assert!(told.contains("(somebody removed it)"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_word_on_memory_is_heard_before_an_end_and_after_it() {
        for actions in [
            ["oom", "die", "destroy"],
            ["die", "oom", "destroy"],
            ["die", "destroy", "oom"],
        ] {
            let told = told(&actions).await;
            assert!(
                told.contains("(out of memory; exit code 137)"),
                "{actions:?}: {told}"
            );
        }
    }
}
