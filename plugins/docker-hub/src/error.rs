//! What can go wrong, and what to do about it.

use std::time::Duration;

use plugin_api::contract::error::Retry;
use plugin_api::contract::outcome::Outcome;
use plugin_api::quantity::Size;
use plugin_api::{Error, ErrorCode, Fault};

use crate::image;

/// A failure of this hub.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The URL of an engine is none.
    #[error("`{0}` is not the URL of an engine")]
    Url(String),
    /// The files that a TLS engine needs do not do.
    #[error("{file}: {reason}")]
    Tls {
        /// The file, or the setting that is missing.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("the engine at {engine} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        engine: String,
        /// What the system said.
        reason: String,
    },
    /// One side of a TLS connection does not take the other for who it says it is.
    #[error("the engine at {engine} and this hub do not trust each other: {reason}")]
    Distrust {
        /// Where.
        engine: String,
        /// What the one side, or the other, does not like.
        reason: String,
        /// Whether it is the engine that wants to know who we are.
        by_the_engine: bool,
    },
    /// It was reached and does not answer in time.
    #[error("the engine at {engine} did not {what} within {limit:?}")]
    TimedOut {
        /// Where.
        engine: String,
        /// What it was asked to do.
        what: &'static str,
        /// How long it was given.
        limit: Duration,
    },
    /// It says no.
    #[error("the engine at {engine} would not {what}: {message}")]
    Answer {
        /// Where.
        engine: String,
        /// What it was asked to do.
        what: &'static str,
        /// Its HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// It broke off, or what it says cannot be read.
    #[error("the engine at {engine} could not {what}: {reason}")]
    Nonsense {
        /// Where.
        engine: String,
        /// What it was asked to do.
        what: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// It is older than anything this hub was made for.
    #[error("the engine at {engine} speaks API {found}, and 1.41 is the least that is needed")]
    TooOld {
        /// Where.
        engine: String,
        /// What it speaks.
        found: String,
    },
    /// The workload asks for what cannot be given here.
    #[error("the workload is refused: {0}")]
    Refused(String),
    /// The image is not there and may not be fetched.
    #[error("the engine at {engine} has no image `{image}`, and `pull = \"never\"` is set")]
    NoImage {
        /// The image.
        image: String,
        /// Where.
        engine: String,
    },
    /// The image could not be fetched.
    #[error("pulling `{image}` failed: {reason}{}", tried_again(*again))]
    Pull {
        /// The image.
        image: String,
        /// What engine or registry said.
        reason: String,
        /// It is not tried before so much time has passed.
        again: Option<Duration>,
    },
    /// The engine made another box than it was asked to.
    #[error("the engine at {engine} made a weaker container than it was asked to: {difference}")]
    Different {
        /// Where.
        engine: String,
        /// What differs, and how.
        difference: String,
    },
    /// The container ended before it was ready.
    #[error("the container ended before it was ready ({status}){output}")]
    Died {
        /// How it ended.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// The container runs and is not ready.
    #[error("the container was not ready within {limit:?}{output}")]
    NotReady {
        /// How long it was given.
        limit: Duration,
        /// Its last lines.
        output: String,
    },
    /// The place for control channels cannot be used.
    #[error("cannot use {path} for control channels: {reason}")]
    StateDirectory {
        /// The directory.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings promise workloads what no container can be made with.
    #[error("`limits.memory` is {0}, which is no memory for a container")]
    NoMemory(Size),
    /// The host or the settings said no.
    #[error(transparent)]
    Other(#[from] Error),
}

impl DockerError {
    /// What it says of the engine that was leased for the work.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Unreachable { .. } | Self::Distrust { .. } => Outcome::ConnectFailed,
            Self::TimedOut { .. } => Outcome::TimedOut,
            Self::Nonsense { .. } => Outcome::StreamBroken,
            Self::Answer { status, .. } if *status >= 500 && !self.is_about_the_command() => {
                Outcome::ServerError
            }
            _ => Outcome::ClientError,
        }
    }

    /// Whether another engine might do better at once.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Distrust { .. })
    }

    /// Whether the engine says that there is no such thing (any more).
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Answer { status: 404, .. })
    }

    /// Podman starts its own little process 1 from a package that it does without until somebody wants one.
    fn is_about_init(&self) -> bool {
        matches!(self, Self::Answer { message, .. } if message.contains("container-init"))
    }

    /// Engines answer 500 where a runtime cannot run the command, which is not their fault.
    fn is_about_the_command(&self) -> bool {
        !self.is_about_init()
            && matches!(self, Self::Answer { message, .. } if !message.contains("rlimit") && ["executable file not found", "no such file or directory", "permission denied", "unable to start container process"].iter().any(|text| message.contains(text)))
    }
}

impl From<DockerError> for Error {
    fn from(error: DockerError) -> Self {
        let message = error.to_string();
        let configuration =
            |hint: &str| Error::new(ErrorCode::CONFIGURATION, Fault::Client, message.clone()).hint(hint);
        match error {
            DockerError::Url(_) => {
                configuration("write it like unix:///var/run/docker.sock or tcp://host:2376")
            }
            DockerError::Tls { .. } => {
                configuration("give ca, cert and key of the engine as PEM files that the host may read")
            }
            DockerError::Unreachable { .. } => Error::instance(ErrorCode::CONNECTION_FAILED, message)
                .hint("is the engine running, and may this user open its socket?"),
            DockerError::Distrust { by_the_engine, .. } => {
                Error::instance(ErrorCode::CONNECTION_FAILED, message).hint(if by_the_engine {
                    "give `cert` and `key` of a client that the engine's own authority has signed"
                } else {
                    "`ca` has to be the authority that signed the engine's certificate, and the URL has to name the machine \
                     as the certificate does"
                })
            }
            DockerError::TimedOut { .. } => Error::instance(ErrorCode::TIMEOUT, message),
            DockerError::Answer { status: 404, .. } => Error::not_found(message),
            DockerError::Answer { .. } if error.is_about_init() => {
                Error::new(ErrorCode::CONFIGURATION, Fault::Instance, message)
                    .hint("install `catatonit` on the engine's machine: Podman needs it, and does not bring it")
            }
            DockerError::Answer { status, .. } if error.is_about_the_command() => Error::invalid(message)
                .hint("is the program in the image?")
                .detail("status", status),
            DockerError::Answer { status, .. } if status < 500 => {
                Error::invalid(message).detail("status", status)
            }
            DockerError::Answer { status, .. } => {
                Error::instance(ErrorCode::UPSTREAM_ERROR, message).detail("status", status)
            }
            DockerError::Nonsense { .. } => Error::instance(ErrorCode::UPSTREAM_ERROR, message),
            DockerError::TooOld { .. } => Error::new(ErrorCode::VERSION_MISMATCH, Fault::Instance, message)
                .hint("install Docker 20.10 or Podman 4.0, or later ones"),
            DockerError::Refused(_) => Error::new(ErrorCode::VALIDATION, Fault::Client, message),
            DockerError::NoImage { image, .. } => Error::new(ErrorCode::CONFIGURATION, Fault::Host, message)
                .hint(format!("pull it: gleitzeit hub HUB pull {image}"))
                .detail("image", image),
            DockerError::Pull { image, again, .. } => {
                let error = Error::instance(ErrorCode::UPSTREAM_ERROR, message)
                    .hint(image::WAYS_OUT)
                    .detail("image", image);
                match again {
                    Some(rest) => error.retry(Retry::After(rest.max(Duration::from_secs(1)))),
                    None => error,
                }
            }
            DockerError::Different { .. } => Error::new(ErrorCode::UNHEALTHY, Fault::Instance, message)
                .hint("the container was removed; the engine cannot keep what the workload asks for"),
            DockerError::Died { .. } => Error::instance(ErrorCode::UNHEALTHY, message),
            DockerError::NotReady { .. } => Error::instance(ErrorCode::TIMEOUT, message),
            DockerError::StateDirectory { .. } => Error::new(ErrorCode::CONFIGURATION, Fault::Host, message)
                .hint("set `state_dir` to a directory that only this user may enter"),
            DockerError::NoMemory(_) => configuration("give at least 6 MiB, such as \"256MiB\""),
            DockerError::Other(error) => error,
        }
    }
}

fn tried_again(rest: Option<Duration>) -> String {
    // Up, or whoever comes when it was said comes too early.
    let whole = |rest: Duration| {
        let more = u64::from(rest.subsec_nanos() > 0);
        Duration::from_secs(rest.as_secs().saturating_add(more).max(1))
    };
    rest.map_or_else(String::new, |rest| {
        format!(
            "; it is tried again in {}",
            humantime::format_duration(whole(rest))
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_when_it_was_said_does_not_come_too_early() {
        for (milliseconds, said) in [
            (0, "1s"),
            (1, "1s"),
            (9_001, "10s"),
            (9_999, "10s"),
            (10_000, "10s"),
            (60_001, "1m 1s"),
        ] {
            let text = tried_again(Some(Duration::from_millis(milliseconds)));
            assert_eq!(text, format!("; it is tried again in {said}"), "{milliseconds}");
        }
        assert_eq!(tried_again(None), "");
        tried_again(Some(Duration::MAX));
    }
}
