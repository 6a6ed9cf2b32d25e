//! Embeddings: texts in, vectors out, from either dialect.

use plugin_api::Context;
use plugin_api::contract::reference::normalise;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::{ForwardRequest, Variant};
use plugin_api::provider::Reply;
use plugin_api::{Error, ErrorCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::generate::{collect, good, nonsense};
use super::hints::Hints;
use super::native::set;
use crate::LlmProvider;
use crate::error::LlmError;

#[derive(Debug, Deserialize)]
struct Params {
    model: Option<String>,
    /// Three spellings were in use; all are kept.
    input: Option<Value>,
    text: Option<Value>,
    prompt: Option<Value>,
    dimensions: Option<u64>,
    truncate: Option<bool>,
    keep_alive: Option<Value>,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(flatten)]
    hints: Hints,
}

/// Answers `llm/embed`.
pub(super) async fn run(provider: &LlmProvider, context: &Context, params: &[u8]) -> Result<Reply, LlmError> {
    let params: Params = serde_json::from_slice(params)?;
    let input = params.input.or(params.text).or(params.prompt);
    let input = input.ok_or_else(|| LlmError::Invalid("`input` is required".into()))?;
    let asked = params
        .model
        .unwrap_or_else(|| provider.config.default_embedding_model.clone());
    let model = provider.aliases.model(&asked).unwrap_or(&asked);
    let mut native = json!({ "model": model, "input": input });
    set(&mut native, "truncate", params.truncate.map(Value::from));
    set(&mut native, "keep_alive", params.keep_alive);
    set(
        &mut native,
        "options",
        (!params.options.is_empty()).then(|| params.options.into()),
    );
    let mut openai = json!({ "model": model, "input": input, "encoding_format": "float" });
    for body in [&mut native, &mut openai] {
        set(body, "dimensions", params.dimensions.map(Value::from));
    }
    let mut requirement = Requirement {
        capability: Some(normalise(model).into_owned()),
        ..Requirement::default()
    };
    params.hints.apply(&mut requirement);
    let variants = vec![
        variant("ollama", "/api/embed", "embed", &native),
        variant("openai", "/v1/embeddings", "openai-embeddings", &openai),
    ];
    let response = good(
        provider
            .host
            .forward(
                context,
                ForwardRequest {
                    requirement,
                    variants,
                    relay: None,
                },
            )
            .await?,
    )
    .await?;
    let instance = response.instance.clone();
    let answer: Value = serde_json::from_slice(&collect(response).await?).map_err(nonsense)?;
    let embeddings = vectors(&answer)?;
    let first = embeddings.first().cloned().unwrap_or_else(|| json!([]));
    let dimensions = first.as_array().map_or(0, Vec::len);
    let tokens = answer
        .get("prompt_eval_count")
        .or_else(|| answer.pointer("/usage/prompt_tokens"));
    Ok(Reply::json(&json!({
        "embeddings": embeddings,
        "embedding": first,
        "dimensions": dimensions,
        "model": asked,
        "prompt_eval_count": tokens,
        "instance_id": instance,
    })))
}

fn variant(dialect: &str, path: &str, relay: &str, body: &Value) -> Variant {
    Variant {
        dialect: dialect.into(),
        method: "POST".into(),
        path: path.into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into(),
        relay: Some(relay.into()),
    }
}

fn vectors(answer: &Value) -> Result<Vec<Value>, LlmError> {
    if let Some(Value::Array(embeddings)) = answer.get("embeddings") {
        return Ok(embeddings.clone());
    }
    // The other dialect numbers its vectors and promises no order.
    let mut data: Vec<&Value> = answer
        .get("data")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    data.sort_by_key(|entry| entry.get("index").and_then(Value::as_u64));
    let vectors: Option<Vec<Value>> = data
        .into_iter()
        .map(|entry| entry.get("embedding").cloned())
        .collect();
    vectors.filter(|vectors| !vectors.is_empty()).ok_or_else(|| {
        Error::instance(
            ErrorCode::UPSTREAM_ERROR,
            "the instance answered without embeddings",
        )
        .into()
    })
}
