//! A provider behind the names of operations.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::serve::{Opened, Serve, unknown, unknown_later};
use crate::abi::wire::provider::{self as ops, Render, RenderedHead, ReplyHead, decode_request};
use crate::abi::wire::{decision, frame, from_json, request};
use crate::provider::{Reply, ReplyBody};
use crate::{Context, Error, Provider};

pub(crate) struct ProviderServe<P>(pub(crate) Arc<P>);

impl<P: Provider> Serve for ProviderServe<P> {
    fn decide(&self, head: &[u8], body: &[u8]) -> Result<Vec<u8>, Error> {
        let mut headers = request::Headers::default();
        let request = request::decode(head, body, &mut headers)?;
        let decision = self.0.decide(&request).map_err(Into::into)?;
        Ok(decision::encode(&decision))
    }

    fn query(&self, op: &str, payload: &[u8]) -> Result<Vec<u8>, Error> {
        match op {
            ops::RENDER_ERROR => {
                let render: Render = from_json("a failure to render", payload)?;
                let rendered = self.0.render_error(&render.route, render.phase(), &render.error);
                let head = RenderedHead {
                    status: rendered.status,
                    content_type: rendered.content_type,
                };
                frame::encode("a rendered failure", &head, &[&rendered.body])
            }
            _ => Err(unknown(op)),
        }
    }

    fn call(
        self: Arc<Self>,
        op: &str,
        _context: Context,
        _payload: Bytes,
    ) -> BoxFuture<'static, Result<Vec<u8>, Error>> {
        unknown_later(op)
    }

    fn open(
        self: Arc<Self>,
        op: &str,
        context: Context,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Opened, Error>> {
        if op != ops::WORK {
            return unknown_later(op);
        }
        let provider = self.0.clone();
        Box::pin(async move {
            let request = decode_request(&payload)?;
            let Reply {
                status,
                headers,
                body,
            } = provider.work(context, request).await.map_err(Into::into)?;
            let head = ReplyHead { status, headers };
            let (once, stream) = match body {
                ReplyBody::Once(bytes) => (bytes, None),
                ReplyBody::Stream(stream) => (Bytes::new(), Some(stream)),
            };
            Ok(Opened {
                head: frame::encode("a reply", &head, &[&once])?,
                stream,
            })
        })
    }
}
