//! Instances: one resource of a hub, and what it can do.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One resource of a hub: a server, a container, a process.
///
/// The hub describes it; the pool engine adds state, load and metrics of its own, which are never in here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceInstance {
    /// Unique within its hub and stable over restarts of the host; for servers, usually `host:port`.
    pub id: String,
    /// Where to send requests, for resources that speak HTTP.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The wire dialects it answers, for example `["openai"]`. A forwarded request names those it can use.
    #[serde(default)]
    pub dialects: Vec<String>,
    /// What it can do now. Replaced as a whole by each probe that reports capabilities.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Labels for hard selection, such as `gpu`.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// Its share of traffic under `weighted`, relative to its siblings. Positive; 1 unless configured.
    #[serde(default = "one")]
    pub weight: f64,
    /// Its tier under `priority_based`: the highest routable tier is used first.
    #[serde(default)]
    pub priority: i32,
    /// How many requests it takes at once; `None` is without limit.
    #[serde(default)]
    pub max_concurrent: Option<u32>,
    /// How the hub came by it.
    #[serde(default)]
    pub origin: Origin,
    /// Anything worth showing to an operator. Never secrets.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

fn one() -> f64 {
    1.0
}

impl ResourceInstance {
    /// An instance with this id and defaults for everything else.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            endpoint: None,
            dialects: Vec::new(),
            capabilities: Vec::new(),
            tags: BTreeSet::new(),
            weight: 1.0,
            priority: 0,
            max_concurrent: None,
            origin: Origin::Configured,
            metadata: Map::new(),
        }
    }

    /// The instance that an operator configured: identity, endpoint, tags and numbers are taken over.
    ///
    /// # Errors
    /// The URL is not an absolute `http` or `https` URL.
    pub fn from_settings(settings: &InstanceSettings) -> Result<Self, crate::Error> {
        Self::from_settings_of(settings, &[])
    }

    /// The same where URLs of other schemes are instances too, as the manifest's
    /// [`schemes`](crate::manifest::HubManifest::schemes) says. One that has a path and no authority, such as
    /// `unix:///run/some.sock`, is called by its path: `run-some.sock`.
    ///
    /// # Errors
    /// The URL is of none of these schemes, or leads nowhere.
    pub fn from_settings_of(settings: &InstanceSettings, schemes: &[&str]) -> Result<Self, crate::Error> {
        let url = settings.url.trim_end_matches('/');
        let name = url.split_once("://").and_then(|(scheme, rest)| match scheme {
            "http" | "https" => (!rest.is_empty() && !rest.starts_with('/')).then(|| rest.to_owned()),
            _ if schemes.contains(&scheme) => {
                let path = rest.trim_start_matches('/');
                (!path.is_empty()).then(|| path.replace('/', "-"))
            }
            _ => None,
        });
        let name = name.ok_or_else(|| {
            let known: Vec<String> = ["http", "https"]
                .iter()
                .chain(schemes)
                .map(|scheme| format!("{scheme}://"))
                .collect();
            let known = match known.split_last() {
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            };
            crate::Error::invalid(format!("`{}` is not an {known} URL", settings.url))
                .hint("write it like http://gpu1:11434")
        })?;
        let mut instance = Self::new(settings.id.clone().unwrap_or(name));
        instance.endpoint = Some(Endpoint::new(url));
        instance.tags = settings.tags.clone();
        instance.weight = settings.weight.unwrap_or(1.0);
        instance.priority = settings.priority.unwrap_or(0);
        instance.max_concurrent = settings.max_concurrent;
        Ok(instance)
    }
}

/// How a hub came by an instance. Only what the hub itself started is ever restarted or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Named in `plugins.toml`: stays, whatever its health.
    #[default]
    Configured,
    /// Found by the hub: goes when it is no longer found.
    Discovered,
    /// Started by the hub: restarted with back-off, stopped with the host.
    Started,
}

/// One entry of `instances = [...]` in `plugins.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceSettings {
    /// A name for status and logs; `host:port` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The server's base URL.
    #[schemars(extend("format" = "resource-url"))]
    pub url: String,
    /// Labels for hard selection.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Share of traffic under `weighted`; positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub weight: Option<f64>,
    /// Tier under `priority_based`; higher is used first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// How many requests at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_concurrent: Option<u32>,
    /// Settings that only the hub understands, checked against its manifest's instance schema.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
}

/// Where and how the host reaches an instance over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Base URL without a trailing slash: `http://gpu1:11434`. A request's path is appended.
    pub url: String,
    /// Headers added to every request to it, such as `authorization`. Treated as secrets: never shown.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The first matching path prefix is replaced, for servers whose routes live elsewhere.
    #[serde(default)]
    pub rewrites: Vec<(String, String)>,
}

impl Endpoint {
    /// An endpoint with no extra headers.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            rewrites: Vec::new(),
        }
    }

    /// The full URL of a path (with its query) on this endpoint: the first rewrite whose prefix ends where a
    /// segment of the path does is applied, so that `/v1` matches `/v1/models` and not `/v1beta`.
    pub fn url_of(&self, path: &str) -> String {
        for (from, to) in &self.rewrites {
            if let Some(rest) = path.strip_prefix(from.as_str())
                && (rest.is_empty() || rest.starts_with(['/', '?']))
            {
                return format!("{}{to}{rest}", self.url);
            }
        }
        format!("{}{path}", self.url)
    }
}

/// Something an instance can do, most often a model it holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Capability {
    /// The name as the instance itself spells it; compared by [`reference::normalise`](super::reference::normalise).
    pub name: String,
    /// Whether it can be used at once.
    #[serde(default)]
    pub residency: Residency,
    /// What it is good for: `completion`, `vision`, `embedding`, `tools`.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Content digest: equal digests are the same thing on different instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How it is loaded at the moment, as far as requests can ask for it: `{"num_ctx": 4096}`. Compared with
    /// [`Preference`](super::requirement::Requirement::prefer).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loaded_as: BTreeMap<String, i64>,
    /// Whatever else the hub knows of it, for lists and status.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// How close at hand a capability is. Ordered: later is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Residency {
    /// There, but must be brought in first (a model on disk).
    #[default]
    Stored,
    /// Usable at once (a model in memory).
    Loaded,
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, InstanceSettings, ResourceInstance};

    #[test]
    fn an_instance_is_at_a_url_of_a_scheme_that_its_hub_knows() {
        let at = |url: &str, schemes: &[&str]| {
            let settings = InstanceSettings {
                url: url.to_owned(),
                ..InstanceSettings::default()
            };
            ResourceInstance::from_settings_of(&settings, schemes)
        };
        assert_eq!(at("http://gpu1:11434/", &[]).unwrap().id, "gpu1:11434");
        assert_eq!(
            at("unix:///run/some.sock", &["unix"]).unwrap().id,
            "run-some.sock"
        );
        assert_eq!(at("tcp://gpu1:2376", &["unix", "tcp"]).unwrap().id, "gpu1:2376");
        for (url, schemes) in [
            ("unix:///run/some.sock", &[][..]),
            ("tcp://", &["tcp"][..]),
            ("http://", &["tcp"][..]),
        ] {
            assert!(at(url, schemes).is_err(), "{url}");
        }
        let refused = at("ftp://gpu1", &["tcp"]).unwrap_err();
        assert_eq!(
            refused.message,
            "`ftp://gpu1` is not an http://, https:// or tcp:// URL"
        );
    }

    #[test]
    fn a_path_is_appended_to_the_base_url() {
        let endpoint = Endpoint::new("http://gpu1:11434");
        assert_eq!(endpoint.url_of("/api/tags"), "http://gpu1:11434/api/tags");
    }

    #[test]
    fn a_rewrite_replaces_whole_segments_only() {
        let mut endpoint = Endpoint::new("https://host/v1beta/openai");
        endpoint.rewrites = vec![("/v1".into(), String::new())];
        let moved = |path| endpoint.url_of(path);
        assert_eq!(moved("/v1/models"), "https://host/v1beta/openai/models");
        assert_eq!(moved("/v1?a=1"), "https://host/v1beta/openai?a=1");
        assert_eq!(moved("/v1beta/x"), "https://host/v1beta/openai/v1beta/x");
    }
}
