//! What is wanted: parameters of `manager/allocate`, and what they mean in the engine's terms.

use std::collections::BTreeSet;

use plugin_api::contract::requirement::{Priority, Requirement, Strategy};
use plugin_api::manifest::HubManifest;
use plugin_api::{Error, ErrorCode, Fault};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::manager::methods::Span;
use crate::manager::{Manager, Who, list, needs_admin};
use crate::pool::Pool;

/// Parameters of `manager/allocate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllocateParams {
    /// What is wanted: all of it, or nothing.
    #[schemars(length(min = 1, max = 32))]
    pub resources: Vec<Wanted>,
    /// How long it lasts unless renewed, in seconds or as text; five minutes where absent, a day at most.
    #[serde(default)]
    pub ttl: Option<Span>,
    /// How long to wait until all of it is free, in seconds or as text; half a minute where absent, zero not to wait.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// The class in the queues, as far as the key allows.
    #[serde(default)]
    #[schemars(schema_with = "priorities")]
    pub priority: Option<Priority>,
}

/// One resource that is wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// The hub it shall be from.
    pub hub: Option<String>,
    /// The kind of resource; of several hubs that provide it the first that has one free is taken.
    pub kind: Option<String>,
    /// The one instance, by id.
    pub instance: Option<String>,
    /// What it must be able to do, such as a model.
    pub capability: Option<String>,
    /// Features the capability must have.
    pub features: BTreeSet<String>,
    /// Tags it must carry, all of them.
    pub tags: BTreeSet<String>,
    /// How it is chosen among those that fit; where absent the hub's own strategy, and for an exclusive one the
    /// least loaded.
    #[schemars(schema_with = "strategies")]
    pub strategy: Option<Strategy>,
    /// Wants with equal keys get the same instance under `hash_based`.
    pub affinity_key: Option<String>,
    /// Nobody else uses it meanwhile: it is waited for until it is idle. For administrators.
    pub exclusive: bool,
    /// A resource of the hub's warm pool that was started by exactly this. For administrators.
    pub specification: Option<Value>,
}

fn priorities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "enum": [null, "low", "normal", "high", "urgent"] })
}

fn strategies(_: &mut SchemaGenerator) -> Schema {
    let mut names: Vec<Value> = Strategy::ALL.iter().map(|(_, name)| (*name).into()).collect();
    names.push(Value::Null);
    json_schema!({ "type": ["string", "null"], "enum": names })
}

/// One resource that is wanted, in the engine's terms.
#[derive(Debug)]
pub(super) struct Want {
    /// Its place in the request.
    pub(super) index: usize,
    pub(super) requirement: Requirement,
    /// Where it may come from, in order of preference.
    pub(super) pools: Vec<Pool>,
    pub(super) exclusive: bool,
}

impl Want {
    /// # Errors
    /// It says nothing of what is wanted, names what does not exist, or wants what only an administrator may.
    pub(super) fn new(
        manager: &Manager,
        index: usize,
        wanted: Wanted,
        priority: Option<Priority>,
        who: &Who,
    ) -> Result<Self, Error> {
        if wanted.specification.is_some() && !who.admin {
            return Err(needs_admin("an allocation with a `specification`"));
        }
        if wanted.exclusive && !who.admin {
            return Err(needs_admin("an `exclusive` allocation"));
        }
        let mut pools = pools(manager, &wanted)?;
        if wanted.exclusive && wanted.specification.is_none() {
            pools = without_engines(manager, pools)?;
        }
        let strategy = wanted
            .strategy
            .or_else(|| wanted.exclusive.then_some(Strategy::LeastLoaded));
        let requirement = Requirement {
            capability: wanted.capability,
            features: wanted.features,
            tags: wanted.tags,
            strategy,
            affinity: wanted.affinity_key,
            instance: wanted.instance,
            priority: priority.unwrap_or_default().min(who.max_priority),
            queue_timeout: Some(super::LONGEST_WAIT),
            // What is started by a specification is nobody else's anyway.
            specification: wanted.specification,
            ..Requirement::default()
        };
        let exclusive = wanted.exclusive && requirement.specification.is_none();
        Ok(Self {
            index,
            requirement,
            pools,
            exclusive,
        })
    }

    /// The error, with which of the wanted resources it is about.
    pub(super) fn explain(&self, mut error: Error) -> Error {
        error.message = format!("resource {}: {}", self.index + 1, error.message);
        error.detail("resource", self.index)
    }
}

/// Whoever had an engine alone would keep everybody from starting anything on it.
fn without_engines(manager: &Manager, pools: Vec<Pool>) -> Result<Vec<Pool>, Error> {
    let hubs = manager.hubs();
    let is_engine = |pool: &Pool| {
        let hub = hubs.iter().find(|hub| hub.name == pool.name());
        hub.is_some_and(|hub| starts_workloads(hub.driver.manifest()))
    };
    let (engines, others): (Vec<_>, Vec<_>) = pools.into_iter().partition(is_engine);
    match (others.is_empty(), engines.first()) {
        (true, Some(engine)) => {
            let message = format!(
                "the instances of the hub `{}` are what it starts things on, and nobody may have one exclusively",
                engine.name()
            );
            Err(Error::invalid(message).hint(
                "leave out `exclusive`, or say by a `specification` what is to be started for you alone",
            ))
        }
        _ => Ok(others),
    }
}

/// Whether a hub's instances are engines, on which it starts workloads for others: programs, which have to be named. A
/// hub that starts servers of its own kind can do without.
fn starts_workloads(manifest: &HubManifest) -> bool {
    let required = manifest
        .start
        .as_ref()
        .and_then(|start| start["required"].as_array());
    required.is_some_and(|names| names.iter().any(|name| name == "command"))
}

fn pools(manager: &Manager, wanted: &Wanted) -> Result<Vec<Pool>, Error> {
    let says_nothing = wanted.hub.is_none()
        && wanted.kind.is_none()
        && wanted.instance.is_none()
        && wanted.capability.is_none()
        && wanted.tags.is_empty();
    if says_nothing {
        return Err(Error::invalid("it says nothing of what is wanted")
            .hint("name a `hub`, a `kind`, an `instance`, a `capability` or `tags`"));
    }
    if wanted.specification.is_some() && wanted.hub.is_none() && wanted.kind.is_none() {
        return Err(Error::invalid("a `specification` needs a `hub` or a `kind`"));
    }
    let of_kind = |pool: &Pool| wanted.kind.as_deref().is_none_or(|kind| pool.provides() == kind);
    if let Some(name) = &wanted.hub {
        let pool = manager.hub(name)?.pool.clone();
        if !of_kind(&pool) {
            let message = format!("the hub `{name}` provides `{}`", pool.provides());
            return Err(Error::invalid(message).hint("leave out `kind`, or name another hub"));
        }
        return Ok(vec![pool]);
    }
    if let (Some(instance), None) = (&wanted.instance, &wanted.kind) {
        return Ok(vec![manager.pool_of(None, instance)?]);
    }
    let hubs = manager.hubs();
    let pools: Vec<_> = hubs.iter().map(|hub| hub.pool.clone()).filter(of_kind).collect();
    if pools.is_empty() {
        let kinds: BTreeSet<_> = hubs.iter().map(|hub| hub.pool.provides()).collect();
        let kinds: Vec<_> = kinds.into_iter().collect();
        let message = match &wanted.kind {
            Some(kind) => format!("no hub provides `{kind}`; there are: {}", list(&kinds)),
            None => "there are no hubs".to_owned(),
        };
        return Err(Error::new(ErrorCode::NOT_FOUND, Fault::Client, message));
    }
    Ok(pools)
}
