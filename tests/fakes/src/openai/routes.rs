//! What a generic OpenAI-compatible server answers.

use std::time::SystemTime;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{FakeOpenaiBuilder, Form, Opening, SSE, Wire, base64_floats, data, error};
use crate::{
    fields::Fields,
    reply::{Call, Dialect, Refusal, Reply, paced, pause},
    script::{Cue, count, tell},
    stamp, vectors,
};

const JSON: &str = "application/json";

/// When every model was made, in seconds since 1970.
const MADE: u64 = 1_770_000_000;

/// The description is all the state there is.
impl Dialect for FakeOpenaiBuilder {
    fn answer(&self, call: Call) -> BoxFuture<'_, Reply> {
        async move {
            if call.path == "/health" {
                return Reply::whole(StatusCode::OK, JSON, "{\"status\":\"ok\"}");
            }
            if let Some(refusal) = self.locked(&call) {
                return refusal;
            }
            let Some(route) = call.path.strip_prefix(&self.prefix) else {
                return self.nowhere(&call);
            };
            let reply = match (&call.method, route) {
                (&Method::GET, "/models") => Ok(self.list()),
                (&Method::GET, route) if route.starts_with("/models/") => {
                    self.retrieve(&route["/models/".len()..])
                }
                (&Method::POST, "/chat/completions") => self.complete(Form::Chat, &call).await,
                (&Method::POST, "/completions") => self.complete(Form::Text, &call).await,
                (&Method::POST, "/embeddings") => self.embed(&call),
                _ => return self.nowhere(&call),
            };
            reply.unwrap_or_else(|refusal| self.refusal(&call.path, refusal.status, &refusal.why))
        }
        .boxed()
    }

    fn refusal(&self, _path: &str, status: StatusCode, why: &str) -> Reply {
        let (kind, code) = match status {
            StatusCode::NOT_FOUND => ("invalid_request_error", json!("model_not_found")),
            StatusCode::TOO_MANY_REQUESTS => ("rate_limit_error", json!("rate_limit_exceeded")),
            status if status.is_server_error() => ("server_error", Value::Null),
            _ => ("invalid_request_error", Value::Null),
        };
        object(status, &error(why, kind, code))
    }

    fn busy(&self) -> &'static str {
        "The engine is currently overloaded, please try again later"
    }
}

impl FakeOpenaiBuilder {
    /// The refusal of a call that does not bear the key, if there is one.
    fn locked(&self, call: &Call) -> Option<Reply> {
        let key = self.key.as_ref()?;
        let given = call
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(given) if given == key => None,
            given => {
                let (why, code) = match given {
                    Some(_) => ("Incorrect API key provided.", json!("invalid_api_key")),
                    None => ("You didn't provide an API key.", Value::Null),
                };
                Some(object(
                    StatusCode::UNAUTHORIZED,
                    &error(why, "invalid_request_error", code),
                ))
            }
        }
    }

    fn nowhere(&self, call: &Call) -> Reply {
        let why = format!("Invalid URL ({} {})", call.method, call.path);
        object(
            StatusCode::NOT_FOUND,
            &error(&why, "invalid_request_error", Value::Null),
        )
    }

    fn list(&self) -> Reply {
        let models: Vec<Value> = self.models.iter().map(|id| self.described(id)).collect();
        object(StatusCode::OK, &json!({"object": "list", "data": models}))
    }

    fn retrieve(&self, id: &str) -> Result<Reply, Refusal> {
        let id = id.replace("%2F", "/").replace("%3A", ":");
        self.known(&id)?;
        Ok(object(StatusCode::OK, &self.described(&id)))
    }

    fn described(&self, id: &str) -> Value {
        json!({"id": id, "object": "model", "created": MADE, "owned_by": self.owner})
    }

    fn known(&self, id: &str) -> Result<(), Refusal> {
        if self.models.iter().any(|model| model == id) {
            return Ok(());
        }
        Err(Refusal::missing(format!("The model `{id}` does not exist.")))
    }

    async fn complete(&self, form: Form, call: &Call) -> Result<Reply, Refusal> {
        let fields = Fields::read(&call.body, "request")?;
        let model = fields.text("model")?;
        if model.is_empty() {
            return Err(Refusal::bad("you must provide a model parameter"));
        }
        self.known(model)?;
        let prompt_tokens = match form {
            Form::Text => fields.get("prompt").map(words).unwrap_or_default(),
            Form::Chat => match fields.list("messages")? {
                [] => return Err(Refusal::bad("Missing required parameter: 'messages'.")),
                messages => messages.iter().map(|message| words(&message["content"])).sum(),
            },
        };
        let limit = match fields.number("max_completion_tokens")? {
            None => fields.number("max_tokens")?,
            limit => limit,
        };
        let cue = Cue {
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            think: false,
            tools: form == Form::Chat && !fields.list("tools")?.is_empty(),
            json: fields
                .get("response_format")
                .is_some_and(|format| format["type"] != "text"),
            huge: call.huge,
        };
        let wire = Wire {
            form,
            opening: Opening::RoleAlone,
            id: if form == Form::Chat {
                "chatcmpl-fake"
            } else {
                "cmpl-fake"
            }
            .to_owned(),
            model: model.to_owned(),
            created: stamp::unix(SystemTime::now()),
            fingerprint: "fp_fake",
            prompt_tokens,
            usage_wanted: fields
                .get("stream_options")
                .is_some_and(|options| options["include_usage"] == true),
        };
        let parts = self.script.perform(&cue);
        if !fields.flag("stream")?.unwrap_or(false) {
            let told = tell(parts);
            pause(told.takes).await;
            return Ok(object(StatusCode::OK, &wire.whole(told)));
        }
        let broken = data(&error(
            "The server had an error while processing your request",
            "server_error",
            Value::Null,
        ));
        let opening = stream::iter(wire.opening());
        Ok(Reply::stream(
            SSE,
            opening.chain(paced(parts, move |said| wire.events(said, false), ())),
            broken,
        ))
    }

    fn embed(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = Fields::read(&call.body, "request")?;
        let model = fields.text("model")?;
        self.known(model)?;
        let texts: Vec<&str> = match fields.get("input") {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if texts.is_empty() {
            return Err(Refusal::bad("'input' must be a string or an array of strings"));
        }
        let packed = fields.text("encoding_format")? == "base64";
        let asked = fields
            .number("dimensions")?
            .and_then(|asked| usize::try_from(asked).ok());
        let dimensions = asked.unwrap_or(self.dimensions).clamp(1, self.dimensions.max(1));
        let data: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let vector = vectors::embed(text, dimensions);
                let embedding = if packed {
                    base64_floats(&vector).into()
                } else {
                    json!(vector)
                };
                json!({"object": "embedding", "index": index, "embedding": embedding})
            })
            .collect();
        let tokens: usize = texts.iter().map(|text| count(text)).sum();
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        Ok(object(
            StatusCode::OK,
            &json!({"object": "list", "data": data, "model": model, "usage": usage}),
        ))
    }
}

fn object(status: StatusCode, value: &Value) -> Reply {
    Reply::whole(status, JSON, value.to_string())
}

/// The words of a content or a prompt, which is a text or a list that holds texts.
fn words(value: &Value) -> usize {
    match value {
        Value::String(text) => count(text),
        Value::Array(parts) => parts.iter().map(words).sum(),
        Value::Object(part) => part.get("text").map(words).unwrap_or_default(),
        _ => 0,
    }
}
