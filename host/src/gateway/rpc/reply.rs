//! Replies: from outcomes to bytes.

use bytes::Bytes;
use plugin_api::{Error, ErrorCode};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::message::Id;
use crate::gateway::body::SMALL;
use crate::gateway::failure::describe;

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: ErrorCode,
    message: &'a str,
    data: Value,
}

#[derive(Serialize)]
struct Item<'a> {
    jsonrpc: &'static str,
    method: &'static str,
    params: ItemParams<'a>,
}

#[derive(Serialize)]
struct ItemParams<'a> {
    id: &'a RawValue,
    item: &'a Value,
}

/// A result, which is JSON, in one piece if it is small.
pub(super) fn success(id: &Id, result: Bytes) -> Vec<Bytes> {
    let head = [
        br#"{"jsonrpc":"2.0","id":"#,
        id.raw().get().as_bytes(),
        br#","result":"#,
    ]
    .concat();
    const END: &[u8] = b"}";
    if result.len() <= SMALL {
        return vec![[&head, &*result, END].concat().into()];
    }
    vec![head.into(), result, Bytes::from_static(END)]
}

/// A failure, with everything we know of it in `data`.
pub(super) fn failure(id: &Id, error: &Error) -> Bytes {
    let mut data = describe(error);
    if let Some(data) = data.as_object_mut() {
        data.shift_remove("code");
        data.shift_remove("message");
    }
    let error = ErrorObject {
        code: error.code,
        message: &error.message,
        data,
    };
    text(&Failure {
        jsonrpc: "2.0",
        id: id.raw(),
        error,
    })
}

/// One item of a streamed result: a notification that names the request it belongs to.
pub(super) fn item(id: &Id, item: &Value) -> Bytes {
    let params = ItemParams { id: id.raw(), item };
    text(&Item {
        jsonrpc: "2.0",
        method: "stream/item",
        params,
    })
}

/// As JSON.
pub(super) fn text(message: &impl Serialize) -> Bytes {
    // Plain structs over JSON values: nothing in them can fail to serialise.
    serde_json::to_vec(message).unwrap_or_default().into()
}
