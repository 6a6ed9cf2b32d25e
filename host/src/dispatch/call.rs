//! Methods: from a name and parameters to a result, once or as a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use plugin_api::provider::{Decision, Entry, OwnedEntry, OwnedRequest, ReplyBody, Request};
use plugin_api::{Error, ErrorCode, Fault};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Dispatcher;
use super::caller::Caller;
use super::late;
use super::serve::held;
use super::table::MethodEntry;

/// A stream that is asked for whole is collected up to this size.
const LONGEST: usize = 64 << 20;

/// What lists show of a method.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MethodInfo {
    /// Its name.
    pub name: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// One sentence.
    pub description: String,
    /// The provider that answers it.
    pub provider: String,
    /// Whether the result may be asked for as a stream.
    pub streams: bool,
    /// Whether it needs an administrator's key.
    pub admin: bool,
    /// JSON Schema of its parameters.
    pub params: Value,
    /// JSON Schema of its result.
    pub result: Value,
}

impl Dispatcher {
    /// Calls a method and waits for its result: one JSON value, as the provider wrote it. It is looked through and not
    /// built anew, which would take many times its size. Dropping the future cancels it.
    ///
    /// # Errors
    /// `METHOD_NOT_FOUND`, `INVALID_PARAMS`, `FORBIDDEN`, or what the provider answers. `TOO_LARGE` where it answers with
    /// a stream that is too long to be collected.
    pub async fn call(&self, method: &str, params: Bytes, caller: Caller) -> Result<Bytes, Error> {
        let reply = self.run(method, params, &caller, false).await?;
        match reply {
            ReplyBody::Once(bytes) => checked(bytes),
            ReplyBody::Stream(mut stream) => {
                let mut items = vec![b'['];
                while let Some(item) = stream.next().await {
                    let item = checked(item?)?;
                    if items.len() + item.len() > LONGEST {
                        return Err(too_long());
                    }
                    if items.len() > 1 {
                        items.push(b',');
                    }
                    items.extend_from_slice(&item);
                }
                items.push(b']');
                Ok(items.into())
            }
        }
    }

    /// Calls a method and streams its result. Dropping the stream cancels it.
    ///
    /// # Errors
    /// As [`call`](Self::call); after the first item, failures are in the stream.
    pub async fn open(
        &self,
        method: &str,
        params: Bytes,
        caller: Caller,
    ) -> Result<BoxStream<'static, Result<Value, Error>>, Error> {
        match self.run(method, params, &caller, true).await? {
            ReplyBody::Once(bytes) => {
                let value = parsed(&bytes);
                Ok(futures_util::stream::iter([value]).boxed())
            }
            ReplyBody::Stream(stream) => Ok(stream.map(|item| parsed(&item?)).boxed()),
        }
    }

    /// Every method.
    pub fn methods(&self) -> Vec<MethodInfo> {
        let info = |entry: &Arc<MethodEntry>| MethodInfo {
            name: entry.name.clone(),
            aliases: entry.method.aliases.clone(),
            description: entry.method.description.clone(),
            provider: entry.provider.name.clone(),
            streams: entry.method.streams,
            admin: entry.method.admin,
            params: entry.method.params.clone(),
            result: entry.method.result.clone(),
        };
        self.table.load().methods().into_iter().map(info).collect()
    }

    async fn run(
        &self,
        method: &str,
        params: Bytes,
        caller: &Caller,
        stream: bool,
    ) -> Result<ReplyBody, Error> {
        let entry = self.table.load().method(method)?.clone();
        if entry.method.admin && !caller.admin {
            return Err(Error::new(
                ErrorCode::FORBIDDEN,
                Fault::Client,
                format!("{} needs an administrator's key", entry.name),
            ));
        }
        let params = if params.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            params
        };
        entry.check(&serde_json::from_slice(&params)?)?;
        let stream = stream && entry.method.streams;
        let decision = entry.provider.driver.decide(&Request {
            entry: Entry::Method {
                name: &entry.name,
                stream,
            },
            headers: &[],
            body: &params,
        })?;
        if let Decision::Forward(_) = decision {
            return Err(Error::plugin(format!(
                "the provider wants to forward {}, which only routes can be",
                entry.name
            )));
        }
        let request = OwnedRequest {
            entry: OwnedEntry::Method {
                name: entry.name.clone(),
                stream,
            },
            headers: Vec::new(),
            body: params,
        };
        let working = self.callers.enter(caller);
        let work = entry.provider.driver.work(caller.context(), request);
        let reply = late::in_time(caller, work).await?;
        Ok(held(reply, working, caller).body)
    }
}

pub(super) fn parsed(json: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(json).map_err(bad_json)
}

/// The same bytes, which are JSON.
fn checked(json: Bytes) -> Result<Bytes, Error> {
    serde_json::from_slice::<&RawValue>(&json).map_err(bad_json)?;
    Ok(json)
}

fn bad_json(error: serde_json::Error) -> Error {
    Error::plugin(format!("the provider answered with bad JSON: {error}"))
}

fn too_long() -> Error {
    let message = format!("the result is longer than {LONGEST} bytes");
    Error::new(ErrorCode::TOO_LARGE, Fault::Client, message)
        .hint("ask for it as a stream: `\"stream\": true` beside `method`")
        .detail("limit", LONGEST)
}
