//! Routing hints that any request may carry in headers, whatever its dialect.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use plugin_api::Error;
use plugin_api::contract::requirement::{Priority, Requirement, Strategy};

const STRATEGY: HeaderName = HeaderName::from_static("x-gleitzeit-strategy");
const TAGS: HeaderName = HeaderName::from_static("x-gleitzeit-tags");
const PRIORITY: HeaderName = HeaderName::from_static("x-gleitzeit-priority");
const AFFINITY: HeaderName = HeaderName::from_static("x-gleitzeit-affinity");
const QUEUE_TIMEOUT: HeaderName = HeaderName::from_static("x-gleitzeit-queue-timeout");
const INSTANCE: HeaderName = HeaderName::from_static("x-gleitzeit-instance");

/// An affinity key longer than this is refused; a key is a name, not a document.
const LONGEST_KEY: usize = 256;

/// What a caller asked for in `x-gleitzeit-*` headers. They win over what the provider read from the body.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hints {
    /// `x-gleitzeit-strategy`.
    pub strategy: Option<Strategy>,
    /// `x-gleitzeit-tags`, separated by commas.
    pub tags: BTreeSet<String>,
    /// `x-gleitzeit-priority`.
    pub priority: Option<Priority>,
    /// `x-gleitzeit-affinity`.
    pub affinity: Option<String>,
    /// `x-gleitzeit-queue-timeout`, such as `5s`.
    pub queue_timeout: Option<Duration>,
    /// `x-gleitzeit-instance`: only this one.
    pub instance: Option<String>,
}

impl Hints {
    /// Reads the headers.
    ///
    /// # Errors
    /// A value that is not what its header takes; the message lists what it takes.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let mut hints = Self::default();
        if !headers
            .keys()
            .any(|name| name.as_str().starts_with("x-gleitzeit-"))
        {
            return Ok(hints);
        }
        let text = |name: &HeaderName| match headers.get(name).map(|value| value.to_str()) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text.trim())),
            Some(Err(_)) => Err(Error::invalid(format!("the header {name} is not plain text"))),
        };
        hints.strategy = text(&STRATEGY)?.map(str::parse).transpose()?;
        hints.priority = text(&PRIORITY)?.map(str::parse).transpose()?;
        hints.instance = text(&INSTANCE)?.map(str::to_owned);
        hints.tags = text(&TAGS)?
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect();
        hints.affinity = text(&AFFINITY)?.map(str::to_owned);
        if hints.affinity.as_ref().is_some_and(|key| key.len() > LONGEST_KEY) {
            return Err(Error::invalid(format!(
                "the header {AFFINITY} is longer than {LONGEST_KEY} bytes"
            )));
        }
        hints.queue_timeout = text(&QUEUE_TIMEOUT)?
            .map(|text| {
                humantime::parse_duration(text).map_err(|error| {
                    Error::invalid(format!("the header {QUEUE_TIMEOUT}: {error}; write it like 5s"))
                })
            })
            .transpose()?;
        Ok(hints)
    }

    /// Adds them to what a request needs.
    pub fn apply(&self, requirement: &mut Requirement) {
        requirement.strategy = self.strategy.or(requirement.strategy);
        requirement.priority = self.priority.unwrap_or(requirement.priority);
        requirement.queue_timeout = self.queue_timeout.or(requirement.queue_timeout);
        requirement.tags.extend(self.tags.iter().cloned());
        if self.affinity.is_some() {
            requirement.affinity.clone_from(&self.affinity);
        }
        if self.instance.is_some() {
            requirement.instance.clone_from(&self.instance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(pairs: &[(&'static str, &'static str)]) -> Result<Hints, Error> {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect();
        Hints::from_headers(&headers)
    }

    #[test]
    fn every_hint_reaches_the_requirement() {
        let mut requirement = Requirement::default();
        hints(&[
            ("x-gleitzeit-strategy", "hash_based"),
            ("x-gleitzeit-tags", "gpu, big"),
            ("x-gleitzeit-priority", "high"),
            ("x-gleitzeit-affinity", "me"),
            ("x-gleitzeit-queue-timeout", "5s"),
        ])
        .expect("good hints")
        .apply(&mut requirement);
        assert_eq!(requirement.strategy, Some(Strategy::HashBased));
        assert_eq!(requirement.tags, ["big".to_owned(), "gpu".to_owned()].into());
        assert_eq!(requirement.priority, Priority::High);
        assert_eq!(requirement.affinity.as_deref(), Some("me"));
        assert_eq!(requirement.queue_timeout, Some(Duration::from_secs(5)));
    }

    #[test]
    fn an_unknown_strategy_is_refused_with_the_known_ones() {
        let error = hints(&[("x-gleitzeit-strategy", "best")]).expect_err("no such strategy");
        assert!(error.message.contains("model_affinity"), "{error}");
    }

    #[test]
    fn other_headers_are_no_hints() {
        assert_eq!(
            hints(&[("x-strategy", "best")]).expect("no hints"),
            Hints::default()
        );
    }
}
