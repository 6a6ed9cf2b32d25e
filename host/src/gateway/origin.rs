//! Which browser pages may call: the guard against DNS rebinding, and CORS.
//!
//! A page anywhere on the web can make its visitor's browser call this machine. Two headers that a page cannot
//! forge tell: `host` (a page that rebinds its own name to our address still sends its own name) and `origin`.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use plugin_api::{Error, ErrorCode, Fault};

/// Who may address us by which name, and pages from where may call.
#[derive(Debug)]
pub(super) struct Origins {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Origins {
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Self {
        let lower = |list: &[String]| list.iter().map(|entry| entry.to_ascii_lowercase()).collect();
        Self {
            hosts: lower(hosts),
            origins: lower(origins),
        }
    }

    /// Whether we are addressed by a name of ours. Any literal address is: rebinding needs a name.
    ///
    /// # Errors
    /// The name is none of ours, or there is none where HTTP demands one.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap, version: Version) -> Result<(), Error> {
        // Which of two would an instance or a browser go by? Neither is sent by one (RFC 9112, 3.2).
        // Where no header comes twice, these do not.
        let repeated = headers.len() > headers.keys_len();
        let twice = |name| headers.get_all(name).iter().nth(1).is_some();
        if repeated && (twice(HOST) || twice(ORIGIN)) {
            let message = "the request has more than one `host` or `origin` header";
            return Err(Error::new(ErrorCode::INVALID_REQUEST, Fault::Client, message));
        }
        // The absolute form wins over the header (RFC 9112, 3.2.2).
        let authority = match (uri.authority(), headers.get(HOST)) {
            (Some(authority), _) => authority.as_str(),
            (None, Some(host)) => host.to_str().map_err(|_| foreign_host("(not text)"))?,
            // HTTP/1.0 knows no such header, and browsers do not speak it.
            (None, None) if version < Version::HTTP_11 => return Ok(()),
            (None, None) => {
                return Err(Error::new(
                    ErrorCode::INVALID_REQUEST,
                    Fault::Client,
                    "the request has no `host` header",
                ));
            }
        };
        if authority.contains('@') {
            return Err(foreign_host(authority));
        }
        let name = host_of(authority);
        if is_local_or_literal(name, true) || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
        {
            return Ok(());
        }
        Err(foreign_host(name))
    }

    /// The page's origin if one is named and may call.
    ///
    /// # Errors
    /// A page from elsewhere.
    pub(super) fn check_origin<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a HeaderValue>, Error> {
        let Some(value) = headers.get(ORIGIN) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or("(not text)");
        let allowed = self
            .origins
            .iter()
            .any(|known| known == "*" || known.eq_ignore_ascii_case(text));
        if allowed || is_local_page(text) || is_same(text, headers) {
            return Ok(Some(value));
        }
        Err(Error::new(
            ErrorCode::FORBIDDEN,
            Fault::Client,
            format!("pages from {text} may not call this host"),
        )
        .hint("the operator can allow them with `[host] allowed_origins`"))
    }
}

/// `host:port`, `[v6]:port`, or either without a port; only the name or the address.
fn host_of(authority: &str) -> &str {
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    if let Some(v6) = authority.strip_prefix('[') {
        return match v6.split_once(']') {
            Some((address, rest)) if rest.is_empty() || rest.starts_with(':') => address,
            // No address; and no name of ours has a bracket.
            _ => authority,
        };
    }
    authority.split(':').next().unwrap_or(authority)
}

/// `localhost`, a name below it, a loopback address; with `any_address` every literal address.
fn is_local_or_literal(name: &str, any_address: bool) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.eq_ignore_ascii_case("localhost") {
        return true;
    }
    name.parse::<IpAddr>()
        .is_ok_and(|address| any_address || address.is_loopback())
}

/// A page that this machine itself serves.
fn is_local_page(origin: &str) -> bool {
    authority_of(origin).is_some_and(|authority| is_local_or_literal(host_of(authority), false))
}

/// A page that we ourselves serve, under whatever name [`Origins::check_host`] let pass.
fn is_same(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    matches!((authority_of(origin), host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

fn authority_of(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
}

fn foreign_host(name: &str) -> Error {
    Error::new(
        ErrorCode::FORBIDDEN,
        Fault::Client,
        format!("this host is not known as `{name}`"),
    )
    .hint("address it as localhost or by its address, send a key, or have the operator add the name to `[host] allowed_hosts`")
}

/// Whether a request is a browser's question before the real one.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that question, for an origin that may call; [`share`] says the rest.
pub(super) fn answer_preflight(asked: &HeaderMap, answer: &mut HeaderMap) {
    for (question, reply) in [
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
    ] {
        if let Some(value) = asked.get(question) {
            answer.insert(reply, value.clone());
        }
    }
    // Asked by browsers before a page on a public site calls a private address.
    if asked.contains_key("access-control-request-private-network") {
        answer.insert(
            "access-control-allow-private-network",
            HeaderValue::from_static("true"),
        );
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

/// What lets the page read an answer.
pub(super) fn share(origin: &HeaderValue, answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    answer.append(VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests;
