//! `/api/generate` and `/api/chat`.

use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    FakeModel, Ollama,
    inventory::native,
    keep_alive::KeepAlive,
    pull::NDJSON,
    routes::object,
    turn::{Ask, Metrics, context, keep_alive, limit, reason},
};
use crate::{
    fields::Fields,
    reply::{Call, Piece, Refusal, Reply, paced},
    script::{Cue, End, Said, count},
    stamp,
};

/// The last line of a stream whose engine died.
const ENGINE_DIED: &str = "an error was encountered while running the model: unexpected EOF";

/// The two routes differ in where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Generate,
    Chat,
}

impl Ollama {
    pub(super) async fn generate(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = native(call, "api.GenerateRequest")?;
        let asked = fields.text("model")?;
        let model = self.installed(asked)?;
        if fields.flag("raw")?.unwrap_or(false)
            && ["template", "system", "context"]
                .iter()
                .any(|f| fields.get(f).is_some())
        {
            return Err(Refusal::bad(
                "raw mode does not support template, system, or context",
            ));
        }
        let prompt = fields.text("prompt")?;
        let tokens = count(prompt) + count(fields.text("system")?);
        if !fields.text("suffix")?.is_empty() && !model.is_able("insert") {
            return Err(Refusal::bad(format!(
                "{} does not support insert",
                model.full_name()
            )));
        }
        self.produce(
            Form::Generate,
            call,
            &fields,
            asked,
            model,
            prompt.is_empty(),
            tokens,
        )
        .await
    }

    pub(super) async fn chat(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = native(call, "api.ChatRequest")?;
        let asked = fields.text("model")?;
        if asked.is_empty() {
            return Err(Refusal::bad("model is required"));
        }
        let model = self.installed(asked)?;
        let messages = fields.list("messages")?;
        if !fields.list("tools")?.is_empty() && !model.is_able("tools") {
            return Err(Refusal::bad(format!(
                "{} does not support tools",
                model.full_name()
            )));
        }
        let tokens = messages
            .iter()
            .filter_map(|message| message["content"].as_str())
            .map(count)
            .sum();
        self.produce(
            Form::Chat,
            call,
            &fields,
            asked,
            model,
            messages.is_empty(),
            tokens,
        )
        .await
    }

    /// Loads, unloads or generates.
    #[expect(
        clippy::too_many_arguments,
        reason = "what both routes read, each in its own way"
    )]
    async fn produce(
        &self,
        form: Form,
        call: &Call,
        fields: &Fields,
        asked: &str,
        model: FakeModel,
        no_prompt: bool,
        prompt_tokens: usize,
    ) -> Result<Reply, Refusal> {
        let top = fields.number("top_logprobs")?.unwrap_or(0);
        if !(0..=20).contains(&top) {
            return Err(Refusal::bad("top_logprobs must be between 0 and 20"));
        }
        let keep_alive = keep_alive(fields)?;
        let asked = asked.to_owned();
        if no_prompt && keep_alive == Some(KeepAlive::UNLOAD) {
            self.residency.unload(&model);
            return Ok(object(StatusCode::OK, &form.ended(&asked, "", "unload")));
        }
        if !model.is_able("completion") {
            let what = if form == Form::Chat { "chat" } else { "generate" };
            return Err(Refusal::bad(format!("\"{asked}\" does not support {what}")));
        }
        let cue = Cue {
            limit: limit(fields)?,
            think: thinks(fields, &asked, &model)?,
            tools: form == Form::Chat && !fields.list("tools")?.is_empty(),
            json: fields.get("format").is_some_and(|format| format != ""),
            huge: call.huge,
        };
        let turn = self
            .turn(&Ask {
                model,
                context: context(fields)?,
                keep_alive,
                prompt_tokens,
                cue,
            })
            .await?;
        if no_prompt {
            return Ok(object(StatusCode::OK, &form.ended(&asked, "", "load")));
        }

        let (metrics, raw) = (turn.metrics, fields.flag("raw")?.unwrap_or(false));
        if fields.flag("stream")?.unwrap_or(true) {
            let render = move |said| form.render(&asked, said, metrics, raw);
            let broken = format!("{}\n", json!({ "error": ENGINE_DIED }));
            return Ok(Reply::stream(
                NDJSON,
                paced(turn.parts, render, turn.held),
                broken,
            ));
        }
        let told = turn.told().await;
        let end = told.end.unwrap_or(End {
            tokens: 0,
            cut_short: false,
            called_tool: false,
        });
        let mut whole = form.end(&asked, &told.words, end, metrics, raw);
        if !told.thoughts.is_empty() {
            form.place(&mut whole)["thinking"] = told.thoughts.into();
        }
        if let Some((name, arguments)) = &told.tool_call {
            form.place(&mut whole)["tool_calls"] = tool_calls(name, arguments);
        }
        Ok(object(StatusCode::OK, &whole))
    }
}

impl Form {
    /// An object with the text in its place; not the last.
    fn object(self, model: &str, text: &str) -> Value {
        let created = stamp::utc(SystemTime::now());
        match self {
            Self::Generate => json!({"model": model, "created_at": created, "response": text, "done": false}),
            Self::Chat => {
                let message = json!({"role": "assistant", "content": text});
                json!({"model": model, "created_at": created, "message": message, "done": false})
            }
        }
    }

    /// Where thoughts and tool calls go.
    fn place(self, object: &mut Value) -> &mut Value {
        match self {
            Self::Generate => object,
            Self::Chat => &mut object["message"],
        }
    }

    /// The last object of an answer, or the only one.
    fn ended(self, model: &str, text: &str, reason: &str) -> Value {
        let mut object = self.object(model, text);
        object["done"] = true.into();
        object["done_reason"] = reason.into();
        object
    }

    fn end(self, model: &str, text: &str, end: End, metrics: Metrics, raw: bool) -> Value {
        let mut object = self.ended(model, text, reason(end));
        if self == Self::Generate && !raw {
            object["context"] = json!([128_006, 882, 128_007]);
        }
        metrics.add_to(&mut object, end);
        object
    }

    /// The line of one part of an answer.
    fn render(self, model: &str, said: Said, metrics: Metrics, raw: bool) -> Vec<Piece> {
        let mut object = self.object(model, "");
        let line = |object: Value| format!("{object}\n");
        match said {
            Said::Word(text) => return vec![Piece::token(line(self.object(model, &text)))],
            Said::End(end) => return vec![Piece::frame(line(self.end(model, "", end, metrics, raw)))],
            Said::Thought(text) => self.place(&mut object)["thinking"] = text.into(),
            Said::ToolCall { name, arguments } => {
                self.place(&mut object)["tool_calls"] = tool_calls(&name, &arguments);
            }
        }
        vec![Piece::token(line(object))]
    }
}

/// The calls of a message. The arguments are an object here, where the OpenAI dialect has a string.
fn tool_calls(name: &str, arguments: &Value) -> Value {
    json!([{"id": "call_ab12cd34", "function": {"index": 0, "name": name, "arguments": arguments}}])
}

/// Whether the model thinks: it does if it can, unless told not to.
fn thinks(fields: &Fields, asked: &str, model: &FakeModel) -> Result<bool, Refusal> {
    let wanted = match fields.get("think") {
        None => return Ok(model.is_able("thinking")),
        Some(Value::Bool(wanted)) => *wanted,
        Some(Value::String(level)) if ["high", "medium", "low", "max"].contains(&level.as_str()) => true,
        Some(other) => {
            let levels = "must be \"high\", \"medium\", \"low\", \"max\", true, or false";
            return Err(Refusal::bad(format!("invalid think value: {other} ({levels})")));
        }
    };
    if wanted && !model.is_able("thinking") {
        return Err(Refusal::bad(format!("\"{asked}\" does not support thinking")));
    }
    Ok(wanted)
}
