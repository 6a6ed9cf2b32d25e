//! One request, from its head to its answer's head.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use plugin_api::Error;

use super::admit::{admit, asker, room};
use super::answer::{Answer, Content};
use super::backend::Backend;
use super::budget::Share;
use super::keys::Principal;
use super::site::{Lane, stopping};
use super::target::{Own, Target};
use super::ticket::Ticket;
use super::watch::{Phase, Watch};
use super::{body, events, health, held, origin, request_id, rpc};

/// Unread bodies up to this size the connection gets over by itself; with larger ones it is closed.
const DRAINED: u64 = 64 << 10;

/// Answers one request. Never fails: failures are answers.
pub(super) async fn handle<B: Backend>(
    lane: Arc<Lane<B>>,
    watch: Arc<Watch>,
    request: Request<Incoming>,
) -> Result<Response<Answer<B::Body>>, Infallible> {
    watch.enter(Phase::Serving);
    let site = &lane.site;
    let (parts, body) = request.into_parts();
    let (request_id, echo) = request_id::of(&parts.headers);
    let target = Target::of(&site.backend, &parts);
    let (provider, route) = target.labels();
    let ticket = Ticket {
        watch,
        route: site.metrics.route(provider, route),
        request_id,
        principal: None,
        started: Instant::now(),
        status: 499,
        slots: [None, None],
        what: (parts.method.clone(), parts.uri.clone()),
    };
    let page = site.origins.check_origin(&parts.headers).ok().flatten().cloned();
    let mut exchange = Exchange {
        // hyper drops a `content-length` that came beside it and does not tell. Closing afterwards, as RFC 9112
        // (6.3) demands for such a pair, leaves nothing to smuggle.
        close: parts.headers.contains_key(TRANSFER_ENCODING),
        waited: Some(Duration::ZERO),
        lane: &lane,
        target: &target,
        ticket,
    };
    let mut response = exchange
        .run(parts, body)
        .await
        .unwrap_or_else(|error| target.refuse(&site.backend, &error));

    let Exchange {
        mut ticket,
        close,
        waited,
        ..
    } = exchange;
    ticket.status = response.status().as_u16();
    let until_head = ticket.started.elapsed();
    ticket
        .route
        .took(until_head, waited.map(|waited| until_head.saturating_sub(waited)));
    let headers = response.headers_mut();
    headers.insert(request_id::REQUEST_ID, echo);
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(page) = &page {
        origin::share(page, headers);
    }
    Ok(response.map(|content| Answer::new(content, ticket)))
}

/// A request being answered.
struct Exchange<'a, B: Backend> {
    lane: &'a Arc<Lane<B>>,
    target: &'a Target<B::Route>,
    ticket: Ticket,
    /// The connection is of no use afterwards.
    close: bool,
    /// Time that was the client's or an instance's and not ours; `None` where the backend does not tell.
    waited: Option<Duration>,
}

impl<B: Backend> Exchange<'_, B> {
    async fn run(&mut self, parts: Parts, body: Incoming) -> Result<Response<Content<B::Body>>, Error> {
        let site = &self.lane.site;
        // A client that waits to be asked for its body is not asked: what it sends next is a new request.
        let unread = body.size_hint().lower();
        self.close |= unread > DRAINED;
        let principal = admit(site, self.target, &parts)?;
        self.ticket.principal = Some(principal.name.clone());
        if origin::is_preflight(&parts.method, &parts.headers) {
            let mut response = Response::new(Content::whole(""));
            *response.status_mut() = StatusCode::NO_CONTENT;
            origin::answer_preflight(&parts.headers, response.headers_mut());
            return Ok(response);
        }
        match self.target {
            Target::Own(Own::Health) => Ok(health::alive()),
            Target::Own(Own::Ready) => Ok(health::ready(site)),
            Target::Own(Own::Metrics) => Ok(health::metrics(site)),
            _ => self.work(principal, parts, body).await,
        }
    }

    /// The part that costs: a slot, memory for the body, and what the backend does.
    async fn work(
        &mut self,
        principal: &Principal,
        parts: Parts,
        body: Incoming,
    ) -> Result<Response<Content<B::Body>>, Error> {
        let site = &self.lane.site;
        self.ticket.slots = room(site, principal)?;
        let reading = Instant::now();
        self.close = true;
        let body = body::read(body, &site.limits, &site.budget).await?;
        self.close = parts.headers.contains_key(TRANSFER_ENCODING);
        let reading = reading.elapsed();
        let asker = asker(self.lane, principal, &self.ticket.request_id, &parts.headers)?;
        match self.target {
            Target::Route(route) => {
                let caller = site.backend.caller(asker, &parts.headers)?;
                let mut serving = pin!(site.backend.serve(route, caller, parts, body));
                let watch = &self.ticket.watch;
                let (response, instances) = std::future::poll_fn(|cx| match serving.as_mut().poll(cx) {
                    // The connection's driver looks here again when it is told to abort.
                    Poll::Pending if watch.is_aborted() => Poll::Ready(Err(stopping())),
                    answer => answer.map(Ok),
                })
                .await?;
                self.waited = instances.map(|instances| reading + instances);
                let share = share_for(principal, B::in_memory(response.body()))?;
                Ok(response.map(|body| Content::Backend { body, share }))
            }
            Target::Own(Own::Events) => {
                self.waited = None;
                events::answer(self.lane, asker, &parts)
            }
            _ => {
                self.waited = None;
                rpc::answer(self.lane, principal, asker, &parts.headers, body).await
            }
        }
    }
}

/// A share of the caller's budget for an answer that is in memory already.
fn share_for(principal: &Principal, bytes: usize) -> Result<Option<Share>, Error> {
    if bytes <= body::SMALL {
        return Ok(None);
    }
    let mut share = principal.answers.share();
    match share.grow(bytes as u64) {
        true => Ok(Some(share)),
        false => Err(held::full()),
    }
}
