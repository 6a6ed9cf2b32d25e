//! Events as they happen, at `GET /events`, as server-sent events.
//!
//! `?kind=…` and `?hub=…` choose some of them (several with commas, or repeated). A client that comes back says after
//! which event it goes on, in `last-event-id` or `?after=`; what is not kept any more is told as an event `lost`. While
//! nothing happens a comment keeps the connection alive, with how far we have come.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response};
use plugin_api::Error;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Content;
use super::backend::Backend;
use super::site::Lane;
use crate::config::nearest;
use crate::pool::events::kind;
use crate::pool::{Event, EventId, Followed, Follower};

/// The first thing that is sent, so that a client knows at once that it follows, and when to come back.
const HELLO: Bytes = Bytes::from_static(b"retry: 2000\n: following\n\n");

/// Which events a client wants.
#[derive(Debug, Default, PartialEq)]
struct Filter {
    kinds: Vec<String>,
    hubs: Vec<String>,
    after: Option<EventId>,
}

impl Filter {
    /// # Errors
    /// A kind that there is not, or a parameter that is none.
    fn of(parts: &Parts) -> Result<Self, Error> {
        let mut filter = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let values = value.split(',').map(str::trim).filter(|value| !value.is_empty());
            match &*name {
                "kind" => filter.kinds.extend(values.map(str::to_owned)),
                "hub" => filter.hubs.extend(values.map(str::to_owned)),
                "after" => filter.after = Some(value.parse()?),
                other => {
                    return Err(Error::invalid(format!("`{other}` is no parameter of /events"))
                        .hint("known are `kind`, `hub` and `after`"));
                }
            }
        }
        if let Some(last) = parts.headers.get("last-event-id").filter(|last| !last.is_empty()) {
            filter.after = Some(last.to_str().unwrap_or_default().parse()?);
        }
        for kind in &filter.kinds {
            if !kind::ALL.contains(&kind.as_str()) {
                let error = Error::invalid(format!("there are no events of the kind `{kind}`"));
                return Err(match nearest::suggestion(kind, &kind::ALL) {
                    Some(suggestion) => error.hint(suggestion),
                    None => error,
                });
            }
        }
        Ok(filter)
    }

    fn wants(&self, event: &Event) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind);
        kind && (self.hubs.is_empty() || self.hubs.iter().any(|hub| event.is_about(hub)))
    }
}

/// The answer: a stream that ends with the client, or with the host.
///
/// # Errors
/// The query makes no sense.
pub(super) fn answer<B: Backend>(lane: &Lane<B>, parts: &Parts) -> Result<Response<Content<B::Body>>, Error> {
    let filter = Filter::of(parts)?;
    let sink = lane.site.admin.events();
    let follower = match filter.after {
        Some(last) => sink.follow_after(last),
        None => sink.follow(),
    };
    let events = follow(follower, filter, lane.closing.clone(), lane.site.keep_alive);
    let mut response = Response::new(Content::Events { events });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn follow(
    follower: Follower,
    filter: Filter,
    closing: CancellationToken,
    every: Duration,
) -> BoxStream<'static, Bytes> {
    let events = stream::unfold(
        (follower, filter, closing),
        move |(mut follower, filter, closing)| async move {
            let wanted = timeout(every, next(&mut follower, &filter));
            let bytes = tokio::select! {
                biased;
                wanted = wanted => match wanted {
                    Ok(followed) => told(&followed, &follower),
                    Err(_silence) => format!(": alive\nid: {}\n\n", follower.position()).into(),
                },
                () = closing.cancelled() => return None,
            };
            Some((bytes, (follower, filter, closing)))
        },
    );
    stream::once(async { HELLO }).chain(events).boxed()
}

/// The next event that is wanted. Cancel safe: what is not wanted is past.
async fn next(follower: &mut Follower, filter: &Filter) -> Followed {
    loop {
        match follower.next().await {
            Followed::Event(event) if !filter.wants(&event) => {}
            followed => return followed,
        }
    }
}

/// JSON holds no line breaks, so one `data` line is always enough.
fn told(followed: &Followed, follower: &Follower) -> Bytes {
    match followed {
        Followed::Event(event) => {
            let data = json!(**event);
            format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.kind).into()
        }
        Followed::Lost(lost) => {
            let position = follower.position();
            format!(
                "id: {position}\nevent: lost\ndata: {}\n\n",
                json!({ "lost": lost })
            )
            .into()
        }
    }
}
