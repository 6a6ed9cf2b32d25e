//! The list of models, as the various servers write it.

use std::collections::BTreeSet;

use plugin_api::contract::instance::{Capability, Residency};
use plugin_api::http::HttpError;
use serde_json::{Map, Value};

/// Where servers say how long a context they take, most exact first: vLLM and SGLang, llama.cpp, clouds.
const CONTEXT: [&str; 6] = [
    "/max_model_len",
    "/meta/n_ctx",
    "/context_length",
    "/max_context_length",
    "/context_window",
    "/meta/n_ctx_train",
];

/// What the answer to `GET /v1/models` says. `data` may be null where there are none, and some clouds answer
/// with the bare array. Whatever is listed is in memory, as far as a client can tell.
///
/// # Errors
/// It is no such list.
pub(crate) fn capabilities(answer: &Value, url: &str) -> Result<Vec<Capability>, HttpError> {
    let nonsense = |reason: &str| HttpError::Nonsense {
        url: url.to_owned(),
        reason: reason.to_owned(),
        excerpt: answer.to_string().chars().take(200).collect(),
    };
    let models = match answer.get("data").unwrap_or(answer) {
        Value::Array(models) => models.as_slice(),
        Value::Null if answer.is_object() => &[],
        _ => return Err(nonsense("no list of models")),
    };
    models
        .iter()
        .map(|model| {
            let id = model
                .get("id")
                .and_then(Value::as_str)
                .filter(|id| !id.is_empty());
            id.map(|id| capability(id, model))
                .ok_or_else(|| nonsense("a model without an id"))
        })
        .collect()
}

/// A model of this name of which nothing else is known. No features: the engine lets such a model try.
pub(crate) fn named(id: &str) -> Capability {
    Capability {
        name: id.to_owned(),
        residency: Residency::Loaded,
        features: BTreeSet::new(),
        ..Capability::default()
    }
}

fn capability(id: &str, model: &Value) -> Capability {
    let context = CONTEXT
        .iter()
        .find_map(|place| model.pointer(place).and_then(Value::as_u64));
    let shown = ["created", "owned_by"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), model.get(key)?.clone())));
    let metadata: Map<_, _> = shown
        .chain(context.map(|tokens| ("context_length".to_owned(), tokens.into())))
        .collect();
    Capability {
        size: model.pointer("/meta/size").and_then(Value::as_u64),
        metadata,
        ..named(id)
    }
}
