//! What routing needs to know of a body, without reading the rest of it.

use plugin_api::Error;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::LlmError;
use crate::keep_alive;

/// What routing needs to know of a body.
#[derive(Debug, Deserialize)]
pub(super) struct Peek<'a> {
    /// The model, as it stands in the text.
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    /// The same under its older key. Stock clients send both, one of them empty.
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    options: Option<&'a RawValue>,
    #[serde(borrow)]
    keep_alive: Option<&'a RawValue>,
}

/// Options that make a server load the model again when they change.
const RUNNER: [&str; 7] = [
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "use_mmap",
    "num_thread",
    "draft_num_predict",
];

impl<'a> Peek<'a> {
    /// Reads a body.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, LlmError> {
        if body.trim_ascii().is_empty() {
            return Err(LlmError::NoBody);
        }
        Ok(serde_json::from_slice(body)?)
    }

    /// The model's name, and where its JSON stands in `body`.
    pub(super) fn model(&self, body: &[u8]) -> Result<(String, std::ops::Range<usize>), LlmError> {
        let says_something = |raw: &&RawValue| !matches!(raw.get(), "\"\"" | "null");
        let named = [self.model, self.name].into_iter().flatten();
        let raw = named
            .clone()
            .find(says_something)
            .or_else(|| named.clone().next());
        let raw = raw.ok_or(LlmError::NoModel)?.get();
        let name: String =
            serde_json::from_str(raw).map_err(|_| LlmError::Invalid("model must be a string".into()))?;
        let start = raw.as_ptr().addr() - body.as_ptr().addr();
        Ok((name, start..start + raw.len()))
    }

    /// The options that shape how the model is loaded.
    pub(super) fn runner_options(&self) -> Map<String, Value> {
        // Most requests carry none; those of the wrong type are the instance's to refuse, in its own words.
        let options = self
            .options
            .and_then(|raw| serde_json::from_str::<Map<String, Value>>(raw.get()).ok());
        options
            .into_iter()
            .flatten()
            .filter(|(key, _)| RUNNER.contains(&key.as_str()))
            .collect()
    }

    /// Whether it is there to take its model out of memory: nothing is said, and nothing is to be kept. That is what the
    /// stock client sends for `stop`.
    pub(super) fn unloads(&self, body: &[u8]) -> bool {
        // What is said is looked for only where it matters: most requests name no time.
        self.keep_alive()
            .is_some_and(|keep_alive| keep_alive::unloads(&keep_alive))
            && says_nothing(body)
    }

    /// How long the model is to stay loaded.
    pub(super) fn keep_alive(&self) -> Option<Value> {
        self.keep_alive
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
    }
}

/// Neither a prompt nor a conversation.
fn says_nothing(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        prompt: Option<&'a RawValue>,
        #[serde(borrow)]
        messages: Option<&'a RawValue>,
    }
    let empty = |raw: Option<&RawValue>| {
        raw.is_none_or(|raw| match serde_json::from_str(raw.get()) {
            Ok(Value::Null) => true,
            Ok(Value::String(text)) => text.is_empty(),
            Ok(Value::Array(messages)) => messages.is_empty(),
            _ => false,
        })
    };
    serde_json::from_slice::<Said<'_>>(body).is_ok_and(|said| empty(said.prompt) && empty(said.messages))
}

/// The model of a small body, for routes that are about models.
pub(super) fn model_of(body: &[u8]) -> Result<String, LlmError> {
    let (name, _) = Peek::read(body)?.model(body)?;
    if name.trim().is_empty() {
        return Err(Error::invalid("model is required").into());
    }
    Ok(name)
}
