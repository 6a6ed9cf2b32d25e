//! Targets: where an instance is reached, parsed once.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use plugin_api::contract::instance::Endpoint;

/// Where an instance is reached, ready for use by every request.
#[derive(Debug)]
pub struct Target {
    /// Host name or address to connect to.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// Whether to speak TLS.
    pub tls: bool,
    /// What the `Host` header says.
    pub authority: HeaderValue,
    /// Headers that every request to it carries; marked sensitive.
    pub headers: HeaderMap,
    /// Whether a credential of the operator's is among them.
    pub has_credentials: bool,
    base_path: String,
    rewrites: Vec<(String, String)>,
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not a URL we can ask.
    #[error("`{url}` is not an http:// or https:// URL with a host")]
    Url {
        /// What stands there.
        url: String,
    },
    /// A header of the hub's that HTTP cannot carry. Its value is not shown.
    #[error("the header `{name}` for this instance has a name or value that HTTP does not allow")]
    Header {
        /// The header's name.
        name: String,
    },
}

impl Target {
    /// Parses an endpoint.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(endpoint: &Endpoint) -> Result<Self, TargetError> {
        let bad = || TargetError::Url {
            url: endpoint.url.clone(),
        };
        let uri: Uri = endpoint.url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(bad()),
        };
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
            .ok_or_else(bad)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &endpoint.headers {
            let broken = || TargetError::Header { name: name.clone() };
            let key = HeaderName::try_from(name.as_str()).map_err(|_| broken())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| broken())?;
            value.set_sensitive(true);
            headers.append(key, value);
        }
        Ok(Self {
            host: authority
                .host()
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
            authority: host_header(authority).ok_or_else(bad)?,
            has_credentials: headers.contains_key(http::header::AUTHORIZATION)
                || headers.contains_key("x-api-key"),
            headers,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            rewrites: endpoint.rewrites.clone(),
        })
    }

    /// The path to ask this instance for, where a client asked for `path`. Shares the bytes where nothing is
    /// rewritten.
    pub fn path(&self, path: &PathAndQuery) -> Option<Uri> {
        let rewrite = self
            .rewrites
            .iter()
            .find(|(prefix, _)| path.as_str().starts_with(prefix.as_str()));
        if self.base_path.is_empty() && rewrite.is_none() {
            return Some(Uri::from(path.clone()));
        }
        let rest = match rewrite {
            Some((prefix, with)) => format!("{with}{}", path.as_str().strip_prefix(prefix.as_str())?),
            None => path.as_str().to_owned(),
        };
        Uri::from_maybe_shared(Bytes::from(format!("{}{rest}", self.base_path))).ok()
    }
}

/// User information in a URL is a credential and does not belong in `Host`.
fn host_header(authority: &Authority) -> Option<HeaderValue> {
    let text = authority.as_str();
    HeaderValue::try_from(text.rsplit_once('@').map_or(text, |(_, host)| host)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(endpoint: &Endpoint, path: &'static str) -> String {
        let target = Target::parse(endpoint).expect("a good endpoint");
        target
            .path(&PathAndQuery::from_static(path))
            .expect("a good path")
            .to_string()
    }

    #[test]
    fn a_plain_endpoint_keeps_path_and_query() {
        assert_eq!(
            path(&Endpoint::new("http://gpu1:11434"), "/api/chat?x=1"),
            "/api/chat?x=1"
        );
    }

    #[test]
    fn a_base_path_comes_first() {
        assert_eq!(
            path(&Endpoint::new("http://gpu1/engines/a/"), "/v1/models"),
            "/engines/a/v1/models"
        );
    }

    #[test]
    fn a_rewrite_replaces_a_prefix() {
        let mut endpoint = Endpoint::new("https://cloud.example");
        endpoint.rewrites.push(("/v1".into(), "/openapi/v2".into()));
        assert_eq!(path(&endpoint, "/v1/models"), "/openapi/v2/models");
    }

    #[test]
    fn what_is_not_a_url_is_refused() {
        for url in ["gpu1:11434", "ftp://gpu1", "http://", ""] {
            assert!(Target::parse(&Endpoint::new(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn a_header_that_http_cannot_carry_is_refused_without_showing_it() {
        let mut endpoint = Endpoint::new("http://gpu1");
        endpoint
            .headers
            .push(("authorization".into(), "Bearer a\nb".into()));
        let error = Target::parse(&endpoint).expect_err("a line break");
        assert!(!error.to_string().contains("Bearer"));
    }
}
