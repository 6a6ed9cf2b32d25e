//! One allocation: what it has, whose it is, until when.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use plugin_api::ResourceInstance;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::time::Tick;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::take::Taken;
use crate::pool::{Hold, Lease, LossWatch, Reservation};

/// What keeps one resource. Dropping it gives the resource back.
#[derive(Debug)]
struct Grip {
    keeps: Keeps,
    /// Opened to others after our own place is given up.
    _reservation: Option<Reservation>,
}

#[derive(Debug)]
enum Keeps {
    /// A place of an instance, or all of it.
    Place { _hold: Hold },
    /// A resource of a warm pool.
    Warm(Lease),
}

/// One resource of an allocation.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) hub: String,
    kind: String,
    /// As it was when it was allocated; without secrets.
    instance: ResourceInstance,
    exclusive: bool,
    queued: Duration,
    /// For a resource of a warm pool: how often it has been used, this time included.
    uses: u32,
    pub(super) watch: LossWatch,
    lost: Mutex<Option<String>>,
}

/// Resources kept for somebody.
#[derive(Debug)]
pub struct Allocation {
    pub(super) id: String,
    pub(super) principal: String,
    created: SystemTime,
    pub(super) resources: Vec<Resource>,
    state: Mutex<State>,
    /// Its time or its life has changed.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct State {
    ttl: Duration,
    expires: Tick,
    renewals: u32,
    /// `None` once it has ended.
    grips: Option<Vec<Grip>>,
}

impl Allocation {
    pub(super) fn new(id: String, principal: &str, taken: Vec<Taken>, ttl: Duration, now: Tick) -> Self {
        let (resources, grips) = taken.into_iter().filter_map(settle).unzip();
        Self {
            id,
            principal: principal.to_owned(),
            created: SystemTime::now(),
            resources,
            state: Mutex::new(State {
                ttl,
                expires: now.after(ttl),
                renewals: 0,
                grips: Some(grips),
            }),
            changed: Notify::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When its time is over.
    pub(super) fn expires(&self) -> Tick {
        self.state.lock().expires
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().grips.is_none()
    }

    /// From now on it lasts this long, or as long as before. `false` if it has ended.
    pub(super) fn renew(&self, ttl: Option<Duration>, now: Tick) -> bool {
        let mut state = self.state.lock();
        if state.grips.is_none() {
            return false;
        }
        state.ttl = ttl.unwrap_or(state.ttl);
        state.expires = now.after(state.ttl);
        state.renewals += 1;
        drop(state);
        self.changed.notify_waiters();
        true
    }

    /// Gives everything back; `false` if it has ended before. What may still be in use (`clean` is false) is not given
    /// to others: resources of a warm pool are thrown away.
    pub(super) fn end(&self, clean: bool) -> bool {
        let grips = self.state.lock().grips.take();
        self.changed.notify_waiters();
        let Some(grips) = grips else { return false };
        for grip in grips {
            if let (true, Keeps::Warm(lease)) = (clean, grip.keeps) {
                lease.finish(Outcome::Success);
            }
        }
        true
    }

    /// A resource of it was lost.
    pub(super) fn note_loss(&self, index: usize, reason: String) {
        if let Some(resource) = self.resources.get(index) {
            *resource.lost.lock() = Some(reason);
        }
    }

    /// The names of its hubs, each once.
    pub(super) fn hubs(&self) -> Vec<&str> {
        let mut hubs: Vec<_> = self
            .resources
            .iter()
            .map(|resource| resource.hub.as_str())
            .collect();
        hubs.sort_unstable();
        hubs.dedup();
        hubs
    }

    /// How it is shown: to its owner, and in status. Never with secrets.
    pub(super) fn to_json(&self, now: Tick) -> Value {
        let state = self.state.lock();
        let left = state.expires.since(now);
        let (ttl, renewals) = (state.ttl, state.renewals);
        drop(state);
        json!({
            "allocation": self.id,
            "principal": self.principal,
            "created": humantime::format_rfc3339_millis(self.created).to_string(),
            "expires": humantime::format_rfc3339_millis(SystemTime::now() + left).to_string(),
            "expires_in_ms": millis(left),
            "ttl_ms": millis(ttl),
            "renewals": renewals,
            "resources": self.resources.iter().map(Resource::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Resource {
    pub(super) fn id(&self) -> &str {
        &self.instance.id
    }

    fn to_json(&self) -> Value {
        json!({
            "hub": self.hub,
            "kind": self.kind,
            "instance": self.instance.id,
            "url": self.instance.endpoint.as_ref().map(|endpoint| &endpoint.url),
            "dialects": self.instance.dialects,
            "tags": self.instance.tags,
            "metadata": self.instance.metadata,
            "exclusive": self.exclusive,
            "queued_ms": millis(self.queued),
            "uses": self.uses,
            "lost": *self.lost.lock(),
        })
    }

    pub(super) fn exclusive(&self) -> bool {
        self.exclusive
    }
}

/// Takes out what only its owner and administrators may know of an allocation: whose it is, where its resources are, and
/// what their hubs say of them.
pub(super) fn conceal(shown: &mut Value) {
    shown["principal"] = Value::Null;
    let resources = shown["resources"].as_array_mut();
    for resource in resources.into_iter().flatten().filter_map(Value::as_object_mut) {
        resource.remove("url");
        resource.remove("metadata");
    }
}

/// From something taken to something kept.
fn settle(taken: Taken) -> Option<(Resource, Grip)> {
    let warm = taken.is_warm();
    let (lease, reservation, pool) = taken.keep();
    let lease = lease?;
    let watch = lease.loss_watch();
    let exclusive = reservation.is_some() || warm;
    let resource = Resource {
        hub: pool.name().to_owned(),
        kind: pool.provides().to_owned(),
        instance: watch.view().instance,
        exclusive,
        queued: lease.queued(),
        uses: lease.uses(),
        watch,
        lost: Mutex::default(),
    };
    let keeps = match warm {
        true => Keeps::Warm(lease),
        false => Keeps::Place { _hold: lease.hold() },
    };
    let grip = Grip {
        keeps,
        _reservation: reservation,
    };
    Some((resource, grip))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An allocation, shared by the book and its keeper.
pub(super) type Shared = Arc<Allocation>;
