//! What can go wrong, and what to do about it.

use plugin_api::http::{AccessError, BaseUrlError, HttpError};
use plugin_api::{Error, ErrorCode, Fault};

use crate::process::ProcessError;

/// A failure of this hub.
#[derive(Debug, thiserror::Error)]
pub enum OllamaError {
    /// The server did not answer as it should.
    #[error(transparent)]
    Http(HttpError),
    /// 403 with nothing in it: the server's guard against DNS rebinding.
    #[error("{url} refuses the host name it was called by")]
    HostName {
        /// The URL called.
        url: String,
    },
    /// The server does not have the model.
    #[error("there is no model `{model}` at {url}")]
    NoModel {
        /// The model asked for.
        model: String,
        /// The URL called.
        url: String,
    },
    /// The server finds the request wrong.
    #[error("{url} refuses the request: {message}")]
    Refused {
        /// The URL called.
        url: String,
        /// What the server said.
        message: String,
    },
    /// The server gave up a pull; it says so in a line of an answer that began as a success.
    #[error("pulling `{model}` failed at {url}: {reason}")]
    Pull {
        /// The model asked for.
        model: String,
        /// The URL called.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// The answer to a pull ended without a word of success.
    #[error("{url} stopped pulling `{model}` without saying how it went")]
    PullCut {
        /// The model asked for.
        model: String,
        /// The URL called.
        url: String,
    },
    /// The URL in the configuration is none.
    #[error(transparent)]
    Url(#[from] BaseUrlError),
    /// The key cannot be had.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A name for discovery that is not `host:port`.
    #[error("`{0}` is not a host name with a port")]
    Dns(String),
    /// A server of our own could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The host or the settings said no.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<HttpError> for OllamaError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Status {
                url,
                status: 403,
                message,
            } if message.is_empty() => OllamaError::HostName { url },
            HttpError::Status {
                url,
                status: 400,
                message,
            } => OllamaError::Refused { url, message },
            error => OllamaError::Http(error),
        }
    }
}

impl OllamaError {
    /// What a failed call about a model means: 404 is then about the model.
    pub(crate) fn about(model: &str, error: HttpError) -> Self {
        match error {
            HttpError::Status { url, status: 404, .. } => OllamaError::NoModel {
                model: model.to_owned(),
                url,
            },
            error => error.into(),
        }
    }
}

impl From<OllamaError> for Error {
    fn from(error: OllamaError) -> Self {
        let message = error.to_string();
        match error {
            OllamaError::Http(error) => error.into(),
            OllamaError::HostName { .. } => Error::new(ErrorCode::CONFIGURATION, Fault::Instance, message)
                .hint("an Ollama that listens on loopback wants to be called localhost or by an IP address: write the url so"),
            OllamaError::NoModel { model, .. } => Error::not_found(message)
                .hint(format!("pull it: gleitzeit hub HUB pull {model}"))
                .detail("model", model),
            OllamaError::Refused { .. } => Error::invalid(message),
            // The registry's word for a name it does not know.
            OllamaError::Pull { model, reason, .. } if reason.contains("file does not exist") => {
                Error::not_found(message)
                    .hint("check the name and the tag: the registry does not have it")
                    .detail("model", model)
            }
            OllamaError::Pull { model, .. } => {
                Error::instance(ErrorCode::UPSTREAM_ERROR, message).detail("model", model)
            }
            OllamaError::PullCut { model, .. } => Error::instance(ErrorCode::STREAM_BROKEN, message)
                .hint("pull again: what has come is kept")
                .detail("model", model),
            OllamaError::Url(error) => error.into(),
            OllamaError::Access(error) => error.into(),
            OllamaError::Dns(_) => Error::new(ErrorCode::CONFIGURATION, Fault::Client, message)
                .hint("write it like ollama.internal:11434"),
            OllamaError::Process(error) => error.into(),
            OllamaError::Other(error) => error,
        }
    }
}
