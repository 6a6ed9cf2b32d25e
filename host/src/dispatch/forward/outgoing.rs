//! What is sent to an instance.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Request, Uri, header};
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
    pub fn request(&self, target: &Target, uri: Uri) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let mut headers = self.headers.clone();
        headers.insert(header::HOST, target.authority.clone());
        if !target.headers.is_empty() {
            headers.extend(target.headers.clone());
        }
        *request.headers_mut() = headers;
        request
    }
}

/// Headers that end here. Those of one connection (RFC 9110, 7.6.1); the caller's credentials, which are for us
/// and not for an instance; what a browser says of the page, which an instance would judge by; compression, because
/// frames must stay readable; lengths, which hyper knows better; and hints, which are for us. `Host` is not among them
/// because each attempt writes the instance's over it, for which the place must not be made anew each time.
fn ends_here(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "expect"
            | "authorization"
            | "x-api-key"
            | "cookie"
            | "origin"
            | "referer"
            | "accept-encoding"
            | "forwarded"
            | "x-forwarded-for"
    ) || name.starts_with("x-gleitzeit-")
}

/// Takes out what `ends_here`, and what `Connection` names besides. One look at each header: looking up every name that
/// might be there would cost more than all the rest of a head.
pub(super) fn strip(headers: &mut HeaderMap, ends_here: impl Fn(&HeaderName) -> bool) {
    if !headers.keys().any(&ends_here) {
        return;
    }
    let mut names: Vec<HeaderName> = Vec::with_capacity(8);
    names.extend(headers.keys().filter(|name| ends_here(name)).cloned());
    if names.contains(&header::CONNECTION) {
        names.extend(named_by_connection(headers));
    }
    for name in names {
        headers.remove(name);
    }
}

/// Further headers that concern one connection alone, as `Connection` names them (RFC 9110, 7.6.1).
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
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
    strip(&mut headers, ends_here);
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
