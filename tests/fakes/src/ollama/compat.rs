//! The OpenAI surface of an Ollama server, which has ways of its own.

use std::time::SystemTime;

use futures_util::StreamExt;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    FakeModel, Ollama,
    embed::{dimensions, inputs, vectors_of},
    routes::object,
    turn::Ask,
};
use crate::{
    fields::Fields,
    openai::{Form, Opening, SSE, Wire, base64_floats},
    reply::{Call, Refusal, Reply, paced},
    script::{Cue, count},
    stamp,
};

impl Ollama {
    pub(super) async fn chat_completions(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = compatible(call, "openai.ChatCompletionRequest")?;
        let messages = fields.list("messages")?;
        if messages.is_empty() {
            return Err(Refusal::bad("[] is too short - 'messages'"));
        }
        let mut tokens = 0;
        for message in messages {
            tokens += content_tokens(message)?;
        }
        let model = self.installed(fields.text("model")?)?;
        let tools = !fields.list("tools")?.is_empty();
        if tools && !model.is_able("tools") {
            return Err(Refusal::bad(format!(
                "{} does not support tools",
                model.full_name()
            )));
        }
        let think = model.is_able("thinking") && effort(&fields)? != Some("none");
        let json = fields
            .get("response_format")
            .is_some_and(|format| format["type"] != "text");
        let cue = Cue {
            limit: None,
            think,
            tools,
            json,
            huge: call.huge,
        };
        self.complete(Form::Chat, &fields, model, tokens, cue).await
    }

    pub(super) async fn completions(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = compatible(call, "openai.CompletionRequest")?;
        let tokens = count(fields.text("prompt")?);
        let model = self.installed(fields.text("model")?)?;
        self.complete(
            Form::Text,
            &fields,
            model,
            tokens,
            Cue {
                huge: call.huge,
                ..Cue::default()
            },
        )
        .await
    }

    async fn complete(
        &self,
        form: Form,
        fields: &Fields,
        model: FakeModel,
        prompt_tokens: usize,
        mut cue: Cue,
    ) -> Result<Reply, Refusal> {
        let asked = fields.text("model")?;
        if !model.is_able("completion") {
            let what = if form == Form::Chat { "chat" } else { "generate" };
            return Err(Refusal::bad(format!("\"{asked}\" does not support {what}")));
        }
        // Only `max_tokens` is understood, `max_completion_tokens` is not.
        cue.limit = fields
            .number("max_tokens")?
            .and_then(|limit| usize::try_from(limit).ok());
        let id = if form == Form::Chat {
            "chatcmpl-271"
        } else {
            "cmpl-271"
        };
        let wire = Wire {
            form,
            opening: Opening::RoleWithToken,
            id: id.to_owned(),
            model: asked.to_owned(),
            created: stamp::unix(SystemTime::now()),
            fingerprint: "fp_ollama",
            prompt_tokens,
            usage_wanted: fields
                .get("stream_options")
                .is_some_and(|options| options["include_usage"] == true),
        };
        let turn = self
            .turn(&Ask {
                model,
                context: None,
                keep_alive: None,
                prompt_tokens,
                cue,
            })
            .await?;
        if !fields.flag("stream")?.unwrap_or(false) {
            return Ok(object(StatusCode::OK, &wire.whole(turn.told().await)));
        }
        // The native error line is read as an empty answer here, so a client only sees that `[DONE]` is missing.
        let broken = wire.empty_chunk();
        let mut first = true;
        let render = move |said| wire.events(said, std::mem::take(&mut first));
        Ok(Reply::stream(
            SSE,
            paced(turn.parts, render, turn.held).boxed(),
            broken,
        ))
    }

    pub(super) async fn openai_embeddings(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = compatible(call, "openai.EmbedRequest")?;
        let texts = inputs(&fields).map_err(|_| Refusal::bad("invalid input"))?;
        if texts.is_empty() {
            return Err(Refusal::bad("invalid input"));
        }
        let asked = fields.text("model")?;
        let model = self.embedder(asked)?;
        let tokens: usize = texts.iter().map(|text| count(text)).sum();
        self.read(&fields, &model, tokens).await?;
        let packed = fields.text("encoding_format")?.eq_ignore_ascii_case("base64");
        let vectors = vectors_of(&texts, &model, dimensions(&fields, &model)?);
        let data: Vec<Value> = vectors
            .iter()
            .enumerate()
            .map(|(index, vector)| {
                let embedding = if packed {
                    base64_floats(vector).into()
                } else {
                    json!(vector)
                };
                json!({"object": "embedding", "embedding": embedding, "index": index})
            })
            .collect();
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        Ok(object(
            StatusCode::OK,
            &json!({"object": "list", "data": data, "model": asked, "usage": usage}),
        ))
    }

    pub(super) fn openai_models(&self) -> Reply {
        let models: Vec<Value> = self
            .newest_first()
            .iter()
            .map(|model| described(model, &model.name))
            .collect();
        // A list of nothing is null: the real server never makes the list.
        let data = if models.is_empty() {
            Value::Null
        } else {
            models.into()
        };
        object(StatusCode::OK, &json!({"object": "list", "data": data}))
    }

    pub(super) fn openai_model(&self, asked: &str) -> Result<Reply, Refusal> {
        let asked = asked
            .replace("%3A", ":")
            .replace("%3a", ":")
            .replace("%2F", "/")
            .replace("%2f", "/");
        Ok(object(
            StatusCode::OK,
            &described(&self.installed(&asked)?, &asked),
        ))
    }
}

fn described(model: &FakeModel, id: &str) -> Value {
    let created = stamp::unix(model.modified);
    json!({"id": id, "object": "model", "created": created, "owned_by": model.namespace()})
}

/// The fields of a request on this surface, where an empty body has another name.
fn compatible(call: &Call, of: &'static str) -> Result<Fields, Refusal> {
    if call.body.is_empty() {
        return Err(Refusal::bad("EOF"));
    }
    Fields::read(&call.body, of)
}

/// The tokens of a message, whose content is a text or a list of parts.
fn content_tokens(message: &Value) -> Result<usize, Refusal> {
    let refused = || Refusal::bad("invalid message format");
    match &message["content"] {
        Value::String(text) => Ok(count(text)),
        Value::Array(parts) => parts
            .iter()
            .try_fold(0, |tokens, part| match part["type"].as_str() {
                Some("text") => Ok(tokens + part["text"].as_str().map(count).ok_or_else(refused)?),
                Some("image_url") => image(part).map(|()| tokens),
                _ => Err(refused()),
            }),
        Value::Null if message["tool_calls"].is_array() => Ok(0),
        _ => Err(Refusal::bad("invalid message content type: <nil>")),
    }
}

/// Images travel in the request; nothing is fetched.
fn image(part: &Value) -> Result<(), Refusal> {
    let url = part["image_url"]["url"]
        .as_str()
        .or(part["image_url"].as_str())
        .unwrap_or_default();
    if url.starts_with("http://") || url.starts_with("https://") {
        let why = "image URLs are not currently supported, please use base64 encoded data instead";
        return Err(Refusal::bad(why));
    }
    let kinds = ["image/jpeg", "image/jpg", "image/png", "image/webp", ""];
    let known = kinds
        .iter()
        .any(|kind| url.starts_with(&format!("data:{kind};base64,")));
    if known {
        Ok(())
    } else {
        Err(Refusal::bad("invalid image input"))
    }
}

fn effort(fields: &Fields) -> Result<Option<&str>, Refusal> {
    let nested = fields
        .get("reasoning")
        .and_then(|reasoning| reasoning["effort"].as_str());
    let effort = match fields.text("reasoning_effort")? {
        "" => nested,
        effort => Some(effort),
    };
    let known = [
        "none", "minimal", "low", "medium", "high", "max", "xhigh", "ultra",
    ];
    match effort {
        Some(other) if !known.contains(&other) => Err(Refusal::bad(format!(
            "invalid reasoning value: '{other}' (must be \"high\", \"medium\", \"low\", \"max\", or \"none\")"
        ))),
        effort => Ok(effort),
    }
}
