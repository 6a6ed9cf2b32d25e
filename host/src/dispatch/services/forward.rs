//! Passing requests on for a plugin.

use bytes::Bytes;
use futures_util::StreamExt;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use plugin_api::contract::outcome::Outcome;
use plugin_api::host::{ForwardRequest, ForwardResponse, Variant};
use plugin_api::{ByteStream, Context, Error};

use super::ComponentServices;
use crate::dispatch::forward::{self, AnswerBody, Job, Outgoing};
use crate::dispatch::relay::{Judge, RelayEnd};
use crate::pool::Lease;

impl ComponentServices {
    pub(super) async fn pass_on(
        &self,
        context: &Context,
        request: ForwardRequest,
    ) -> Result<ForwardResponse, Error> {
        let dispatcher = self.dispatcher()?;
        let pools = self.pools_for(&dispatcher.manager, &request.requirement)?;
        let caller = dispatcher.callers.behind(context);
        let outgoing = request
            .variants
            .into_iter()
            .map(|variant| {
                let judge = self.judge(
                    &dispatcher.manager,
                    variant.relay.as_ref().or(request.relay.as_ref()),
                )?;
                outgoing(variant, judge)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let job = Job {
            caller: &caller,
            pools: &pools,
            requirement: request.requirement,
            outgoing,
        };
        let end = |lease| -> Box<dyn RelayEnd> { Box::new(PluginEnd { lease: Some(lease) }) };
        let answer = forward::forward(&dispatcher.upstream, job, &end).await?;
        let headers = answer
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        Ok(ForwardResponse {
            status: answer.status.as_u16(),
            headers,
            instance: answer.instance.id.clone(),
            dialect: answer.dialect.unwrap_or_default(),
            attempts: answer.attempts,
            body: body(answer.body),
        })
    }
}

/// The end of a stream that goes to a plugin: failures are values.
struct PluginEnd {
    lease: Option<Lease>,
}

impl RelayEnd for PluginEnd {
    fn ended(&mut self, outcome: Outcome) {
        if let Some(lease) = self.lease.take() {
            lease.finish(outcome);
        }
    }

    fn render(&self, error: Error) -> Result<Bytes, Error> {
        Err(error)
    }
}

fn outgoing(variant: Variant, judge: Option<Judge>) -> Result<Outgoing, Error> {
    let bad = |what: &str| Error::plugin(format!("the provider forwards a request with a bad {what}"));
    let mut headers = HeaderMap::new();
    for (name, value) in variant.headers {
        let name = HeaderName::try_from(name).map_err(|_| bad("header name"))?;
        headers.append(
            name,
            HeaderValue::try_from(value).map_err(|_| bad("header value"))?,
        );
    }
    Ok(Outgoing {
        dialect: Some(variant.dialect).filter(|dialect| !dialect.is_empty()),
        method: Method::from_bytes(variant.method.as_bytes()).map_err(|_| bad("method"))?,
        path: variant.path.parse::<PathAndQuery>().map_err(|_| bad("path"))?,
        headers,
        body: variant.body,
        judge,
        rename: None,
    })
}

fn body(body: AnswerBody) -> ByteStream {
    match body {
        AnswerBody::Whole(bytes) => futures_util::stream::iter([Ok(bytes)]).boxed(),
        AnswerBody::Stream(relay) => relay.into_data_stream().boxed(),
    }
}
