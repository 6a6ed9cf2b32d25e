//! Streamed results as server-sent events.
//!
//! Each item is a notification `stream/item` that names its request; the last event is the response itself, with
//! `"result": null` or the failure. So a client that knows JSON-RPC needs to know nothing else, and one that got
//! no response knows that it was cut off.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use plugin_api::Error;
use serde_json::Value;

use super::call::Caller;
use super::message::{Id, Request};
use super::reply;
use crate::gateway::answer::Content;
use crate::gateway::backend::Backend;
use crate::gateway::held::Holding;

/// A comment, which clients skip: it keeps proxies from closing a silent stream, and finds out dead clients.
const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");

/// What a stream that ended well resulted in.
const NULL: Bytes = Bytes::from_static(b"null");

/// The answer to a request that wants events. It begins at once, before the method has been heard of, so that
/// waiting in a queue or for a model to load does not look like silence.
pub(super) fn answer<B: Backend>(
    caller: Caller<B>,
    request: Request,
    holding: Holding,
) -> Response<Content<B::Body>> {
    let every = caller.lane().site.keep_alive;
    let id = request.id.clone().unwrap_or(Id::NULL);
    let items = async move { caller.open(&request).await }.flatten_stream();
    let mut response = Response::new(Content::Events {
        events: events(id, items.boxed(), holding, every),
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Where a stream of events is.
enum State {
    Running(BoxStream<'static, Result<Value, Error>>),
    Ended,
}

fn events(
    id: Id,
    items: BoxStream<'static, Result<Value, Error>>,
    holding: Holding,
    every: Duration,
) -> BoxStream<'static, Bytes> {
    stream::unfold(State::Running(items), move |state| {
        let (id, holding) = (id.clone(), holding.clone());
        async move {
            let State::Running(mut items) = state else {
                return None;
            };
            let next = match tokio::time::timeout(every, items.next()).await {
                Err(_silence) => return Some((ALIVE, State::Running(items))),
                // A client that reads slowly leaves one item in memory, and many such clients one each.
                Ok(Some(item)) => item.and_then(|item| holding.hold(event(&reply::item(&id, &item)))),
                Ok(None) => return Some((event(&reply::success(&id, NULL).concat()), State::Ended)),
            };
            Some(match next {
                Ok(event) => (event, State::Running(items)),
                Err(error) => (event(&reply::failure(&id, &error)), State::Ended),
            })
        }
    })
    .boxed()
}

/// JSON holds no line breaks, so one `data` line is always enough.
fn event(json: &[u8]) -> Bytes {
    [b"data: ", json, b"\n\n"].concat().into()
}
