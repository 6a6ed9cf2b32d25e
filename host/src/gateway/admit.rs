//! May this request be served? Everything that is asked before memory is spent on it.
//!
//! The order is by cost and by what may be learned: a caller that is not known learns nothing.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use plugin_api::{Error, ErrorCode, Fault, Retry};

use super::backend::{Asker, Backend, Route};
use super::keys::Principal;
use super::origin;
use super::site::{Lane, Site};
use super::slots::Slot;
use super::target::{Own, Target};

/// How long a client says it will wait: seconds, or a duration such as `1m 30s`.
const TIMEOUT: &str = "x-gleitzeit-timeout";

/// Who sends a request that may be served, leaving aside whether there is room for it.
///
/// # Errors
/// In this order: addressed by a foreign name, from a foreign page, without a key, for nothing that exists, for
/// administrators only.
pub(super) fn admit<'a, B, R>(
    site: &'a Site<B>,
    target: &Target<R>,
    parts: &Parts,
) -> Result<&'a Principal, Error>
where
    B: Backend,
    R: Route,
{
    let headers = &parts.headers;
    check_coding(headers)?;
    site.origins.check_origin(headers)?;
    let preflight = origin::is_preflight(&parts.method, headers);
    let principal = match target {
        // Browsers send no key with a preflight, and probes have none; both learn nothing.
        _ if preflight => site.keys.anonymous(),
        Target::Own(Own::Health | Own::Ready) => site.keys.anonymous(),
        Target::Own(Own::Metrics) if site.loopback => site.keys.anonymous(),
        _ => site.keys.identify(headers)?,
    };
    // Whoever shows a key is no rebound page, and probes address us by whatever name they like.
    if !principal.by_key && !matches!(target, Target::Own(Own::Health | Own::Ready)) {
        site.origins.check_host(&parts.uri, headers, parts.version)?;
    }
    if !preflight {
        target.check(&parts.method, parts.uri.path())?;
        if target.admin() && !principal.admin {
            return Err(needs_admin(parts.uri.path()));
        }
    }
    Ok(principal)
}

pub(super) use crate::manager::needs_admin;

/// Whole bodies only: a coding that nobody here undoes would reach a provider as noise.
fn check_coding(headers: &HeaderMap) -> Result<(), Error> {
    let fits = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if fits {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::INVALID_REQUEST,
        Fault::Client,
        "the only transfer coding understood here is `chunked`",
    )
    .status(501))
}

/// Room for a request: one of everyone's slots, and one of its key's where that has a limit of its own.
///
/// # Errors
/// 503 when the host is full, 429 when the key is; both say when to come back.
pub(super) fn room<B: Backend>(site: &Site<B>, principal: &Principal) -> Result<[Option<Slot>; 2], Error> {
    let everyones = site.slots.take().ok_or_else(|| {
        Error::new(
            ErrorCode::RESOURCE_EXHAUSTED,
            Fault::Host,
            format!(
                "this host serves {} requests already, as many as it may",
                site.slots.limit()
            ),
        )
        .retry(Retry::After(Duration::from_secs(1)))
    })?;
    let own = match &principal.slots {
        None => None,
        Some(slots) => Some(slots.take().ok_or_else(|| {
            Error::new(
                ErrorCode::RATE_LIMIT,
                Fault::Client,
                format!(
                    "`{}` has {} requests in flight, as many as it may",
                    principal.name,
                    slots.limit()
                ),
            )
            .retry(Retry::After(Duration::from_secs(1)))
        })?),
    };
    Ok([Some(everyones), own])
}

/// Who asks, for the layers below.
///
/// # Errors
/// `x-gleitzeit-timeout` is no duration.
pub(super) fn asker<B: Backend>(
    lane: &Lane<B>,
    principal: &Principal,
    request_id: &str,
    headers: &HeaderMap,
) -> Result<Asker, Error> {
    Ok(Asker {
        request_id: request_id.to_owned(),
        principal: principal.name.clone(),
        admin: principal.admin,
        max_priority: principal.max_priority,
        traceparent: traceparent(headers),
        deadline: deadline(headers)?,
        cancellation: lane.aborting.clone(),
    })
}

/// The trace context, if it looks like one: it is passed on to instances and logs.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let sane = text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    sane.then(|| text.to_owned())
}

fn deadline(headers: &HeaderMap) -> Result<Option<SystemTime>, Error> {
    let Some(value) = headers.get(TIMEOUT) else {
        return Ok(None);
    };
    let wait = value.to_str().ok().and_then(|text| {
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.or_else(|| humantime::parse_duration(text).ok())
    });
    let until = wait.and_then(|wait| SystemTime::now().checked_add(wait));
    until.map(Some).ok_or_else(|| {
        Error::invalid(format!("`{TIMEOUT}` is no duration"))
            .hint("seconds such as `30`, or a duration such as `1m 30s`")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn a_timeout_is_seconds_or_a_duration() {
        for (text, seconds) in [("30", 30), ("1m 30s", 90), ("0.5", 0)] {
            let until = deadline(&with(TIMEOUT, text)).unwrap().unwrap();
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            assert!(left <= Duration::from_secs(seconds + 1), "{text}: {left:?}");
        }
        assert_eq!(deadline(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_timeout_that_is_none_is_refused() {
        for text in ["soon", "-1", "NaN", "inf", "1e300", ""] {
            assert_eq!(
                deadline(&with(TIMEOUT, text)).unwrap_err().http_status(),
                400,
                "{text}"
            );
        }
    }

    #[test]
    fn only_what_looks_like_a_trace_context_is_passed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&with("traceparent", good)).as_deref(), Some(good));
        assert_eq!(traceparent(&with("traceparent", "00-a b")), None);
    }

    #[test]
    fn codings_other_than_chunked_are_refused() {
        assert!(check_coding(&with("transfer-encoding", "Chunked")).is_ok());
        let error = check_coding(&with("transfer-encoding", "gzip, chunked")).unwrap_err();
        assert_eq!(error.http_status(), 501);
    }
}
