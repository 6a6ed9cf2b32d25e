//! A provider across the boundary, as ordinary methods.

use std::cell::RefCell;

use super::Client;
use crate::abi::wire::provider::{self as ops, Render, RenderedHead, ReplyHead, encode_request};
use crate::abi::wire::{decision, frame, request, to_json};
use crate::provider::{Decision, OwnedRequest, Phase, Rendered, Reply, ReplyBody, Request};
use crate::{Context, Error};

thread_local! {
    /// Where heads are written before they cross. Kept, because a decision is made for every request.
    static HEAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A provider across the boundary. Each method is the one of [`Provider`](crate::Provider); dropping a future cancels
/// politely.
#[derive(Debug, Clone)]
pub struct ProviderClient(pub Client);

impl ProviderClient {
    /// See [`Provider::decide`](crate::Provider::decide). `[any thread, microseconds]`
    ///
    /// # Errors
    /// The provider's own.
    pub fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
        // Taken out for as long as it is used, so that a provider which is called from within a decision finds an
        // empty one instead of a panic.
        let mut head = HEAD.take();
        head.clear();
        request::encode(request, &mut head);
        let decided = self.0.decide(&head, request.body);
        HEAD.set(head);
        decision::decode(decided?)
    }

    /// See [`Provider::work`](crate::Provider::work).
    ///
    /// # Errors
    /// The provider's own.
    pub async fn work(&self, context: &Context, request: &OwnedRequest) -> Result<Reply, Error> {
        let (head, stream) = self.0.open(ops::WORK, context, encode_request(request)?).await?;
        let (head, once): (ReplyHead, _) = frame::decode("a reply", &head)?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: stream.map_or(ReplyBody::Once(once), ReplyBody::Stream),
        })
    }

    /// See [`Provider::render_error`](crate::Provider::render_error). `[any thread, microseconds]`
    ///
    /// # Errors
    /// The provider failed to render, which its caller must do without.
    pub fn render_error(&self, route: &str, phase: Phase, error: &Error) -> Result<Rendered, Error> {
        let message = Render {
            route: route.to_owned(),
            streaming: phase == Phase::Streaming,
            error: error.clone(),
        };
        let payload = to_json("a failure to render", &message)?;
        let answer = self.0.query(ops::RENDER_ERROR, &payload)?;
        let (head, body): (RenderedHead, _) = frame::decode("a rendered failure", &answer)?;
        Ok(Rendered {
            status: head.status,
            content_type: head.content_type,
            body,
        })
    }
}
