//! Outcomes: how a lease ended, which is what the breaker and the metrics are fed with.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the use of an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The instance did its part.
    Success,
    /// The request was wrong (4xx). Says nothing of the instance.
    ClientError,
    /// The caller went away or its deadline passed while the instance was still at work.
    Cancelled,
    /// The instance asked for a rest (429, or 503 with Retry-After): it rests this long, its breaker is untouched.
    Busy {
        /// How long it asked to be left alone; `None` takes the engine's default.
        retry_after: Option<Duration>,
    },
    /// Could not connect.
    ConnectFailed,
    /// No first byte, or no next one, in time.
    TimedOut,
    /// It answered with a fault of its own (5xx), or with nonsense.
    ServerError,
    /// It broke off in the middle of an answer.
    StreamBroken,
    /// It refused our credentials (401, 403): the operator must act; not routed until a probe succeeds.
    Misconfigured,
    /// It no longer has the capability it was chosen for; the engine forgets that it had.
    CapabilityMissing,
}

impl Outcome {
    /// Whether it counts as a failure of the instance, for breaker and error rate.
    pub fn is_instance_failure(self) -> bool {
        matches!(
            self,
            Outcome::ConnectFailed | Outcome::TimedOut | Outcome::ServerError | Outcome::StreamBroken
        )
    }

    /// Its label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::ClientError => "client_error",
            Outcome::Cancelled => "cancelled",
            Outcome::Busy { .. } => "busy",
            Outcome::ConnectFailed => "connect_failed",
            Outcome::TimedOut => "timed_out",
            Outcome::ServerError => "server_error",
            Outcome::StreamBroken => "stream_broken",
            Outcome::Misconfigured => "misconfigured",
            Outcome::CapabilityMissing => "capability_missing",
        }
    }
}
