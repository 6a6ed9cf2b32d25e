//! JSON-RPC 2.0 at `POST /rpc`: single requests, batches, notifications, and streamed results as events.
//!
//! A JSON-RPC answer comes with status 200, failures of the method included; a body that is no JSON-RPC at all
//! gets 400, and what is refused before it is read (no key, too large, too busy) keeps the status that says so.

mod call;
mod events;
mod manager;
mod message;
mod reply;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use plugin_api::Error;

use self::message::{Id, Message, Payload, Request};
use super::answer::{self, Content};
use super::backend::{Asker, Backend};
use super::held::Holding;
use super::keys::Principal;
use super::site::Lane;
use super::{admit, failure};

/// Entries of one batch that run at once, as far as there are slots for them.
const LANES: usize = 8;

/// A failure before the request was understood: its id is not known.
pub(super) fn refusal<B>(error: &Error) -> Response<Content<B>> {
    answer::typed(
        failure::status_of(error),
        "application/json",
        reply::failure(&Id::NULL, error),
    )
}

/// Answers the body of a request.
///
/// # Errors
/// The body is no JSON-RPC.
pub(super) async fn answer<B: Backend>(
    lane: &Arc<Lane<B>>,
    principal: &Principal,
    asker: Asker,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<Content<B::Body>>, Error> {
    let limits = &lane.site.limits;
    match message::parse(&body, limits.json_depth, limits.batch)? {
        Payload::Single(message) => {
            let caller = call::Caller::new(lane.clone(), asker, headers)?;
            match message {
                Message::Invalid { id, error } => Ok(answer::typed(
                    StatusCode::BAD_REQUEST,
                    "application/json",
                    reply::failure(&id, &error),
                )),
                Message::Request(request) if request.id.is_some() && wants_events(&request, headers) => Ok(
                    events::answer(caller, request, Holding::single(&principal.answers)),
                ),
                message => {
                    let holding = Holding::single(&principal.answers);
                    Ok(whole(one(&caller, message, &holding).await))
                }
            }
        }
        Payload::Batch(messages) if messages.is_empty() => {
            Err(message::invalid("a batch needs at least one request"))
        }
        Payload::Batch(messages) => {
            let caller = call::Caller::new(lane.clone(), asker, headers)?;
            Ok(whole(batch(lane, principal, &caller, messages).await))
        }
    }
}

/// Runs a batch. The first lane has the request's own slot; further ones open only as far as there is room, so
/// that a batch is no way around the limits and never fails for want of a second slot.
async fn batch<B: Backend>(
    lane: &Arc<Lane<B>>,
    principal: &Principal,
    caller: &call::Caller<B>,
    messages: Vec<Message>,
) -> Option<Vec<Bytes>> {
    let holding = Holding::batch(&principal.answers, lane.site.limits.batch_answer_bytes);
    let slots: Vec<_> = (1..LANES.min(messages.len()))
        .map_while(|_| admit::room(&lane.site, principal).ok())
        .collect();
    let answers = stream::iter(messages)
        .map(|message| in_batch(caller, message, &holding))
        .buffered(slots.len() + 1);
    let mut answers = pin!(answers.filter_map(async |answer| answer));
    let mut pieces = Vec::new();
    while let Some(answer) = answers.next().await {
        pieces.push(Bytes::from_static(if pieces.is_empty() { b"[" } else { b"," }));
        pieces.extend(answer);
    }
    if pieces.is_empty() {
        return None;
    }
    pieces.push(Bytes::from_static(b"]"));
    Some(pieces)
}

/// One entry of a batch.
async fn in_batch<B: Backend>(
    caller: &call::Caller<B>,
    message: Message,
    holding: &Holding,
) -> Option<Vec<Bytes>> {
    match message {
        Message::Request(Request {
            id: Some(id),
            stream: Some(true),
            ..
        }) => Some(vec![reply::failure(
            &id,
            &message::invalid("a batch cannot be streamed: send the request by itself"),
        )]),
        message => one(caller, message, holding).await,
    }
}

/// One request; `None` for a notification, which is waited for all the same: hanging up still cancels it, and it
/// stays within the limits. Its result counts from here until it is written.
async fn one<B: Backend>(
    caller: &call::Caller<B>,
    message: Message,
    holding: &Holding,
) -> Option<Vec<Bytes>> {
    match message {
        Message::Invalid { id, error } => Some(vec![reply::failure(&id, &error)]),
        Message::Request(request) => {
            let outcome = caller.call(&request).await;
            let id = request.id?;
            let answer = match outcome {
                Ok(result) => reply::success(&id, result),
                // What a plugin says of a failure may be long as well.
                Err(error) => vec![reply::failure(&id, &error)],
            };
            let held: Result<_, Error> = answer.into_iter().map(|piece| holding.hold(piece)).collect();
            Some(held.unwrap_or_else(|error| vec![reply::failure(&id, &error)]))
        }
    }
}

/// Nothing is said to notifications alone.
fn whole<B>(answer: Option<Vec<Bytes>>) -> Response<Content<B>> {
    match answer {
        Some(pieces) => answer::made_of(StatusCode::OK, "application/json", pieces),
        None => {
            let mut response = Response::new(Content::whole(""));
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

/// The request's own word (`"stream"` beside `method`) decides; without one, a client that accepts events and
/// does not accept JSON wants events.
fn wants_events(request: &Request, headers: &HeaderMap) -> bool {
    request.stream.unwrap_or_else(|| {
        let accepts = |kind: &str| {
            let values = headers
                .get_all(ACCEPT)
                .iter()
                .filter_map(|value| HeaderValue::to_str(value).ok());
            values.flat_map(|list| list.split(',')).any(|entry| {
                let entry = entry.split(';').next().unwrap_or(entry).trim();
                entry.eq_ignore_ascii_case(kind)
            })
        };
        accepts("text/event-stream") && !accepts("application/json") && !accepts("*/*")
    })
}
