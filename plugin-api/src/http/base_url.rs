//! Base URLs, checked and written in one way.

use std::fmt;

use crate::{Error, ErrorCode, Fault};

/// Where a server is: scheme, host, port and perhaps a path, in one spelling. Its [`Display`](fmt::Display) has
/// no trailing slash, so that a path can be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    https: bool,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
    /// Empty, or begins with a slash and ends without one.
    path: String,
}

/// The text is not the base URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not an absolute `http` or `https` URL.
    #[error("`{0}` is not an http:// or https:// URL")]
    NotHttp(String),
    /// The text before `@` would be shown wherever the URL is.
    #[error("the URL holds a user name or a password")]
    Credentials,
    /// A base URL is extended by paths.
    #[error("`{0}` holds a query or a fragment, which a base URL cannot")]
    Extra(String),
}

impl From<BaseUrlError> for Error {
    fn from(error: BaseUrlError) -> Self {
        let hint = match &error {
            BaseUrlError::NotHttp(_) => "write it like http://gpu1:8000",
            BaseUrlError::Credentials => "use key_file, key_env or headers in the instance's config",
            BaseUrlError::Extra(_) => "leave out everything from ? or #",
        };
        Error::new(ErrorCode::CONFIGURATION, Fault::Client, error.to_string()).hint(hint)
    }
}

impl BaseUrl {
    /// Reads one.
    ///
    /// # Errors
    /// It is not an absolute `http` or `https` URL, or holds more than a base URL should.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim();
        let not_http = || BaseUrlError::NotHttp(text.to_owned());
        let url = reqwest::Url::parse(text).map_err(|_| not_http())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(not_http());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Extra(text.to_owned()));
        }
        Ok(Self {
            https: url.scheme() == "https",
            host: url.host_str().ok_or_else(not_http)?.to_owned(),
            // A scheme's own port is left out by the parser, but whoever wrote it meant it.
            port: url.port().or_else(|| written_port(text)),
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// With this port, where none was written and the scheme is plain `http`.
    pub fn or_port(mut self, port: u16) -> Self {
        if !self.https {
            self.port.get_or_insert(port);
        }
        self
    }

    /// The host, in lower case; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }

    /// The path; empty where there is none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Takes this ending off the path; says whether it was there.
    pub fn strip_path_suffix(&mut self, suffix: &str) -> bool {
        match self.path.strip_suffix(suffix) {
            Some(rest) => {
                self.path = rest.trim_end_matches('/').to_owned();
                true
            }
            None => false,
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(formatter, ":{port}")?;
        }
        formatter.write_str(&self.path)
    }
}

fn written_port(url: &str) -> Option<u16> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}
