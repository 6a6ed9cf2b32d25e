//! What is sent to an instance.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Request, header};
use http_body_util::Full;

use crate::dispatch::relay::Judge;
use crate::dispatch::upstream::Target;

/// A request in one dialect, ready to be sent as often as needed.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The dialect an instance must speak; `None` where the requirement says it.
    pub dialect: Option<String>,
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: PathAndQuery,
    /// End-to-end headers.
    pub headers: HeaderMap,
    /// Body; shared by all attempts.
    pub body: Bytes,
    /// How the answer is judged.
    pub judge: Option<Judge>,
    /// The model name to give back in the answer.
    pub rename: Option<String>,
}

impl Outgoing {
    /// The request as this instance gets it.
    pub fn request(&self, target: &Target) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.path(&self.path)?;
        let mut headers = self.headers.clone();
        headers.insert(header::HOST, target.authority.clone());
        headers.extend(target.headers.clone());
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// Headers that end here. Those of one connection (RFC 9110, 7.6.1); the caller's credentials, which are for us
/// and not for an instance; what a browser says of the page, which an instance would judge by; compression, because
/// frames must stay readable; and lengths, which hyper knows better.
const OURS: [HeaderName; 20] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    header::COOKIE,
    header::ORIGIN,
    header::REFERER,
    header::ACCEPT_ENCODING,
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
];

/// Further headers that concern one connection alone, as `Connection` names them (RFC 9110, 7.6.1).
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

/// What of a client's headers goes on to an instance.
pub fn copied_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in named_by_connection(&headers).iter().chain(&OURS) {
        headers.remove(name);
    }
    let hints: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-gleitzeit-"))
        .cloned()
        .collect();
    for name in hints {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_hop_by_hop_headers_end_here() {
        let headers = [
            ("authorization", "Bearer mine"),
            ("x-api-key", "mine"),
            ("cookie", "a=b"),
            ("connection", "close, x-secret-hop"),
            ("x-secret-hop", "1"),
            ("x-gleitzeit-tags", "gpu"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("x-client-beta", "x"),
        ];
        let map = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect();
        let copied = copied_headers(map);
        let mut left: Vec<_> = copied.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "x-client-beta"]);
    }
}
