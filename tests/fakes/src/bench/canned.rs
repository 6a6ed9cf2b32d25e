//! The canned answers.

use std::{
    convert::Infallible,
    iter,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};

use super::ANSWER_BYTES;

/// Everything there is to say, made once; cloning is two counts.
#[derive(Debug, Clone)]
pub(super) struct Canned(Arc<Answers>);

#[derive(Debug)]
struct Answers {
    ollama: Chat,
    openai: Chat,
    version: Bytes,
    tags: Bytes,
    ps: Bytes,
    models: Bytes,
    health: Bytes,
    delay: Duration,
}

/// A chat's answer in one dialect.
#[derive(Debug)]
struct Chat {
    whole: Bytes,
    whole_type: HeaderValue,
    chunks: Arc<[Bytes]>,
    chunk_type: HeaderValue,
}

impl Canned {
    pub(super) fn new(chunks: usize, delay: Duration) -> Self {
        let text = |value: Value| Bytes::from(value.to_string());
        let model = json!({
            "name": "bench:latest", "model": "bench:latest", "modified_at": "2026-01-01T00:00:00Z", "size": 1,
            "digest": "0".repeat(64), "capabilities": ["completion"],
            "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
                        "parameter_size": "1B", "quantization_level": "Q4_0", "context_length": 4096},
        });
        let mut resident = model.clone();
        resident["size_vram"] = 1.into();
        resident["context_length"] = 4096.into();
        resident["expires_at"] = "2300-01-01T00:00:00Z".into();
        Self(Arc::new(Answers {
            ollama: ollama(chunks),
            openai: openai(chunks),
            version: text(json!({"version": "0.33.0"})),
            tags: text(json!({ "models": [model] })),
            ps: text(json!({ "models": [resident] })),
            models: text(json!({"object": "list", "data": [
                {"id": "bench:latest", "object": "model", "created": 1, "owned_by": "library"}]})),
            health: text(json!({"status": "ok"})),
            delay,
        }))
    }

    pub(super) async fn answer(self, request: Request<Incoming>) -> Result<Response<Canning>, Infallible> {
        let answers = &*self.0;
        let (head, body) = request.into_parts();
        let chat = match (head.method, head.uri.path()) {
            (Method::POST, "/v1/chat/completions") => &answers.openai,
            (Method::POST, "/api/chat") => &answers.ollama,
            (Method::GET | Method::HEAD, path) => return Ok(answers.probe(path)),
            _ => return Ok(nothing()),
        };
        let Ok(body) = body.collect().await else {
            return Ok(nothing());
        };
        if !asks_for_stream(&body.to_bytes()) {
            return Ok(respond(
                &chat.whole_type,
                Canning::Whole(Some(chat.whole.clone())),
            ));
        }
        let pace = (!answers.delay.is_zero()).then(|| Box::pin(sleep(Duration::ZERO)));
        let stream = Canning::Chunks {
            of: Arc::clone(&chat.chunks),
            next: 0,
            flush: false,
            pace,
            delay: answers.delay,
        };
        Ok(respond(&chat.chunk_type, stream))
    }
}

impl Answers {
    fn probe(&self, path: &str) -> Response<Canning> {
        let body = match path {
            "/" | "/health" => &self.health,
            "/api/version" => &self.version,
            "/api/tags" => &self.tags,
            "/api/ps" => &self.ps,
            "/v1/models" => &self.models,
            _ => return nothing(),
        };
        respond(&self.ollama.whole_type, Canning::Whole(Some(body.clone())))
    }
}

fn respond(content_type: &HeaderValue, body: Canning) -> Response<Canning> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type.clone());
    response
}

fn nothing() -> Response<Canning> {
    let mut response = Response::new(Canning::Whole(None));
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    response
}

/// Whether the body says `"stream":true`; reading it as JSON would cost more than all the rest.
fn asks_for_stream(body: &[u8]) -> bool {
    const KEY: &[u8] = b"\"stream\"";
    let after = body
        .windows(KEY.len())
        .position(|window| window == KEY)
        .map(|at| &body[at + KEY.len()..]);
    let value = after
        .map(<[u8]>::trim_ascii_start)
        .and_then(|rest| rest.strip_prefix(b":"));
    value.is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
}

/// A body that is ready before it is asked for.
pub(super) enum Canning {
    Whole(Option<Bytes>),
    Chunks {
        of: Arc<[Bytes]>,
        next: usize,
        /// A chunk has just gone: being pending once makes hyper flush it on its own.
        flush: bool,
        pace: Option<Pin<Box<Sleep>>>,
        delay: Duration,
    },
}

impl Body for Canning {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Chunks {
                of,
                next,
                flush,
                pace,
                delay,
            } => {
                match pace {
                    _ if *next >= of.len() => return Poll::Ready(None),
                    Some(pace) => {
                        if pace.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        let deadline = pace.deadline() + *delay;
                        pace.as_mut().reset(deadline);
                    }
                    None if std::mem::take(flush) => {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    None => *flush = true,
                }
                *next += 1;
                Poll::Ready(Some(Ok(Frame::data(of[*next - 1].clone()))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Chunks { .. } => SizeHint::default(),
        }
    }
}

fn ollama(chunks: usize) -> Chat {
    let object = |content: &str, done: bool| {
        let message = json!({"role": "assistant", "content": content});
        json!({"model": "bench:latest", "created_at": "2026-01-01T00:00:00.000000000Z", "message": message, "done": done})
    };
    let end = |content: &str| {
        let mut end = object(content, true);
        end["done_reason"] = "stop".into();
        for metric in [
            "total_duration",
            "load_duration",
            "prompt_eval_count",
            "eval_count",
            "eval_duration",
        ] {
            end[metric] = 1.into();
        }
        end
    };
    let tokens = iter::repeat_n(object("word ", false), chunks).chain([end("")]);
    Chat {
        whole: filled(end),
        whole_type: HeaderValue::from_static("application/json; charset=utf-8"),
        chunks: tokens.map(|token| Bytes::from(format!("{token}\n"))).collect(),
        chunk_type: HeaderValue::from_static("application/x-ndjson"),
    }
}

fn openai(chunks: usize) -> Chat {
    let object = |choice: Value, kind: &str| json!({"id": "chatcmpl-1", "object": kind, "created": 1, "model": "bench:latest", "choices": [choice]});
    let chunk = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        Bytes::from(format!("data: {}\n\n", object(choice, "chat.completion.chunk")))
    };
    let token = chunk(json!({"content": "word "}), None);
    let end = [
        chunk(json!({}), Some("stop")),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    let whole = |content: &str| {
        let message = json!({"role": "assistant", "content": content});
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        let mut whole = object(choice, "chat.completion");
        whole["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
        whole
    };
    Chat {
        whole: filled(whole),
        whole_type: HeaderValue::from_static("application/json"),
        chunks: iter::repeat_n(token, chunks).chain(end).collect(),
        chunk_type: HeaderValue::from_static("text/event-stream"),
    }
}

/// The object with just as much text as makes it [`ANSWER_BYTES`] long.
fn filled(object: impl Fn(&str) -> Value) -> Bytes {
    let missing = ANSWER_BYTES.saturating_sub(object("").to_string().len());
    Bytes::from(object(&"w".repeat(missing)).to_string())
}
