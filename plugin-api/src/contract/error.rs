//! The one error type: what happened, whose fault it is, whether to try again, what to do next.
//!
//! It crosses the plugin boundary and is rendered in each client's own dialect, so it holds facts and
//! sentences, never a type that only one side knows.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A failure, told so that a program can react and a person can mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure: stable, for programs.
    pub code: ErrorCode,
    /// Whose fault it is. Only an instance's own faults count against its breaker.
    pub fault: Fault,
    /// Whether the same request may succeed later or elsewhere.
    #[serde(default)]
    pub retry: Retry,
    /// What happened, in one sentence for a person. Never holds a secret.
    pub message: String,
    /// What to do next, where we know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Facts for programs: instance, model, limits.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
    /// The HTTP status that says it best, where the usual one for the code does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request was wrong; sending it again changes nothing.
    Client,
    /// A plugin misbehaved.
    Plugin,
    /// The resource behind the request failed.
    Instance,
    /// The host itself failed, or is stopping.
    Host,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same request fails again.
    #[default]
    Never,
    /// It may succeed, at once or on another instance.
    Now,
    /// It may succeed after this long.
    After(#[serde(with = "millis")] Duration),
}

/// A stable number for a kind of failure.
///
/// The numbers of the JSON-RPC 2.0 specification and of the Python system are kept where they exist. The set
/// is open: a peer may know more codes than we do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub i32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $status:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: ErrorCode = ErrorCode($number);)*

            /// The code's name, or `None` for one this version does not know.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some(stringify!($name)),)* _ => None }
            }

            /// The HTTP status that usually goes with the code.
            pub const fn http_status(self) -> u16 {
                match self.0 { $($number => $status,)* _ => 500 }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    PARSE_ERROR = -32700, 400;
    /// The JSON is not a request.
    INVALID_REQUEST = -32600, 400;
    /// No provider offers this method.
    METHOD_NOT_FOUND = -32601, 404;
    /// The parameters do not fit the method's schema.
    INVALID_PARAMS = -32602, 400;
    /// A fault of the host.
    INTERNAL_ERROR = -32603, 500;
    /// Asked too early: still starting.
    NOT_INITIALIZED = -31001, 503;
    /// The host is stopping.
    SHUTDOWN = -31002, 503;
    /// The configuration is wrong; the operator must act.
    CONFIGURATION = -31003, 500;
    /// Queue or memory full.
    RESOURCE_EXHAUSTED = -31004, 503;
    /// This caller has used up its share.
    RATE_LIMIT = -31005, 429;
    /// No key, or one nobody knows.
    UNAUTHENTICATED = -31006, 401;
    /// The key is known but may not do this.
    FORBIDDEN = -31007, 403;
    /// A limit on size or nesting was passed.
    TOO_LARGE = -31008, 413;
    /// The client took too long to send or to read.
    CLIENT_TIMEOUT = -31009, 408;
    /// No such protocol.
    PROTOCOL_NOT_FOUND = -30001, 404;
    /// No such provider or hub.
    PROVIDER_NOT_FOUND = -30002, 404;
    /// Nothing that could serve the request is routable now.
    NOT_AVAILABLE = -30003, 503;
    /// A plugin could not be constructed.
    INIT_FAILED = -30004, 500;
    /// The resource is unhealthy.
    UNHEALTHY = -30005, 503;
    /// The deadline passed.
    TIMEOUT = -30006, 504;
    /// The instance asked for a rest.
    OVERLOADED = -30007, 503;
    /// The component does not know this verb or method.
    METHOD_NOT_SUPPORTED = -30008, 501;
    /// The two sides speak different versions.
    VERSION_MISMATCH = -30009, 500;
    /// The provider failed and said no more.
    PROVIDER_ERROR = -30010, 500;
    /// What was asked for does not exist (a model, an instance).
    NOT_FOUND = -30011, 404;
    /// A plugin panicked; the panic was caught.
    PANICKED = -30012, 500;
    /// The handle belongs to something that is gone.
    GONE = -30013, 410;
    /// Draining; ask another.
    DRAINING = -30014, 503;
    /// A value broke a rule.
    VALIDATION = -29001, 400;
    /// Cancelled by its caller.
    CANCELLED = -29004, 499;
    /// Could not connect to the instance.
    CONNECTION_FAILED = -25001, 502;
    /// The instance answered with a fault of its own.
    UPSTREAM_ERROR = -25007, 502;
    /// The instance broke off in the middle of its answer.
    STREAM_BROKEN = -25008, 502;
}

impl Error {
    /// A failure of this code and fault; retry is [`Retry::Never`] until said otherwise. A message beyond all measure,
    /// because it repeats what somebody sent, loses its middle.
    pub fn new(code: ErrorCode, fault: Fault, message: impl Into<String>) -> Self {
        Self {
            code,
            fault,
            retry: Retry::Never,
            message: short(message.into()),
            hint: None,
            details: serde_json::Map::new(),
            status: None,
        }
    }

    /// The client's mistake: parameters that do not fit.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_PARAMS, Fault::Client, message)
    }

    /// The client asked for something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NOT_FOUND, Fault::Client, message)
    }

    /// The instance failed; another may do better.
    pub fn instance(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, Fault::Instance, message).retry(Retry::Now)
    }

    /// The plugin failed in a way that is nobody else's fault.
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::PROVIDER_ERROR, Fault::Plugin, message)
    }

    /// The component does not know this verb.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(
            ErrorCode::METHOD_NOT_SUPPORTED,
            Fault::Client,
            format!("{what} is not supported here"),
        )
    }

    /// Says whether and when to try again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Says what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(short(hint.into()));
        self
    }

    /// Adds a fact for programs.
    pub fn detail(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        let value = match value.into() {
            serde_json::Value::String(text) => serde_json::Value::String(short(text)),
            other => other,
        };
        self.details.insert(key.to_owned(), value);
        self
    }

    /// Sets the HTTP status, where the code's usual one does not fit.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The HTTP status to answer with.
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.code.http_status())
    }

    /// How long to wait before trying again, where waiting is worth it.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.retry {
            Retry::After(wait) => Some(wait),
            Retry::Never | Retry::Now => None,
        }
    }
}

/// How much is kept of the beginning and of the end of a text for people.
const KEPT: (usize, usize) = (1500, 300);

/// A text for people, without its middle where it is longer than anybody reads: names that clients invent are repeated in
/// messages, and may have megabytes.
fn short(text: String) -> String {
    if text.len() <= KEPT.0 + KEPT.1 {
        return text;
    }
    let (head, tail) = (
        text.floor_char_boundary(KEPT.0),
        text.ceil_char_boundary(text.len() - KEPT.1),
    );
    format!("{} … {}", &text[..head], &text[tail..])
}

impl From<serde_json::Error> for Error {
    /// Bad JSON is the sender's mistake; the message holds line and column.
    fn from(error: serde_json::Error) -> Self {
        Error::invalid(error.to_string())
    }
}

mod millis {
    //! Durations as whole milliseconds.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_beyond_all_measure_loses_its_middle() {
        let name = "é".repeat(2 << 20);
        let error = Error::not_found(format!("no instance has `{name}` here"))
            .detail("name", name.as_str())
            .hint(name);
        assert!(serde_json::to_string(&error.details).unwrap().len() < 2000);
        assert!(error.message.len() < 2000 && error.hint.is_some_and(|hint| hint.len() < 2000));
        assert!(error.message.starts_with("no instance has `é") && error.message.ends_with("é` here"));
        let usual = "x".repeat(1000);
        assert_eq!(Error::invalid(usual.clone()).message, usual);
    }
}
