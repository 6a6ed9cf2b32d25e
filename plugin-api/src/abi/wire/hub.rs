//! A hub's operations and their messages.
//!
//! The messages are generic over how they hold an instance: by reference where they are written, owned where they
//! are read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Query: [`Hub::adopt`](crate::Hub::adopt). `InstanceSettings` to `ResourceInstance`.
pub const ADOPT: &str = "adopt";
/// Call: [`Hub::discover`](crate::Hub::discover). Nothing to a list of `ResourceInstance`.
pub const DISCOVER: &str = "discover";
/// Call: [`Hub::probe`](crate::Hub::probe). `ResourceInstance` to `Probe`.
pub const PROBE: &str = "probe";
/// Call: [`Hub::refresh`](crate::Hub::refresh). `ResourceInstance` to a list of `Capability`, or null.
pub const REFRESH: &str = "refresh";
/// Call: [`Hub::prepare`](crate::Hub::prepare). [`Prepare`] to null.
pub const PREPARE: &str = "prepare";
/// Call: [`Hub::start`](crate::Hub::start). The specification to `ResourceInstance`.
pub const START: &str = "start";
/// Call: [`Hub::stop`](crate::Hub::stop). `ResourceInstance` to null.
pub const STOP: &str = "stop";
/// Call: [`Hub::reset`](crate::Hub::reset). `ResourceInstance` to null.
pub const RESET: &str = "reset";
/// Open: [`Hub::control`](crate::Hub::control). [`Control`] to a stream of [`ControlItem`].
pub const CONTROL: &str = "control";

/// What to make usable.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prepare<I> {
    /// Where.
    pub instance: I,
    /// What.
    pub capability: String,
    /// How.
    #[serde(default)]
    pub hint: Option<Value>,
}

/// A verb to carry out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Control<I> {
    /// Which.
    pub verb: String,
    /// With what.
    #[serde(default)]
    pub arguments: Value,
    /// On what, where it is about one instance.
    #[serde(default = "none")]
    pub instance: Option<I>,
}

fn none<I>() -> Option<I> {
    None
}

/// One item of a verb's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlItem {
    /// How far it is.
    Progress(Value),
    /// What came of it; always last.
    Result(Value),
}
