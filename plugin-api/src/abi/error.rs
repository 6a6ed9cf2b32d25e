//! Errors across the boundary: the whole error as JSON, read leniently.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::raw::AbiError;
use crate::{Error, ErrorCode, Fault, Retry};

impl From<Error> for AbiError {
    fn from(error: Error) -> Self {
        AbiError {
            code: error.code.0,
            // Only maps with keys that are not strings fail, and an error has none.
            json: serde_json::to_vec(&error).unwrap_or_default().into(),
        }
    }
}

impl From<AbiError> for Error {
    /// A newer peer may know words that we do not: what we cannot read falls back to its cautious meaning.
    fn from(error: AbiError) -> Self {
        let code = ErrorCode(error.code);
        serde_json::from_slice(&error.json).unwrap_or_else(|_| lenient(code, &error.json))
    }
}

fn lenient(code: ErrorCode, json: &[u8]) -> Error {
    let mut fields: Map<String, Value> = serde_json::from_slice(json).unwrap_or_default();
    let message = text(fields.remove("message"))
        .unwrap_or_else(|| format!("a failure of code {} that cannot be read", code.0));
    Error {
        code,
        fault: known(fields.remove("fault")).unwrap_or(Fault::Plugin),
        retry: known(fields.remove("retry")).unwrap_or(Retry::Never),
        message,
        hint: text(fields.remove("hint")),
        details: known(fields.remove("details")).unwrap_or_default(),
        status: known(fields.remove("status")),
    }
}

fn text(value: Option<Value>) -> Option<String> {
    known(value)
}

fn known<T: for<'de> Deserialize<'de>>(value: Option<Value>) -> Option<T> {
    value.and_then(|value| T::deserialize(value).ok())
}
