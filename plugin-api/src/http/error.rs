//! What can go wrong with a call.

use std::error::Error as StdError;
use std::time::Duration;

use serde_json::Value;

use crate::{Error, ErrorCode, Fault};

/// A call that failed. Match on it where a status means something special; otherwise turn it into an
/// [`Error`], which says whose fault it is and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers there.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// The URL called.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// No answer, or no next piece of it, in time.
    #[error("{url} did not answer within {limit:?}")]
    TimedOut {
        /// The URL called.
        url: String,
        /// The limit that was passed.
        limit: Duration,
    },
    /// An answer with a status other than 2xx.
    #[error("{url} answered {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Status {
        /// The URL called.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server said, shortened; may be empty.
        message: String,
    },
    /// The connection broke in the middle of the answer.
    #[error("{url} broke off its answer: {reason}")]
    Broken {
        /// The URL called.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The answer is larger than it can sensibly be.
    #[error("the answer of {url} is larger than {limit} bytes")]
    TooLarge {
        /// The URL called.
        url: String,
        /// The limit that was passed.
        limit: usize,
    },
    /// The answer is not what such a server says.
    #[error("the answer of {url} makes no sense ({reason}): {excerpt}")]
    Nonsense {
        /// The URL called.
        url: String,
        /// What is wrong with it.
        reason: String,
        /// How it begins.
        excerpt: String,
    },
    /// The request itself cannot be made.
    #[error("{url} cannot be called: {reason}")]
    Request {
        /// The URL called.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client could not be built.
    #[error("no HTTP client: {0}")]
    Setup(String),
}

impl HttpError {
    /// The status, where the server answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            HttpError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl From<HttpError> for Error {
    /// The instance's fault, except for refused credentials and for what the operator wrote wrongly: those are
    /// of the code `CONFIGURATION`, because trying again mends nothing.
    fn from(error: HttpError) -> Self {
        let message = error.to_string();
        match error {
            HttpError::Connect { .. } => Error::instance(ErrorCode::CONNECTION_FAILED, message)
                .hint("check that the server runs, and its address"),
            HttpError::TimedOut { .. } => Error::instance(ErrorCode::TIMEOUT, message),
            HttpError::Broken { .. } => Error::instance(ErrorCode::STREAM_BROKEN, message),
            HttpError::Status {
                status: status @ (401 | 403),
                ..
            } => Error::new(ErrorCode::CONFIGURATION, Fault::Instance, message)
                .hint("the server refuses our credentials: check the instance's key")
                .detail("upstream_status", status),
            HttpError::Status {
                status: status @ (429 | 503),
                ..
            } => Error::instance(ErrorCode::OVERLOADED, message).detail("upstream_status", status),
            HttpError::Status { status, .. } => {
                Error::instance(ErrorCode::UPSTREAM_ERROR, message).detail("upstream_status", status)
            }
            HttpError::TooLarge { .. } | HttpError::Nonsense { .. } => {
                Error::instance(ErrorCode::UPSTREAM_ERROR, message)
                    .hint("check that the address belongs to a server of this kind")
            }
            HttpError::Request { .. } | HttpError::Setup(_) => {
                Error::new(ErrorCode::CONFIGURATION, Fault::Host, message)
            }
        }
    }
}

pub(super) fn from_reqwest(url: &str, error: &reqwest::Error) -> HttpError {
    let (url, reason) = (url.to_owned(), chain(error));
    if error.is_connect() {
        HttpError::Connect { url, reason }
    } else if error.is_builder() {
        HttpError::Request { url, reason }
    } else {
        HttpError::Broken { url, reason }
    }
}

/// The innermost cause, which is what a person can use: the outer ones repeat the URL.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What an error body says: `{"error": text}`, `{"error": {"message": text}}`, `{"detail": text}` or plain text.
pub(super) fn message_in(body: &[u8]) -> String {
    let told = serde_json::from_slice::<Value>(body).ok().and_then(|value| {
        ["/error/message", "/error", "/message", "/detail"]
            .iter()
            .find_map(|place| value.pointer(place).and_then(Value::as_str).map(str::to_owned))
    });
    told.map_or_else(|| excerpt(body), |text| excerpt(text.as_bytes()))
}

/// The beginning of a body on one line, for a message.
pub(super) fn excerpt(body: &[u8]) -> String {
    const LENGTH: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LENGTH)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
