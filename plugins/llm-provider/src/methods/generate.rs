//! Generate, chat and vision: ask an instance of either dialect, and answer in none.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use plugin_api::contract::reference::normalise;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::{ForwardRequest, ForwardResponse};
use plugin_api::provider::Reply;
use plugin_api::{Context, Error, ErrorCode};
use serde_json::{Value, json};

use super::answer::{Answer, Piece};
use super::params::{Message, Params};
use super::stream::frames;
use super::{native, openai};
use crate::LlmProvider;
use crate::error::LlmError;
use crate::keep_alive;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Generate,
    Chat,
    Vision,
}

/// Answers, once or as a stream.
pub(super) async fn run(
    provider: &LlmProvider,
    context: &Context,
    kind: Kind,
    stream: bool,
    params: &[u8],
) -> Result<Reply, LlmError> {
    let mut params: Params = serde_json::from_slice(params)?;
    if kind == Kind::Vision {
        as_conversation(&mut params);
    }
    let default = if kind == Kind::Vision {
        &provider.config.default_vision_model
    } else {
        &provider.config.default_model
    };
    let asked = params.model.clone().unwrap_or_else(|| default.clone());
    let model = provider.aliases.model(&asked).unwrap_or(&asked).to_owned();
    let request = ForwardRequest {
        variants: vec![
            native::request(kind, &model, &params, stream)?,
            openai::request(kind, &model, &params, stream)?,
        ],
        requirement: requirement(kind, &model, params),
        relay: None,
    };
    let response = provider.host.forward(context, request).await?;
    let piece = if response.dialect == "ollama" {
        native::piece
    } else {
        openai::piece
    };
    let answer = Answer::new(kind, asked, response.instance.clone());
    let response = good(response).await?;
    if !stream {
        let body = collect(response).await?;
        let mut answer = answer;
        answer.add(&piece(&serde_json::from_slice(&body).map_err(nonsense)?));
        return Ok(Reply::json(&answer.whole()));
    }
    Ok(Reply::stream("application/json", items(response, answer, piece)))
}

fn requirement(kind: Kind, model: &str, params: Params) -> Requirement {
    let mut requirement = Requirement {
        capability: Some(normalise(model).into_owned()),
        ..Requirement::default()
    };
    if kind == Kind::Vision {
        requirement.features.insert("vision".into());
    }
    if let Some(context) = params.options.get("num_ctx").and_then(Value::as_i64) {
        requirement.prefer.insert("num_ctx".into(), context);
    }
    let said = params.prompt.as_ref().is_some_and(|prompt| !prompt.is_empty()) || !params.messages.is_empty();
    requirement.admin = !said && params.keep_alive.as_ref().is_some_and(keep_alive::unloads);
    if !params.options.is_empty() || params.keep_alive.is_some() {
        let mut hint = json!({ "options": params.options });
        native::set(&mut hint, "keep_alive", params.keep_alive);
        requirement.prepare = Some(hint);
    }
    params.hints.apply(&mut requirement);
    requirement
}

/// Pictures beside a conversation belong to its last message; without one, they are it.
fn as_conversation(params: &mut Params) {
    let images = std::mem::take(&mut params.images);
    match params.messages.last_mut() {
        Some(last) => last.images.extend(images),
        None => params.messages.push(Message {
            role: "user".into(),
            content: Some(
                params
                    .prompt
                    .take()
                    .unwrap_or_else(|| "Describe this image".into()),
            ),
            images,
            ..Message::default()
        }),
    }
}

/// An answer of 4xx is the instance's word on the request; here it becomes an error.
pub(super) async fn good(response: ForwardResponse) -> Result<ForwardResponse, LlmError> {
    if response.status < 400 {
        return Ok(response);
    }
    let (status, instance) = (response.status, response.instance.clone());
    let body = collect(response).await?;
    let told: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let message = [told.pointer("/error/message"), told.get("error")]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .map_or_else(|| format!("the instance answered {status}"), str::to_owned);
    let error = match status {
        404 => Error::not_found(message),
        408 | 429 => Error::instance(ErrorCode::OVERLOADED, message),
        400..500 => Error::invalid(message),
        _ => Error::instance(ErrorCode::UPSTREAM_ERROR, message),
    };
    Err(error.status(status).detail("instance", instance).into())
}

pub(super) async fn collect(response: ForwardResponse) -> Result<Vec<u8>, LlmError> {
    /// More than any answer that is not a stream has.
    const MOST: usize = 64 << 20;
    let mut body = response.body;
    let mut all = Vec::new();
    while let Some(piece) = body.try_next().await? {
        if all.len() + piece.len() > MOST {
            return Err(Error::instance(ErrorCode::TOO_LARGE, "the instance's answer is too large").into());
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

pub(super) fn nonsense(error: serde_json::Error) -> LlmError {
    Error::instance(
        ErrorCode::UPSTREAM_ERROR,
        format!("the instance answered with bad JSON: {error}"),
    )
    .into()
}

/// The answer's items, one JSON value each; the last has `done` and everything that is known of the whole.
fn items(response: ForwardResponse, answer: Answer, piece: fn(&Value) -> Piece) -> plugin_api::ByteStream {
    let frames = frames(response.body)
        .map(Some)
        .chain(futures_util::stream::iter([None]));
    let mut answer = Some(answer);
    frames
        .filter_map(move |frame| {
            let item = match frame {
                Some(Ok(frame)) => {
                    let piece = piece(&frame);
                    answer
                        .as_mut()
                        .and_then(|answer| {
                            answer.add(&piece);
                            answer.item(&piece)
                        })
                        .map(Ok)
                }
                Some(Err(error)) => {
                    answer = None;
                    Some(Err(error))
                }
                None => answer.take().map(|answer| Ok(answer.last())),
            };
            std::future::ready(item.map(|item| item.map(|value| Bytes::from(value.to_string()))))
        })
        .boxed()
}
