//! What can go wrong, and what to do about it.

use plugin_api::http::{AccessError, BaseUrlError, HttpError};
use plugin_api::{Error, ErrorCode, Fault};

/// A failure of this hub.
#[derive(Debug, thiserror::Error)]
pub enum OpenaiError {
    /// The server did not answer as it should.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The URL in the configuration is none.
    #[error(transparent)]
    Url(#[from] BaseUrlError),
    /// The key cannot be had.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The instance's settings do not fit.
    #[error(transparent)]
    Settings(#[from] Error),
    /// The server keeps no list of its models.
    #[error("{0} does not list its models")]
    NoList(String),
}

impl From<OpenaiError> for Error {
    fn from(error: OpenaiError) -> Self {
        match error {
            OpenaiError::Http(error) => error.into(),
            OpenaiError::Url(error) => error.into(),
            OpenaiError::Access(error) => error.into(),
            OpenaiError::Settings(error) => error,
            OpenaiError::NoList(_) => Error::new(
                ErrorCode::CONFIGURATION,
                Fault::Instance,
                error.to_string(),
            )
            .hint(
                "check the URL; for a server without such a list, name its models in the instance's config",
            ),
        }
    }
}
