//! Events as they happen, at `GET /events`, as server-sent events.
//!
//! `?kind=…` and `?hub=…` choose some of them (several with commas, or repeated). A client that comes back says after
//! which event it goes on, in `last-event-id` or `?after=`; what is not kept any more is told as an event `lost`. While
//! nothing happens a comment keeps the connection alive, with how far we have come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response};
use plugin_api::Error;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Content;
use super::backend::{Asker, Backend};
use super::site::Lane;
use crate::config::nearest;
use crate::pool::events::kind;
use crate::pool::{Event, EventId, Followed, Follower};

/// The first thing that is sent, so that a client knows at once that it follows, and when to come back.
const HELLO: Bytes = Bytes::from_static(b"retry: 2000\n: following\n\n");

/// Who follows: what becomes of other people's allocations is told to administrators only.
#[derive(Debug)]
struct Reader {
    principal: Arc<str>,
    admin: bool,
}

impl Reader {
    /// The event as this reader may see it. Of what is about somebody else it learns that it happened, and to which hubs.
    fn may_see(&self, event: &Event) -> Value {
        let mut shown = json!(event);
        let about = event.data["principal"].as_str();
        // What a plugin tells has words of its own.
        if event.kind != kind::PLUGIN
            && !self.admin
            && about.is_some_and(|principal| principal != &*self.principal)
        {
            shown["data"] = json!({ "hubs": event.data["hubs"] });
        }
        shown
    }
}

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
pub(super) fn answer<B: Backend>(
    lane: &Lane<B>,
    asker: Asker,
    parts: &Parts,
) -> Result<Response<Content<B::Body>>, Error> {
    let filter = Filter::of(parts)?;
    let sink = lane.site.admin.events();
    let follower = match filter.after {
        Some(last) => sink.follow_after(last),
        None => sink.follow(),
    };
    let reader = Reader {
        principal: asker.principal,
        admin: asker.admin,
    };
    let events = follow(
        follower,
        filter,
        reader,
        lane.closing.clone(),
        lane.site.keep_alive,
    );
    let mut response = Response::new(Content::Events { events });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn follow(
    follower: Follower,
    filter: Filter,
    reader: Reader,
    closing: CancellationToken,
    every: Duration,
) -> BoxStream<'static, Bytes> {
    let events = stream::unfold(
        (follower, filter, reader, closing),
        move |(mut follower, filter, reader, closing)| async move {
            let wanted = timeout(every, next(&mut follower, &filter));
            let bytes = tokio::select! {
                biased;
                // First, or else as long as there is always something to tell the end would never come.
                () = closing.cancelled() => return None,
                wanted = wanted => match wanted {
                    Ok(followed) => told(&followed, &follower, &reader),
                    Err(_silence) => format!(": alive\nid: {}\n\n", follower.position()).into(),
                },
            };
            Some((bytes, (follower, filter, reader, closing)))
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
fn told(followed: &Followed, follower: &Follower, reader: &Reader) -> Bytes {
    match followed {
        Followed::Event(event) => {
            let data = reader.may_see(event);
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
