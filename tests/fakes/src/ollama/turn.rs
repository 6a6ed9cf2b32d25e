//! From a request for text to the parts of an answer: what all four routes that generate have in common.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{FakeModel, Ollama, keep_alive::KeepAlive, residency::Stay};
use crate::{
    fields::Fields,
    reply::{Refusal, pause},
    script::{Cue, End, Said, Told, tell},
    stamp,
};

/// What reading a prompt costs per token, in the times that are reported.
const PROMPT_TOKEN: Duration = Duration::from_micros(250);

/// The time it takes to find a model in memory, in the times that are reported: never nothing, even when it is warm.
const FOUND_IN_MEMORY: Duration = Duration::from_millis(1);

/// What a request for text comes down to.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) model: FakeModel,
    pub(super) context: Option<u64>,
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) prompt_tokens: usize,
    pub(super) cue: Cue,
}

/// An answer that is ready to be given: the model is in memory and has a slot for it.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) parts: Vec<(Duration, Said)>,
    pub(super) metrics: Metrics,
    /// Keeps the model in memory and the slot taken.
    pub(super) held: Held,
}

/// What an answer occupies while it is given.
#[derive(Debug)]
pub(super) struct Held {
    _stay: Stay,
    _slot: Option<OwnedSemaphorePermit>,
}

/// The counts and times of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metrics {
    pub(super) prompt_tokens: usize,
    pub(super) load: Duration,
    eval: Duration,
}

impl Metrics {
    /// Adds the fields that end a native answer. Counts of zero are left out, as Go does.
    pub(super) fn add_to(&self, object: &mut Value, end: End) {
        let prompt = PROMPT_TOKEN * u32::try_from(self.prompt_tokens).unwrap_or(u32::MAX);
        let fields = [
            ("total_duration", stamp::nanos(self.load + prompt + self.eval)),
            ("load_duration", stamp::nanos(self.load)),
            ("prompt_eval_count", self.prompt_tokens as u64),
            ("prompt_eval_duration", stamp::nanos(prompt)),
            ("eval_count", end.tokens as u64),
            ("eval_duration", stamp::nanos(self.eval)),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| *value > 0) {
            object[name] = value.into();
        }
    }
}

impl Ollama {
    /// Loads what has to be loaded, waits for a slot, and takes the turn.
    pub(super) async fn turn(&self, ask: &Ask) -> Result<Turn, Refusal> {
        let (stay, load) = self
            .residency
            .enter(&ask.model, ask.context, ask.keep_alive)
            .await?;
        let slot = match &self.slots {
            // The semaphore is never closed, so this can only be a slot.
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        };
        let parts = self.script.perform(&ask.cue);
        let eval = parts.iter().map(|(after, _)| *after).sum::<Duration>()
            + Duration::from_micros(parts.len() as u64);
        let metrics = Metrics {
            prompt_tokens: ask.prompt_tokens,
            load: load.max(FOUND_IN_MEMORY),
            eval,
        };
        Ok(Turn {
            parts,
            metrics,
            held: Held {
                _stay: stay,
                _slot: slot,
            },
        })
    }
}

impl Turn {
    /// Waits until everything is said.
    pub(super) async fn told(self) -> Told {
        let told = tell(self.parts);
        pause(told.takes).await;
        drop(self.held);
        told
    }
}

/// The context that the options ask for, which a model may have to be loaded again for.
pub(super) fn context(fields: &Fields) -> Result<Option<u64>, Refusal> {
    Ok(option(fields, "num_ctx")?.and_then(|context| u64::try_from(context).ok()))
}

/// The limit that the options set; negative means none.
pub(super) fn limit(fields: &Fields) -> Result<Option<usize>, Refusal> {
    Ok(option(fields, "num_predict")?.and_then(|limit| usize::try_from(limit).ok()))
}

/// How long the request wants the model to stay.
pub(super) fn keep_alive(fields: &Fields) -> Result<Option<KeepAlive>, Refusal> {
    fields.get("keep_alive").map_or(Ok(None), KeepAlive::read)
}

/// A whole number among the `options`, whose mistakes are noticed late and therefore cost a 500.
fn option(fields: &Fields, name: &str) -> Result<Option<i64>, Refusal> {
    match fields.get("options").and_then(|options| options.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            let why = format!("option \"{name}\" must be of type integer");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why)
        }),
    }
}

/// Why an answer ended.
pub(super) fn reason(end: End) -> &'static str {
    if end.cut_short { "length" } else { "stop" }
}
