//! What a status says: of the instance, and of whether another should be asked.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use plugin_api::contract::outcome::Outcome;

use crate::dispatch::relay::Judge;
use crate::dispatch::upstream::Target;

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Class {
    /// Of the instance.
    pub outcome: Outcome,
    /// Whether another should be asked.
    pub again: bool,
    /// Whether what is known of the instance should be looked at anew.
    pub look: bool,
    /// Whether the answer may be shown to the client if no other has a better one.
    pub presentable: bool,
}

impl Class {
    /// Judges a status that is no success. `wordless` says that it came without a body.
    pub(super) fn of(
        status: StatusCode,
        headers: &HeaderMap,
        wordless: bool,
        target: &Target,
        judge: Option<&Judge>,
    ) -> Self {
        let class = |outcome, again, presentable| Self {
            outcome,
            again,
            look: false,
            presentable,
        };
        if judge.is_some_and(|judge| judge.is_elsewhere(status.as_u16())) {
            // It may have lost what it was chosen for, or never have had the route: only a look can tell which, and
            // one client's odd request must not take a model away from all others.
            return Self {
                look: true,
                ..class(Outcome::ClientError, true, true)
            };
        }
        match status {
            // Our own credential was refused, or we were at the door (a Host check answers with an empty body):
            // the operator's matter. Without either, a refusal is an answer about this request.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if target.has_credentials || wordless => {
                class(Outcome::Misconfigured, true, false)
            }
            StatusCode::TOO_MANY_REQUESTS => class(
                Outcome::Busy {
                    retry_after: retry_after(headers),
                },
                true,
                true,
            ),
            StatusCode::SERVICE_UNAVAILABLE if headers.contains_key(header::RETRY_AFTER) => class(
                Outcome::Busy {
                    retry_after: retry_after(headers),
                },
                true,
                true,
            ),
            // Nobody implements it here; asking again changes nothing.
            StatusCode::NOT_IMPLEMENTED => class(Outcome::ClientError, false, true),
            // A switch of protocols or a redirection: the client asked us, and for neither. Where it leads is not for an
            // instance to choose.
            status if status.is_informational() || status.is_redirection() => {
                class(Outcome::ServerError, true, false)
            }
            status if status.is_server_error() => class(Outcome::ServerError, true, true),
            _ => class(Outcome::ClientError, false, true),
        }
    }
}

/// Seconds of a `Retry-After`. Its date form is rare, and rests as long as the engine finds right.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use plugin_api::contract::instance::Endpoint;

    use super::*;

    fn class(status: u16, headers: &[(&'static str, &'static str)], body: &str, key: Option<&str>) -> Class {
        let mut endpoint = Endpoint::new("http://gpu1");
        endpoint
            .headers
            .extend(key.map(|key| ("authorization".to_owned(), key.to_owned())));
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect();
        let target = Target::parse(&endpoint).expect("a good endpoint");
        Class::of(
            StatusCode::from_u16(status).expect("a status"),
            &headers,
            body.is_empty(),
            &target,
            None,
        )
    }

    #[test]
    fn a_clients_mistake_says_nothing_of_the_instance_and_is_not_repeated() {
        for status in [400, 404, 405, 413, 422] {
            let class = class(status, &[], "{}", None);
            assert_eq!(
                (class.outcome, class.again),
                (Outcome::ClientError, false),
                "{status}"
            );
        }
    }

    #[test]
    fn back_pressure_rests_for_as_long_as_was_asked() {
        let expected = Outcome::Busy {
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(class(429, &[("retry-after", "7")], "", None).outcome, expected);
        assert_eq!(class(503, &[("retry-after", "7")], "", None).outcome, expected);
    }

    #[test]
    fn a_bare_503_is_a_failure_that_another_instance_may_make_good() {
        let class = class(503, &[], "busy", None);
        assert!(class.outcome.is_instance_failure() && class.again);
    }

    #[test]
    fn a_refused_key_is_the_operators_matter_and_not_shown() {
        let refused = class(401, &[], "{\"error\":\"bad key\"}", Some("Bearer x"));
        assert_eq!(
            refused,
            Class {
                outcome: Outcome::Misconfigured,
                again: true,
                look: false,
                presentable: false
            }
        );
        assert_eq!(
            class(401, &[], "{\"error\":\"sign in\"}", None).outcome,
            Outcome::ClientError
        );
    }
}
