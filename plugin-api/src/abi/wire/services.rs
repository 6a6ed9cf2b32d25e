//! The host's services and their messages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::outcome::Outcome;
use crate::contract::requirement::Requirement;

/// Call: [`Host::lease`](crate::Host::lease). `Requirement` to `LeaseGrant`.
pub const LEASE: &str = "lease";
/// Call: [`Host::call`](crate::Host::call). [`MethodCall`] to the result.
pub const CALL: &str = "call";
/// Call: [`Host::instances`](crate::Host::instances). Null to a list of `InstanceView`.
pub const INSTANCES: &str = "instances";
/// Call: [`Host::secret`](crate::Host::secret). The name to the value.
pub const SECRET: &str = "secret";
/// Call: [`Host::bindings`](crate::Host::bindings). Null to a list of `Binding`.
pub const BINDINGS: &str = "bindings";
/// Open: [`Host::forward`](crate::Host::forward). A [frame](super::frame) of [`Forward`] and the bodies of its
/// variants, to [`Forwarded`] and the body as a stream.
pub const FORWARD: &str = "forward";
/// Open: [`Host::open`](crate::Host::open). [`MethodCall`] to a stream.
pub const OPEN: &str = "open";
/// Open: [`Host::control`](crate::Host::control). `Control` to a stream.
pub const CONTROL: &str = "control";
/// Notify: the end of a lease. [`Release`].
pub const RELEASE: &str = "release";
/// Notify: [`Host::publish`](crate::Host::publish). [`Publish`].
pub const PUBLISH: &str = "publish";
/// Notify: [`Host::warm`](crate::Host::warm). `Requirement`.
pub const WARM: &str = "warm";
/// Notify: [`Host::lost`](crate::Host::lost). [`Lost`].
pub const LOST: &str = "lost";

/// A method and what to call it with.
#[derive(Debug, Serialize, Deserialize)]
pub struct MethodCall {
    /// Its name.
    pub method: String,
    /// Its parameters.
    #[serde(default)]
    pub params: Value,
}

/// The end of a lease.
#[derive(Debug, Serialize, Deserialize)]
pub struct Release {
    /// Its number.
    pub lease: u64,
    /// How it went.
    pub outcome: Outcome,
}

/// An event for whoever follows them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Publish {
    /// What kind of event.
    pub kind: String,
    /// What there is to say.
    #[serde(default)]
    pub data: Value,
}

/// A resource that is gone.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lost {
    /// Its id.
    pub instance: String,
    /// What became of it.
    #[serde(default)]
    pub reason: String,
}

/// A request to send to an instance that fits.
#[derive(Debug, Serialize, Deserialize)]
pub struct Forward {
    /// What the instance must be.
    pub requirement: Requirement,
    /// The request in each dialect.
    pub variants: Vec<Variant>,
    /// How the answer is judged.
    #[serde(default)]
    pub relay: Option<String>,
}

/// A request in one dialect.
#[derive(Debug, Serialize, Deserialize)]
pub struct Variant {
    /// The dialect.
    pub dialect: String,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// How many bytes behind the head are its body; the bodies follow in the order of the variants.
    pub length: usize,
    /// How the answer in this dialect is judged.
    #[serde(default)]
    pub relay: Option<String>,
}

/// What is known of an instance's answer before its body.
#[derive(Debug, Serialize, Deserialize)]
pub struct Forwarded {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Which instance answered.
    #[serde(default)]
    pub instance: String,
    /// In which dialect.
    #[serde(default)]
    pub dialect: String,
    /// How many attempts it took.
    #[serde(default)]
    pub attempts: u32,
}
