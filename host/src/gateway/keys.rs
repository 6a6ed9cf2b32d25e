//! Keys: who is asking, and what they may do.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use plugin_api::contract::requirement::Priority;
use plugin_api::{Error, ErrorCode, Fault};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::budget::Budget;
use super::slots::Slots;
use crate::config::secrets::SHORTEST_KEY;
use crate::config::settings::KeySettings;

/// A caller that is known, or anonymous where no keys are configured.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    pub name: Arc<str>,
    pub admin: bool,
    pub max_priority: Priority,
    /// Whether it showed a key: then it is no page that tricked a browser.
    pub by_key: bool,
    /// Its own limit, besides everyone's.
    pub slots: Option<Arc<Slots>>,
    /// Where its answers count until it has read them.
    pub answers: Arc<Budget>,
}

/// All keys, as hashes: the keys themselves are forgotten after start.
#[derive(Debug)]
pub(super) struct KeyRing {
    keys: Vec<([u8; 32], Principal)>,
    anonymous: Principal,
}

impl KeyRing {
    /// Reads every key from its source. No keys: everyone is let in, as anonymous administrator. Of the budget for
    /// `answers` one of several keys may have half, so that whoever reads none of his leaves room for the others.
    ///
    /// # Errors
    /// A source cannot be read, is readable by others, or holds a key that is too short or used twice.
    pub(super) fn read(settings: &[KeySettings], answers: &Arc<Budget>) -> Result<Self, Error> {
        let mut keys: Vec<([u8; 32], Principal)> = Vec::with_capacity(settings.len());
        for key in settings {
            let secret = crate::config::secrets::read(&key.source)
                .map_err(|error| refusal(&key.name, error.to_string()))?;
            if secret.expose().len() < SHORTEST_KEY {
                return Err(
                    refusal(&key.name, format!("it has fewer than {SHORTEST_KEY} characters"))
                        .hint("make one with `openssl rand -hex 32`"),
                );
            }
            let digest: [u8; 32] = Sha256::digest(secret.expose()).into();
            if let Some((_, other)) = keys.iter().find(|(known, _)| *known == digest) {
                return Err(refusal(
                    &key.name,
                    format!("it is the same as key `{}`", other.name),
                ));
            }
            let principal = Principal {
                name: key.name.as_str().into(),
                admin: key.admin,
                max_priority: key.max_priority,
                by_key: true,
                slots: key.max_concurrent.map(|limit| Slots::new(limit as usize)),
                answers: match settings.len() {
                    1 => answers.clone(),
                    _ => answers.part(answers.limit() / 2),
                },
            };
            keys.push((digest, principal));
        }
        let anonymous = Principal {
            name: "anonymous".into(),
            admin: true,
            max_priority: Priority::Urgent,
            by_key: false,
            slots: None,
            answers: answers.clone(),
        };
        Ok(Self { keys, anonymous })
    }

    /// Whether everyone is let in.
    pub(super) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Nobody in particular.
    pub(super) fn anonymous(&self) -> &Principal {
        &self.anonymous
    }

    /// Who sends these headers: `authorization: Bearer KEY`, or `x-api-key: KEY`.
    ///
    /// # Errors
    /// No key, or one nobody knows. Both take the same time for every key, right or wrong.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<&Principal, Error> {
        if self.keys.is_empty() {
            return Ok(&self.anonymous);
        }
        let Some(presented) = presented(headers) else {
            return Err(unauthenticated("a key is needed and none was sent"));
        };
        let digest: [u8; 32] = Sha256::digest(presented).into();
        // Every key is compared, whichever fits: the time taken must not say which, or how nearly.
        let mut found = u32::MAX;
        for (index, (known, _)) in (0u32..).zip(&self.keys) {
            let equal: Choice = known.ct_eq(&digest);
            found = u32::conditional_select(&found, &index, equal);
        }
        self.keys
            .get(found as usize)
            .map(|(_, principal)| principal)
            .ok_or_else(|| unauthenticated("the key that was sent is not known here"))
    }
}

/// The key in the request, whichever way it was sent.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii());
    }
    headers.get("x-api-key").map(|value| value.as_bytes())
}

fn unauthenticated(message: &str) -> Error {
    Error::new(ErrorCode::UNAUTHENTICATED, Fault::Client, message).hint(
        "send `authorization: Bearer KEY` or `x-api-key: KEY` with a key from the operator's `[host] keys`",
    )
}

fn refusal(name: &str, why: String) -> Error {
    Error::new(
        ErrorCode::CONFIGURATION,
        Fault::Client,
        format!("key `{name}` cannot be used: {why}"),
    )
}

#[cfg(test)]
mod tests;
