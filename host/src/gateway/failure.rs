//! Failures as JSON and as headers, for what has no dialect of its own.

use http::header::ALLOW;
use http::{HeaderValue, Response, StatusCode};
use plugin_api::Error;
use serde_json::{Value, json};

use super::answer::{self, Content};
pub(super) use crate::dispatch::explain;

/// A failure where no route's dialect is known.
pub(super) fn response<B>(error: &Error) -> Response<Content<B>> {
    let mut response = answer::json(status_of(error), &json!({ "error": describe(error) }));
    explain(error, response.headers_mut());
    response
}

/// Which methods would have been right.
pub(super) fn allow(methods: &[impl AsRef<str>], headers: &mut http::HeaderMap) {
    let list: Vec<&str> = methods.iter().map(AsRef::as_ref).collect();
    if let Ok(value) = HeaderValue::try_from(list.join(", ")) {
        headers.insert(ALLOW, value);
    }
}

/// The HTTP status of a failure; 500 where it names one that is none.
pub(super) fn status_of(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A failure as JSON, all of it: code, name, message, whose fault, whether to retry, what to do.
pub(super) fn describe(error: &Error) -> Value {
    let mut value = json!({
        "code": error.code,
        "name": error.code.name(),
        "message": error.message,
        "fault": error.fault,
        "retry": error.retry,
    });
    if let Some(hint) = &error.hint {
        value["hint"] = json!(hint);
    }
    if !error.details.is_empty() {
        value["details"] = json!(error.details);
    }
    value
}
