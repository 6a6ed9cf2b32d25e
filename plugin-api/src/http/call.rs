//! One call: what to send, and within which limits the answer must come.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{self, Lines};
use super::{HttpError, Method, error};

/// How long a call may take unless told otherwise.
const LIMIT: Duration = Duration::from_secs(10);

/// How large an answer may be unless told otherwise.
const SIZE: usize = 16 << 20;

/// A call about to be made. Nothing happens until it is awaited in one of the last three ways; dropping that
/// future closes the connection, which is how a server learns that nobody waits any more.
#[derive(Debug)]
#[must_use = "a call is made by awaiting `bytes`, `json` or `lines`"]
pub struct Call {
    url: String,
    request: Result<reqwest::RequestBuilder, HttpError>,
    /// Asking twice does no harm.
    repeatable: bool,
    limit: Duration,
    size: usize,
}

impl Call {
    pub(super) fn new(
        method: &Method,
        url: String,
        request: Result<reqwest::RequestBuilder, HttpError>,
    ) -> Self {
        Self {
            url,
            request,
            repeatable: method == Method::GET,
            limit: LIMIT,
            size: SIZE,
        }
    }

    /// Sends this as a JSON body.
    pub fn body(mut self, value: &impl Serialize) -> Self {
        self.request = self.request.map(|request| request.json(value));
        self
    }

    /// The whole call may take this long instead of 10 s; for [`lines`](Self::lines), each pause may.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The answer (a line of it, for [`lines`](Self::lines)) may be this large instead of 16 MiB.
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Makes the call and reads the whole answer.
    ///
    /// # Errors
    /// No connection, no answer in time, too large a one, or a status other than 2xx.
    pub async fn bytes(self) -> Result<Bytes, HttpError> {
        let (limit, size, url) = (self.limit, self.size, self.url.clone());
        let whole = async { answer::whole(self.send().await?, &url, size).await };
        match tokio::time::timeout(limit, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::TimedOut { url, limit }),
        }
    }

    /// Makes the call and reads the answer as JSON of this type.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and an answer that is something else.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        let url = self.url.clone();
        let body = self.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| HttpError::Nonsense {
            url,
            reason: error.to_string(),
            excerpt: error::excerpt(&body),
        })
    }

    /// Makes the call and reads the answer line by line, as newline-delimited JSON comes.
    ///
    /// # Errors
    /// No connection, no head in time, or a status other than 2xx.
    pub async fn lines(self) -> Result<Lines, HttpError> {
        let (limit, url, size) = (self.limit, self.url.clone(), self.size);
        match tokio::time::timeout(limit, self.send()).await {
            Ok(response) => Ok(Lines::new(response?, url, limit, size)),
            Err(_) => Err(HttpError::TimedOut { url, limit }),
        }
    }

    async fn send(self) -> Result<reqwest::Response, HttpError> {
        let request = self.request?;
        let again = if self.repeatable {
            request.try_clone()
        } else {
            None
        };
        let mut sent = request
            .send()
            .await
            .map_err(|error| error::from_reqwest(&self.url, &error));
        // An idle connection may have died without our noticing, which says nothing of the server: only a new one does.
        if let (Err(HttpError::Broken { .. }), Some(again)) = (&sent, again) {
            sent = again
                .send()
                .await
                .map_err(|error| error::from_reqwest(&self.url, &error));
        }
        let response = sent?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // An error's body is for a person: the first few kilobytes say it, and a broken one says nothing.
        let body = answer::first(response, 8 << 10).await;
        Err(HttpError::Status {
            url: self.url,
            status: status.as_u16(),
            message: error::message_in(&body),
        })
    }
}
