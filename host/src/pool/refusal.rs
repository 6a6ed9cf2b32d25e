//! Refusals: why no instance was to be had, and what the caller can do about it.

use std::time::Duration;

use plugin_api::{Error, ErrorCode, Fault, Retry};

/// Why no instance was to be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No instance ever had what was asked for. The client's mistake.
    #[error("{}", unknown(.what))]
    Unknown {
        /// What was asked for, in words.
        what: String,
        /// The capability that was asked for, so that a dialect can name it in its own words.
        capability: Option<String>,
    },
    /// Some have it, and none of them can be used now or soon.
    #[error("no instance can serve this now: {}", .reasons.join("; "))]
    NoneRoutable {
        /// Each instance that would do otherwise, with what keeps requests from it. At most
        /// [`MOST_REASONS`]; the last says how many more there are.
        reasons: Vec<String>,
        /// When the first of them may be usable again, where that is known.
        retry_after: Option<Duration>,
    },
    /// All that would do are busy. Only from [`Pool::try_acquire`](super::Pool::try_acquire), which does not
    /// wait.
    #[error("every instance that can serve this is busy")]
    AllBusy,
    /// All that would do are busy, and so is the queue.
    #[error("every instance that can serve this is busy and the queue is full")]
    QueueFull {
        /// How long the queue ahead is expected to take.
        retry_after: Duration,
    },
    /// It waited in the queue for as long as it may.
    #[error("no instance became free within {}", humantime::format_duration(whole(*.waited)))]
    QueueTimeout {
        /// How long it waited.
        waited: Duration,
    },
    /// The resource that was asked for could not be started: the hub's own word.
    #[error("{0}")]
    NotStarted(Box<Error>),
    /// A resource of a specification was asked for, and the hub starts none.
    #[error("this hub does not start resources")]
    StartsNothing,
    /// The pool is shutting down.
    #[error("the hub is stopping")]
    Closed,
}

/// How many reasons a refusal lists.
pub const MOST_REASONS: usize = 8;

fn unknown(what: &str) -> String {
    format!("no instance has {what}")
}

fn whole(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl Refusal {
    /// How long the caller should wait before it asks again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Refusal::NoneRoutable { retry_after, .. } => *retry_after,
            Refusal::QueueFull { retry_after } => Some(*retry_after),
            Refusal::NotStarted(error) => error.retry_after(),
            Refusal::Unknown { .. }
            | Refusal::AllBusy
            | Refusal::QueueTimeout { .. }
            | Refusal::StartsNothing
            | Refusal::Closed => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Unknown { capability, .. } => {
                let error = Error::not_found(message).hint("`gleitzeit status` lists what each instance has");
                match capability {
                    Some(capability) => error.detail("capability", capability),
                    None => error,
                }
            }
            Refusal::NoneRoutable { reasons, retry_after } => {
                Error::new(ErrorCode::NOT_AVAILABLE, Fault::Instance, message)
                    .retry(retry_after.map_or(Retry::Now, Retry::After))
                    .hint("`gleitzeit status` shows every instance and why it is not used")
                    .detail("reasons", reasons)
            }
            Refusal::AllBusy => {
                Error::new(ErrorCode::RESOURCE_EXHAUSTED, Fault::Host, message).retry(Retry::Now)
            }
            Refusal::QueueFull { retry_after } => {
                Error::new(ErrorCode::RESOURCE_EXHAUSTED, Fault::Host, message)
                    .retry(Retry::After(retry_after))
                    .hint("raise `max_concurrent`, `warm.max` or `queue.size`, or add an instance")
            }
            Refusal::QueueTimeout { waited } => Error::new(ErrorCode::TIMEOUT, Fault::Host, message)
                .retry(Retry::Now)
                .hint("raise `max_concurrent`, `warm.max` or `queue.timeout`, or add an instance")
                .detail("waited_ms", u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)),
            Refusal::NotStarted(error) => *error,
            Refusal::StartsNothing => Error::not_found(message)
                .hint("bind a hub whose plugin starts resources, such as one of containers"),
            Refusal::Closed => Error::new(ErrorCode::SHUTDOWN, Fault::Host, message).retry(Retry::Now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::{Error, Fault};

    use super::Refusal;

    #[test]
    fn a_refusal_says_whose_fault_it_is_and_when_to_come_back() {
        let unknown: Error = Refusal::Unknown {
            what: "`m:latest`".into(),
            capability: Some("m:latest".into()),
        }
        .into();
        assert_eq!((unknown.http_status(), unknown.fault), (404, Fault::Client));
        assert_eq!(unknown.message, "no instance has `m:latest`");

        let full: Error = Refusal::QueueFull {
            retry_after: Duration::from_secs(7),
        }
        .into();
        assert_eq!(
            (full.http_status(), full.retry_after()),
            (503, Some(Duration::from_secs(7)))
        );

        let none: Error = Refusal::NoneRoutable {
            reasons: vec!["a: draining".into(), "b: unhealthy".into()],
            retry_after: None,
        }
        .into();
        assert_eq!(
            none.message,
            "no instance can serve this now: a: draining; b: unhealthy"
        );
        assert_eq!(none.http_status(), 503);

        let late: Error = Refusal::QueueTimeout {
            waited: Duration::from_millis(1500),
        }
        .into();
        assert_eq!(
            (late.http_status(), late.message.as_str()),
            (504, "no instance became free within 1s 500ms")
        );
    }
}
