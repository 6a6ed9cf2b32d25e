//! Requests and answers in Ollama's own dialect.

use plugin_api::host::Variant;
use serde_json::{Map, Value, json};

use super::answer::Piece;
use super::generate::Kind;
use super::images;
use super::params::Params;
use crate::error::LlmError;

/// The request in this dialect.
pub(super) fn request(kind: Kind, model: &str, params: &Params, stream: bool) -> Result<Variant, LlmError> {
    let mut body = json!({ "model": model, "stream": stream, "options": options(params) });
    let path = match kind {
        Kind::Generate => {
            body["prompt"] = params.prompt.clone().unwrap_or_default().into();
            set(&mut body, "system", params.system.clone().map(Value::from));
            set(&mut body, "suffix", params.suffix.clone().map(Value::from));
            set(&mut body, "images", pictures(&params.images)?);
            "/api/generate"
        }
        Kind::Chat | Kind::Vision => {
            body["messages"] = messages(params)?;
            set(&mut body, "tools", params.tools.clone());
            "/api/chat"
        }
    };
    set(&mut body, "format", params.format.clone());
    set(&mut body, "think", params.think.clone());
    set(&mut body, "keep_alive", params.keep_alive.clone());
    Ok(Variant {
        dialect: "ollama".into(),
        method: "POST".into(),
        path: path.into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into(),
        relay: Some(
            if kind == Kind::Generate {
                "generate"
            } else {
                "chat"
            }
            .into(),
        ),
    })
}

/// This dialect's names: a limit under the name `max_tokens` would be ignored without a word.
fn options(params: &Params) -> Value {
    let mut options = params.options.clone();
    let sampling = &params.sampling;
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(key.to_owned(), value);
        }
    };
    put("temperature", sampling.temperature.map(Value::from));
    put("num_predict", sampling.max_tokens.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("min_p", sampling.min_p.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put(
        "stop",
        sampling
            .stop
            .clone()
            .map(|stop| if stop.is_string() { json!([stop]) } else { stop }),
    );
    Value::Object(options)
}

fn messages(params: &Params) -> Result<Value, LlmError> {
    let mut messages = Vec::with_capacity(params.messages.len());
    for message in &params.messages {
        let mut out = json!(message);
        if out["content"].is_null() {
            out["content"] = "".into();
        }
        set(&mut out, "images", pictures(&message.images)?);
        messages.push(out);
    }
    Ok(messages.into())
}

fn pictures(images: &[String]) -> Result<Option<Value>, LlmError> {
    let plain = images
        .iter()
        .map(|picture| images::base64(picture))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((!plain.is_empty()).then(|| json!(plain)))
}

pub(super) fn set(body: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        body[key] = value;
    }
}

/// One frame of an answer: a line of a stream, or the whole of it.
pub(super) fn piece(frame: &Value) -> Piece {
    let message = frame.get("message");
    let text = |place: &str| {
        frame
            .pointer(place)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let done = frame.get("done").and_then(Value::as_bool).unwrap_or(false);
    let counted = [
        "context",
        "total_duration",
        "load_duration",
        "prompt_eval_count",
        "prompt_eval_duration",
        "eval_count",
        "eval_duration",
    ];
    let facts: Map<String, Value> = counted
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), frame.get(*key)?.clone())))
        .collect();
    Piece {
        text: if message.is_some() {
            text("/message/content")
        } else {
            text("/response")
        },
        thinking: if message.is_some() {
            text("/message/thinking")
        } else {
            text("/thinking")
        },
        tool_calls: message.and_then(|message| message.get("tool_calls")).cloned(),
        finish: done.then(|| match text("/done_reason") {
            reason if reason.is_empty() => "stop".to_owned(),
            reason => reason,
        }),
        facts,
    }
}
