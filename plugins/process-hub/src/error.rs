//! What can go wrong, and what to do about it.

use std::time::Duration;

use confine::Refusal;
use plugin_api::contract::error::Retry;
use plugin_api::{Error, ErrorCode, Fault};

/// A failure of this hub.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProcessError {
    /// The workload asks for what a process cannot be given, or what the operator does not allow.
    #[error("{what}")]
    Unfit {
        /// What it asks for, in a sentence.
        what: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// This machine cannot enforce a limit.
    #[error("this machine cannot limit {what}{reason}")]
    Unlimited {
        /// What.
        what: &'static str,
        /// Why not, ready to follow.
        reason: String,
        /// The setting that makes do without.
        setting: &'static str,
    },
    /// The launcher refused.
    #[error("{0}{1}")]
    Refused(Refusal, String),
    /// The launcher could not be run.
    #[error("cannot run the launcher `{program}`: {reason}")]
    Launcher {
        /// The program.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// Control groups, directories or identities could not be made.
    #[error("cannot make {what}: {reason}")]
    Room {
        /// What.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
    /// It ended before it listened.
    #[error("`{program}` ended while starting ({reason}){output}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        reason: String,
        /// Its last lines, ready to follow.
        output: String,
    },
    /// It runs and does not listen.
    #[error("`{program}` did not listen within {limit:?}{output}")]
    NotReady {
        /// The program.
        program: String,
        /// How long it was given.
        limit: Duration,
        /// Its last lines, ready to follow.
        output: String,
    },
    /// It ended after it had listened.
    #[error("the process has ended ({0})")]
    Gone(String),
    /// It is none of ours.
    #[error("`{0}` is no process of this hub")]
    Foreign(String),
    /// Not even killing helped.
    #[error("`{0}` does not end")]
    Unkillable(String),
    /// There are no instances to configure.
    #[error("a hub of processes has no `instances`: processes are started when somebody needs one")]
    NoInstances,
    /// The host or the settings said no.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<ProcessError> for Error {
    fn from(error: ProcessError) -> Self {
        let message = error.to_string();
        let configuration =
            |hint: String| Error::new(ErrorCode::CONFIGURATION, Fault::Host, message.clone()).hint(hint);
        match error {
            ProcessError::Unfit { hint, .. } => Error::invalid(message).hint(hint),
            ProcessError::Unlimited { setting, .. } => configuration(format!(
                "give the host a control group of its own (systemd: Delegate=yes), or say `{setting} = \"best_effort\"` in this hub's config"
            )),
            ProcessError::Refused(refusal, _) => {
                let error = if refusal.workload {
                    Error::invalid(message)
                } else {
                    Error::new(ErrorCode::CONFIGURATION, Fault::Host, message)
                };
                match refusal.mend {
                    Some(mend) => error.hint(mend),
                    None => error,
                }
            }
            ProcessError::Launcher { .. } => {
                configuration("name a program that can be run as `launcher` in this hub's config".to_owned())
            }
            ProcessError::Room { .. } => Error::new(ErrorCode::RESOURCE_EXHAUSTED, Fault::Host, message)
                .retry(Retry::After(Duration::from_secs(1))),
            ProcessError::Ended { .. } | ProcessError::Gone(_) | ProcessError::Unkillable(_) => {
                Error::instance(ErrorCode::UNHEALTHY, message)
            }
            ProcessError::NotReady { .. } => Error::instance(ErrorCode::TIMEOUT, message),
            ProcessError::Foreign(_) => {
                Error::not_found(message).hint("`gleitzeit hub HUB list` shows those that run")
            }
            ProcessError::NoInstances => Error::new(ErrorCode::CONFIGURATION, Fault::Client, message)
                .hint("remove `instances` from this hub's section"),
            ProcessError::Other(error) => error,
        }
    }
}
