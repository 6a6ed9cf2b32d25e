//! Reading answers without trusting their size or their pace.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{HttpError, error};

/// The whole body, if it is no larger than `limit`.
pub(super) async fn whole(
    mut response: reqwest::Response,
    url: &str,
    limit: usize,
) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(url, &error))? {
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge {
                url: url.to_owned(),
                limit,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The beginning of the body, as much as comes of `limit` bytes.
pub(super) async fn first(mut response: reqwest::Response, limit: usize) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < limit
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(limit);
    body.freeze()
}

/// The lines of an answer, as they come. Dropping it closes the connection.
#[derive(Debug)]
pub struct Lines {
    response: reqwest::Response,
    url: String,
    pause: Duration,
    limit: usize,
    /// What has come and was not handed out yet.
    pending: BytesMut,
    /// How much of `pending` is known to hold no line end.
    searched: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn new(response: reqwest::Response, url: String, pause: Duration, limit: usize) -> Self {
        Self {
            response,
            url,
            pause,
            limit,
            pending: BytesMut::new(),
            searched: 0,
            ended: false,
        }
    }

    /// The next line that is not empty, without its end; `None` after the last. Cancel safe.
    ///
    /// # Errors
    /// The connection broke, the server paused for too long, or the line is too large. The stream is over then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            while let Some(line) = self.take() {
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.ended {
                return Ok(None);
            }
            if self.pending.len() > self.limit {
                self.ended = true;
                return Err(HttpError::TooLarge {
                    url: self.url.clone(),
                    limit: self.limit,
                });
            }
            match tokio::time::timeout(self.pause, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.pending.extend_from_slice(&chunk),
                Ok(Ok(None)) => self.ended = true,
                Ok(Err(error)) => {
                    self.ended = true;
                    return Err(broken(&self.url, &error));
                }
                Err(_) => {
                    self.ended = true;
                    return Err(HttpError::TimedOut {
                        url: self.url.clone(),
                        limit: self.pause,
                    });
                }
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let end = self.pending[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| self.searched + at);
        match end {
            Some(end) => {
                self.searched = 0;
                let line = self.pending.split_to(end + 1).freeze();
                Some(line.slice(..end))
            }
            // What follows the last line end counts as a line once nothing more comes.
            None if self.ended && !self.pending.is_empty() => {
                self.searched = 0;
                Some(self.pending.split().freeze())
            }
            None => {
                self.searched = self.pending.len();
                None
            }
        }
    }
}

fn broken(url: &str, error: &reqwest::Error) -> HttpError {
    HttpError::Broken {
        url: url.to_owned(),
        reason: error::chain(error),
    }
}
