//! Pulling a model, line by line.

use std::time::Duration;

use plugin_api::http::{HttpError, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use crate::error::OllamaError;

/// The longest silence of a pull. Long, because a server says nothing while it hashes what came; a dead peer is noticed
/// by the connection's own keep-alive.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// The longest line of progress.
const LINE: usize = 1 << 20;

/// What matters of a line; the rest is passed on.
#[derive(Deserialize)]
struct Line {
    status: Option<String>,
    error: Option<String>,
}

impl Server<'_> {
    /// Fetches a model from its registry, and reports each line of progress as it came.
    ///
    /// The answer begins as a success whatever comes of it: only the line `success` is one, and a line with `error` is
    /// a failure. Dropping the future ends the pull; what has come is kept by the server.
    pub(crate) async fn pull(
        &self,
        model: &str,
        insecure: bool,
        mut report: impl FnMut(Value),
    ) -> Result<(), OllamaError> {
        let url = self.endpoint.url_of("/api/pull");
        let mut lines = self
            .client
            .call(Method::POST, self.endpoint, "/api/pull")
            .body(&json!({ "model": model, "insecure": insecure, "stream": true }))
            .within(PAUSE)
            .at_most(LINE)
            .lines()
            .await?;
        let mut done = false;
        while let Some(text) = lines.next().await? {
            let nonsense = |error: serde_json::Error| HttpError::Nonsense {
                url: url.clone(),
                reason: error.to_string(),
                excerpt: String::from_utf8_lossy(&text).chars().take(200).collect(),
            };
            let value: Value = serde_json::from_slice(&text).map_err(nonsense)?;
            let line = Line::deserialize(&value).map_err(nonsense)?;
            if let Some(reason) = line.error {
                return Err(OllamaError::Pull {
                    model: model.to_owned(),
                    url,
                    reason,
                });
            }
            done |= line.status.as_deref() == Some("success");
            report(value);
        }
        if done {
            Ok(())
        } else {
            Err(OllamaError::PullCut {
                model: model.to_owned(),
                url,
            })
        }
    }
}
