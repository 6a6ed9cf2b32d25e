//! Requests and answers in OpenAI's dialect.

use plugin_api::host::Variant;
use serde_json::{Map, Value, json};

use super::answer::Piece;
use super::generate::Kind;
use super::images;
use super::native::set;
use super::params::{Message, Params};
use crate::error::LlmError;

/// The request in this dialect. A prompt is a conversation of one message: servers apply their model's template
/// to it, which `/v1/completions` would not.
pub(super) fn request(kind: Kind, model: &str, params: &Params, stream: bool) -> Result<Variant, LlmError> {
    let mut body = json!({ "model": model, "messages": messages(kind, params)?, "stream": stream });
    if stream {
        body["stream_options"] = json!({ "include_usage": true });
    }
    let sampling = &params.sampling;
    set(&mut body, "temperature", sampling.temperature.map(Value::from));
    set(&mut body, "max_tokens", sampling.max_tokens.map(Value::from));
    set(&mut body, "top_p", sampling.top_p.map(Value::from));
    set(&mut body, "seed", sampling.seed.map(Value::from));
    set(&mut body, "stop", sampling.stop.clone());
    set(&mut body, "tools", params.tools.clone());
    set(
        &mut body,
        "response_format",
        params.format.as_ref().map(response_format),
    );
    Ok(Variant {
        dialect: "openai".into(),
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into(),
        relay: Some("openai-chat".into()),
    })
}

fn response_format(format: &Value) -> Value {
    match format {
        Value::String(name) if name == "json" => json!({ "type": "json_object" }),
        schema => json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } }),
    }
}

fn messages(kind: Kind, params: &Params) -> Result<Value, LlmError> {
    if kind != Kind::Generate {
        return params.messages.iter().map(message).collect();
    }
    let prompt = Message {
        role: "user".into(),
        content: Some(params.prompt.clone().unwrap_or_default()),
        images: params.images.clone(),
        ..Message::default()
    };
    let system = params
        .system
        .iter()
        .map(|text| Ok(json!({ "role": "system", "content": text })));
    system.chain([message(&prompt)]).collect()
}

fn message(message: &Message) -> Result<Value, LlmError> {
    let mut out = json!({ "role": message.role, "content": message.content });
    if !message.images.is_empty() {
        let mut parts = vec![json!({ "type": "text", "text": message.content })];
        for picture in &message.images {
            parts.push(json!({ "type": "image_url", "image_url": { "url": images::data_uri(picture)? } }));
        }
        out["content"] = parts.into();
    }
    set(&mut out, "tool_calls", message.tool_calls.as_ref().map(calls_out));
    set(
        &mut out,
        "tool_call_id",
        message.tool_call_id.clone().map(Value::from),
    );
    Ok(out)
}

/// Arguments are an object in our results and a JSON text in this dialect.
fn calls_out(calls: &Value) -> Value {
    let mut calls = calls.clone();
    for call in calls.as_array_mut().into_iter().flatten() {
        if let Some(arguments) = call.pointer_mut("/function/arguments")
            && arguments.is_object()
        {
            *arguments = arguments.to_string().into();
        }
        if let Some(fields) = call.as_object_mut() {
            fields.entry("type").or_insert_with(|| "function".into());
        }
    }
    calls
}

/// One frame of an answer: an event of a stream, or the whole of it.
pub(super) fn piece(frame: &Value) -> Piece {
    let choice = frame.pointer("/choices/0");
    let message = choice.and_then(|choice| choice.get("delta").or_else(|| choice.get("message")));
    let text = |key: &str| {
        message
            .and_then(|message| message.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let thinking = if text("reasoning").is_empty() {
        text("reasoning_content")
    } else {
        text("reasoning")
    };
    let finish = choice
        .and_then(|choice| choice.get("finish_reason"))
        .and_then(Value::as_str);
    let mut facts = Map::new();
    for (theirs, ours) in [
        ("prompt_tokens", "prompt_eval_count"),
        ("completion_tokens", "eval_count"),
    ] {
        if let Some(count) = frame
            .pointer(&format!("/usage/{theirs}"))
            .filter(|count| count.is_u64())
        {
            facts.insert(ours.to_owned(), count.clone());
        }
    }
    Piece {
        text: text("content").to_owned(),
        thinking: thinking.to_owned(),
        tool_calls: message
            .and_then(|message| message.get("tool_calls"))
            .filter(|calls| calls.is_array())
            .cloned(),
        finish: finish.map(str::to_owned),
        facts,
    }
}
