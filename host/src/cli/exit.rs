//! How a command ended: for scripts a number, for people what happened, whose fault it is and what to do next.

use std::time::Duration;

use plugin_api::{ErrorCode, Fault};
use serde_json::{Value, json};

/// Exit codes, stable for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// It worked.
    Ok = 0,
    /// It failed: an instance, a plugin or the host; or a result says `"success": false`.
    Failed = 1,
    /// The command line, the parameters or the settings are wrong.
    Usage = 2,
    /// No host answers.
    Unreachable = 3,
    /// Nothing could serve it now; it may work later.
    Unavailable = 4,
    /// No key, or one that may not do this.
    Denied = 5,
    /// What was asked for does not exist.
    NotFound = 6,
    /// It took too long.
    TimedOut = 7,
}

/// The codes as `--help` shows them.
pub(super) const HELP: &str = "Exit codes:
  0  it worked
  1  it failed: an instance, a plugin or the host; or the result says `success: false`
  2  the command line, the parameters or the settings are wrong
  3  no host answers
  4  nothing could serve it now; it may work later
  5  no key, or one that may not do this
  6  what was asked for does not exist
  7  it took too long

Environment: GLEITZEIT_CONFIG, GLEITZEIT_URL, GLEITZEIT_KEY, GLEITZEIT_KEY_FILE, GLEITZEIT_LOG; every setting as GLEITZEIT_TABLE__KEY, such as GLEITZEIT_HOST__LISTEN. NO_COLOR switches colours off.";

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit as u8
    }
}

impl Exit {
    /// How a call that was answered with an error of this code ended.
    pub fn of_code(code: ErrorCode) -> Self {
        match code {
            ErrorCode::PARSE_ERROR
            | ErrorCode::INVALID_REQUEST
            | ErrorCode::METHOD_NOT_FOUND
            | ErrorCode::METHOD_NOT_SUPPORTED
            | ErrorCode::INVALID_PARAMS
            | ErrorCode::VALIDATION
            | ErrorCode::TOO_LARGE
            | ErrorCode::CONFIGURATION => Exit::Usage,
            ErrorCode::NOT_INITIALIZED
            | ErrorCode::SHUTDOWN
            | ErrorCode::RESOURCE_EXHAUSTED
            | ErrorCode::RATE_LIMIT
            | ErrorCode::NOT_AVAILABLE
            | ErrorCode::UNHEALTHY
            | ErrorCode::OVERLOADED
            | ErrorCode::DRAINING => Exit::Unavailable,
            ErrorCode::UNAUTHENTICATED | ErrorCode::FORBIDDEN => Exit::Denied,
            ErrorCode::NOT_FOUND | ErrorCode::PROTOCOL_NOT_FOUND | ErrorCode::PROVIDER_NOT_FOUND => {
                Exit::NotFound
            }
            ErrorCode::TIMEOUT | ErrorCode::CLIENT_TIMEOUT => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// Whose fault it is, where that is not plain.
    pub fault: Option<Fault>,
    /// What to do next.
    pub hint: Option<String>,
    /// The error as the host sent it.
    pub error: Option<Value>,
    /// Shown as it is, with nothing around it: a report that has its own form.
    pub report: bool,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            fault: None,
            hint: None,
            error: None,
            report: false,
        }
    }

    /// A mistake in how the command was used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error as the host sends it: `{"code", "message", "data": {"fault", "hint", …}}`, or as it stands within
    /// results: `{"code", "message", "fault", "hint"}`.
    pub fn of_error(error: &Value) -> Self {
        let fact = |name: &str| {
            error
                .get("data")
                .and_then(|data| data.get(name))
                .or_else(|| error.get(name))
        };
        let code = error
            .get("code")
            .and_then(Value::as_i64)
            .and_then(|code| i32::try_from(code).ok());
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let message = text(error.get("message")).unwrap_or_else(|| "the host gave no reason".to_owned());
        let mut failure = Self::new(
            code.map_or(Exit::Failed, |code| Exit::of_code(ErrorCode(code))),
            message,
        );
        failure.fault = fact("fault").and_then(|fault| serde_json::from_value(fault.clone()).ok());
        failure.hint = text(fact("hint"))
            .or_else(|| wait(fact("retry")))
            .or_else(|| match failure.exit {
                Exit::Denied => Some("say who you are: --key-file FILE, or GLEITZEIT_KEY".to_owned()),
                Exit::Unavailable => Some("`gleitzeit status` shows why; try again later".to_owned()),
                _ => None,
            });
        failure.error = Some(error.clone());
        failure
    }

    /// For scripts.
    pub fn to_json(&self) -> Value {
        let error = self
            .error
            .clone()
            .unwrap_or_else(|| json!({ "message": self.message }));
        json!({ "error": error, "exit": u8::from(self.exit) })
    }

    /// Whose fault it is, in words.
    pub fn whose(&self) -> Option<&'static str> {
        Some(match self.fault? {
            Fault::Client => "the request's",
            Fault::Plugin => "a plugin's",
            Fault::Instance => "an instance's",
            Fault::Host => "the host's",
        })
    }
}

/// `{"after": milliseconds}`, as an error says when to try again.
fn wait(retry: Option<&Value>) -> Option<String> {
    let milliseconds = retry?.get("after")?.as_u64()?;
    let wait = Duration::from_secs(milliseconds.div_ceil(1000));
    Some(format!("try again in {}", humantime::format_duration(wait)))
}
