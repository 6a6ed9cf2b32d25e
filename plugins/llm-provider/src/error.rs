//! What can be wrong with a request.

use plugin_api::{Error, ErrorCode, Fault};

/// What can be wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// No body where one is needed.
    #[error("missing request body")]
    NoBody,
    /// The body is not JSON of the right shape; the text says where.
    #[error("{0}")]
    BadBody(#[from] serde_json::Error),
    /// No model is named.
    #[error("model is required")]
    NoModel,
    /// A value cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A failure with a code of its own, from the host or an instance.
    #[error("{0}")]
    Other(#[from] Error),
}

impl From<LlmError> for Error {
    fn from(error: LlmError) -> Self {
        match error {
            LlmError::Other(error) => error,
            LlmError::BadBody(_) => Error::new(ErrorCode::PARSE_ERROR, Fault::Client, error.to_string()),
            LlmError::NoBody | LlmError::NoModel | LlmError::Invalid(_) => Error::invalid(error.to_string()),
        }
    }
}
